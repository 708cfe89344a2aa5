//! The move of an app from the embedded log to Kafka: records at the offsets they have, state, positions, and what is needed to
//! recognise events that are sent again. Since offsets stay, whatever names a position means there what it meant here.
//!
//! Records can be copied and compared while the app runs, by its own process ([`Mover::copy`]), since no other can open its log. What
//! changes with every commit, the last records and the mark in the data directory come when it has stopped ([`migrate`]). Each step
//! looks at what is there already, so a move that was interrupted anywhere goes on when it is asked for again. Nothing here is changed
//! but for that mark.

mod compared;
mod error;
mod groups;
mod records;
mod report;
mod target;

use std::ops::ControlFlow;

use riverrun_app::{LogSetting, Settings};
use riverrun_log::{ReadError, TopicSpec, Topics as _};
use riverrun_log_kafka::import::{Found, Import};
use riverrun_log_local::{LocalLog, TopicContents, VerifyError, mark_moved};
use riverrun_topology::Topology;

pub use self::compared::Compared;
pub use self::error::MigrateError;
pub use self::report::{GroupReport, MigrateReport, PartitionReport, Phase, Plan, Progress, TopicPlan};
pub(crate) use self::target::{announce, announced};
use crate::server::{kafka_options, local_options};

/// What the names of a move's connections and transactions begin with; the app's own name follows.
const NAME: &str = "migrate";
/// Longer than any move: what is copied is not tidied up meanwhile.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);

/// Hears how far a move is, and may stop it.
pub(crate) type Watch<'a> = dyn Fn(Progress) -> ControlFlow<()> + Sync + 'a;

/// Moves an app that does not run, and compares both sides. The data directory is marked then, and not opened as a log any more.
///
/// # Errors
/// [`MigrateError`] says what is in the way. Nothing is lost, and the same call goes on.
pub(crate) fn migrate(
    topology: &Topology,
    settings: &Settings,
    to: &str,
    compared: Compared,
    watch: &Watch<'_>,
) -> Result<MigrateReport, MigrateError> {
    let log = open(settings)?;
    let mut mover = Mover::connect(&log, topology, settings, to)?;
    mover.compared = compared;
    let report = mover.finish(watch)?;
    mover.import.close();
    log.close();
    let path = &settings.data_dir;
    mark_moved(path, to).map_err(|error| MigrateError::Mark { path: path.clone(), error })?;
    target::forget(path);
    Ok(report)
}

/// What a move of an app that does not run would do.
///
/// # Errors
/// [`MigrateError`] when that cannot be found out.
pub(crate) fn plan(topology: &Topology, settings: &Settings, to: &str) -> Result<Plan, MigrateError> {
    let log = open(settings)?;
    let mover = Mover::connect(&log, topology, settings, to)?;
    let plan = mover.plan()?;
    mover.import.close();
    Ok(plan)
}

fn open(settings: &Settings) -> Result<LocalLog, MigrateError> {
    let path = &settings.data_dir;
    if !path.join("format").exists() {
        return Err(VerifyError::NoLog { path: path.clone() }.into());
    }
    let mut options = local_options(settings, false);
    (options.retention_interval, options.compaction_interval) = (UPKEEP, UPKEEP);
    LocalLog::open(path, options).map_err(|error| VerifyError::Open(error).into())
}

/// One move, from an open log.
pub(crate) struct Mover<'a> {
    log: &'a LocalLog,
    topology: &'a Topology,
    window_days: u32,
    pub(crate) import: Import,
    to: String,
    /// What is known to be equal on both sides.
    pub(crate) compared: Compared,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    /// What is there, with what is here up to there: more may come in here.
    There,
    /// Both, to their ends.
    Both,
}

/// A topic and what is on the cluster under its name.
struct Topic {
    contents: TopicContents,
    found: Found,
}

impl Topic {
    fn spec(&self) -> &TopicSpec {
        &self.contents.description.spec
    }
}

