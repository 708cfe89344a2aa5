//! The n-th write or sync of the server fails, by strace's fault injection. The server may stop; it must not acknowledge what is in
//! doubt, and a restart must find everything it acknowledged.
//!
//! strace counts the calls of each thread by itself, so the thread that commits reaches the n-th one at its own pace.

use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Plan, Skipped, Verdict, each};
use crate::check::{Depth, check};
use crate::failure::{Failure, Interruption};
use crate::report::say;
use crate::server::Launch;
use crate::site::Site;

/// What fails, how, and at which call of a thread.
const FAULTS: [(&str, &str, &[u32]); 4] = [
    ("fdatasync,fsync", "EIO", &[1, 2, 3, 5, 9, 20, 60]),
    ("write,pwrite64,writev", "EIO", &[1, 3, 8, 30, 80]),
    ("write,pwrite64,writev", "ENOSPC", &[2, 20, 120]),
    ("rename,renameat,renameat2,ftruncate", "EIO", &[1, 2]),
];
/// `-D` keeps the program the direct child, so that signals reach it; the filter stops it for the calls in question only.
const FLAGS: [&str; 6] = ["-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
/// How long the load runs over a fault; by then the call has usually been made.
const LOAD: Duration = Duration::from_millis(1_200);

pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<Verdict, Skipped> {
    check_strace()?;
    let faults: Vec<(&str, &str, u32)> =
        FAULTS.iter().flat_map(|(calls, error, at)| at.iter().map(move |at| (*calls, *error, *at))).collect();
    let mut hit = 0;
    let count = u32::try_from(faults.len()).unwrap_or(u32::MAX);
    let mut verdict = each(count, |number| match faults.get(number as usize) {
        Some((calls, error, at)) => {
            hit += u32::from(survive(plan, number, &format!("inject={calls}:error={error}:when={at}"), interruption)?);
            Ok(())
        }
        None => Ok(()),
    });
    say(format!("  {hit} of {} injected errors ended the server", verdict.passed));
    if verdict.failure.is_none() && hit == 0 {
        verdict.failure = Some(Failure::broken("no injected error had any effect; were they injected at all?"));
    }
    Ok(verdict)
}

/// Whether strace is there and may trace: a container can forbid it, and every server would end at once.
fn check_strace() -> Result<(), Skipped> {
    let mut words = FLAGS.to_vec();
    words.extend(["-e", "inject=fsync:error=EIO", "true"]);
    match Command::new("strace").args(words).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("strace may not trace here ({})", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("strace: {error}")),
    }
}

/// One fault on a fresh site; true when the server ended by it.
fn survive(plan: &Plan, number: u32, injection: &str, interruption: &Interruption) -> Result<bool, Failure> {
    let place = tempfile::Builder::new().prefix("riverrun-errors-").tempdir_in(&plan.directory);
    let place = place.map_err(|error| Failure::Environment(format!("cannot make a directory: {error}")))?;
    let seed = plan.seed.wrapping_add(u64::from(number));
    let mut site = Site::prepare(&plan.program, place.path(), seed, interruption)?;
    let healthy = site.launch.clone();
    // A first, healthy run, so that the fault also meets what is there.
    site.start()?;
    interruption.sleep(Duration::from_millis(100))?;
    site.end()?;

    site.launch = under_strace(&healthy, injection);
    let has_ended = match site.start() {
        Ok(_) => ends_within(&mut site, LOAD, interruption)?,
        // An error at the start may refuse the start.
        Err(Failure::Broken(_)) => true,
        Err(failure) => return Err(failure),
    };
    site.server = None;
    site.load.server_is_down();

    site.launch = healthy;
    let outcome = judge(&mut site, interruption);
    if let (Err(Failure::Broken(_)), Some(keep)) = (&outcome, &plan.keep) {
        site.keep_evidence(keep, &format!("disk-errors-{number}"));
    }
    match outcome {
        Err(Failure::Broken(mut places)) => {
            places.insert(0, format!("after {injection}:"));
            Err(Failure::Broken(places))
        }
        other => other.map(|()| has_ended),
    }
}

fn judge(site: &mut Site, interruption: &Interruption) -> Result<(), Failure> {
    let address = site.start()?;
    interruption.sleep(Duration::from_millis(50))?;
    site.load.pause(interruption)?;
    check(&site.ledger, address, Depth::Log, interruption)
}

/// The same program with strace beside it.
fn under_strace(healthy: &Launch, injection: &str) -> Launch {
    let calls = injection.split_once(':').map_or(injection, |(calls, _)| calls).replace("inject=", "trace=");
    let words = FLAGS.into_iter().chain(["-e", &calls, "-e", injection, "--"]);
    let mut arguments: Vec<OsString> = words.map(OsString::from).collect();
    arguments.push(healthy.program.clone().into());
    arguments.extend(healthy.arguments.iter().cloned());
    Launch { program: "strace".into(), arguments, ..healthy.clone() }
}

/// Whether the process ends by itself in this time.
fn ends_within(site: &mut Site, time: Duration, interruption: &Interruption) -> Result<bool, Failure> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if site.server.as_mut().is_some_and(|server| server.check_running().is_err()) {
            return Ok(true);
        }
        interruption.sleep(Duration::from_millis(10))?;
    }
    Ok(false)
}
