//! Opening: the format, the lock, the rows, the check against the head; only then does the committer start.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use riverrun_event::Time;
use riverrun_store::{Durability, Store};
use tokio::sync::{Semaphore, watch};

use crate::check::{self, Loss};
use crate::committer::queue::Queue;
use crate::committer::{Committer, PartitionState, Stop};
use crate::deduplication::Deduplication;
use crate::directory::{Directory, Topic};
use crate::head::HeadFiles;
use crate::load::{self, Loaded};
use crate::local::{Inner, Keyspaces};
use crate::metrics::Metrics;
use crate::moved::{moved_file, moved_to};
use crate::options::Options;
use crate::recent::Recent;
use crate::salvage;
use crate::schema::{FORMAT_VERSION, KeyspaceId};
use crate::stored::commit::CommitRow;
use crate::stored::{PartitionId, commit, marker};
use crate::tail::Tail;
use crate::visible::Visible;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data directory {} is in use by another process; stop that one, or use another data_dir", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// Its files are not what was written.
    #[error("the data directory {} is damaged: {detail}; restore it from a backup", path.display())]
    Damaged {
        /// The data directory.
        path: PathBuf,
        /// What does not fit, and where.
        detail: String,
    },
    /// A newer Riverrun wrote it.
    #[error(
        "the data directory {} has format {found} and this riverrun reads up to format {FORMAT_VERSION}; use a newer riverrun",
        path.display()
    )]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// The format it has.
        found: String,
    },
    /// It holds less than it acknowledged.
    #[error("the data directory {} holds less than was acknowledged: {}; \
        restore it from a backup, or open it with --accept-data-loss", path.display(), list(losses))]
    BelowHead {
        /// The data directory.
        path: PathBuf,
        /// What is missing where.
        losses: Vec<Loss>,
    },
    /// Its events live elsewhere now.
    #[error(
        "the app in {} was moved to {to}; set `log:` to that, or delete {} to go on here without what has happened there",
        path.display(), moved_file(path).display()
    )]
    Moved {
        /// The data directory.
        path: PathBuf,
        /// Where they are.
        to: String,
    },
    /// The operating system refused.
    #[error("the data directory {} cannot be opened: {error}", path.display())]
    Io {
        /// The data directory.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl OpenError {
    /// The stable code; `docs/errors/<code>.md` explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "RR0201",
            Self::Damaged { .. } => "RR0202",
            Self::Newer { .. } => "RR0203",
            Self::BelowHead { .. } => "RR0204",
            Self::Io { .. } => "RR0205",
            Self::Moved { .. } => "RR0207",
        }
    }
}

fn list(losses: &[Loss]) -> String {
    losses.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Opens and checks; the committer is ready to run.
pub(crate) fn open(path: &Path, options: Options) -> Result<(Committer, Vec<Loss>), OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    if let Some(to) = moved_to(path).map_err(io)? {
        return Err(OpenError::Moved { path: path.to_owned(), to });
    }
    check_format(path)?;
    let loaded = load::load(path, options.tuning)?;
    let (files, head) = HeadFiles::open(path).map_err(io)?;
    let losses = check::losses(&loaded, head.as_ref());
    if !losses.is_empty() && !options.accept_data_loss {
        return Err(OpenError::BelowHead { path: path.to_owned(), losses });
    }
    let failed = |stop: Stop| damaged(path, stop.0);
    let salvaged = !losses.is_empty();
    for loss in &losses {
        tracing::warn!(%loss, "opening a log with an accepted loss");
    }
    let (loaded, losses) =
        if salvaged { salvage::salvage(loaded, head.as_ref(), losses).map_err(failed)? } else { (loaded, losses) };
    let loaded = if loaded.row.is_none() { create(loaded, 1).map_err(failed)? } else { loaded };
    let mut committer = assemble(loaded, files, options).map_err(failed)?;
    if head.is_none() || salvaged {
        committer.write_head().map_err(failed)?;
    }
    Ok((committer, losses))
}

