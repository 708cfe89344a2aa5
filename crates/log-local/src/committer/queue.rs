//! The way to the committer: two queues, doors' and tasks', from which it takes in turns, and a short one for everything else.
//!
//! What may wait is bounded by byte permits taken before queueing (see `append.rs` and `member.rs`); the permit travels with
//! the request and is given back with the answer.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use riverrun_event::OperatorName;
use riverrun_log::{
    AppendError, CommitError, Committed, Content, EnsureError, GroupName, Identity, JoinError, Logged, TaskId,
    TopicSpec,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::prepare::Prepared;
use crate::stored::order::OrderRow;
use crate::stored::{GroupId, GroupTask, OperatorId, PartitionId};

/// A door's batch.
pub(crate) struct DoorRequest {
    pub(crate) prepared: Prepared,
    /// Per record; empty where the log does not deduplicate.
    pub(crate) identities: Vec<(Identity, Content)>,
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Vec<Logged>, AppendError>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A member's commit.
pub(crate) struct TaskRequest {
    pub(crate) tasks: Vec<PreparedTask>,
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Committed, CommitError>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What one task changes, encoded.
pub(crate) struct PreparedTask {
    pub(crate) id: GroupTask,
    pub(crate) epoch: u64,
    pub(crate) prepared: Prepared,
    /// Keys of all state rows, one after the other.
    pub(crate) state_keys: Vec<u8>,
    /// Per state row, where its key is and its value; `None` deletes it.
    pub(crate) state: Vec<(std::ops::Range<usize>, Option<Bytes>)>,
    pub(crate) positions: Vec<(PartitionId, u64)>,
    pub(crate) order: Option<OrderRow>,
}

/// Rare requests that change what the log knows of itself. Each is a commit of its own.
pub(crate) enum Control {
    Ensure {
        topics: Vec<TopicSpec>,
        answer: oneshot::Sender<Result<(), EnsureError>>,
    },
    Join {
        group: GroupName,
        tasks: Vec<TaskId>,
        answer: mpsc::Sender<Result<(GroupId, Vec<u64>), JoinError>>,
    },
    Operators {
        group: GroupId,
        names: Vec<OperatorName>,
        answer: oneshot::Sender<Result<Vec<OperatorId>, CommitError>>,
    },
    Rewrite(Rewrite),
}

/// Batches that compaction replaces by one. Its thread is the only one that does, so what it read is there unless retention took it.
pub(crate) struct Rewrite {
    pub(crate) partition: PartitionId,
    /// Where the replaced batches begin; the new one is put at the first.
    pub(crate) bases: Vec<u64>,
    pub(crate) value: Vec<u8>,
    pub(crate) bytes_before: u64,
    pub(crate) records_dropped: u64,
    /// Answered when it is durable; dropped when it never will be.
    pub(crate) answer: mpsc::Sender<()>,
}

/// Work of either kind.
pub(crate) enum Request {
    Door(DoorRequest),
    Task(TaskRequest),
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Door(request) => request.bytes,
            Self::Task(request) => request.bytes,
        }
    }
}

/// What the committer is to do next.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) controls: Vec<Control>,
    pub(crate) requests: Vec<Request>,
    pub(crate) bytes: usize,
    /// Nothing more will come.
    pub(crate) closing: bool,
}

/// Most bytes of one cycle, unless a single request is larger: large enough that the sync is a small part of its cost, small
/// enough that nobody waits long behind it.
pub(crate) const CYCLE_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    ready: Condvar,
}

#[derive(Default)]
struct Waiting {
    doors: VecDeque<Request>,
    tasks: VecDeque<Request>,
    controls: VecDeque<Control>,
    door_bytes: usize,
    tasks_next: bool,
    closed: Option<String>,
}

impl Queue {
    /// Queues work; answers the reason once the log takes no more.
    pub(crate) fn push(&self, request: Request) -> Result<(), String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &waiting.closed {
            return Err(reason.clone());
        }
        match &request {
            Request::Door(door) => {
                waiting.door_bytes += door.bytes;
                waiting.doors.push_back(request);
            }
            Request::Task(_) => waiting.tasks.push_back(request),
        }
        drop(waiting);
        self.ready.notify_one();
        Ok(())
    }

    /// Queues a control request; answers the reason once the log takes no more.
    pub(crate) fn push_control(&self, control: Control) -> Result<(), String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &waiting.closed {
            return Err(reason.clone());
        }
        waiting.controls.push_back(control);
        drop(waiting);
        self.ready.notify_one();
        Ok(())
    }

    /// Lets nothing more in. What waits is still taken.
    pub(crate) fn close(&self, reason: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.closed.get_or_insert_with(|| reason.to_owned());
        drop(waiting);
        self.ready.notify_one();
    }

    /// Waits for work, at most until `deadline`, and takes what one cycle may hold.
    pub(crate) fn take(&self, deadline: Instant) -> Taken {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.is_empty() && waiting.closed.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break;
            }
            waiting = self.ready.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.cycle()
    }

    /// Takes everything, for refusal.
    pub(crate) fn drain(&self) -> Taken {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { doors, tasks, controls, .. } = &mut *waiting;
        let requests = doors.drain(..).chain(tasks.drain(..)).collect();
        Taken { controls: controls.drain(..).collect(), requests, bytes: 0, closing: true }
    }

    pub(crate) fn door_bytes(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).door_bytes
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.doors.is_empty() && self.tasks.is_empty() && self.controls.is_empty()
    }

    fn cycle(&mut self) -> Taken {
        let mut taken = Taken { controls: self.controls.drain(..).collect(), ..Taken::default() };
        while let Some(request) =
            self.next_within(CYCLE_BYTES_MAX.saturating_sub(taken.bytes), taken.requests.is_empty())
        {
            taken.bytes += request.bytes();
            taken.requests.push(request);
        }
        taken.closing = self.closed.is_some() && self.is_empty();
        taken
    }

    /// The next request, doors and tasks in turns, if it fits or is the first.
    fn next_within(&mut self, bytes: usize, first: bool) -> Option<Request> {
        let (preferred, other) =
            if self.tasks_next { (&mut self.tasks, &mut self.doors) } else { (&mut self.doors, &mut self.tasks) };
        let queue = if preferred.is_empty() { other } else { preferred };
        if !first && queue.front()?.bytes() > bytes {
            return None;
        }
        let request = queue.pop_front()?;
        match &request {
            Request::Door(door) => {
                self.door_bytes = self.door_bytes.saturating_sub(door.bytes);
                self.tasks_next = true;
            }
            Request::Task(_) => self.tasks_next = false,
        }
        Some(request)
    }
}
