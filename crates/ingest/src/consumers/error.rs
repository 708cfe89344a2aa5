//! Why a call of a consumer's reader fails.

use riverrun_event::{ConsumerName, TopicPartition};
use riverrun_log::{CommitError, JoinError, ReadError};

use super::cursor::CursorError;

/// Why a consumer could not be read, committed or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// The cursor's partition was given to another reader, or was set anew. Nothing was committed.
    #[error(
        "{0} is no longer this reader's as it was when these events were handed out; nothing was committed. Read again: what is \
         not committed is handed out once more"
    )]
    Lost(TopicPartition),
    /// The cursor is none of this server's.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The cursor is beyond what was handed out.
    #[error("no events of {0} up to there were handed out; send a cursor as it came with the events")]
    NotHandedOut(TopicPartition),
    /// Retention has removed what the consumer was to read next.
    #[error(
        "retention has removed events that consumer {consumer} has not read: {error}. `riverrun consumers reset {consumer} --to kept` \
         (POST /consumers/{consumer}/reset {{\"to\":\"kept\"}}) goes on at the first event kept"
    )]
    Removed {
        /// The consumer.
        consumer: ConsumerName,
        /// What is asked for, and what is kept.
        error: ReadError,
    },
    /// There is no such consumer, and the call names no topics to begin with.
    #[error("there is no consumer {0} yet; its first read names topics, as in ?topic=orders")]
    Unknown(String),
    /// A bound is reached.
    #[error("there are {0} already")]
    TooMany(String),
    /// The topics or partitions cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log did not take a change, or nobody knows whether it did.
    #[error(
        "the log did not confirm the consumer's change: {0}. Read again: what is not committed is handed out once more"
    )]
    Log(String),
}

impl From<JoinError> for ConsumerError {
    fn from(error: JoinError) -> Self {
        Self::Log(error.to_string())
    }
}

impl From<CommitError> for ConsumerError {
    fn from(error: CommitError) -> Self {
        Self::Log(error.to_string())
    }
}
