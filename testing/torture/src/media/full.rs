//! The disk runs full under load, and later has space again.
//!
//! While it is full the server may refuse or stop, and has to say so in its health or end; it must not acknowledge what it cannot
//! keep. With space again it must take events, at the latest after a restart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::small_disk::SmallDisk;
use super::{Plan, Skipped, Verdict, each};
use crate::check::{Depth, check};
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::http::{Connection, Request};
use crate::report::say;
use crate::server::Server;
use crate::site::Site;

/// How often the disk fills up.
const TIMES: u32 = 4;
/// Load before that.
const LOAD: Duration = Duration::from_millis(400);
/// How long no acknowledgement has to come before the disk counts as noticed.
const SILENCE: Duration = Duration::from_millis(700);
/// How long the server may go on within what it had reserved.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take until events are acknowledged again.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<Verdict, Skipped> {
    let place = tempfile::Builder::new().prefix("riverrun-full-").tempdir_in(&plan.directory);
    let place = place.map_err(|error| error.to_string())?;
    let disk = SmallDisk::mount(place.path())?;
    let mut site = match Site::prepare(&plan.program, disk.path(), plan.seed, interruption) {
        Ok(site) => site,
        Err(failure) => return Ok(Verdict { passed: 0, failure: Some(failure) }),
    };
    let verdict = each(TIMES, |_| fill_and_free(&mut site, &disk, interruption));
    if let (Some(Failure::Broken(_)), Some(keep)) = (&verdict.failure, &plan.keep) {
        site.keep_evidence(keep, "full-disk");
    }
    Ok(verdict)
}

fn fill_and_free(site: &mut Site, disk: &SmallDisk, interruption: &Interruption) -> Result<(), Failure> {
    let mut address = match site.server {
        Some(_) => site.end().and_then(|()| site.start())?,
        None => site.start()?,
    };
    interruption.sleep(LOAD)?;
    disk.fill()?;
    wait_for_silence(site, interruption)?;
    let state = State::of(site, address)?;
    say(format!("  the disk is full: the server {state}"));
    if state == State::Ended {
        site.load.server_is_down();
        // A start without space may fail, but must not harm what is there.
        let _refused = start_for_a_moment(site, interruption);
    }
    disk.free()?;
    if state != State::Serving {
        // The process is gone, or says that it has to go.
        site.server = None;
        site.load.server_is_down();
        address = site.start()?;
    }
    wait_for_acknowledgement(site, interruption)?;
    site.load.pause(interruption)?;
    check(&site.ledger, address, Depth::Log, interruption)?;
    site.load.resume();
    Ok(())
}

/// What the server says of itself with a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It refuses and goes on.
    Serving,
    /// Its health says that it has stopped.
    Stopped,
    /// The process has ended by itself.
    Ended,
}

impl State {
    fn of(site: &mut Site, address: SocketAddr) -> Result<Self, Failure> {
        if site.server.as_mut().is_some_and(|server| server.check_running().is_err()) {
            return Ok(Self::Ended);
        }
        let health = Connection::new(address, Duration::from_secs(5)).send(&Request::get("/health/live"));
        match health {
            Ok(response) if response.status == 503 => Ok(Self::Stopped),
            Ok(response) if response.status == 200 => Ok(Self::Serving),
            other => Err(Failure::broken(format!("with a full disk, health gives {other:?}"))),
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Serving => "refuses and goes on",
            Self::Stopped => "says that it stopped",
            Self::Ended => "has ended",
        })
    }
}

fn start_for_a_moment(site: &Site, interruption: &Interruption) -> Result<(), Failure> {
    let mut server = Server::spawn(&site.launch)?;
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end && server.check_running().is_ok() {
        interruption.sleep(Duration::from_millis(20))?;
    }
    server.kill().or_environment("cannot end the server")
}

/// Waits until nothing has been acknowledged for a while.
fn wait_for_silence(site: &Site, interruption: &Interruption) -> Result<(), Failure> {
    let end = Instant::now() + NOTICE_TIMEOUT;
    let (mut seen, mut since) = (site.ledger.acknowledgements(), Instant::now());
    while since.elapsed() < SILENCE {
        interruption.sleep(Duration::from_millis(20))?;
        let now = site.ledger.acknowledgements();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        if Instant::now() > end {
            return Err(Failure::broken("a full disk did not stop acknowledgements"));
        }
    }
    Ok(())
}

fn wait_for_acknowledgement(site: &Site, interruption: &Interruption) -> Result<(), Failure> {
    let before = site.ledger.acknowledgements();
    let end = Instant::now() + RECOVERY_TIMEOUT;
    while site.ledger.acknowledgements() == before {
        if Instant::now() > end {
            return Err(Failure::broken("nothing was acknowledged after the disk had space again"));
        }
        interruption.sleep(Duration::from_millis(20))?;
    }
    Ok(())
}
