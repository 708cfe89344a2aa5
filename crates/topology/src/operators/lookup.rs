//! `lookup`: asks a service outside about each event and puts its answer into the data: an HTTP GET, or an async function of the
//! service that the library runs in.
//!
//! The step itself stays pure. It says what it needs to know ([`StepError::Waits`]); the runtime asks, many at a time, and steps
//! the event again when the answer is there. Events leave in the order in which they came. What was answered is kept in the
//! commit that used it, so a replay asks nobody.
//!
//! Keys, partitions and time: unchanged. State: none.
//!
//! ```
//! use riverrun_topology::Expression;
//! use riverrun_topology::document::Path;
//! use riverrun_topology::operators::lookup::{Calling, Lookup, OnFailure};
//!
//! let customer = Lookup {
//!     request: Expression::parse("'http://127.0.0.1:9000/customers/' + data.customer_id")?,
//!     place: Path::parse("data.customer")?,
//!     calling: Calling::get(),
//!     on_failure: OnFailure::Error,
//! };
//! assert_eq!(customer.calling.attempts, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use riverrun_event::OperatorName;

use crate::context::{Answers, Flow, StepError};
use crate::document::{Json, Path};
use crate::draft::{DataError, Draft};
use crate::expression::{Expression, Value};

use super::{data_failed, evaluation_failed, event_error};

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Gives what is asked: the address of a GET, or what the function gets. Null asks nothing and answers null.
    pub request: Expression,
    /// Where the answer is put.
    pub place: Path,
    /// Who is asked, and how.
    pub calling: Calling,
    /// What happens when there is no answer.
    pub on_failure: OnFailure,
}

/// Who is asked, and how.
#[derive(Clone)]
pub struct Calling {
    /// Who is asked.
    pub whom: Whom,
    /// The function that asks; `None` until it is registered, and such a pipeline does not start.
    pub function: Option<Arc<dyn Ask>>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often it is tried.
    pub attempts: u32,
    /// How many calls of a task are under way at once.
    pub concurrency: usize,
    /// For how long an answer counts for the same question; without it every event asks.
    pub cache: Option<Duration>,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// An HTTP server, by GET.
    Http,
    /// A function that the service registered under this name.
    Function(String),
}

impl fmt::Display for Whom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => formatter.write_str("an HTTP server"),
            Self::Function(name) => write!(formatter, "the function {name:?}"),
        }
    }
}

/// What happens when there is no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is the event's error; the pipeline's `on_error` decides.
    #[default]
    Error,
    /// The event goes on with null in the place of the answer.
    Null,
}

/// What comes back: JSON, or why there is none.
pub type Answered = Result<Bytes, AskError>;

/// Asks about one event. It may take its time, and may be asked again for the same event.
pub trait Ask: Send + Sync {
    /// Asks; `request` is text for a text, else JSON.
    fn ask(&self, request: Bytes) -> Pin<Box<dyn Future<Output = Answered> + Send>>;
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Asking again may help.
    #[error("{0}")]
    Retry(String),
    /// Asking again would give the same.
    #[error("{0}")]
    Refused(String),
}

/// A question that a step has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The step.
    pub operator: OperatorName,
    /// What it asks.
    pub request: Bytes,
}

/// The answer to a question, as it is kept: JSON, or the message of the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// JSON.
    Json(Bytes),
    /// There is none; the message says why.
    Failed(String),
}

impl OnFailure {
    /// The word of the app file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Null => "null",
        }
    }
}

impl Calling {
    /// How long an attempt may take where nothing is said.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
    /// How often it is tried where nothing is said.
    pub const ATTEMPTS_DEFAULT: u32 = 3;
    /// Calls at once where nothing is said: a service that takes 50 ms is then asked 2,000 times a second.
    pub const CONCURRENCY_DEFAULT: usize = 100;

    /// An HTTP GET.
    #[must_use]
    pub fn get() -> Self {
        Self {
            whom: Whom::Http,
            function: None,
            timeout: Self::TIMEOUT_DEFAULT,
            attempts: Self::ATTEMPTS_DEFAULT,
            concurrency: Self::CONCURRENCY_DEFAULT,
            cache: None,
        }
    }

    /// A function of the service.
    #[must_use]
    pub fn function(name: &str) -> Self {
        Self { whom: Whom::Function(name.to_owned()), ..Self::get() }
    }
}

