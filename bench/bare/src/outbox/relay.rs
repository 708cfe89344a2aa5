//! A relay as a process: started, looked at in /proc, killed.

use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use riverrun_bare::figures::{Cost, family_cpu_seconds};

use super::Setting;
use super::stage::{Stage, Store};
use super::watch::Watcher;

/// A relay that has sent nothing by then never will. Java needs some seconds.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// What has been spent by a moment, or between two.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    /// By the relay.
    pub(super) cpu_seconds: f64,
    /// By all processes of PostgreSQL.
    pub(super) postgres_cpu_seconds: f64,
    /// By the relay, at most, in MB of 10^6 bytes.
    pub(super) peak_mb: f64,
}

/// A running relay. Dropping it kills it: how it ends is no part of what is measured.
pub(super) struct Relay {
    child: Child,
    /// Some end when there is no more input.
    _input: Option<ChildStdin>,
    postmaster: u32,
    postgres_before: f64,
    pub(super) began: Instant,
}

impl Relay {
    /// Starts it.
    pub(super) fn start(setting: &Setting) -> Outcome<Self> {
        let (program, rest) = setting.program.split_first().ok_or("no program")?;
        let postgres_before = family_cpu_seconds(setting.postmaster)?;
        let began = Instant::now();
        let mut child = Command::new(program).args(rest).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, _input: input, postmaster: setting.postmaster, postgres_before, began })
    }

    /// Starts it, stores a row, numbered 0, and waits until it is in the topic.
    pub(super) async fn start_and_wait(setting: &Setting, stage: &Stage<'_>, watcher: &Watcher) -> Outcome<Self> {
        let mut relay = Self::start(setting)?;
        Store::prepare(&stage.client, setting).await?.rows(&stage.client, 0, 0).await?;
        while watcher.next().await?.is_empty() {
            relay.check_running()?;
            if relay.began.elapsed() > FIRST_WITHIN {
                return Err(format!("the relay sent nothing within {} s", FIRST_WITHIN.as_secs()).into());
            }
        }
        Ok(relay)
    }

    /// What has been spent since the start.
    pub(super) fn spent(&self) -> Outcome<Spent> {
        let Cost { cpu_seconds, peak_mb } = Cost::of(self.child.id())?;
        let postgres_cpu_seconds = family_cpu_seconds(self.postmaster)? - self.postgres_before;
        Ok(Spent { cpu_seconds, postgres_cpu_seconds, peak_mb })
    }

    /// Goes on only if it runs.
    pub(super) fn check_running(&mut self) -> Outcome<()> {
        match self.child.try_wait()? {
            Some(status) => Err(format!("the relay ended with {status}").into()),
            None => Ok(()),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
