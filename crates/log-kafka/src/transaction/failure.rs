//! Why a transaction was not committed.

use std::io;

use krafka::KrafkaError;
use krafka::error::ErrorCode;

use crate::refusals::lacks_right;

/// Why a transaction was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Another has the name, or the group has gone on: nothing was changed.
    #[error("another has taken over: {0}")]
    Fenced(String),
    /// Nobody answered in time: nothing was changed.
    #[error("{0}")]
    Unreachable(String),
    /// A record is larger than its topic allows: nothing was changed.
    #[error("the topic {topic} takes no record of this size (its max.message.bytes is smaller)")]
    TooLarge {
        /// The topic, as the cluster calls it.
        topic: String,
    },
    /// The cluster does not let this client do it: nothing was changed.
    #[error("{0}")]
    NotAllowed(String),
    /// Something else: nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// It may have been committed.
    #[error("the outcome is unknown: {0}")]
    Uncertain(String),
}

impl From<KrafkaError> for Failure {
    fn from(error: KrafkaError) -> Self {
        if error.is_retriable() { Self::Unreachable(error.to_string()) } else { Self::Refused(error.to_string()) }
    }
}

/// An attempt that did not do what it should.
pub(super) enum Trouble {
    /// It may go by; it is to be tried again, with what is known of the cluster asked for anew unless it is only that the transaction before is
    /// still being ended.
    Passing { reason: String, is_ending: bool },
    /// It will not.
    Lasting(Failure),
}

impl Trouble {
    pub(super) fn passing(reason: impl ToString) -> Self {
        Self::Passing { reason: reason.to_string(), is_ending: false }
    }

    /// What an error code means; `what` says what it is about, `request` which kind of request it answers.
    pub(super) fn of(code: i16, what: &str, request: i16) -> Self {
        let code = ErrorCode::from_i16(code);
        let reason = format!("{what}: {code:?} (request {request})");
        match code {
            ErrorCode::ConcurrentTransactions => Self::Passing { reason, is_ending: true },
            ErrorCode::IllegalGeneration
            | ErrorCode::UnknownMemberId
            | ErrorCode::FencedInstanceId
            | ErrorCode::ProducerFenced
            | ErrorCode::InvalidProducerEpoch
            | ErrorCode::RebalanceInProgress
            | ErrorCode::TransactionCoordinatorFenced => Self::Lasting(Failure::Fenced(reason)),
            ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::TransactionalIdAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed => Self::Lasting(Failure::NotAllowed(lacks_right(what, code))),
            ErrorCode::InvalidTimestamp => Self::Lasting(Failure::NotAllowed(format!(
                "{what} takes no record of this machine's time (InvalidTimestamp); is its clock right?"
            ))),
            code if code.is_retriable() => Self::passing(reason),
            _ => Self::Lasting(Failure::Refused(reason)),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::passing(error)
    }
}

impl From<KrafkaError> for Trouble {
    fn from(error: KrafkaError) -> Self {
        match &error {
            KrafkaError::Auth { .. } => Self::Lasting(Failure::NotAllowed(error.to_string())),
            _ => Self::passing(error),
        }
    }
}