impl Lookup {
    /// Puts the answer to an event's question into its data.
    ///
    /// # Errors
    /// [`StepError::Waits`] while it is not there; [`StepError::Event`] when the expression fails (RR0301), the data cannot hold
    /// the answer (RR0302), or there is none (RR0341).
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft, answers: &mut dyn Answers) -> Result<Flow, StepError> {
        let request = match self.request.evaluate(draft).map_err(|error| evaluation_failed(name, error))? {
            Value::Null => None,
            Value::Text(text) => Some(Bytes::from(text)),
            value => Some(value.to_json().map_err(|error| evaluation_failed(name, error))?),
        };
        let answer = match request {
            None => Answer::Json(Bytes::from_static(b"null")),
            Some(request) => {
                let question = Question { operator: name.clone(), request };
                match answers.answer(&question) {
                    Some(answer) => answer,
                    None => return Err(StepError::Waits(question)),
                }
            }
        };
        let json = match (answer, self.on_failure) {
            (Answer::Json(json), _) => Json::check(json).map_err(DataError::from),
            (Answer::Failed(_), OnFailure::Null) => Ok(Json::NULL),
            (Answer::Failed(message), OnFailure::Error) => return Err(event_error("RR0341", name, message)),
        };
        let put = |draft: &mut Draft, json: Json| -> Result<(), DataError> {
            Ok(draft.document()?.ok_or(DataError::Absent)?.set_json(&self.place, &json)?)
        };
        json.and_then(|json| put(draft, json)).map_err(|error| data_failed(name, error))?;
        Ok(Flow::Pass)
    }
}

impl Answer {
    /// As bytes to keep.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Json(json) => [b"+", &json[..]].concat().into(),
            Self::Failed(message) => [b"-", message.as_bytes()].concat().into(),
        }
    }

    /// From bytes that were kept; `None` when they are none of an answer.
    #[must_use]
    pub fn from_bytes(bytes: &Bytes) -> Option<Self> {
        match bytes.split_first()? {
            (b'+', _) => Some(Self::Json(bytes.slice(1..))),
            (b'-', message) => Some(Self::Failed(String::from_utf8_lossy(message).into_owned())),
            _ => None,
        }
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Calling")
            .field("whom", &self.whom)
            .field("registered", &self.function.is_some())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Calling {
    /// Two are equal when they ask the same in the same way.
    fn eq(&self, other: &Self) -> bool {
        (&self.whom, self.timeout, self.attempts, self.concurrency, self.cache)
            == (&other.whom, other.timeout, other.attempts, other.concurrency, other.cache)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::draft;
    use super::*;

    struct Known(Option<Answer>);

    impl Answers for Known {
        fn answer(&mut self, question: &Question) -> Option<Answer> {
            assert_eq!(question.operator.as_str(), "customer");
            self.0.clone()
        }
    }

    /// The data after the step, or its error.
    #[track_caller]
    fn check(on_failure: OnFailure, data: &'static str, answer: Option<Answer>, expected: Result<&str, &str>) {
        let lookup = Lookup {
            request: Expression::parse("data.id").unwrap(),
            place: Path::parse("data.customer").unwrap(),
            calling: Calling::function("customers"),
            on_failure,
        };
        let mut draft = draft(data);
        let applied = lookup.apply(&OperatorName::new("customer").unwrap(), &mut draft, &mut Known(answer));
        let found = match applied {
            Ok(_) => Ok(String::from_utf8(draft.into_event().data.unwrap().to_vec()).unwrap()),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    fn json(json: &'static str) -> Option<Answer> {
        Some(Answer::Json(json.into()))
    }

    #[test]
    fn the_answer_is_put_into_the_data() {
        let error = OnFailure::Error;
        check(error, r#"{"id":7}"#, json(r#"{"tier":"gold"}"#), Ok(r#"{"id":7,"customer":{"tier":"gold"}}"#));
        check(error, "{}", None, Ok(r#"{"customer":null}"#));
        check(error, r#"{"id":"a"}"#, None, Err("the answer to customer's question \"a\" is not there yet"));
        let failed = || Some(Answer::Failed("503 three times".to_owned()));
        check(error, r#"{"id":7}"#, failed(), Err("RR0341 in customer: 503 three times"));
        check(OnFailure::Null, r#"{"id":7}"#, failed(), Ok(r#"{"id":7,"customer":null}"#));
        let refused = "RR0302 in customer: the data is not valid JSON: expected a JSON value at byte 0";
        check(error, r#"{"id":7}"#, json("<html>"), Err(refused));
    }

    #[test]
    fn answers_come_back_as_they_were_kept() {
        for answer in [Answer::Json("{\"a\":1}".into()), Answer::Failed("no".to_owned())] {
            assert_eq!(Answer::from_bytes(&answer.to_bytes()), Some(answer));
        }
        assert_eq!(Answer::from_bytes(&Bytes::new()), None);
    }
}
