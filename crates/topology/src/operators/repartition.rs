//! `repartition`: deals the events out anew. They meet in a topic of the pipeline's own, whose order counts from there on, and
//! the steps behind it run as tasks of that topic's partitions.
//!
//! Keys: replaced where `by` says so. Partitions: those of the meeting topic. State: none. Time: the tasks behind it have clocks
//! of their own; events of several tasks meet in the order in which they were committed.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::repartition::{Partitioner, Repartition};
//! use riverrun_topology::{Draft, Expression};
//!
//! let by_carrier = Repartition { by: Some(Expression::parse("data.carrier")?), ..Repartition::default() };
//! let mut event = Event::new("1", "/flights", "flight");
//! event.data = Some(r#"{"carrier":"UA"}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! let name = OperatorName::new("repartition-1")?;
//! by_carrier.apply(&name, &mut draft)?;
//! let partition = by_carrier.partitioner.partition(&name, &mut draft, 8, 0)?;
//! assert_eq!(partition, riverrun_event::partitioner::partition_of_key(b"UA", 8));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::partitioner::partition_of;
use riverrun_event::{Event, OperatorName, Partition};

use crate::context::{Flow, StepError};
use crate::draft::Draft;
use crate::expression::{Expression, Value};

use super::{evaluation_failed, event_error};

/// The operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repartition {
    /// Gives the new key; without it the event keeps its own.
    pub by: Option<Expression>,
    /// Partitions of the meeting topic; without it as many as the tasks before it.
    pub partitions: Option<u32>,
    /// Which partition an event goes to.
    pub partitioner: Partitioner,
    /// How long the meeting topic keeps events, by accept time; for ever without it. A replay needs them.
    pub retention: Option<Duration>,
    /// Whether it was inserted, because a keyed step needs it, and does not stand in the file.
    pub is_inserted: bool,
}

/// How a partition is chosen.
#[derive(Clone, Default)]
pub enum Partitioner {
    /// By the key, as Kafka's own clients do.
    #[default]
    Murmur2,
    /// One after the other. Events of one key come to different tasks, so no keyed step can follow.
    RoundRobin,
    /// By an expression that gives a number; it counts modulo the partitions.
    Expression(Expression),
    /// By a function the service registered.
    Custom {
        /// The name it is registered under.
        name: String,
        /// The function; `None` until the service registers it, and such a pipeline does not start.
        function: Option<Arc<dyn Partitioning>>,
    },
}

/// A partitioner that users write. Pure: the same event goes to the same partition, whenever it is asked.
pub trait Partitioning: Send + Sync {
    /// The partition of an event among `partitions`, from 0; a number beyond them is the event's error.
    fn partition(&self, event: &Event, partitions: u32) -> u32;
}

impl Repartition {
    /// Gives one event its new key.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0301) when the expression fails or gives no key.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        if let Some(by) = &self.by {
            draft.header_mut().key = by.evaluate_key(draft).map_err(|error| evaluation_failed(name, error))?;
        }
        Ok(Flow::Pass)
    }
}

