//! A round: one fresh data directory, a load, and a number of faults with checks between them.
//!
//! Everything a round makes (process, senders, files, mount) belongs to its value and goes with it, in that order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::check::{Depth, check};
use crate::disk::Disk;
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::ledger::Counts;
use crate::random::Random;
use crate::report::say;
use crate::server::Server;
use crate::site::Site;

/// In how many of 100 cases a fault hits the start of the server instead of its work.
const FAULTS_AT_START_PERCENT: u64 = 25;
/// When a fault hits the start: within this many milliseconds of it, which covers opening and recovery.
const START_MS: u64 = 120;
/// Otherwise: so many milliseconds after the server is ready, at least and at most.
const LOAD_MS: (u64, u64) = (40, 600);
/// In how many of 100 cases that is then put off to the moment after an acknowledgement, when a promise is most easily broken.
const FAULTS_AT_ACKNOWLEDGEMENT_PERCENT: u64 = 70;
/// How long such a fault waits for one; requests take a few milliseconds.
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_millis(50);

/// What happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9: what was written but not synced survives.
    Kill,
    /// The disk loses its power: only what was synced survives.
    PowerCut,
}

/// What a round is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// Where the round makes its directory.
    pub directory: PathBuf,
    /// Where ledger and log are copied to when something is wrong.
    pub keep: Option<PathBuf>,
    /// The round's seed.
    pub seed: u64,
    /// What happens.
    pub fault: Fault,
    /// How often.
    pub faults: u32,
    /// After how many faults everything is checked; after the last one in any case.
    pub check_every: u32,
    /// Whether each check has a replay, not only the last one.
    pub replay_each_check: bool,
    /// The sabotage switch to set, if any.
    pub sabotage: Option<String>,
}

/// How a round ended.
#[derive(Debug)]
pub struct Verdict {
    /// Faults that the last good check covers.
    pub passed: u32,
    /// What was wrong or missing after those.
    pub failure: Option<Failure>,
    /// Events in the ledger.
    pub counts: Counts,
}

/// Runs a round. `Err` has the reason why this machine cannot do it.
///
/// # Errors
/// The reason to skip it, for people.
pub fn run(plan: &Plan, interruption: &Interruption) -> Result<Verdict, String> {
    let mut round = match Round::prepare(plan, interruption) {
        Ok(round) => round,
        Err(Preparation::Skip(reason)) => return Err(reason),
        Err(Preparation::Failed(failure)) => {
            return Ok(Verdict { passed: 0, failure: Some(failure), counts: Counts::default() });
        }
    };
    let outcome = round.run();
    if let (Err(Failure::Broken(_)), Some(keep)) = (&outcome, &plan.keep) {
        round.site.keep_evidence(keep, &format!("{:?}-{}", plan.fault, plan.seed));
    }
    Ok(Verdict { passed: round.passed, failure: outcome.err(), counts: round.site.ledger.counts() })
}

/// Why a round does not begin.
enum Preparation {
    Skip(String),
    Failed(Failure),
}

impl From<Failure> for Preparation {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

struct Round<'a> {
    // In the order in which they have to go.
    site: Site,
    disk: Option<Disk>,
    _disk_directory: TempDir,
    plan: &'a Plan,
    interruption: &'a Interruption,
    random: Random,
    passed: u32,
    replays: u32,
}

