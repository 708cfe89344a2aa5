//! Named consumers: the example readers in Python and TypeScript share one consumer while events flow; a reader is killed -9, then
//! the server, which comes back. Every event must have been processed, no committed position may go backwards or beyond what
//! was processed, and events may come twice only because of the two faults. Whoever lost its partitions cannot commit.

mod fence;
mod readers;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use riverrun_torture::failure::{Failure, OrEnvironment};
use riverrun_torture::http::{Connection, Request};
use tempfile::TempDir;

use self::fence::Fence;
use self::readers::{Processed, Reader};
use self::watch::Watch;
use crate::programs::Programs;
use crate::score::Score;
use crate::served::Served;

const APP: &str = "app: shared\ntopics:\n  jobs: { partitions: 6 }\n";
/// Events a reader is given at once; what it may have in hand when it or the server is killed.
pub(super) const PAGE: usize = 20;
const BATCHES: usize = 120;
const BATCH: usize = 25;
/// Between batches: the readers keep up, and the partitions find their readers.
const PAUSE: Duration = Duration::from_millis(60);
/// Before a fault: the readers fall behind, so that it strikes in the middle of reading.
const NO_PAUSE: Duration = Duration::ZERO;
/// For the readers to get on: sessions are 6 s, and the machine may be busy.
const WAIT_TIMEOUT: Duration = Duration::from_secs(90);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn run(programs: &Programs) -> Result<Score, Failure> {
    let mut scene = Scene::open(programs)?;
    scene.publish(0..30, PAUSE)?;
    scene.nothing_came_twice()?;
    let mut fence = Fence::build(scene.served.address(), &mut scene.score)?;
    scene.publish(30..50, NO_PAUSE)?;
    scene.kill_a_reader()?;
    scene.publish(50..70, PAUSE)?;
    scene.publish(70..90, NO_PAUSE)?;
    let mut scene = scene.kill_the_server()?;
    fence.outlives_the_server(&mut scene.score)?;
    scene.publish(90..BATCHES, PAUSE)?;
    scene.end()
}

/// A server, its readers, and what was seen of them.
struct Scene<'a> {
    programs: &'a Programs,
    /// Those that stay until the end.
    staying: [Reader; 2],
    /// The one that is killed.
    killed: Option<Reader>,
    served: Served,
    connection: Connection,
    outputs: [PathBuf; 3],
    watch: Watch,
    score: Score,
    /// What the readers print lies there. Removed last: fields are dropped in order.
    _directory: TempDir,
}

impl<'a> Scene<'a> {
    /// Starts all of it and waits until each of the three readers has its share.
    fn open(programs: &'a Programs) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("riverrun-consumers-").tempdir();
        let directory = directory.or_environment("cannot make a directory for the readers")?;
        let served = Served::start(programs, APP)?;
        let url = served.url();
        let killed = Reader::python(programs, &directory, "first", &url)?;
        let second = Reader::python(programs, &directory, "second", &url)?;
        let third = Reader::typescript(programs, &directory, "third", &url)?;
        let mut scene = Self {
            programs,
            connection: Connection::new(served.address(), REQUEST_TIMEOUT),
            watch: Watch::new(served.address()),
            served,
            outputs: [killed.output.clone(), second.output.clone(), third.output.clone()],
            staying: [second, third],
            killed: Some(killed),
            score: Score::default(),
            _directory: directory,
        };
        scene.wait_until("three readers with two partitions each", |scene| {
            Ok(scene.watch.shares() == [("first", 2), ("second", 2), ("third", 2)].map(owned).into())
        })?;
        Ok(scene)
    }

    /// Publishes batches, and looks at the consumer after each.
    fn publish(&mut self, batches: Range<usize>, pause: Duration) -> Result<(), Failure> {
        for batch in batches {
            publish(&mut self.connection, batch, self.programs)?;
            self.watch.look();
            self.programs.interruption.sleep(pause)?;
        }
        Ok(())
    }

