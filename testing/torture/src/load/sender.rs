//! One sender: a loop of single events, batches, repetitions, conflicts, invalid requests and changes of accounts.
//!
//! After an answer that never came it sends the same event again until the answer is definite, as a good client does, so that its
//! events stand in the log in the order it sent them. Sometimes it gives up instead; such events may be in the log or not.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::Control;
use super::invalid::invalid_request;
use super::orders::Inventor;
use crate::event::{self, Event};
use crate::http::{Connection, HttpError, Request, Response};
use crate::ledger::{Entry, Fate, Ledger};
use crate::position::Position;
use crate::random::Random;
use crate::scenario_app::{ACCOUNTS, ORDERS};

/// How long a request may take. The server is never slower than this on purpose.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// One thread of the load.
pub(super) struct Sender {
    number: usize,
    random: Random,
    inventor: Inventor,
    ledger: Arc<Ledger>,
    control: Arc<Control>,
    connection: Option<(u64, Connection)>,
    acknowledged: Vec<usize>,
}

/// How a request ended.
enum Answer {
    /// A definite answer; the flag says whether an earlier attempt may have been stored.
    Response(Response, bool),
    /// Given up without one.
    GivenUp,
}

impl Sender {
    pub(super) fn new(number: usize, seed: u64, ledger: Arc<Ledger>, control: Arc<Control>) -> Self {
        Self {
            number,
            random: Random::part(seed, number as u64 + 1),
            inventor: Inventor::new(number),
            ledger,
            control,
            connection: None,
            acknowledged: Vec::new(),
        }
    }

    /// Sends until the load stops.
    pub(super) fn run(mut self) {
        while !self.control.is_stopped() {
            if self.control.begin() {
                self.send_something();
                self.control.finish();
            }
            thread::sleep(Duration::from_micros(self.random.between(0, 6_000)));
        }
    }

    fn send_something(&mut self) {
        match self.random.between(0, 100) {
            0..45 => self.send_order(),
            45..65 => self.send_batch(),
            65..82 => self.send_account(),
            82..90 => self.repeat(),
            90..95 => self.contradict(),
            _ => self.send_invalid(),
        }
    }

    fn send_order(&mut self) {
        let order = self.inventor.order(&mut self.random);
        let is_binary = self.random.chance(40);
        self.send_new(ORDERS, vec![order], is_binary);
    }

    /// Some orders together, at times with a repetition among them.
    fn send_batch(&mut self) {
        let count = self.random.between(2, 12);
        let orders: Vec<Event> = (0..count).map(|_| self.inventor.order(&mut self.random)).collect();
        self.send_new(ORDERS, orders, false);
    }

    fn send_account(&mut self) {
        let account = self.inventor.account(&mut self.random);
        let is_binary = self.random.chance(40) && account.data.is_some();
        self.send_new(ACCOUNTS, vec![account], is_binary);
    }

    /// Sends events for the first time.
    fn send_new(&mut self, topic: &str, events: Vec<Event>, is_binary: bool) {
        let numbers = self.ledger.intend(self.number, topic, &events, &Fate::Unknown);
        let Answer::Response(response, is_retried) = self.send(&request(topic, &events, is_binary), true) else {
            return;
        };
        let Some(places) = places(&response).filter(|places| places.len() == events.len()) else {
            let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
            self.broken(&format!("valid events {ids:?} were answered with"), &response);
            return;
        };
        for ((number, event), (position, is_duplicate)) in numbers.into_iter().zip(&events).zip(places) {
            if is_duplicate && !is_retried {
                self.broken(
                    &format!("event {:?}, sent for the first time, was taken for a duplicate:", event.id),
                    &response,
                );
            }
            self.ledger.acknowledge(number, position);
            self.acknowledged.push(number);
        }
    }

    /// An acknowledged event once more, alone or before new ones: it has to be answered with the position it has.
    fn repeat(&mut self) {
        let Some((entry, position)) = self.any_acknowledged() else { return };
        let Answer::Response(response, _) =
            self.send(&request(&entry.topic, std::slice::from_ref(&entry.event), false), false)
        else {
            return;
        };
        let expected = (position, true);
        if places(&response).is_none_or(|places| places != [expected.clone()]) {
            let what = format!(
                "event {:?} of {} was acknowledged at {}; repeated:",
                entry.event.id, entry.event.source, expected.0
            );
            self.broken(&what, &response);
        }
    }

