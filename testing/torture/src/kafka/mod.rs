//! The tier `kafka`: several instances of an app on a real cluster, killed, paused and moved about, and a cluster that is disturbed.
//!
//! What is in the cluster is looked at with another client, which reads what is committed: each input has been processed once, what is
//! kept of a key is exact and in order, and no group is behind in the end.

mod cluster;
mod delays;
mod faults;
mod flights;
mod fold;
mod formats;
mod load;
mod moves;
mod outside;
mod proxy;
mod sabotage;

use std::path::PathBuf;

use crate::failure::{Failure, Interruption};
use crate::instances::Instances;
use crate::report::conclude;
use crate::services::Brokers;
use outside::Outside;
pub use sabotage::run_sabotage;

/// What the tier is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The command line `riverrun`.
    pub command_line: PathBuf,
    /// The service with steps of its own.
    pub service: PathBuf,
    /// The program that starts brokers, by `services start kafka`.
    pub services: PathBuf,
    /// A Python interpreter with the packages of `requirements.txt`.
    pub python: PathBuf,
    /// The folder `testing/torture`.
    pub sources: PathBuf,
    /// Where files are made.
    pub directory: PathBuf,
    /// Where logs are copied to when something is wrong.
    pub keep: Option<PathBuf>,
    /// What the load and the moments of faults come from.
    pub seed: u64,
    /// More faults, for a run by hand.
    pub is_full: bool,
    /// The sabotage switch for a service that was built so: it then stands in for the command line.
    pub sabotage: Option<String>,
}

/// What a scenario works with.
#[derive(Clone)]
struct Site<'a> {
    plan: &'a Plan,
    outside: Outside,
    /// Where the instances find the brokers, if that is elsewhere than for others.
    instance_brokers: Option<String>,
    /// What the names on the cluster begin with; each scenario has its own.
    prefix: String,
    /// Copies of each partition.
    replication: usize,
    interruption: Interruption,
}

impl Site<'_> {
    /// A topic's name on the cluster.
    fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Passes an outcome on, and keeps the evidence of one that is wrong.
    fn judge<T>(&self, instances: &Instances, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if let (Err(Failure::Broken(_)), Some(keep)) = (&outcome, &self.plan.keep) {
            instances.keep_evidence(keep, self.prefix.trim_end_matches('.'));
        }
        outcome
    }
}

/// The lines of an app file that put an instance on the cluster; `more` is added to its settings of Kafka.
fn kafka_settings(site: &Site<'_>, instance: &str, more: &str) -> String {
    let Site { outside, instance_brokers, prefix, replication, .. } = site;
    let brokers = instance_brokers.as_ref().unwrap_or(&outside.brokers);
    format!(
        "log: kafka://{brokers}\nkafka: {{ instance: {instance}, prefix: {prefix}, replication: {replication}, session: 6s{more} }}\n"
    )
}

type Scenario = fn(&Site<'_>, &mut u32) -> Result<(), Failure>;

/// The scenarios that need one undisturbed broker, by the names of their lines.
const ON_ONE_BROKER: [(&str, Scenario); 5] = [
    ("flights", flights::run),
    ("kills", faults::kills),
    ("pauses", faults::pauses),
    ("clocks", faults::clocks),
    ("moves", moves::run),
];

/// Starts brokers of its own.
type OnOwnBrokers = fn(&Plan, &Interruption) -> Result<bool, Failure>;

const ON_OWN_BROKERS: [(&str, OnOwnBrokers); 4] = [
    (cluster::NAME, cluster::run),
    (delays::NAME, delays::run),
    (delays::NAME_OLDER, delays::run_older),
    (formats::NAME, formats::run),
];

/// Runs every scenario whose name is in `only`, or all; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    let known: Vec<&str> =
        ON_ONE_BROKER.iter().map(|(name, _)| *name).chain(ON_OWN_BROKERS.iter().map(|(name, _)| *name)).collect();
    if let Some(unknown) = only.iter().find(|wanted| !known.contains(&wanted.as_str())) {
        return Err(Failure::Environment(format!("there is no scenario {unknown:?}; there are {known:?}")));
    }
    let is_chosen = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    let mut is_good = true;
    if ON_ONE_BROKER.iter().any(|(name, _)| is_chosen(name)) {
        let brokers = Brokers::start(&plan.services, 1, &[])?;
        for (name, scenario) in ON_ONE_BROKER.iter().filter(|(name, _)| is_chosen(name)) {
            let site = site(plan, name, brokers.address(), 1, interruption);
            is_good &= conclude(name, |passed| scenario(&site, passed))?;
        }
    }
    for (_, scenario) in ON_OWN_BROKERS.iter().filter(|(name, _)| is_chosen(name)) {
        is_good &= scenario(plan, interruption)?;
    }
    Ok(is_good)
}

fn site<'a>(plan: &'a Plan, name: &str, brokers: &str, replication: usize, interruption: &Interruption) -> Site<'a> {
    let outside = Outside {
        python: plan.python.clone(),
        script: plan.sources.join("kafka/outside.py"),
        brokers: brokers.to_owned(),
    };
    let prefix = format!("{}.", name.replace(' ', "-"));
    Site { plan, outside, instance_brokers: None, prefix, replication, interruption: interruption.clone() }
}
