//! Senders of numbered orders, to whichever instance is there, and what they were told of each.
//!
//! As a careful sender does, a sender sends again what was not answered, to any instance, before it sends anything new; and now and
//! then also what was. So most orders come more than once, and the product has to see to it that they count once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::event::{self, Event};
use crate::http::{Connection, HttpError, Request, Response};
use crate::instances::Addresses;
use crate::position::Position;
use crate::random::Random;

/// Sender threads.
const SENDERS: u64 = 3;
/// Accounts of one sender. No two share one, so that the order of an account's orders is known.
const ACCOUNTS: u64 = 8;
/// After this long an order is given up as unknown: a paused instance holds it for longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// Of how many answered requests one is sent again.
const AGAIN_EVERY: u64 = 10;
/// Of how many orders one gets a double: another order with its id.
const DOUBLE_EVERY: u64 = 50;

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody told.
    Unknown,
    /// Told to be stored here.
    Acknowledged(Position),
    /// Told not to be stored.
    Refused,
}

/// An order that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) account: String,
    /// Counts the orders of a sender; also the order's amount.
    pub(super) number: u64,
    /// What was told of it; nothing before the first answer.
    pub(super) fate: Option<Fate>,
    /// Whether another order was sent with this one's id, and told to be stored.
    pub(super) has_double: bool,
}

/// What every double has for an amount, and no order.
pub(super) const DOUBLE_AMOUNT: u64 = 1_000_000_000;

/// Every order that was sent, by its id.
pub(super) type Sends = BTreeMap<String, Sent>;

