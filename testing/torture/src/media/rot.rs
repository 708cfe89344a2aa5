//! Damage at rest: one flipped bit or one zeroed block anywhere in the data of a stopped server, a hundred times.
//!
//! Afterwards there are two good outcomes: everything that was acknowledged, and every output of it, is read as it was; or the damage is
//! refused with its place, at the start or by the read that meets it. `riverrun verify` may not call good what reads then refuse.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Plan, Skipped, Verdict, each};
use crate::check::{Depth, check, check_read};
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::random::Random;
use crate::report::say;
use crate::server::Server;
use crate::site::Site;

/// How often something is damaged.
const DAMAGES: u32 = 100;
/// How much of it are zeroed blocks; the others are flipped bits.
const BLOCKS_PERCENT: u64 = 40;
/// What a disk loses at once.
const BLOCK_BYTES: u64 = 4096;
/// So many events are acknowledged before the damage: enough for a server that ends to move them from its journal to tables.
const EVENTS: u64 = 4_000;
/// How long they may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How much of the damage goes to a file as likely as to any other; the rest goes to bytes so. Most of the bytes are in one file.
const BY_FILE_PERCENT: u64 = 40;
/// What the product says of damage.
const DAMAGED: [&str; 4] =
    ["is damaged: ", "the log is damaged at ", "holds less than was acknowledged: ", "has format "];
/// Words that name a place within the data directory: a file, a keyspace, a partition, a commit.
const PLACES: [&str; 8] = ["journal", "keyspace", "file", "format", "orders/", "accounts/", "scored/", "commit "];
/// How a check ends that the server would not serve.
const REFUSALS: [&str; 3] = ["ended by itself", "was answered with 5", "had no answer"];

pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<Verdict, Skipped> {
    Ok(damage_all(plan, interruption).unwrap_or_else(|failure| Verdict { passed: 0, failure: Some(failure) }))
}

fn damage_all(plan: &Plan, interruption: &Interruption) -> Result<Verdict, Failure> {
    let place = tempfile::Builder::new().prefix("riverrun-rot-").tempdir_in(&plan.directory);
    let place = place.or_environment("cannot make a directory")?;
    let mut site = Site::prepare(&plan.program, place.path(), plan.seed, interruption)?;
    load(&mut site, interruption)?;
    let killed = Pristine::keep(&mut site, Stopped::Killed, place.path(), interruption)?;
    let ended = Pristine::keep(&mut site, Stopped::Ended, place.path(), interruption)?;
    let mut random = Random::part(plan.seed, 0);
    let mut refused = 0;
    let mut verdict = each(DAMAGES, |number| {
        let pristine = if number % 2 == 0 { &killed } else { &ended };
        copy_again(&pristine.folder, &site.launch.data_directory)?;
        let damage = pristine.damage(&site.launch.data_directory, &mut random)?;
        let outcome = judge(plan, &mut site, interruption);
        refused += u32::from(matches!(outcome, Ok(Outcome::Refused)));
        outcome.map(|_| ()).map_err(|failure| match failure {
            Failure::Broken(mut places) => {
                places.insert(0, format!("{damage}, after the server was {:?}:", pristine.stopped));
                Failure::Broken(places)
            }
            other => other,
        })
    });
    if verdict.failure.is_none() && refused == 0 {
        verdict.failure = Some(Failure::broken("no damage was refused; was there any?"));
    }
    if let (Some(Failure::Broken(_)), Some(keep)) = (&verdict.failure, &plan.keep) {
        site.keep_evidence(keep, "bit-rot");
    }
    say(format!("  {refused} of {} damages were refused with their place, the others changed nothing", verdict.passed));
    Ok(verdict)
}

/// How the server stopped before the damage.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    /// All lies in the journal.
    Killed,
    /// All lies in tables.
    Ended,
}

/// Starts the server and loads it.
fn load(site: &mut Site, interruption: &Interruption) -> Result<(), Failure> {
    site.start()?;
    let end = Instant::now() + LOAD_TIMEOUT;
    while site.ledger.acknowledgements() < EVENTS {
        if Instant::now() > end {
            return Err(Failure::broken(format!("no {EVENTS} events were acknowledged within {LOAD_TIMEOUT:?}")));
        }
        interruption.sleep(Duration::from_millis(20))?;
    }
    site.load.pause(interruption)?;
    site.server.take().map_or(Ok(()), Server::kill)?;
    site.load.server_is_down();
    Ok(())
}

/// A data directory without damage, of a server that had worked off everything.
struct Pristine {
    stopped: Stopped,
    folder: PathBuf,
    /// Its files, and how much of each is written: a journal is made larger than what is in it.
    files: Vec<(PathBuf, u64)>,
}

impl Pristine {
    /// Stops the server and keeps its data. Nothing new is sent, so that each kind of stop leaves the same events.
    fn keep(site: &mut Site, stopped: Stopped, place: &Path, interruption: &Interruption) -> Result<Self, Failure> {
        let address = site.start()?;
        check(&site.ledger, address, Depth::Log, interruption)?;
        match (stopped, site.server.take()) {
            (Stopped::Ended, Some(server)) => server.end(interruption)?,
            (Stopped::Killed, Some(server)) => server.kill()?,
            (_, None) => {}
        }
        site.load.server_is_down();
        let folder = place.join(format!("{stopped:?}"));
        copy_again(&site.launch.data_directory, &folder)?;
        let mut files = Vec::new();
        collect(&folder, &folder, &mut files).or_environment("cannot list the data")?;
        files.sort();
        Ok(Self { stopped, folder, files })
    }