/// The format is looked at before anything else is touched, and written before anything else exists.
pub(crate) fn check_format(path: &Path) -> Result<(), OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let file = path.join("format");
    let ours = format!("riverrun local log, format {FORMAT_VERSION}\n");
    match fs::read(&file) {
        Ok(bytes) if bytes == ours.as_bytes() => Ok(()),
        Ok(bytes) => {
            // Damage need not leave it a text.
            let text = String::from_utf8_lossy(&bytes);
            let found = text.trim().strip_prefix("riverrun local log, format ").unwrap_or_default().to_owned();
            match found.parse::<u32>() {
                Ok(version) if version > FORMAT_VERSION => Err(OpenError::Newer { path: path.to_owned(), found }),
                _ => Err(damaged(
                    path,
                    format!("its file `format` reads {:?}", text.chars().take(80).collect::<String>()),
                )),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if Store::exists(&path.join("store")) || HeadFiles::present(path) {
                return Err(damaged(path, "its file `format` is missing".to_owned()));
            }
            fs::create_dir_all(path).map_err(io)?;
            // The folder's own name must be as durable as what will be acknowledged in it.
            if let Some(parent) = fs::canonicalize(path).map_err(io)?.parent() {
                File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)?;
            }
            let mut created = File::create(&file).map_err(io)?;
            created.write_all(ours.as_bytes()).and_then(|()| created.sync_all()).map_err(io)?;
            File::open(path).and_then(|folder| folder.sync_all()).map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}

pub(crate) fn damaged(path: &Path, detail: String) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), detail }
}

/// The first commit of a new log: its keyspaces exist and say so.
pub(crate) fn create(mut loaded: Loaded, number: u64) -> Result<Loaded, Stop> {
    let mut row = CommitRow {
        number,
        accepted: Time::EPOCH,
        next_topic: 1,
        next_group: 1,
        next_operator: 1,
        keyspaces: BTreeMap::new(),
    };
    let mut batch = loaded.store.batch();
    for id in KeyspaceId::FIXED {
        let keyspace = loaded.store.keyspace(&id.name(number), load::shape(id))?;
        batch.put(&keyspace, &marker::encode_key(), &marker::encode_value(row.number));
        row.keyspaces.insert(id, row.number);
        loaded.keyspaces.insert(id, keyspace);
    }
    if let Some(meta) = loaded.keyspaces.get(&KeyspaceId::Meta) {
        batch.put(meta, &commit::encode_key(), &commit::encode_value(&row));
    }
    batch.commit(Durability::Synced)?;
    loaded.row = Some(row);
    Ok(loaded)
}

/// Puts the parts together: what all threads share, and what only the committer knows.
fn assemble(mut loaded: Loaded, head: HeadFiles, options: Options) -> Result<Committer, Stop> {
    let row = loaded.row.take().ok_or_else(|| Stop("there is no commit row".to_owned()))?;
    let keyspaces = Keyspaces {
        meta: loaded.fixed(KeyspaceId::Meta)?,
        records: loaded.fixed(KeyspaceId::Records)?,
        state: loaded.fixed(KeyspaceId::State)?,
        recent: loaded.fixed(KeyspaceId::Recent)?,
    };
    let days = loaded.days(&row)?;
    let snapshot = loaded.snapshot.clone();
    let recent = Recent::load(&snapshot, &keyspaces.recent)?;
    let directory = Directory::new(options.compression);
    let mut partitions = HashMap::new();
    for (id, spec) in &loaded.topics {
        let topic = Arc::new(Topic::new(*id, spec));
        for number in 0..spec.partitions {
            let partition = PartitionId { topic: *id, partition: number };
            let row = loaded.partitions.get(&partition).cloned();
            let row = row.ok_or_else(|| Stop(format!("{} has no row", loaded.name_of(partition))))?;
            if let Some(bounds) = topic.bounds(number) {
                bounds.publish(row.start, row.end);
            }
            partitions.insert(partition, PartitionState::new(partition, Arc::clone(&topic), row));
        }
        directory.add_topic(topic);
    }
    loaded.groups.drain(..).for_each(|(name, id)| directory.add_group(name, id));
    loaded.operators.drain(..).for_each(|(group, name, id)| directory.add_operator(group, name, id));

    let permits = |bytes: usize| u32::try_from(bytes.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX).max(1);
    let (door, tasks) = (permits(options.door_permit_bytes), permits(options.task_permit_bytes));
    let inner = Inner {
        store: loaded.store,
        keyspaces,
        directory,
        queue: Queue::default(),
        door_permits: Arc::new(Semaphore::new(usize::try_from(door)?)),
        task_permits: Arc::new(Semaphore::new(usize::try_from(tasks)?)),
        door_permit_bytes: door,
        task_permit_bytes: tasks,
        deduplicates: options.deduplication_days > 0,
        metrics: Metrics::default(),
        tail: Tail::new(options.tail_bytes),
        visible: Visible::new(snapshot.clone()),
        moved: watch::Sender::new(row.number),
        stopped: OnceLock::new(),
    };
    let now = Instant::now();
    Ok(Committer {
        log: Arc::new(inner),
        deduplication: Deduplication::new(options.deduplication_days, days, snapshot, recent),
        moved_day: None,
        row,
        partitions,
        tasks: loaded.tasks,
        head,
        head_due: Some(now),
        retention_due: now,
        disk_due: now,
        buffer: Vec::new(),
        options,
    })
}
