//! The machine's clock jumps, forward and back, under load and over restarts, by libfaketime.
//!
//! Jumps stay well within the 7 days for which identities are kept: what is older may be stored again, which is what was promised.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Plan, Skipped, Verdict, each};
use crate::check::{Depth, check};
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::faked_clock::{library, with_clock};
use crate::http::{Connection, Request};
use crate::scenario_app::ORDERS;
use crate::server::Server;
use crate::site::Site;

/// Offsets of the clock in seconds, one after the other.
const STEPS: [&str; 12] =
    ["+0", "+3600", "-3600", "+86400", "+0", "-86400", "+172800", "-7200", "-172800", "+86399", "+1", "-1"];
/// Load after each step.
const LOAD: Duration = Duration::from_millis(250);
/// How far a record may lie behind the moved clock and still show that it moved: less than any step forward.
const TOLERANCE_SECONDS: u64 = 600;
/// How long such a record may take.
const MOVED_TIMEOUT: Duration = Duration::from_secs(20);
/// After so many steps the server is killed and started again.
const KILL_EVERY: u32 = 3;

pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<Verdict, Skipped> {
    let library = library().ok_or("there is no libfaketime")?;
    let place = tempfile::Builder::new().prefix("riverrun-clock-").tempdir_in(&plan.directory);
    let place = place.map_err(|error| error.to_string())?;
    let offset = place.path().join("offset");
    let mut site = match prepare(plan, place.path(), &library, &offset, interruption) {
        Ok(site) => site,
        Err(failure) => return Ok(Verdict { passed: 0, failure: Some(failure) }),
    };
    let count = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let mut furthest = 0;
    let verdict = each(count, |number| {
        let step = STEPS.get(number as usize).copied().unwrap_or("+0");
        std::fs::write(&offset, step).or_environment("cannot set the clock")?;
        interruption.sleep(LOAD)?;
        let seconds = step.parse::<i64>().unwrap_or(0);
        if seconds > furthest {
            furthest = seconds;
            check_moved(&site, seconds, interruption)?;
        }
        if number % KILL_EVERY == KILL_EVERY - 1 {
            site.server.take().map_or(Ok(()), Server::kill)?;
            site.load.server_is_down();
            let address = site.start()?;
            site.load.pause(interruption)?;
            check(&site.ledger, address, Depth::Log, interruption)?;
            site.load.resume();
        }
        Ok(())
    });
    if let (Some(Failure::Broken(_)), Some(keep)) = (&verdict.failure, &plan.keep) {
        site.keep_evidence(keep, "clock-steps");
    }
    Ok(verdict)
}

fn prepare(
    plan: &Plan,
    place: &Path,
    library: &Path,
    offset: &Path,
    interruption: &Interruption,
) -> Result<Site, Failure> {
    std::fs::write(offset, "+0").or_environment("cannot set the clock")?;
    let mut site = Site::prepare(&plan.program, place, plan.seed, interruption)?;
    site.launch = with_clock(site.launch.clone(), library, offset);
    site.start()?;
    Ok(site)
}

/// Waits for a record that the server took in so much ahead of this program's clock: without one nothing was tested.
fn check_moved(site: &Site, seconds: i64, interruption: &Interruption) -> Result<(), Failure> {
    let address =
        site.server.as_ref().and_then(Server::address).ok_or_else(|| Failure::broken("there is no server"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let moved = now.saturating_add_signed(seconds).saturating_sub(TOLERANCE_SECONDS);
    let request = Request::get(format!("/topics/{ORDERS}/events?from={}&limit=1", utc(moved)));
    let end = Instant::now() + MOVED_TIMEOUT;
    while Instant::now() < end {
        let answer = Connection::new(address, MOVED_TIMEOUT).send(&request);
        if answer.is_ok_and(|response| response.status == 200 && !response.body.is_empty()) {
            return Ok(());
        }
        interruption.sleep(Duration::from_millis(20))?;
    }
    Err(Failure::broken(format!("no record has a time of {seconds} seconds ahead; did the server's clock move?")))
}

/// The time in RFC 3339, by Howard Hinnant's algorithm for the date (`civil_from_days`).
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    // Its years begin in March.
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + carry;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
