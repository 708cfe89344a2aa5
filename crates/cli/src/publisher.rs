//! Publishes lines of NDJSON to a topic, in order, and accounts for every one of them.
//!
//! Lines are read ahead in batches by a thread of their own; one batch is in flight at a time, so order is kept for every
//! key. Ids are fixed before the first attempt, so a batch that may or may not have been stored is simply sent again and
//! the door drops what it has. A line is published, a duplicate, refused and reported, or behind the line named by the
//! error that ended the run: never silently lost.

mod delivery;
mod input;
mod line;

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub(crate) use self::delivery::Delivery;
use self::input::Batch;
pub(crate) use self::input::Input;
pub(crate) use self::line::{Identity, PlainData, Refused};
use crate::client::Client;
use crate::failure::{Failure, Report};
use crate::progress::Progress;
use crate::signals::EndSignal;

/// Batches read ahead: one in flight, one ready, one being filled.
const BATCHES_AHEAD: usize = 2;
/// With this many refused lines the input as a whole is wrong; going on would only scroll the first messages away.
const REFUSED_MAX: u64 = 1_000;

/// What to publish and where.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    /// The server.
    pub(crate) client: &'a Client,
    /// The topic.
    pub(crate) topic: &'a str,
    /// How bare data becomes an event.
    pub(crate) plain: PlainData,
    /// Lines before this one are passed over.
    pub(crate) from_line: u64,
    /// How long a server that is away or busy is waited for.
    pub(crate) patience: Duration,
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Stored now.
    pub(crate) published: u64,
    /// In the log already.
    pub(crate) duplicates: u64,
    /// Refused, by us or by the door.
    pub(crate) refused: u64,
    /// The last line that was dealt with.
    pub(crate) last_line: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

impl Tally {
    /// Events the log has now.
    pub(crate) fn stored(&self) -> u64 {
        self.published + self.duplicates
    }
}

impl Publication<'_> {
    /// Publishes all of `input`. `refuse` hears of each refused line in order.
    ///
    /// # Errors
    /// When the server cannot be reached for longer than the patience, refuses the request as a whole, the input cannot
    /// be read, or a signal asks to end; the message names the last line that was dealt with.
    pub(crate) async fn run(
        self,
        input: Input,
        progress: &Progress,
        end: &mut EndSignal,
        refuse: &mut (dyn FnMut(&Refused) + Send),
    ) -> Result<Tally, Failure> {
        let started = Instant::now();
        let consumed = input.consumed();
        let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let mut delivery = Delivery::new(self.client, self.topic, self.patience);
        let mut place = Place { id_prefix: self.plain.id_prefix.clone(), ..Place::default() };
        let reader = std::thread::spawn(move || input.read(&self.plain, self.from_line, &sender));
        let mut tally = Tally::default();
        loop {
            let batch: Option<Batch> = tokio::select! {
                biased;
                () = end.wait() => return Err(place.stopped(&tally)),
                batch = batches.recv() => batch,
            };
            let Some(batch) = batch else { break };
            place.has_wrapped |= batch.events.iter().any(|event| event.is_wrapped);
            let result = tokio::select! {
                result = delivery.deliver(&batch, &mut tally, refuse) => result,
                () = end.wait() => return Err(place.stopped(&tally)),
            };
            result.map_err(|report| place.add_to(report, &tally))?;
            if tally.refused >= REFUSED_MAX {
                let report = Report::new("RR0406", format!("gave up after {} refused lines", tally.refused));
                return Err(place.add_to(report, &tally));
            }
            progress.set(consumed.get(), tally.stored());
        }
        match reader.join() {
            Ok(result) => result.map_err(|report| place.add_to(report, &tally))?,
            Err(_) => {
                return Err(Report::without_code("the thread that reads the input panicked; this is a bug").into());
            }
        }
        tally.elapsed = started.elapsed();
        Ok(tally)
    }
}

/// What a user needs to go on where a run ended, with the same ids.
#[derive(Debug, Default)]
struct Place {
    id_prefix: String,
    has_wrapped: bool,
}

impl Place {
    fn add_to(&self, report: Report, tally: &Tally) -> Failure {
        let prefix = if self.has_wrapped { format!(" --id-prefix {}", self.id_prefix) } else { String::new() };
        let hint = match tally.last_line {
            0 if report.is_certain_refusal() => "no line was published".to_owned(),
            0 => format!("no line was dealt with; start again with --from-line 1{prefix}"),
            last => format!("lines up to {last} are dealt with; go on with --from-line {}{prefix}", last + 1),
        };
        report.hint(hint).into()
    }

    fn stopped(&self, tally: &Tally) -> Failure {
        self.add_to(Report::new("RR0407", "stopped before the end of the input"), tally)
    }
}
