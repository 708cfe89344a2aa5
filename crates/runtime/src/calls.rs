//! The calls of a task to services outside: asked ahead of the events that need them, many at a time, and used in order.
//!
//! A call is known by the event it is made for, the step and what it asks. It is made by a task of the worker's own executor, so
//! that other work goes on. What a commit used is taken into its order record; a replay finds it there.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use riverrun_event::{OperatorName, Time};
use riverrun_log::CallAnswer;
use riverrun_topology::operators::lookup::{Answer, Answered, Ask, AskError, Calling, Question};
use riverrun_topology::{Answers, panic_message};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The wait before the second attempt; each later one is twice as long.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Answers a task remembers for later events, at most.
const CACHED_MAX: usize = 10_000;

/// Which call it is: by whom, for which event (its position, or its timer's id), and what is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    cause: Arc<str>,
    question: Question,
}

/// The calls of one task.
pub(crate) struct Calls {
    /// Those under way, and those that were answered and not used yet.
    known: HashMap<Call, Option<Answer>>,
    under_way: JoinSet<(Call, Answer)>,
    /// How many of each step are under way.
    counts: HashMap<OperatorName, usize>,
    cache: HashMap<Question, (Answer, Time)>,
    /// For how long the answers of a step count for the same question.
    cached_for: HashMap<OperatorName, Duration>,
    /// Tells the worker that there are new answers.
    answered: watch::Sender<u64>,
    /// What the events of this commit have used.
    used: Vec<CallAnswer>,
}

/// The answers for one event, as its step sees them.
pub(crate) struct AnswersFor<'c> {
    calls: &'c mut Calls,
    cause: &'c str,
    /// When the event was accepted: for a cached answer that is now, and the same in every run.
    at: Time,
    /// Whether what is given counts as used.
    counts: bool,
}

impl Calls {
    pub(crate) fn new(answered: watch::Sender<u64>, cached_for: HashMap<OperatorName, Duration>) -> Self {
        Self {
            known: HashMap::new(),
            under_way: JoinSet::new(),
            counts: HashMap::new(),
            cache: HashMap::new(),
            cached_for,
            answered,
            used: Vec::new(),
        }
    }

    /// The answers for the event of a cause; those of a step that only looks ahead do not count as used.
    pub(crate) fn answers<'c>(&'c mut self, cause: &'c str, at: Time, counts: bool) -> AnswersFor<'c> {
        AnswersFor { calls: self, cause, at, counts }
    }

    /// Whether the answer to a question of an event is there.
    pub(crate) fn is_answered(&self, cause: &str, question: &Question) -> bool {
        let call = Call { cause: cause.into(), question: question.clone() };
        self.known.get(&call).is_some_and(Option::is_some)
    }

    /// Takes over an answer that was waited for.
    pub(crate) fn answered(&mut self, cause: &str, question: Question, answer: Answer) {
        self.known.insert(Call { cause: cause.into(), question }, Some(answer));
    }

    /// How many answers the events of this commit have used so far.
    pub(crate) fn used(&self) -> usize {
        self.used.len()
    }

    /// Takes back what an event has used that has to wait for more.
    pub(crate) fn unuse(&mut self, used: usize) {
        self.used.truncate(used);
    }

    /// Asks, unless that is done already; false when as many calls of the step are under way as may be.
    pub(crate) fn ask(&mut self, cause: &str, question: Question, calling: &Calling) -> bool {
        let call = Call { cause: cause.into(), question };
        if self.known.contains_key(&call) {
            return true;
        }
        let under_way = self.counts.entry(call.question.operator.clone()).or_default();
        if *under_way >= calling.concurrency {
            return false;
        }
        *under_way += 1;
        self.known.insert(call.clone(), None);
        let (calling, answered) = (calling.clone(), self.answered.clone());
        self.under_way.spawn(async move {
            let answer = ask(&calling, call.question.request.clone()).await;
            answered.send_modify(|count| *count += 1);
            (call, answer)
        });
        true
    }

    /// Takes over the answers that have come.
    pub(crate) fn collect(&mut self) {
        while let Some(joined) = self.under_way.try_join_next() {
            // Panics of the function are answers; a call that was aborted goes away with its task.
            let Ok((call, answer)) = joined else { continue };
            if let Some(under_way) = self.counts.get_mut(&call.question.operator) {
                *under_way = under_way.saturating_sub(1);
            }
            self.known.insert(call, Some(answer));
        }
    }

