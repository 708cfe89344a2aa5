//! Apache Kafka's broker for tests: one, or a cluster of several, on free ports of the loopback address.
//!
//! Brokers and directories are gone when a [`Broker`] is dropped and when a signal ends this process. SIGKILL leaves no broker either:
//! each is told by the kernel to die with the thread that started it. What SIGKILL does leave, a directory, the next start removes.

mod cluster;
mod jars;
mod probe;
mod secure;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::java;
use crate::Failure;
pub(crate) use cluster::Purpose;
use cluster::{Cluster, Launch};

use jars::Jars;
use settings::Ports;
pub(crate) use settings::{Proxied, TransactionVersion};

/// Where tests look for brokers: `HOST:PORT[,HOST:PORT...]`.
pub(crate) const VARIABLE: &str = "RIVERRUN_TEST_KAFKA";
/// Where they look for the same brokers behind TLS, and for who may connect to them; [`secure`] says how.
pub(crate) const SECURE_VARIABLE: &str = "RIVERRUN_TEST_KAFKA_SECURE";

/// A start takes 5 s for one broker and 13 s for three on 2 cores, and twice that beside a build.
const START_MAX: Duration = Duration::from_secs(60);
const SAY_EVERY: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What runs in this process. Here and not in [`Broker`], so that a signal can end it whatever the main thread is doing.
static RUNNING: Mutex<BTreeMap<u64, Cluster>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

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
    id: u64,
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
        end_with_signals()?;
        match Self::try_start(&launch) {
            // Between choosing a port and listening on it another program may take it. Once is bad luck.
            Err(failure) if failure.to_string().contains("Address already in use") => Self::try_start(&launch),
            outcome => outcome,
        }
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
        self.cluster(|cluster| cluster.restart(&launch, number))?;
        self.wait(Instant::now(), |cluster| {
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

    /// The same behind TLS, as [`SECURE_VARIABLE`] takes it.
    pub(crate) fn secure_address(&self) -> &str {
        &self.secure_address
    }

    /// Goes on only if all brokers still run.
    ///
    /// # Errors
    /// One has ended by itself; the message quotes its log.
    pub(crate) fn check_running(&self) -> Result<(), Failure> {
        self.cluster(Cluster::check_running)
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
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let broker = Self { id, setup, address: addresses.join(","), secure_address };
        running().insert(broker.id, cluster);

        let begun = Instant::now();
        broker.cluster(|cluster| cluster.format(launch))?;
        broker.wait(begun, Cluster::is_formatted)?;
        broker.cluster(|cluster| cluster.run(launch))?;
        let sockets = addresses.iter().map(|address| address.parse()).collect::<Result<Vec<SocketAddr>, _>>()?;
        broker.wait(begun, |cluster| {
            cluster.check_running()?;
            Ok(sockets.iter().all(|socket| probe::brokers_known(*socket).is_ok_and(|known| known == sockets.len())))
        })?;
        eprintln!("kafka: ready after {:.1} s", begun.elapsed().as_secs_f64());
        Ok(broker)
    }

    /// Waits until `is_done`, and says every few seconds that it does.
    fn wait(&self, begun: Instant, is_done: impl Fn(&mut Cluster) -> Result<bool, Failure>) -> Result<(), Failure> {
        let mut said = Instant::now();
        while !self.cluster(&is_done)? {
            if begun.elapsed() > START_MAX {
                return Err(self.cluster(|cluster| Ok(cluster.late(START_MAX)))?);
            }
            if said.elapsed() >= SAY_EVERY {
                eprintln!("kafka: not ready yet after {:.0} s", begun.elapsed().as_secs_f64());
                said = Instant::now();
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn cluster<T>(&self, act: impl FnOnce(&mut Cluster) -> Result<T, Failure>) -> Result<T, Failure> {
        running().get_mut(&self.id).map_or_else(|| Err("the brokers have been stopped".into()), act)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The lock is kept meanwhile, so that a signal does not end the process half-way.
        let mut running = running();
        drop(running.remove(&self.id));
    }
}

/// What a thread that panicked left is still there to be ended.
fn running() -> MutexGuard<'static, BTreeMap<u64, Cluster>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal that ends this process ends all brokers first.
fn end_with_signals() -> Result<(), Failure> {
    static LISTENS: OnceLock<()> = OnceLock::new();
    if LISTENS.set(()).is_err() {
        return Ok(());
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            // Never given back: nothing may be started any more.
            let mut running = running();
            if !running.is_empty() {
                eprintln!("kafka: interrupted, stopping");
            }
            running.clear();
            // What the signal does to a program that does not listen, so that a shell sees why this one ended.
            if signal_hook::low_level::emulate_default_handler(signal).is_err() {
                std::process::exit(1);
            }
        }
    });
    Ok(())
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
