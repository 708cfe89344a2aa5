//! The rows of an answer, from here and from the instances that have the other tasks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use riverrun_event::Position;
use riverrun_log::{ReadError, TaskId};
use riverrun_runtime::views::{Keys, Places, View, ViewError, ViewQuery};
use tokio::time::{Instant, sleep, timeout};

use super::super::Parts;
use super::super::problem::RouteError;
use super::others::{Part, Way};
use super::wire::{Answer, hex, unhex};

/// The wait before it is tried again where tasks are on their way.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(50);
/// How often is looked whether an instance that was asked still has what it was asked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So much longer than its own patience an instance may take to say that this is over.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(1);

/// What is asked of a view.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) view: Arc<View>,
    pub(super) query: ViewQuery,
    /// What the answer has to hold.
    pub(super) positions: Vec<Position>,
    pub(super) patience: Duration,
    /// How it came, for the instances it goes on to.
    pub(super) way: Way,
}

impl Question {
    /// The tasks that may hold what is asked for.
    pub(super) fn tasks(&self) -> Vec<TaskId> {
        self.view.tasks_of(&self.query.keys)
    }

    /// The rest of a question that another instance has begun with.
    pub(super) fn continued(mut self, part: &Part) -> Result<Self, RouteError> {
        if let Some(after) = &part.after {
            self.query.after = Some(unhex(after)?);
        }
        self.patience = self.patience.min(Duration::from_millis(part.wait_ms));
        Ok(self)
    }

    /// The rows of all tasks, wherever they are.
    pub(super) async fn answer(&self, parts: &Parts) -> Result<Answer, RouteError> {
        let until = Instant::now() + self.patience;
        let tasks = self.tasks();
        loop {
            match self.attempt(parts, &tasks, until).await {
                Err(error) if error.may_pass() && Instant::now() < until => sleep(TRY_AGAIN).await,
                answer => return answer,
            }
        }
    }

    async fn attempt(&self, parts: &Parts, tasks: &[TaskId], until: Instant) -> Result<Answer, RouteError> {
        let Places { here, elsewhere, missing } = parts.runtime.places(&self.view, tasks);
        if let Some(missing) = missing {
            return Err(missing.into());
        }
        let left = until.saturating_duration_since(Instant::now());
        let own = Self { patience: left, ..self.clone() };
        if elsewhere.is_empty() {
            return own.read_here(parts, &here).await;
        }
        let others = try_join_all(elsewhere.iter().map(|(address, tasks)| self.ask(parts, address, tasks, left)));
        let (own, mut answers) = tokio::try_join!(own.read_here(parts, &here), others)?;
        answers.push(own);
        Ok(Answer::merged(answers, self.query.limit))
    }

    /// The rows of tasks that are here, once they hold what they have to; of all these tasks or none.
    pub(super) async fn read_here(&self, parts: &Parts, tasks: &[TaskId]) -> Result<Answer, RouteError> {
        if tasks.is_empty() {
            return Ok(Answer::default());
        }
        if !self.positions.is_empty() {
            parts.runtime.view_holds(&self.view, tasks, &self.positions, self.patience).await?;
        }
        // Those that have moved may have been taken further by others.
        has_all(parts, &self.view, tasks)?;
        let (view, query, tasks) = (Arc::clone(&self.view), self.query.clone(), tasks.to_vec());
        // One row takes microseconds; to hand it to another thread and back takes ten times as long.
        if view.reads_one_row(&query) {
            return Ok(view.read_of(&query, &tasks)?.into());
        }
        let read = tokio::task::spawn_blocking(move || view.read_of(&query, &tasks)).await;
        Ok(read.map_err(|error| ReadError::Failed(error.to_string()))??.into())
    }

    /// The rows of tasks that another instance has; an error as soon as it is known to have lost them.
    async fn ask(
        &self,
        parts: &Parts,
        address: &str,
        tasks: &[TaskId],
        patience: Duration,
    ) -> Result<Answer, RouteError> {
        let mut part = Part::new(tasks, patience);
        part.after = self.query.after.as_deref().map(hex);
        let failed = |reason: &str| RouteError::Instance { address: address.to_owned(), reason: reason.to_owned() };
        let moved = async {
            loop {
                sleep(LOOK_EVERY).await;
                let places = parts.runtime.places(&self.view, tasks);
                if places.elsewhere.get(address).is_none_or(|known| known != tasks) {
                    return;
                }
            }
        };
        tokio::select! {
            answer = timeout(patience + ANSWER_TIME, parts.others.rows(address, &self.way, &part)) => {
                answer.unwrap_or_else(|_| Err(failed("it does not answer")))
            }
            () = moved => Err(failed("it has lost the partition that was asked for")),
        }
    }

    /// Whether a change of this key belongs to the answer.
    pub(super) fn wants(&self, key: &[u8]) -> bool {
        match &self.query.keys {
            Keys::All => true,
            Keys::One(one) => one == key,
            Keys::Prefix(prefix) => key.starts_with(prefix),
            Keys::Range(from, to) => key >= from.as_slice() && key < to.as_slice(),
        }
    }
}

/// Refuses where one of these tasks is not here.
pub(super) fn has_all(parts: &Parts, view: &View, tasks: &[TaskId]) -> Result<(), RouteError> {
    let places = parts.runtime.places(view, tasks);
    if let Some(missing) = places.missing {
        return Err(missing.into());
    }
    if places.here == tasks {
        return Ok(());
    }
    let reason = "another instance has the partition that is asked for".to_owned();
    Err(ViewError::NotReady { view: view.name.clone(), reason }.into())
}