impl<'a> Round<'a> {
    fn prepare(plan: &'a Plan, interruption: &'a Interruption) -> Result<Self, Preparation> {
        let disk_directory = tempfile::Builder::new().prefix("riverrun-disk-").tempdir_in(&plan.directory);
        let disk_directory = disk_directory.or_environment("cannot make a directory for the disk")?;
        let disk = match plan.fault {
            Fault::Kill => None,
            Fault::PowerCut => Some(Disk::create(disk_directory.path()).map_err(Preparation::Skip)?),
        };
        let root = disk.as_ref().map_or(disk_directory.path(), Disk::path).to_owned();
        let mut site = Site::prepare(&plan.program, &root, plan.seed, interruption)?;
        site.launch.sabotage.clone_from(&plan.sabotage);
        let random = Random::part(plan.seed, 0);
        let (passed, replays) = (0, 0);
        Ok(Self { site, disk, _disk_directory: disk_directory, plan, interruption, random, passed, replays })
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.site.start()?;
        for number in 1..=self.plan.faults {
            let after_ready = self.random.between(LOAD_MS.0, LOAD_MS.1);
            self.interruption.sleep(Duration::from_millis(after_ready))?;
            if self.random.chance(FAULTS_AT_ACKNOWLEDGEMENT_PERCENT) {
                self.wait_for_acknowledgement();
            }
            self.strike()?;
            let is_last = number == self.plan.faults;
            let is_checked = is_last || number % self.plan.check_every.max(1) == 0;
            if !is_checked && self.random.chance(FAULTS_AT_START_PERCENT) {
                self.strike_at_start()?;
            }
            let address = self.site.start()?;
            if is_checked {
                self.check(address, number, is_last)?;
            }
        }
        self.end_in_good_order()
    }

    /// Waits for the next acknowledgement, without sleeping: its moment is shorter than a sleep.
    fn wait_for_acknowledgement(&self) {
        let before = self.site.ledger.acknowledgements();
        let end = Instant::now() + ACKNOWLEDGEMENT_WAIT;
        while self.site.ledger.acknowledgements() == before && Instant::now() < end {
            std::thread::yield_now();
        }
    }

    /// The fault, under load.
    fn strike(&mut self) -> Result<(), Failure> {
        let Some(mut server) = self.site.server.take() else { return Ok(()) };
        server.check_running()?;
        match &mut self.disk {
            None => {
                server.kill()?;
                self.site.load.server_is_down();
            }
            Some(disk) => {
                server.freeze()?;
                disk.cut()?;
                server.kill()?;
                self.site.load.server_is_down();
                disk.power_up()?;
            }
        }
        Ok(())
    }

    /// One more fault while the server starts and recovers. It is not counted as one of the plan's.
    fn strike_at_start(&mut self) -> Result<(), Failure> {
        self.site.server = Some(Server::spawn(&self.site.launch)?);
        let moment = self.random.between(0, START_MS);
        self.interruption.sleep(Duration::from_millis(moment))?;
        self.strike()
    }

    fn check(&mut self, address: SocketAddr, number: u32, is_last: bool) -> Result<(), Failure> {
        // A moment of load first, so that the state after recovery is also worked on before it is looked at.
        self.interruption.sleep(Duration::from_millis(50))?;
        self.site.load.pause(self.interruption)?;
        let began = Instant::now();
        let depth = if is_last || self.plan.replay_each_check {
            self.replays += 1;
            Depth::LogAndReplay { replay: self.replays }
        } else {
            Depth::Log
        };
        check(&self.site.ledger, address, depth, self.interruption)?;
        self.passed = number;
        self.tell_progress(number, began.elapsed());
        self.site.load.resume();
        Ok(())
    }

    /// SIGTERM under load must lose nothing either.
    fn end_in_good_order(&mut self) -> Result<(), Failure> {
        self.interruption.sleep(Duration::from_millis(200))?;
        self.site.end()?;
        let address = self.site.start()?;
        self.site.load.pause(self.interruption)?;
        check(&self.site.ledger, address, Depth::Log, self.interruption)
    }

    fn tell_progress(&self, number: u32, checking: Duration) {
        let counts = self.site.ledger.counts();
        say(format!(
            "  {number}/{} faults; {} events acknowledged, {} refused, {} without an answer; checked in {:.1} s",
            self.plan.faults,
            counts.acknowledged,
            counts.refused,
            counts.unknown,
            checking.as_secs_f64()
        ));
    }
}
