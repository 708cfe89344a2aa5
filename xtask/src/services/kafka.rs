//! Apache Kafka's broker for tests: one, or a cluster of several, on free ports of the loopback address.
//!
//! Brokers and directories are gone when a [`Broker`] is dropped and when a signal ends this process. SIGKILL leaves no broker either:
//! each is told by the kernel to die with the thread that started it. What SIGKILL does leave, a directory, the next start removes.

mod cluster;
mod jars;
mod probe;
mod secure;
mod settings;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Instant;

use super::java;
use super::running::{Running, start_twice_at_most};
use crate::Failure;
pub(crate) use cluster::Purpose;
use cluster::{Cluster, Launch};

use jars::Jars;
use settings::Ports;
pub(crate) use settings::{Proxied, TransactionVersion};

/// Where tests look for brokers: `HOST:PORT[,HOST:PORT...]`.
const VARIABLE: &str = "RIVERRUN_TEST_KAFKA";
/// Where they look for the same brokers behind TLS, and for who may connect to them; [`secure`] says how.
const SECURE_VARIABLE: &str = "RIVERRUN_TEST_KAFKA_SECURE";

/// How many brokers make a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokerCount(usize);

impl BrokerCount {
    pub(crate) const ONE: Self = Self(1);
    /// Each takes up to half a gigabyte of memory.
    const MAX: usize = 9;

    fn brokers(self) -> usize {
        self.0
    }
}

impl FromStr for BrokerCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count @ 1..=Self::MAX) => Ok(Self(count)),
            _ => Err(format!("--brokers {text}: expected a number from 1 to {}", Self::MAX)),
        }
    }
}

impl fmt::Display for BrokerCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} broker{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// What brokers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) count: BrokerCount,
    pub(crate) purpose: Purpose,
    /// One more listener, for a proxy.
    pub(crate) proxied: Option<Proxied>,
    /// An older version of transactions than the cluster would agree on by itself.
    pub(crate) transactions: Option<TransactionVersion>,
}

impl Setup {
    /// One broker with nothing special about it.
    pub(crate) const fn one(purpose: Purpose) -> Self {
        Self { count: BrokerCount::ONE, purpose, proxied: None, transactions: None }
    }
}

/// A running cluster. Dropping it stops the brokers and removes what they wrote.
///
/// It must not outlive the thread that started it: the kernel takes the end of that thread for the end of this process.
pub(crate) struct Broker {
    cluster: Running<Cluster>,
    setup: Setup,
    address: String,
    secure_address: String,
}

impl Broker {
    /// Starts brokers and waits until all of them serve. Java, Maven and the jars are installed first where they are missing.
    ///
    /// # Errors
    /// Something cannot be installed, or a broker does not come up; the message quotes its log.
    pub(crate) fn start(setup: Setup) -> Result<Self, Failure> {
        let launch = Launch { java: java::find_or_install()?, jars: Jars::find_or_copy()?, setup };
        start_twice_at_most(|| Self::try_start(&launch))
    }

    /// Ends one broker, counted from 1, starts it again, and waits until it knows all the others.
    ///
    /// # Errors
    /// There is none of this number, or it does not come up; the message quotes its log.
    pub(crate) fn restart(&self, number: usize) -> Result<(), Failure> {
        let launch = Launch { java: java::find_or_install()?, jars: Jars::find_or_copy()?, setup: self.setup };
        let sockets = self.address.split(',').map(str::parse).collect::<Result<Vec<SocketAddr>, _>>()?;
        let index = number.checked_sub(1);
        let own = *index.and_then(|index| sockets.get(index)).ok_or_else(|| format!("there is no broker {number}"))?;
        self.cluster.with(|cluster| cluster.restart(&launch, number))?;
        self.cluster.wait(Instant::now(), |cluster| {
            cluster.check_running()?;
            Ok(probe::brokers_known(own).is_ok_and(|known| known == sockets.len()))
        })
    }

    /// The broker for a run of the tests; none when the environment names one.
    ///
    /// # Errors
    /// As [`Self::start`]; the message says how to use another broker.
    pub(crate) fn for_tests() -> Result<Option<Self>, Failure> {
        if let Some(given) = std::env::var_os(VARIABLE).filter(|given| !given.is_empty()) {
            eprintln!("kafka: {VARIABLE} is set, the tests use {}", given.display());
            return Ok(None);
        }
        let started = Self::start(Setup::one(Purpose::Tests));
        started.map(Some).map_err(|failure| {
            format!("the tests need a Kafka broker, and none could be started: {failure}\nOr set {VARIABLE}=HOST:PORT to one that runs.").into()
        })
    }

    /// Where clients connect to, as [`VARIABLE`] takes it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What tests are told, as names and values of environment variables.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![(VARIABLE, self.address.clone()), (SECURE_VARIABLE, self.secure_address.clone())]
    }

    /// Goes on only if all brokers still run.
    ///
    /// # Errors
    /// One has ended by itself; the message quotes its log.
    pub(crate) fn check_running(&self) -> Result<(), Failure> {
        self.cluster.with(Cluster::check_running)
    }

    fn try_start(launch: &Launch) -> Result<Self, Failure> {
        let setup = launch.setup;
        let count = setup.count;
        eprintln!("kafka: starting {count} of version {}", launch.jars.version);
        let ports = Ports::choose(count)?;
        let addresses: Vec<String> = ports.iter().map(|ports| ports.address()).collect();
        let secure: Vec<String> = ports.iter().map(|ports| ports.secure_address()).collect();
        let mutual: Vec<String> = ports.iter().map(|ports| ports.mutual_address()).collect();
        let cluster = Cluster::make(setup, &ports)?;
        let secure_address = cluster.secure_address(&secure.join(","), &mutual.join(","));
        let cluster = Running::keep(cluster)?;

        let begun = Instant::now();
        cluster.with(|cluster| cluster.format(launch))?;
        cluster.wait(begun, Cluster::is_formatted)?;
        cluster.with(|cluster| cluster.run(launch))?;
        let sockets = addresses.iter().map(|address| address.parse()).collect::<Result<Vec<SocketAddr>, _>>()?;
        cluster.wait(begun, |cluster| {
            cluster.check_running()?;
            Ok(sockets.iter().all(|socket| probe::brokers_known(*socket).is_ok_and(|known| known == sockets.len())))
        })?;
        eprintln!("kafka: ready after {:.1} s", begun.elapsed().as_secs_f64());
        Ok(Self { cluster, setup, address: addresses.join(","), secure_address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_parsed() {
        assert_eq!("1".parse(), Ok(BrokerCount::ONE));
        assert_eq!("9".parse(), Ok(BrokerCount(9)));
        for wrong in ["0", "10", "-1", "three", ""] {
            assert!(wrong.parse::<BrokerCount>().is_err(), "{wrong}");
        }
    }
}
