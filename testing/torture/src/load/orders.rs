//! What the senders make up: orders, changes of accounts, orders that no pipeline can process.

use crate::event::Event;
use crate::random::Random;

/// Accounts of a run: few enough that each has long histories and that senders meet on them.
const ACCOUNTS: u64 = 24;
/// Events happen within this many seconds of the day, so that late ones are common.
const DAY_SECONDS: u64 = 3_600;

/// Makes events with ids of their own.
#[derive(Debug)]
pub(super) struct Inventor {
    source: String,
    made: u64,
}

impl Inventor {
    /// The events of one sender.
    pub(super) fn new(sender: usize) -> Self {
        Self { source: format!("/torture/{sender}"), made: 0 }
    }

    /// An order of some account. One in a hundred cannot be processed, which is to end as a dead letter.
    pub(super) fn order(&mut self, random: &mut Random) -> Event {
        let account = random.between(0, ACCOUNTS);
        let amount = random.between(0, 2_000);
        let data = match random.between(0, 200) {
            0 => format!(r#"{{"account":"a{account}","amount":"oops"}}"#),
            // No key: no order is promised, and a transformer that keeps state per key cannot take it.
            1 => format!(r#"{{"amount":{amount}}}"#),
            // Bytes that are easily lost on the way: blanks, escapes, numbers beyond 64 bits.
            2..20 => format!(
                r#"{{ "account" : "a{account}", "amount":{amount}, "note":"\u00e9\n", "big":12345678901234567890123, "list":[1.0, 1e2] }}"#
            ),
            _ => format!(r#"{{"account":"a{account}","amount":{amount}}}"#),
        };
        let note = random.chance(10).then(|| "100% \"é\"".to_owned());
        Event { note, data: Some(data), ..self.event("order.placed", random) }
    }

    /// A change of an account, at any time of the day; one in twenty deletes it.
    pub(super) fn account(&mut self, random: &mut Random) -> Event {
        let account = format!("a{}", random.between(0, ACCOUNTS));
        let made = self.made;
        let data = format!(
            r#"{{"account":"{account}","limit":{},"version":"{}#{made}"}}"#,
            random.number() % 9_999,
            self.source
        );
        let is_deletion = random.chance(5);
        Event {
            subject: is_deletion.then_some(account),
            data: (!is_deletion).then_some(data),
            ..self.event("account.changed", random)
        }
    }

    fn event(&mut self, kind: &str, random: &mut Random) -> Event {
        self.made += 1;
        Event {
            id: format!("{}-{}", kind.split('.').next().unwrap_or_default(), self.made),
            source: self.source.clone(),
            kind: kind.to_owned(),
            subject: None,
            time_seconds: random.between(0, DAY_SECONDS),
            note: None,
            data: None,
        }
    }
}
