//! Brings batches to the door: retries what may succeed later, narrows a refused batch down to the lines at fault.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;

use super::Tally;
use super::input::Batch;
use super::line::{EventLine, Refused};
use crate::client::{Client, ClientError, Content, Problem, encoded};
use crate::failure::Report;

/// The first wait after a failed attempt; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Long enough not to hammer a server that starts, short enough to notice that it is back.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Sends events of one topic.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    client: &'a Client,
    path: String,
    patience: Duration,
}

/// What the door answers per event.
#[derive(Debug, Deserialize)]
struct Receipt {
    duplicate: bool,
}

enum Answer {
    Stored(Vec<Receipt>),
    Refused(Box<Problem>),
}

impl<'a> Delivery<'a> {
    /// To `topic`; a server that is away or busy is waited for as long as `patience`.
    pub(crate) fn new(client: &'a Client, topic: &str, patience: Duration) -> Self {
        Self { client, path: format!("/topics/{}/events", encoded(topic)), patience }
    }

    /// Delivers a batch. A door takes a batch whole or not at all, so a refused one is halved until the lines at fault
    /// are alone; the others go in, in order.
    pub(super) async fn deliver(
        &mut self,
        batch: &Batch,
        tally: &mut Tally,
        refuse: &mut (dyn FnMut(&Refused) + Send),
    ) -> Result<(), Report> {
        tally.refused += batch.refused.len() as u64;
        batch.refused.iter().for_each(&mut *refuse);
        let mut pending = vec![batch.events.as_slice()];
        while let Some(part) = pending.pop() {
            let Some(last) = part.last() else { continue };
            match self.send(part).await? {
                Answer::Stored(receipts) => tally.count(&receipts),
                Answer::Refused(problem) if part.len() == 1 => {
                    let Problem { code, detail, .. } = *problem;
                    // It went alone, so the door calls it the first of its batch; the user knows it by its line.
                    let reason = detail.strip_prefix("event 0 of the batch: ").unwrap_or(&detail).to_owned();
                    tally.refused += 1;
                    refuse(&Refused { number: last.number, code, reason, text: last.json.clone() });
                }
                Answer::Refused(problem) => {
                    pending.extend(narrowed(part, problem.index));
                    continue;
                }
            }
            tally.last_line = last.number;
        }
        tally.last_line = tally.last_line.max(batch.last_line);
        Ok(())
    }

    async fn send(&self, events: &[EventLine]) -> Result<Answer, Report> {
        let body = body(events);
        let mut backoff = BACKOFF_FIRST;
        let give_up_at = Instant::now() + self.patience;
        loop {
            let content = Content { content_type: "application/cloudevents-batch+json", body: body.clone() };
            let error = match self.client.post(&self.path, content).await {
                Ok(answer) => return self.receipts(&answer, events.len()),
                Err(error) => error,
            };
            let wait = match error {
                ClientError::Problem(problem) if is_about_events(problem.status) => {
                    return Ok(Answer::Refused(problem));
                }
                ClientError::Problem(ref problem) if is_temporary(problem.status) => problem.retry_after,
                ClientError::Unreachable { .. } => None,
                error => return Err(error.into()),
            };
            let wait = wait.unwrap_or(backoff).min(BACKOFF_MAX);
            if Instant::now() + wait > give_up_at {
                return Err(Report::from(error).hint(format!("tried for {} s (--patience)", self.patience.as_secs())));
            }
            tokio::time::sleep(wait).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    fn receipts(&self, answer: &[u8], expected: usize) -> Result<Answer, Report> {
        let receipts: Vec<Receipt> = self.client.parse(answer)?;
        if receipts.len() == expected {
            return Ok(Answer::Stored(receipts));
        }
        let reason = format!("{expected} events were sent, {} are answered for", receipts.len());
        Err(ClientError::Answer { url: self.client.url().to_owned(), reason }.into())
    }
}

impl Tally {
    fn count(&mut self, receipts: &[Receipt]) {
        let duplicates = receipts.iter().filter(|receipt| receipt.duplicate).count() as u64;
        self.duplicates += duplicates;
        self.published += receipts.len() as u64 - duplicates;
    }
}

/// A JSON array of the lines, each byte for byte as it was read.
fn body(events: &[EventLine]) -> Bytes {
    let bytes = events.iter().map(|event| event.json.len() + 1).sum::<usize>() + 1;
    let mut body = String::with_capacity(bytes);
    let mut separator = '[';
    for event in events {
        body.push(separator);
        body.push_str(&event.json);
        separator = ',';
    }
    body.push(']');
    body.into()
}

/// The parts of a refused batch in which to look on, the last one first: around the event the door named, else halves.
fn narrowed(part: &[EventLine], index: Option<usize>) -> Vec<&[EventLine]> {
    let named = index.and_then(|index| {
        let (before, rest) = part.split_at_checked(index)?;
        let (fault, after) = rest.split_at_checked(1)?;
        Some(vec![after, fault, before])
    });
    named.unwrap_or_else(|| {
        let (first, second) = part.split_at(part.len() / 2);
        vec![second, first]
    })
}

/// Invalid, conflicting, too large: something in the batch is at fault.
fn is_about_events(status: u16) -> bool {
    matches!(status, 400 | 409 | 413 | 422)
}

/// Busy or away. A 5xx means unknown, not "not stored"; ids and deduplication make sending again safe.
fn is_temporary(status: u16) -> bool {
    matches!(status, 429 | 500..=599)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_batch_is_narrowed_in_order() {
        let lines: Vec<EventLine> =
            (1..=5).map(|number| EventLine { number, json: String::new(), is_wrapped: false }).collect();
        let check = |index, expected: &[&[u64]]| {
            let parts = narrowed(&lines, index);
            let numbers = |part: &&[EventLine]| part.iter().map(|line| line.number).collect::<Vec<_>>();
            assert_eq!(parts.iter().rev().map(numbers).collect::<Vec<_>>(), expected);
        };
        check(Some(2), &[&[1, 2], &[3], &[4, 5]]);
        check(Some(0), &[&[], &[1], &[2, 3, 4, 5]]);
        check(Some(9), &[&[1, 2], &[3, 4, 5]]);
        check(None, &[&[1, 2], &[3, 4, 5]]);
    }

    #[test]
    fn a_body_is_the_lines_as_an_array() {
        let line = |json: &str| EventLine { number: 1, json: json.into(), is_wrapped: false };
        assert_eq!(body(&[line("{}"), line("1.0")]), Bytes::from_static(b"[{},1.0]"));
    }
}