impl<'a> Mover<'a> {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// [`MigrateError`] when `to` names none, or it cannot be reached.
    pub(crate) fn connect(
        log: &'a LocalLog,
        topology: &'a Topology,
        settings: &Settings,
        to: &str,
    ) -> Result<Self, MigrateError> {
        let LogSetting::Kafka { brokers } = LogSetting::named(to).map_err(|reason| error::no_cluster(to, reason))?
        else {
            return Err(error::no_cluster(to, "it is the embedded log".to_owned()));
        };
        let options = kafka_options(&brokers, format!("{NAME}.{}", topology.app), settings);
        let window_days = settings.limits.deduplication_days;
        Ok(Self {
            log,
            topology,
            window_days,
            import: Import::connect(options)?,
            to: to.to_owned(),
            compared: Compared::default(),
        })
    }

    /// What there is to move.
    pub(crate) fn plan(&self) -> Result<Plan, MigrateError> {
        let topics = self.topics()?.into_iter().map(|topic| {
            let offsets = &topic.contents.description.offsets;
            let there = match topic.found {
                Found::Missing => 0,
                Found::Unfinished | Found::InUse => records::held(&self.import.describe(topic.spec())?.offsets),
            };
            Ok::<_, MigrateError>(TopicPlan {
                topic: topic.spec().name.to_string(),
                partitions: topic.spec().partitions,
                offsets: records::held(offsets),
                bytes: topic.contents.bytes,
                there,
                in_use: topic.found == Found::InUse,
            })
        });
        Ok(Plan { to: self.to.clone(), topics: topics.collect::<Result<_, _>>()?, groups: self.groups()?.len() })
    }

    /// Copies records that are not there yet, and compares those that are. The log may be written to meanwhile. Gives how many
    /// were copied.
    ///
    /// # Errors
    /// [`MigrateError`] says what is in the way.
    pub(crate) fn copy(&mut self, watch: &Watch<'_>) -> Result<u64, MigrateError> {
        let topics = self.topics()?;
        if let Some(taken) = topics.iter().find(|topic| topic.found == Found::InUse) {
            return Err(MigrateError::InUse { name: taken.spec().name.to_string() });
        }
        let copied = self.copy_records(&topics, watch)?;
        let partitions = self.compare_records(&topics, Sides::There, watch)?;
        if partitions.iter().all(PartitionReport::is_equal) {
            self.compared = partitions.into_iter().collect();
            return Ok(copied);
        }
        Err(MigrateError::Differs(Box::new(MigrateReport { to: self.to.clone(), partitions, groups: Vec::new() })))
    }

    /// Moves everything of a log that nobody writes to, and compares it.
    fn finish(&self, watch: &Watch<'_>) -> Result<MigrateReport, MigrateError> {
        let topics = self.topics()?;
        // One that is not written to is a finished copy, or the app is not moved beside it.
        for topic in topics.iter().filter(|topic| topic.found == Found::InUse) {
            if self.import.describe(topic.spec())?.offsets != self.described(topic)?.offsets {
                return Err(MigrateError::InUse { name: topic.spec().name.to_string() });
            }
        }
        self.copy_records(&topics, watch)?;
        let groups = self.move_groups(watch)?;
        let partitions = self.compare_records(&topics, Sides::Both, watch)?;
        let report = MigrateReport { to: self.to.clone(), partitions, groups };
        if !report.is_equal() {
            return Err(MigrateError::Differs(Box::new(report)));
        }
        for topic in topics.iter().filter(|topic| topic.found != Found::InUse) {
            self.import.finish(topic.spec())?;
        }
        for group in report.groups.iter().filter(|group| group.written) {
            self.import.finish_group(&group.group)?;
        }
        Ok(report)
    }

    fn topics(&self) -> Result<Vec<Topic>, MigrateError> {
        let found = |contents: TopicContents| {
            let found = self.import.found(&contents.description.spec)?;
            Ok(Topic { contents, found })
        };
        self.log.contents().topics()?.into_iter().map(found).collect()
    }

    /// The topic as it is now.
    fn described(&self, topic: &Topic) -> Result<riverrun_log::TopicDescription, ReadError> {
        self.log.describe(&topic.spec().name)
    }
}
