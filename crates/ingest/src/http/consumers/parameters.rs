//! What a reader says in the query of its call.

use std::time::Duration;

use riverrun_event::TopicName;

use crate::consumers::{Cursor, ReaderName};
use crate::http::cursor::{From, QueryError};

/// How many events a page has at most, and how many one may ask for.
const EVENTS: (u64, u64) = (1_000, 10_000);
/// Seconds to wait for events, and the longest: below the minute after which proxies give up.
const WAIT_SECONDS: (u64, u64) = (10, 30);
/// Seconds a reader may stay away, and the longest: whoever needs longer for a page asks for fewer events.
const SESSION_SECONDS: (u64, u64) = (30, 3_600);

/// The parameters of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) topics: Vec<TopicName>,
    pub(super) reader: Option<ReaderName>,
    pub(super) events_max: u64,
    pub(super) wait: Duration,
    pub(super) session: Duration,
    pub(super) from: From,
    pub(super) after: Cursor,
}

impl Parameters {
    pub(super) fn parse(stated: &[(String, String)]) -> Result<Self, QueryError> {
        let mut parameters = Self {
            topics: Vec::new(),
            reader: None,
            events_max: EVENTS.0,
            wait: Duration::from_secs(WAIT_SECONDS.0),
            session: Duration::from_secs(SESSION_SECONDS.0),
            from: From::Beginning,
            after: Cursor::default(),
        };
        for (at, (name, value)) in stated.iter().enumerate() {
            if stated.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(QueryError::new(name, "it is stated twice"));
            }
            parameters.take(name, value)?;
        }
        if matches!(parameters.from, From::Offsets(_)) && parameters.topics.len() > 1 {
            return Err(QueryError::new("from", "offsets are of one topic; begin with each topic by itself"));
        }
        Ok(parameters)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let refused = |message: &dyn std::fmt::Display| QueryError::new(name, message.to_string());
        let number = |least: u64, most: u64| {
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| QueryError::new(name, format!("expected a number from {least} to {most}")))
        };
        match name {
            "topic" => {
                let topics = value.split(',').map(TopicName::internal).collect::<Result<Vec<_>, _>>();
                self.topics = topics.map_err(|error| refused(&error))?;
                self.topics.sort_unstable();
                self.topics.dedup();
            }
            "reader" => self.reader = Some(value.parse().map_err(|error| refused(&error))?),
            "limit" => self.events_max = number(1, EVENTS.1)?,
            "wait" => self.wait = Duration::from_secs(number(0, WAIT_SECONDS.1)?),
            "session" => self.session = Duration::from_secs(number(1, SESSION_SECONDS.1)?),
            "from" => self.from = From::parse(value)?,
            "after" => self.after = value.parse().map_err(|error| refused(&error))?,
            _ => {
                let message =
                    "there is no such parameter; there are topic, reader, limit, wait, session, from and after";
                return Err(QueryError::new(name, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, good: bool) {
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let stated: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(Parameters::parse(&stated).is_ok(), good, "{query}");
    }

    #[test]
    fn parameters_are_read_and_bounded() {
        check("topic=orders,payments&reader=a-1&limit=10&wait=30&session=3600&from=latest&after=orders/0@1~1.1", true);
        check("topic=orders&from=0@12,1@7", true);
        check("topic=orders,payments&from=0@12", false);
        for bad in ["topic=Orders", "topic=", "reader=", "reader=a/b", "limit=0", "wait=31", "session=0", "from=x"] {
            check(bad, false);
        }
        check("after=orders/0@1", false);
        check("follow=true", false);
        check("wait=1&wait=2", false);
    }
}
