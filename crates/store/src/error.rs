//! One error enum per operation. fjall's own errors end here: they become a kind and a text.

use std::io;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another handle of this one) has it open.
    #[error("it is in use by another process")]
    Locked,
    /// Its files are not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It was written by a version of the storage engine this build does not read.
    #[error("it was written by another version of the storage engine: {0}")]
    Version(String),
    /// The operating system refused.
    #[error(transparent)]
    Io(io::Error),
}

/// Why a keyspace could not be created or deleted.
#[derive(Debug, thiserror::Error)]
pub enum KeyspaceError {
    /// The storage engine failed.
    #[error("keyspace {name}: {detail}")]
    Failed {
        /// The keyspace.
        name: String,
        /// What the storage engine said.
        detail: String,
    },
}

/// Why a batch was not written, or may not have been. The store takes no more batches after it.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An earlier write or sync failed, or a background flush did; what is on disk is in doubt.
    #[error("the store stopped after an earlier failure")]
    Poisoned,
    /// This write or sync failed; the batch may or may not be on disk.
    #[error("{0}")]
    Failed(String),
}

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stored bytes do not match their checksum or cannot be decoded.
    #[error("keyspace {keyspace} is damaged: {detail}")]
    Damaged {
        /// Where they are.
        keyspace: String,
        /// What the storage engine said.
        detail: String,
    },
    /// The operating system refused.
    #[error("keyspace {keyspace} cannot be read: {error}")]
    Io {
        /// What was read.
        keyspace: String,
        /// What the operating system said.
        error: io::Error,
    },
}

impl From<fjall::Error> for OpenError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::Locked,
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => from_io(error),
            fjall::Error::InvalidVersion(None) => Self::Damaged("the store's file version names no version".to_owned()),
            fjall::Error::InvalidVersion(Some(version)) => Self::Version(version.to_string()),
            fjall::Error::Storage(fjall::LsmError::InvalidVersion(version)) => Self::Version(format!("{version}")),
            other => Self::Damaged(describe(&other)),
        }
    }
}

/// A file that is missing or ends early is damage, not a refusal of the operating system.
fn from_io(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            OpenError::Damaged(error.to_string())
        }
        _ => OpenError::Io(error),
    }
}

impl From<fjall::Error> for WriteError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Poisoned => Self::Poisoned,
            other => Self::Failed(describe(&other)),
        }
    }
}

impl ReadError {
    pub(crate) fn new(keyspace: &str, error: fjall::Error) -> Self {
        let keyspace = keyspace.to_owned();
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => Self::Io { keyspace, error },
            other => Self::Damaged { keyspace, detail: describe(&other) },
        }
    }
}

/// The engine's message without its type's name in front.
pub(crate) fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Storage(inner) => format!("{inner:?}"),
        fjall::Error::JournalRecovery(inner) => format!("the journal cannot be read back: {inner:?}"),
        other => format!("{other:?}"),
    }
}
