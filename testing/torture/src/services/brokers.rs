//! The brokers of a scenario.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Service;
use crate::failure::{Failure, Interruption, OrEnvironment};

/// What the line with the address begins with.
const ADDRESS: &str = "RIVERRUN_TEST_KAFKA=";

/// Running brokers; they are gone when this is dropped.
pub(crate) struct Brokers {
    service: Service,
    address: String,
}

impl Brokers {
    /// Starts so many and waits until they serve. `services` is the program that starts them, `options` its further options.
    ///
    /// # Errors
    /// [`Failure::Environment`] when they do not come up.
    pub(crate) fn start(services: &Path, count: usize, options: &[&str]) -> Result<Self, Failure> {
        let count = count.to_string();
        let mut service = Service::start(services, &[&["kafka", "--brokers", &count], options].concat())?;
        let address = service.wait_for(ADDRESS)?;
        Ok(Self { service, address })
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Restarts one, counted from 1, and waits until it serves again.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it does not come up.
    pub(crate) fn restart(&mut self, number: usize) -> Result<(), Failure> {
        self.service.tell(&format!("restart {number}"))?;
        self.service.wait_for(&format!("restarted {number}")).map(drop)
    }

    /// Stops every thread of all of them where it is, for so long: whoever speaks to them gets no answer.
    ///
    /// # Errors
    /// [`Failure::Environment`] when they cannot be signalled, [`Failure::Interrupted`] also only after they go on.
    pub(crate) fn freeze(&self, duration: Duration, interruption: &Interruption) -> Result<(), Failure> {
        let processes = children_of(self.service.child.id())?;
        if processes.is_empty() {
            return Err(Failure::Environment("there are no brokers to be stopped".to_owned()));
        }
        let signal = |signal: Signal| {
            let signalled = processes.iter().try_for_each(|process| kill_process(*process, signal));
            signalled.or_environment("cannot signal the brokers")
        };
        signal(Signal::STOP)?;
        let slept = interruption.sleep(duration);
        signal(Signal::CONT)?;
        slept
    }
}

/// The processes that one started: of the program that starts brokers, these are the brokers.
fn children_of(parent: u32) -> Result<Vec<Pid>, Failure> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").or_environment("cannot look at processes")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Those that are gone meanwhile are nobody's.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name, which may have anything in it: the state and the parent.
        let told = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        if told == Some(parent) {
            children.extend(Pid::from_raw(process));
        }
    }
    Ok(children)
}
