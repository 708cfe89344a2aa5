//! What a test found: one thing that is not as expected, with its place in the test file and where it came from.

use std::collections::HashMap;

use riverrun_app::{ExpectedRecord, Place, Source, Span};
use riverrun_event::{Position, Record};
use riverrun_ingest::cloudevents::encode;

use super::compare::Mismatch;
use super::difference::Difference;

/// One thing that is not as the test expects.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Where in the test file.
    pub place: Place,
    /// What, in one line.
    pub message: String,
    /// Where an event differs from the expected one.
    pub differences: Vec<Difference>,
    /// The event that came out, as a reader would get it.
    pub event: Option<String>,
    /// The row that the view has.
    pub row: Option<String>,
    /// The given event that led to it.
    pub cause: Option<String>,
}

/// What is known about the records of a running test.
pub(super) struct Origins<'s> {
    source: &'s Source,
    given: HashMap<Position, Span>,
    ids: HashMap<Position, Box<str>>,
    causes: HashMap<Position, Position>,
}

/// Longer chains of pipelines than this are not followed.
const CAUSES_MAX: usize = 64;

impl<'s> Origins<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, given: HashMap::new(), ids: HashMap::new(), causes: HashMap::new() }
    }

    /// A given event was stored here.
    pub(super) fn given(&mut self, position: Position, span: Span) {
        self.given.entry(position).or_insert(span);
    }

    /// A record was seen.
    pub(super) fn seen(&mut self, record: &Record) {
        self.ids.insert(record.position.clone(), record.event.id.as_ref().into());
        let cause = record.event.attributes.get("rrcause").and_then(|text| text.parse().ok());
        if let Some(cause) = cause {
            self.causes.insert(record.position.clone(), cause);
        }
    }

    /// A finding at a place of the file.
    pub(super) fn finding(&self, span: Span, message: String) -> Finding {
        let place = self.source.place(span.start);
        Finding { place, message, differences: Vec::new(), event: None, row: None, cause: None }
    }

    /// A finding about a record.
    pub(super) fn about(&self, span: Span, record: &Record, message: String) -> Finding {
        let mut line = Vec::new();
        encode::object(record, &mut line);
        let event = Some(String::from_utf8_lossy(&line).into_owned());
        Finding { event, cause: self.cause(record), ..self.finding(span, message) }
    }

    /// Where the given event stands that led to a record.
    pub(super) fn origin(&self, record: &Record) -> Option<Span> {
        self.first(record).and_then(|position| self.given.get(position)).copied()
    }

    fn first<'a>(&'a self, record: &'a Record) -> Option<&'a Position> {
        let chain = std::iter::successors(Some(&record.position), |position| self.causes.get(*position));
        chain.take(CAUSES_MAX).find(|position| self.given.contains_key(*position))
    }

    fn cause(&self, record: &Record) -> Option<String> {
        let position = self.first(record)?;
        let line = self.source.place(self.given.get(position)?.start).line;
        Some(format!("{position}, event {:?}, given in line {line}", self.ids.get(position)?))
    }

    /// What a mismatch in `topic` says; `named` is where the test names the topic.
    pub(super) fn of_mismatch(&self, topic: &str, named: Span, mismatch: Mismatch<'_>) -> Finding {
        match mismatch {
            Mismatch::Differs { expected, number, actual, differences } => {
                let first = differences.first().map(|difference| difference.path.clone()).unwrap_or_default();
                let message = format!("{topic}, event {number}: {first} is not as expected");
                Finding { differences, ..self.about(expected.span, actual, message) }
            }
            Mismatch::OutOfTurn { expected: ExpectedRecord { span, .. }, number, actual } => {
                self.about(*span, actual, format!("{topic}, event {number}: it came out in another order"))
            }
            Mismatch::Missing { expected, number } => {
                self.finding(expected.span, format!("{topic}, event {number}: it did not come out"))
            }
            Mismatch::Unexpected { actual } => {
                self.about(named, actual, format!("{topic}: an event came out that the test does not expect"))
            }
        }
    }
}