    /// Damages one place of a copy in `data`; says which.
    fn damage(&self, data: &Path, random: &mut Random) -> Result<String, Failure> {
        loop {
            let (path, place) = self.choose(random).ok_or_else(|| Failure::broken("the data directory is empty"))?;
            if let Some(damage) = damage_at(&data.join(path), place, random).or_environment("cannot damage a file")? {
                return Ok(damage);
            }
        }
    }

    /// A file and a place in it.
    fn choose(&self, random: &mut Random) -> Option<(&Path, u64)> {
        if random.chance(BY_FILE_PERCENT) {
            let (path, length) = self.files.get(usize::try_from(random.between(0, self.files.len() as u64)).ok()?)?;
            return Some((path, random.between(0, *length)));
        }
        let mut place = random.between(0, self.files.iter().map(|(_, length)| length).sum());
        for (path, length) in &self.files {
            if place < *length {
                return Some((path, place));
            }
            place -= length;
        }
        None
    }
}

/// What became of a damage.
enum Outcome {
    /// All reads as it was.
    Whole,
    /// It was refused with a place.
    Refused,
}

fn judge(plan: &Plan, site: &mut Site, interruption: &Interruption) -> Result<Outcome, Failure> {
    let verified = verify(plan, site)?;
    // What is in it afterwards, this start has said.
    File::create(&site.launch.log).or_environment("cannot clear the server's log")?;
    let mut server = Server::spawn(&site.launch)?;
    let read = server.wait_ready(interruption).and_then(|address| check_read(&site.ledger, address));
    server.kill()?;
    let said = fs::read(&site.launch.log).or_environment("cannot read the server's log")?;
    let said = String::from_utf8_lossy(&said);
    // The directory's own name is no place within it.
    let directory = site.launch.data_directory.display().to_string();
    let elsewhere = |text: &str| text.replace(&directory, "");
    if said.contains("panicked") {
        return Err(Failure::broken(format!("the server panicked: {said}")));
    }
    match read {
        Ok(()) => Ok(Outcome::Whole),
        Err(Failure::Broken(found)) if !is_refusal(&elsewhere(&found.join("\n")), &elsewhere(&said)) => {
            Err(Failure::Broken(found))
        }
        Err(Failure::Broken(found)) if verified => {
            Err(Failure::broken(format!("`riverrun verify` found nothing, but: {}", found.join("\n"))))
        }
        Err(Failure::Broken(_)) => Ok(Outcome::Refused),
        Err(failure) => Err(failure),
    }
}

/// Whether the server refused, rather than gave something else, and named the place to whoever asked or in its log: once a stream of
/// lines has begun it can only be broken off.
fn is_refusal(found: &str, said: &str) -> bool {
    let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let names_place = |text: &str| text.lines().any(|line| has(line, &DAMAGED) && has(line, &PLACES));
    has(found, &REFUSALS) && (names_place(found) || names_place(said))
}

/// Whether `riverrun verify` finds the data good.
fn verify(plan: &Plan, site: &Site) -> Result<bool, Failure> {
    let mut command = Command::new(&plan.command_line);
    command.args(["verify", "-f"]).args(&site.launch.arguments).env_remove("RIVERRUN_URL");
    let output = command.output().or_environment("cannot start the command line")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    if text.contains("panicked") {
        return Err(Failure::broken(format!("`riverrun verify` panicked: {text}")));
    }
    Ok(output.status.success())
}

/// `None` when there was nothing to lose: a block of zeros.
fn damage_at(path: &Path, place: u64, random: &mut Random) -> std::io::Result<Option<String>> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let zeroes = random.chance(BLOCKS_PERCENT);
    let (from, length) = if zeroes { (place - place % BLOCK_BYTES, BLOCK_BYTES) } else { (place, 1) };
    file.seek(SeekFrom::Start(from))?;
    let mut before = Vec::new();
    Read::by_ref(&mut file).take(length).read_to_end(&mut before)?;
    let bit = random.between(0, 8);
    let after: Vec<u8> = before.iter().map(|byte| if zeroes { 0 } else { byte ^ (1 << bit) }).collect();
    if before == after {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(from))?;
    file.write_all(&after)?;
    let what = if zeroes { "a zeroed block".to_owned() } else { format!("bit {bit} flipped") };
    Ok(Some(format!("{what} at byte {from} of {}", path.display())))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        // The announcement is rewritten by every start.
        if written > 0 && !path.ends_with("server.json") {
            files.push((path.strip_prefix(root).unwrap_or(&path).to_owned(), written));
        }
    }
    Ok(())
}

/// Makes `to` a copy of `from`, with nothing else in it.
fn copy_again(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        fs::remove_dir_all(to).or_environment("cannot clear the data")?;
    }
    copy(from, to).or_environment("cannot copy the data")
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
