//! A round: one fresh data directory, a load, and a number of faults with checks between them.
//!
//! Everything a round makes (process, senders, mount, files) belongs to its value and goes with it, in that order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::check::{Depth, check};
use crate::disk::Disk;
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::ledger::{Counts, Ledger};
use crate::load::Load;
use crate::random::Random;
use crate::report::say;
use crate::scenario_app::app_file;
use crate::server::{Launch, Server};

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
        round.keep_evidence(keep);
    }
    Ok(Verdict { passed: round.passed, failure: outcome.err(), counts: round.ledger.counts() })
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
    server: Option<Server>,
    load: Load,
    disk: Option<Disk>,
    work: TempDir,
    plan: &'a Plan,
    interruption: &'a Interruption,
    ledger: Arc<Ledger>,
    launch: Launch,
    random: Random,
    passed: u32,
    replays: u32,
}

impl<'a> Round<'a> {
    fn prepare(plan: &'a Plan, interruption: &'a Interruption) -> Result<Self, Preparation> {
        let mut builder = tempfile::Builder::new();
        let work = builder.prefix("riverrun-torture-").tempdir_in(&plan.directory);
        let work = work.or_environment("cannot make a directory for the round")?;
        let disk = match plan.fault {
            Fault::Kill => None,
            Fault::PowerCut => Some(Disk::create(work.path()).map_err(Preparation::Skip)?),
        };
        let data_directory = disk.as_ref().map_or(work.path(), Disk::path).join("data");
        let app_path = work.path().join("riverrun.yaml");
        let launch = Launch {
            program: plan.program.clone(),
            arguments: vec![app_path.clone().into_os_string()],
            log: work.path().join("server.log"),
            sabotage: plan.sabotage.clone(),
            data_directory,
        };
        std::fs::write(&app_path, app_file(&launch.data_directory)).or_environment("cannot write the app file")?;
        let ledger = Arc::new(Ledger::create(&work.path().join("ledger.ndjson"))?);
        let load = Load::start(plan.seed, &ledger);
        let random = Random::part(plan.seed, 0);
        let (server, passed, replays) = (None, 0, 0);
        Ok(Self { server, load, disk, work, plan, interruption, ledger, launch, random, passed, replays })
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.start()?;
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
            let address = self.start()?;
            if is_checked {
                self.check(address, number, is_last)?;
            }
        }
        self.end_in_good_order()
    }

    /// Starts the server and lets the load at it.
    fn start(&mut self) -> Result<SocketAddr, Failure> {
        let server = self.server.insert(Server::spawn(&self.launch)?);
        let address = server.wait_ready(self.interruption)?;
        self.load.server_is_up(address);
        Ok(address)
    }

    /// Waits for the next acknowledgement, without sleeping: its moment is shorter than a sleep.
    fn wait_for_acknowledgement(&self) {
        let before = self.ledger.acknowledgements();
        let end = Instant::now() + ACKNOWLEDGEMENT_WAIT;
        while self.ledger.acknowledgements() == before && Instant::now() < end {
            std::thread::yield_now();
        }
    }

    /// The fault, under load.
    fn strike(&mut self) -> Result<(), Failure> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        server.check_running()?;
        match &mut self.disk {
            None => {
                server.kill()?;
                self.load.server_is_down();
            }
            Some(disk) => {
                server.freeze()?;
                disk.cut()?;
                server.kill()?;
                self.load.server_is_down();
                disk.power_up()?;
            }
        }
        Ok(())
    }

    /// One more fault while the server starts and recovers. It is not counted as one of the plan's.
    fn strike_at_start(&mut self) -> Result<(), Failure> {
        self.server = Some(Server::spawn(&self.launch)?);
        let moment = self.random.between(0, START_MS);
        self.interruption.sleep(Duration::from_millis(moment))?;
        self.strike()
    }

    fn check(&mut self, address: SocketAddr, number: u32, is_last: bool) -> Result<(), Failure> {
        // A moment of load first, so that the state after recovery is also worked on before it is looked at.
        self.interruption.sleep(Duration::from_millis(50))?;
        self.load.pause(self.interruption)?;
        let began = Instant::now();
        let depth = if is_last || self.plan.replay_each_check {
            self.replays += 1;
            Depth::LogAndReplay { replay: self.replays }
        } else {
            Depth::Log
        };
        check(&self.ledger, address, depth, self.interruption)?;
        self.passed = number;
        self.tell_progress(number, began.elapsed());
        self.load.resume();
        Ok(())
    }

    /// SIGTERM under load must lose nothing either.
    fn end_in_good_order(&mut self) -> Result<(), Failure> {
        self.interruption.sleep(Duration::from_millis(200))?;
        if let Some(server) = self.server.take() {
            server.end(self.interruption)?;
        }
        self.load.server_is_down();
        let address = self.start()?;
        self.load.pause(self.interruption)?;
        check(&self.ledger, address, Depth::Log, self.interruption)
    }

    fn tell_progress(&self, number: u32, checking: Duration) {
        let counts = self.ledger.counts();
        say(format!(
            "  {number}/{} faults; {} events acknowledged, {} refused, {} without an answer; checked in {:.1} s",
            self.plan.faults,
            counts.acknowledged,
            counts.refused,
            counts.unknown,
            checking.as_secs_f64()
        ));
    }

    fn keep_evidence(&self, keep: &Path) {
        for name in ["ledger.ndjson", "server.log", "riverrun.yaml"] {
            let kept = keep.join(format!("{:?}-{}-{name}", self.plan.fault, self.plan.seed));
            match std::fs::copy(self.work.path().join(name), &kept) {
                Ok(_) => say(format!("  kept {}", kept.display())),
                Err(error) => say(format!("  {name} cannot be kept: {error}")),
            }
        }
    }
}