    /// The identity of an acknowledged event with other data, at times behind new events: all of it has to be refused.
    fn contradict(&mut self) {
        let Some((entry, _)) = self.any_acknowledged() else { return };
        let innocent = self.random.between(0, 3);
        let mut events: Vec<Event> = (0..innocent).map(|_| self.inventor.order(&mut self.random)).collect();
        self.ledger.intend(self.number, &entry.topic, &events, &Fate::Refused);
        events.push(Event { data: Some(r#"{"account":"a0","amount":-1}"#.to_owned()), ..entry.event.clone() });
        if let Answer::Response(response, _) = self.send(&request(&entry.topic, &events, false), false)
            && response.status != 409
        {
            self.broken(&format!("event {:?} with other data has to be a conflict:", entry.event.id), &response);
        }
    }

    fn send_invalid(&mut self) {
        let inventor = &mut self.inventor;
        let (request, events) = invalid_request(&mut self.random, |random| inventor.order(random));
        self.ledger.intend(self.number, ORDERS, &events, &Fate::Refused);
        if let Answer::Response(response, _) = self.send(&request, false)
            && !(400..500).contains(&response.status)
        {
            let excerpt: String = String::from_utf8_lossy(&request.body).chars().take(200).collect();
            self.broken(&format!("the invalid request {excerpt} was answered with"), &response);
        }
    }

    /// Sends until a definite answer, through restarts of the server. Only `new` events are given up now and then.
    fn send(&mut self, request: &Request, is_new: bool) -> Answer {
        let mut is_retried = false;
        while let Some((start, address)) = self.control.wait_for_server() {
            let connection = match self.connection.take() {
                Some((known, connection)) if known == start => connection,
                _ => Connection::new(address, REQUEST_TIMEOUT),
            };
            let (_, connection) = self.connection.insert((start, connection));
            match connection.send(request) {
                Ok(response) if response.status == 429 => {}
                Ok(response) if response.status < 500 => return Answer::Response(response, is_retried),
                Ok(_) | Err(HttpError::Lost(_)) => {
                    is_retried = true;
                    if self.is_another_server(start) && is_new && self.random.chance(20) {
                        return Answer::GivenUp;
                    }
                }
                Err(HttpError::Unreachable(_)) => {}
            }
            thread::sleep(Duration::from_millis(5));
        }
        Answer::GivenUp
    }

    /// Waits a moment for the restart that explains a lost answer. Only after it the old request cannot arrive any more.
    fn is_another_server(&self, start: u64) -> bool {
        for _ in 0..200 {
            match self.control.wait_for_server() {
                Some((now, _)) if now == start => thread::sleep(Duration::from_millis(1)),
                Some(_) => return true,
                None => return false,
            }
        }
        false
    }

    fn any_acknowledged(&mut self) -> Option<(Entry, Position)> {
        let number = *self.random.pick(&self.acknowledged)?;
        let entry = self.ledger.entry(number)?;
        match entry.fate.clone() {
            Fate::Acknowledged { position, .. } => Some((entry, position)),
            Fate::Unknown | Fate::Refused => None,
        }
    }

    fn broken(&self, what: &str, response: &Response) {
        self.ledger.broken(format!("sender {}: {what} {} {}", self.number, response.status, response.excerpt()));
    }
}

/// The request for events: one alone in structured or binary mode, several as a batch.
fn request(topic: &str, events: &[Event], is_binary: bool) -> Request {
    let path = format!("/topics/{topic}/events");
    match events {
        [event] if is_binary => {
            let (headers, body) = event.binary();
            Request { method: "POST", path, headers, body }
        }
        [event] => Request::post(path, event::STRUCTURED, event.structured()),
        events => Request::post(path, event::BATCH, event::batch(events)),
    }
}

/// The positions and duplicate flags of a 202 answer; `None` when it is anything else.
fn places(response: &Response) -> Option<Vec<(Position, bool)>> {
    if response.status != 202 {
        return None;
    }
    let answer: Value = serde_json::from_slice(&response.body).ok()?;
    let list = match answer {
        Value::Array(list) => list,
        one => vec![one],
    };
    let place = |answer: &Value| {
        let position = Position::parse(answer.get("position")?.as_str()?)?;
        Some((position, answer.get("duplicate")?.as_bool()?))
    };
    list.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let check = |status, body: &str| places(&Response { status, body: body.into() });
        let place = |offset, is_duplicate| (Position { topic: "orders".into(), partition: 2, offset }, is_duplicate);
        assert_eq!(check(202, r#"{"position":"orders/2@9","duplicate":false}"#), Some(vec![place(9, false)]));
        let two = r#"[{"position":"orders/2@9","duplicate":true},{"position":"orders/2@10","duplicate":false}]"#;
        assert_eq!(check(202, two), Some(vec![place(9, true), place(10, false)]));
        assert_eq!(check(202, "{}"), None);
        assert_eq!(check(409, r#"{"position":"orders/2@9","duplicate":false}"#), None);
    }
}