/// Running senders.
pub(super) struct Load {
    sends: Arc<Mutex<Sends>>,
    is_stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts senders that post to the topic `orders`.
    pub(super) fn start(seed: u64, addresses: &Addresses) -> Self {
        let sends = Arc::new(Mutex::new(Sends::new()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let sender = |number| Sender {
            number,
            random: Random::part(seed, number + 1),
            made: 0,
            addresses: Arc::clone(addresses),
            connection: None,
            unanswered: Vec::new(),
            sends: Arc::clone(&sends),
        };
        let start = |number| {
            let (sender, is_stopped) = (sender(number), Arc::clone(&is_stopped));
            thread::spawn(move || sender.run(&is_stopped))
        };
        let threads = (0..SENDERS).map(start).collect();
        Self { sends, is_stopped, threads }
    }

    /// Stops the senders; all that was sent.
    pub(super) fn end(mut self) -> Sends {
        self.stop();
        std::mem::take(&mut *self.sends.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A sender that panicked has told so on standard error; its last orders count as unknown.
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Sender {
    number: u64,
    random: Random,
    made: u64,
    addresses: Addresses,
    connection: Option<(SocketAddr, Connection)>,
    /// Orders that have to be sent again before others are.
    unanswered: Vec<Event>,
    sends: Arc<Mutex<Sends>>,
}

impl Sender {
    fn run(mut self, is_stopped: &AtomicBool) {
        while !is_stopped.load(Ordering::SeqCst) {
            if let Some(address) = self.any_address() {
                self.send(address);
            }
            thread::sleep(Duration::from_millis(self.random.between(0, 40)));
        }
    }

    fn any_address(&mut self) -> Option<SocketAddr> {
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known: Vec<SocketAddr> = known.into_iter().flatten().collect();
        self.random.pick(&known).copied()
    }

    /// Sends some orders together: all are stored or none.
    fn send(&mut self, address: SocketAddr) {
        let mut orders = std::mem::take(&mut self.unanswered);
        if orders.is_empty() {
            orders = (0..self.random.between(1, 6)).map(|_| self.order()).collect();
        }
        let fates = self.post(address, &orders);
        let is_answered = fates.iter().all(|fate| matches!(fate, Fate::Acknowledged(_)));
        self.remember(&orders, fates);
        if !is_answered {
            self.unanswered = orders;
            return;
        }
        if self.random.between(0, AGAIN_EVERY) == 0 {
            self.post(address, &orders);
        }
        if self.random.between(0, DOUBLE_EVERY) == 0
            && let Some(order) = orders.first()
        {
            self.send_double(address, order.clone());
        }
    }

    fn send_double(&mut self, address: SocketAddr, mut double: Event) {
        let id = double.id.clone();
        let account = self.known(&id, |sent| sent.account.clone());
        double.data = Some(data(&account.unwrap_or_default(), DOUBLE_AMOUNT));
        let fates = self.post(address, &[double]);
        if fates.iter().all(|fate| matches!(fate, Fate::Acknowledged(_))) {
            self.known(&id, |sent| sent.has_double = true);
        }
    }

    fn post(&mut self, address: SocketAddr, orders: &[Event]) -> Vec<Fate> {
        let mut connection = match self.connection.take() {
            Some((known, connection)) if known == address => connection,
            _ => Connection::new(address, REQUEST_TIMEOUT),
        };
        let answer = connection.send(&Request::post("/topics/orders/events", event::BATCH, event::batch(orders)));
        let fates = match &answer {
            Ok(response) => fates(response, orders.len()),
            Err(HttpError::Unreachable(_)) => vec![Fate::Refused; orders.len()],
            Err(HttpError::Lost(_)) => vec![Fate::Unknown; orders.len()],
        };
        self.connection = answer.is_ok().then_some((address, connection));
        fates
    }

    /// What was told of orders. What was not answered once stays unknown, whatever a later try is refused with.
    fn remember(&self, orders: &[Event], fates: Vec<Fate>) {
        for (order, fate) in orders.iter().zip(fates) {
            self.known(&order.id, |sent| match (&sent.fate, &fate) {
                (None | Some(Fate::Refused), _) | (_, Fate::Acknowledged(_)) => sent.fate = Some(fate),
                _ => {}
            });
        }
    }

    fn known<T>(&self, id: &str, look: impl FnOnce(&mut Sent) -> T) -> Option<T> {
        self.sends.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id).map(look)
    }

    /// A new order.
    fn order(&mut self) -> Event {
        let number = self.made;
        self.made += 1;
        let account = format!("a{}-{}", self.number, self.random.between(0, ACCOUNTS));
        let order = Event {
            id: format!("o{}-{number}", self.number),
            source: "/torture".to_owned(),
            kind: "order.placed".to_owned(),
            subject: None,
            time_seconds: 0,
            note: None,
            data: Some(data(&account, number)),
        };
        let sent = Sent { account, number, fate: None, has_double: false };
        self.sends.lock().unwrap_or_else(PoisonError::into_inner).insert(order.id.clone(), sent);
        order
    }
}

fn data(account: &str, amount: u64) -> String {
    format!(r#"{{"account":"{account}","amount":{amount}}}"#)
}

/// What an answer says of so many orders. 429 says that nothing is stored; 5xx leaves it open.
fn fates(response: &Response, count: usize) -> Vec<Fate> {
    let acknowledged = || -> Option<Vec<Fate>> {
        let answer: Value = serde_json::from_slice(&response.body).ok()?;
        let place = |one: &Value| Some(Fate::Acknowledged(Position::parse(one.get("position")?.as_str()?)?));
        match &answer {
            Value::Array(list) => list.iter().map(place).collect(),
            one => Some(vec![place(one)?]),
        }
    };
    match response.status {
        202 => acknowledged().filter(|fates| fates.len() == count).unwrap_or_else(|| vec![Fate::Unknown; count]),
        400..500 => vec![Fate::Refused; count],
        _ => vec![Fate::Unknown; count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let check = |status, body: &str, expected: Fate| {
            assert_eq!(fates(&Response { status, body: body.into() }, 1), [expected], "{status} {body}");
        };
        let place = Fate::Acknowledged(Position { topic: "orders".into(), partition: 2, offset: 9 });
        check(202, r#"[{"position":"orders/2@9","duplicate":false}]"#, place.clone());
        check(202, r#"{"position":"orders/2@9","duplicate":false}"#, place);
        check(202, "[]", Fate::Unknown);
        check(429, "", Fate::Refused);
        check(503, "", Fate::Unknown);
    }
}
