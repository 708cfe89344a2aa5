//! Why an app was not moved.

use std::io;
use std::path::PathBuf;

use riverrun_log::ReadError;
use riverrun_log_kafka::import::ImportError;
use riverrun_log_local::VerifyError;

use super::report::MigrateReport;

/// Why an app was not moved. Nothing is lost; the same call goes on where it is.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It was not said to which cluster.
    #[error("{to:?} names no cluster: {reason}; write for example kafka://broker-1:9092,broker-2:9092")]
    NoCluster {
        /// As it was said.
        to: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The data directory holds no log, or it cannot be opened.
    #[error(transparent)]
    Open(#[from] VerifyError),
    /// The log cannot be read.
    #[error("the move stopped: {0}")]
    Read(#[from] ReadError),
    /// Whoever watched has had enough.
    #[error("the copy was stopped: the app ends")]
    Stopped,
    /// The app that runs is not on the embedded log, or nobody said in its data directory where it is to move.
    #[error("{0}")]
    NotAsked(&'static str),
    /// The file that says where the app is to move cannot be read or written.
    #[error("{}: {error}", path.display())]
    Target {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The cluster is in the way.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Something else is on the cluster under a name that the app needs.
    #[error("{name} is on the cluster already, and it is no unfinished copy of what is here")]
    InUse {
        /// The topic or the group.
        name: String,
    },
    /// What was copied is not what is here.
    #[error("the copy differs from what is here: {}", .0.difference())]
    Differs(Box<MigrateReport>),
    /// Everything is there, and the data directory cannot be marked.
    #[error("everything was moved, but {} cannot be marked: {error}", path.display())]
    Mark {
        /// The data directory.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl MigrateError {
    /// The stable code; `docs/errors/<code>.md` explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open(error) => error.code(),
            Self::NoCluster { .. } => "RR0015",
            Self::NotAsked(_) => "RR0179",
            Self::Import(ImportError::Connect(_)) => "RR0421",
            Self::InUse { .. } | Self::Import(ImportError::PartitionCount { .. }) => "RR0422",
            Self::Differs(_) | Self::Import(ImportError::Displaced { .. }) => "RR0423",
            Self::Read(_) | Self::Import(ImportError::Failed(_)) | Self::Mark { .. } | Self::Target { .. } => "RR0424",
            Self::Stopped => "RR0425",
        }
    }
}

pub(super) fn no_cluster(to: &str, reason: String) -> MigrateError {
    MigrateError::NoCluster { to: to.to_owned(), reason }
}