impl Partitioner {
    /// The word of the app file.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::RoundRobin => "round_robin",
            Self::Expression(expression) => expression.source(),
            Self::Custom { name, .. } => name,
        }
    }

    /// Whether the events of a key all come to one partition, as far as can be told.
    #[must_use]
    pub fn keeps_keys_together(&self) -> bool {
        !matches!(self, Self::RoundRobin)
    }

    /// Which of `partitions` an event goes to; `turn` counts the events that were dealt out before it.
    ///
    /// # Errors
    /// [`StepError::Event`] when the expression fails (RR0301), or it or the custom function gives no partition (RR0340).
    pub fn partition(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        partitions: u32,
        turn: u64,
    ) -> Result<Partition, StepError> {
        let partitions = partitions.max(1);
        match self {
            Self::Murmur2 => Ok(partition_of(draft.header(), partitions)),
            Self::RoundRobin => Ok(Partition(u32::try_from(turn % u64::from(partitions)).unwrap_or(0))),
            Self::Expression(expression) => by_number(name, expression, draft, partitions),
            Self::Custom { name: custom, function } => {
                let Some(function) = function else {
                    return Err(StepError::Fatal(format!("the partitioner {custom:?} is not compiled in")));
                };
                let event = draft.rendered();
                let chosen = catch_unwind(AssertUnwindSafe(|| function.partition(event, partitions)));
                match chosen {
                    Ok(chosen) if chosen < partitions => Ok(Partition(chosen)),
                    Ok(chosen) => Err(refused(name, &format!("the partitioner {custom:?} gives {chosen}"), partitions)),
                    Err(_) => Err(refused(name, &format!("the partitioner {custom:?} panicked"), partitions)),
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the remainder lies below the partitions")]
fn by_number(
    name: &OperatorName,
    expression: &Expression,
    draft: &mut Draft,
    partitions: u32,
) -> Result<Partition, StepError> {
    let value = expression.evaluate(draft).map_err(|error| evaluation_failed(name, error))?;
    let number = match &value {
        Value::Number(number) => Some(*number),
        Value::Json(json) => std::str::from_utf8(json).ok().and_then(|text| text.parse::<f64>().ok()),
        Value::Null | Value::Bool(_) | Value::Text(_) => None,
    };
    match number.filter(|number| number.fract() == 0.0) {
        Some(number) => Ok(Partition(number.rem_euclid(f64::from(partitions)) as u32)),
        None => {
            Err(refused(name, &format!("the partitioner `{}` gives no whole number", expression.source()), partitions))
        }
    }
}

fn refused(name: &OperatorName, what: &str, partitions: u32) -> StepError {
    event_error("RR0340", name, format!("{what}; expected the number of one of the {partitions} partitions, from 0"))
}

impl PartialEq for Partitioner {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Murmur2, Self::Murmur2) | (Self::RoundRobin, Self::RoundRobin) => true,
            (Self::Expression(one), Self::Expression(other)) => one == other,
            (Self::Custom { name: one, .. }, Self::Custom { name: other, .. }) => one == other,
            _ => false,
        }
    }
}

impl fmt::Debug for Partitioner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{draft, event_at};
    use super::*;

    #[track_caller]
    fn check(partitioner: &Partitioner, data: &'static str, turn: u64, expected: Result<u32, &str>) {
        let chosen = partitioner.partition(&OperatorName::new("p").unwrap(), &mut draft(data), 4, turn);
        match (chosen, expected) {
            (Ok(partition), Ok(number)) => assert_eq!(partition, Partition(number)),
            (Err(StepError::Event(error)), Err(message)) => assert_eq!(error.to_string(), message),
            (found, _) => panic!("{found:?}"),
        }
    }

    struct Region;

    impl Partitioning for Region {
        fn partition(&self, event: &Event, _: u32) -> u32 {
            match event.data.as_deref() {
                Some(b"\"eu\"") => 3,
                Some(b"\"us\"") => 4,
                _ => panic!("nowhere"),
            }
        }
    }

    #[test]
    fn partitioners_choose_among_the_partitions() {
        let by = |source: &str| Partitioner::Expression(Expression::parse(source).unwrap());
        check(&Partitioner::RoundRobin, "{}", 6, Ok(2));
        check(&by("data.n"), r#"{"n": 7}"#, 0, Ok(3));
        check(&by("data.n - 8"), r#"{"n": 7}"#, 0, Ok(3));
        let refused = "RR0340 in p: the partitioner `data.n` gives no whole number; expected the number of one of the 4 partitions, from 0";
        check(&by("data.n"), r#"{"n": 7.5}"#, 0, Err(refused));
        check(&by("data.n"), r#"{"n": "x"}"#, 0, Err(refused));
        let custom = Partitioner::Custom { name: "region".into(), function: Some(Arc::new(Region)) };
        check(&custom, "\"eu\"", 0, Ok(3));
        let refused =
            "RR0340 in p: the partitioner \"region\" gives 4; expected the number of one of the 4 partitions, from 0";
        check(&custom, "\"us\"", 0, Err(refused));
        let refused =
            "RR0340 in p: the partitioner \"region\" panicked; expected the number of one of the 4 partitions, from 0";
        check(&custom, "\"mars\"", 0, Err(refused));
    }

    #[test]
    fn keys_are_placed_as_kafkas_clients_do() {
        let name = OperatorName::new("p").unwrap();
        let mut event = event_at(0, "", r#"{"n": 1}"#);
        let by = Repartition { by: Some(Expression::parse("data.n").unwrap()), ..Repartition::default() };
        by.apply(&name, &mut event).unwrap();
        let placed = by.partitioner.partition(&name, &mut event, 64, 5).unwrap();
        assert_eq!(placed, riverrun_event::partitioner::partition_of_key(b"1", 64));
    }
}
