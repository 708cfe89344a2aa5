//! The example readers as processes, and what they said they did: `processed <position> <id>`, `committed <cursor>`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use riverrun_torture::failure::{Failure, Interruption, OrEnvironment};
use tempfile::TempDir;

use super::PAGE;
use crate::programs::Programs;

/// Seconds until the partitions of a reader that was killed go to others.
const SESSION: &str = "6";
/// Less than a read waits for events: a reader must not sit that out.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A running reader. It is killed when this value goes.
pub(super) struct Reader {
    child: Child,
    name: &'static str,
    /// What it prints.
    pub(super) output: PathBuf,
}

impl Reader {
    /// `examples/consumer-python`.
    pub(super) fn python(
        programs: &Programs,
        directory: &TempDir,
        name: &'static str,
        url: &str,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(&programs.python);
        command.arg(examples(programs).join("consumer-python/consumer.py"));
        Self::start(command, directory, name, url)
    }

    /// `examples/consumer-typescript`, compiled as its documentation says.
    pub(super) fn typescript(
        programs: &Programs,
        directory: &TempDir,
        name: &'static str,
        url: &str,
    ) -> Result<Self, Failure> {
        let (source, copy) =
            (examples(programs).join("consumer-typescript"), programs.node.join("consumer-typescript"));
        std::fs::create_dir_all(&copy).or_environment("cannot make a folder for the TypeScript reader")?;
        for file in ["consumer.ts", "package.json", "tsconfig.json"] {
            std::fs::copy(source.join(file), copy.join(file)).or_environment(&format!("cannot copy {file}"))?;
        }
        let compiler = programs.node.join("node_modules/typescript/bin/tsc");
        let compiled =
            Command::new("node").arg(compiler).current_dir(&copy).output().or_environment("cannot start tsc")?;
        if !compiled.status.success() {
            return Err(Failure::broken(format!("tsc: {}", String::from_utf8_lossy(&compiled.stdout))));
        }
        let mut command = Command::new("node");
        command.arg(copy.join("consumer.js"));
        Self::start(command, directory, name, url)
    }

    fn start(mut command: Command, directory: &TempDir, name: &'static str, url: &str) -> Result<Self, Failure> {
        let output = directory.path().join(format!("{name}.out"));
        let file = |path: &Path| File::create(path).or_environment("cannot make a reader's output file");
        command.args(["--url", url, "--consumer", "jobs", "--topic", "jobs", "--reader", name, "--session", SESSION]);
        command.args(["--limit", &PAGE.to_string()]);
        command.stdin(Stdio::null()).stdout(file(&output)?).stderr(file(&output.with_extension("err"))?);
        let child = command.spawn().or_environment(&format!("cannot start {command:?}"))?;
        Ok(Self { child, name, output })
    }

    /// kill -9.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().or_environment("cannot kill a reader")?;
        self.child.wait().map(drop).or_environment("cannot wait for a reader")
    }

    /// SIGTERM: it has to leave and end well, also while it waits for events.
    pub(super) fn end(&mut self, interruption: &Interruption) -> Result<(), Failure> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().or_environment("cannot signal a reader")?;
        let until = Instant::now() + END_TIMEOUT;
        while Instant::now() < until {
            match self.child.try_wait().or_environment("cannot look at a reader")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended_badly(&format!("ended with {status}"))),
                None => interruption.sleep(Duration::from_millis(10))?,
            }
        }
        Err(self.ended_badly(&format!("still ran {END_TIMEOUT:?} after SIGTERM")))
    }

    fn ended_badly(&self, how: &str) -> Failure {
        let said = std::fs::read_to_string(self.output.with_extension("err")).unwrap_or_default();
        Failure::broken(format!("reader {} {how}: {said}", self.name))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn examples(programs: &Programs) -> PathBuf {
    programs.sources.join("../../examples")
}

/// What all readers have said so far.
#[derive(Debug, Default)]
pub(super) struct Processed {
    pub(super) ids: BTreeSet<String>,
    /// How often each position was processed.
    pub(super) times: BTreeMap<(String, u64), usize>,
    /// How many events each reader processed.
    pub(super) by_reader: Vec<usize>,
    /// Per partition, the furthest position a reader said it committed.
    committed: BTreeMap<String, u64>,
}

impl Processed {
    /// Reads the readers' outputs; a last line without its end is left for the next time.
    pub(super) fn of(outputs: &[PathBuf]) -> Result<Self, Failure> {
        let mut processed = Self::default();
        for output in outputs {
            let text = std::fs::read_to_string(output).or_environment("cannot read a reader's output")?;
            let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
            let before: usize = processed.times.values().sum();
            whole.lines().for_each(|line| processed.take(line));
            processed.by_reader.push(processed.times.values().sum::<usize>() - before);
        }
        Ok(processed)
    }

    fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("processed"), Some(position), Some(id)) => {
                self.ids.insert(id.to_owned());
                if let Some(place) = place(position) {
                    *self.times.entry(place).or_default() += 1;
                }
            }
            (Some("committed"), Some(cursor), None) => {
                for (partition, next) in cursor.split(',').filter_map(place) {
                    let furthest = self.committed.entry(partition).or_default();
                    *furthest = next.max(*furthest);
                }
            }
            _ => {}
        }
    }

    /// Events that came more than once.
    pub(super) fn repeated(&self) -> usize {
        self.times.values().map(|times| times - 1).sum()
    }

    /// How many different events of a partition were processed.
    pub(super) fn count(&self, partition: &str) -> u64 {
        self.times.keys().filter(|(named, _)| named == partition).count() as u64
    }

    /// Committed positions with an event before them that nobody processed.
    pub(super) fn beyond(&self) -> impl Iterator<Item = String> {
        let has_gap = |partition: &String, next: u64| {
            (0..next).any(|offset| !self.times.contains_key(&(partition.clone(), offset)))
        };
        self.committed
            .iter()
            .filter(move |(partition, next)| has_gap(partition, **next))
            .map(|(partition, next)| format!("{partition}@{next}"))
    }
}

/// `jobs/2@17`, with or without what a cursor adds.
fn place(position: &str) -> Option<(String, u64)> {
    let (partition, offset) = position.split('~').next()?.split_once('@')?;
    Some((partition.to_owned(), offset.parse().ok()?))
}