    /// Before any fault: all readers have their share, and what they commit is not handed out again.
    fn nothing_came_twice(&mut self) -> Result<(), Failure> {
        self.wait_until("all readers at work", |scene| {
            Ok(Processed::of(&scene.outputs)?.by_reader.iter().all(|n| *n > 0))
        })?;
        let before = Processed::of(&self.outputs)?;
        let (events, repeated) = (before.times.len(), before.repeated());
        self.score.check(repeated == 0, || format!("{repeated} of {events} events came twice before any fault"));
        Ok(())
    }

    fn kill_a_reader(&mut self) -> Result<(), Failure> {
        self.killed.take().map_or(Ok(()), Reader::kill)
    }

    fn kill_the_server(mut self) -> Result<Self, Failure> {
        self.served = self.served.kill_and_start(self.programs)?;
        Ok(self)
    }

    /// Waits until everything is committed, ends the readers and judges.
    fn end(mut self) -> Result<Score, Failure> {
        self.wait_until("nothing left to commit", |scene| Ok(scene.watch.lag() == Some(0)))?;
        for reader in &mut self.staying {
            let ended = reader.end(&self.programs.interruption);
            self.score.check(ended.is_ok(), || format!("{ended:?}"));
        }
        self.watch.look();
        let left = self.watch.readers();
        self.score.check(left == Some(0), || format!("{left:?} readers did not leave"));
        let processed = Processed::of(&self.outputs)?;
        self.served.end(self.programs)?;
        Ok(judge(self.score, &processed, &self.watch))
    }

    /// Looks until something holds.
    fn wait_until(&mut self, what: &str, holds: impl Fn(&Self) -> Result<bool, Failure>) -> Result<(), Failure> {
        let until = Instant::now() + WAIT_TIMEOUT;
        self.watch.look();
        while !holds(self)? {
            if Instant::now() > until {
                return Err(Failure::broken(format!("not within {WAIT_TIMEOUT:?}: {what}")));
            }
            self.programs.interruption.sleep(PAUSE)?;
            self.watch.look();
        }
        Ok(())
    }
}

/// What must hold at the end.
fn judge(mut score: Score, processed: &Processed, watch: &Watch) -> Score {
    let expected: BTreeSet<String> = (0..BATCHES * BATCH).map(|number| format!("e-{number}")).collect();
    let missing = expected.iter().filter(|id| !processed.ids.contains(*id)).count();
    score.check(missing == 0, || format!("{missing} of {} events were never processed", expected.len()));
    score.check(watch.backwards.is_empty(), || format!("positions went backwards: {:?}", watch.backwards));
    let beyond: Vec<_> = processed.beyond().collect();
    score.check(beyond.is_empty(), || format!("committed and not processed: {beyond:?}"));
    // The page in the hand of the reader that was killed, and those of the two others when the server was.
    let (repeated, most) = (processed.repeated(), 3 * PAGE);
    score.check(repeated <= most, || format!("{repeated} events came twice, more than the faults explain ({most})"));
    let unseen: BTreeMap<_, _> =
        watch.committed.iter().filter(|(partition, next)| processed.count(partition) != **next).collect();
    score.check(unseen.is_empty(), || format!("committed positions that the events do not explain: {unseen:?}"));
    score
}

fn owned((reader, partitions): (&str, usize)) -> (String, usize) {
    (reader.to_owned(), partitions)
}

/// Publishes a batch; sent again with the same ids, it is stored once.
fn publish(connection: &mut Connection, batch: usize, programs: &Programs) -> Result<(), Failure> {
    let event = |number: usize| {
        format!(
            r#"{{"specversion":"1.0","id":"e-{number}","source":"/scenario","type":"jobs","partitionkey":"k{}","data":{number}}}"#,
            number % 97
        )
    };
    let events: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(event).collect();
    let body = format!("[{}]", events.join(","));
    let until = Instant::now() + WAIT_TIMEOUT;
    while Instant::now() < until {
        let request = Request::post("/topics/jobs/events", "application/cloudevents-batch+json", body.clone());
        if connection.send(&request).is_ok_and(|answer| answer.status == 202) {
            return Ok(());
        }
        programs.interruption.sleep(PAUSE)?;
    }
    Err(Failure::broken(format!("batch {batch} could not be published")))
}