    /// What was answered in a recorded run.
    pub(crate) fn remember(&mut self, answers: &[CallAnswer]) {
        for CallAnswer { call, answer } in answers {
            if let (Some(call), Some(answer)) = (Call::from_bytes(call), Answer::from_bytes(answer)) {
                self.known.insert(call, Some(answer));
            }
        }
    }

    /// What the events of the commit have used. They are behind it, and so are their calls.
    pub(crate) fn take_used(&mut self) -> Vec<CallAnswer> {
        std::mem::take(&mut self.used)
    }

    /// Forgets what these events have asked; none of them is stepped again.
    pub(crate) fn forget(&mut self, causes: &HashSet<String>) {
        if !causes.is_empty() {
            self.known.retain(|call, _| !causes.contains(&*call.cause));
        }
    }

    /// Forgets everything that was asked.
    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Puts an answer where later events find it, if they may use it. What failed is asked again.
    fn keep(&mut self, question: &Question, answer: &Answer, at: Time) {
        let (Some(cached_for), Answer::Json(_)) = (self.cached_for.get(&question.operator), answer) else { return };
        if self.cache.len() >= CACHED_MAX {
            self.cache.clear();
        }
        self.cache.insert(question.clone(), (answer.clone(), at.plus(*cached_for)));
    }
}

impl Answers for AnswersFor<'_> {
    fn answer(&mut self, question: &Question) -> Option<Answer> {
        let call = Call { cause: self.cause.into(), question: question.clone() };
        let known = self.calls.known.get(&call).cloned().flatten();
        if let Some(known) = known.as_ref().filter(|_| self.counts) {
            self.calls.keep(question, known, self.at);
        }
        let cached =
            || self.calls.cache.get(question).filter(|(_, until)| *until > self.at).map(|(answer, _)| answer.clone());
        let answer = known.or_else(cached)?;
        if self.counts {
            self.calls.used.push(CallAnswer { call: call.to_bytes(), answer: answer.to_bytes() });
        }
        Some(answer)
    }
}

impl Call {
    /// Cause, step and question, the first two ended by a zero.
    fn to_bytes(&self) -> Bytes {
        let parts = [self.cause.as_bytes(), b"\0", self.question.operator.as_str().as_bytes(), b"\0"];
        [&parts.concat(), &self.question.request[..]].concat().into()
    }

    fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let rest = bytes.slice(end + 1..);
        let middle = rest.iter().position(|byte| *byte == 0)?;
        let cause = std::str::from_utf8(bytes.get(..end)?).ok()?.into();
        let operator = OperatorName::internal(std::str::from_utf8(rest.get(..middle)?).ok()?).ok()?;
        Some(Self { cause, question: Question { operator, request: rest.slice(middle + 1..) } })
    }
}

/// Makes a call, as often as it may be tried.
pub(crate) async fn ask(calling: &Calling, request: Bytes) -> Answer {
    let Some(function) = &calling.function else { return Answer::Failed("nobody was registered to ask".to_owned()) };
    let mut backoff = BACKOFF_FIRST;
    for attempt in 1..=calling.attempts.max(1) {
        let message = match tokio::time::timeout(calling.timeout, ask_once(function, request.clone())).await {
            Ok(Ok(json)) => return Answer::Json(json),
            Ok(Err(AskError::Refused(message))) => return Answer::Failed(message),
            Ok(Err(AskError::Retry(message))) => message,
            Err(_) => format!("no answer within {} ms", calling.timeout.as_millis()),
        };
        if attempt == calling.attempts.max(1) {
            let tried = if attempt > 1 { format!(" (tried {attempt} times)") } else { String::new() };
            return Answer::Failed(format!("{message}{tried}"));
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
    Answer::Failed("it was never tried".to_owned())
}

/// Asks once. A function that panics would do so again, so it has failed for good.
async fn ask_once(function: &Arc<dyn Ask>, request: Bytes) -> Answered {
    let asking = AssertUnwindSafe(async { function.ask(request).await });
    asking
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(AskError::Refused(format!("the function panicked: {}", panic_message(&*panic)))))
}
