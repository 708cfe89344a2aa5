//! Builds the steps that bring events of a key together.

use std::time::Duration;

use riverrun_event::TopicName;

use crate::document::Path;
use crate::expression::Expression;
use crate::operators::Operator;
use crate::operators::deduplicate::Deduplicate;
use crate::operators::sequence::{Ending, Sequence};
use crate::sink::Sink;

use super::steps::StepsBuilder;

/// What steps that wait for events of a key have in common.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Waiting {
    place: Option<String>,
    grace: Duration,
    late: Option<String>,
}

impl Waiting {
    /// Where the data of the other event is put.
    pub fn place(mut self, field: &str) -> Self {
        self.place = Some(field.to_owned());
        self
    }

    /// How much longer events are awaited that come out of order.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The topic of events that come too late; without it they are only counted.
    pub fn late(mut self, topic: &str) -> Self {
        self.late = Some(topic.to_owned());
        self
    }
}

impl<O> StepsBuilder<'_, O> {
    /// Drops an event whose value was there before under the same key.
    pub fn deduplicate(mut self, by: &str) -> Self {
        let by = self.expression("deduplicate", by);
        self.step(by.map(|by| Operator::Deduplicate(Deduplicate { by, window: None, late: None })))
    }

    /// Drops an event whose value was there under the same key, less than `window` before or after it. What comes too late to be
    /// told apart goes to the topic `late`, where there is one.
    pub fn deduplicate_within(mut self, by: &str, window: Duration, late: Option<&str>) -> Self {
        let by = self.expression("deduplicate", by);
        let late = self.late("deduplicate", late);
        let window = Some(window);
        self.step(by.zip(late).map(|(by, late)| Operator::Deduplicate(Deduplicate { by, window, late })))
    }

    /// Lets the events go on for which `then` holds, each with the data of those for which `first` held before it, less
    /// than `within` ago.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use riverrun_topology::Topology;
    ///
    /// let topology = Topology::builder("shop").topic("orders", |topic| topic.key("data.id")).pipeline("paid", |pipeline| {
    ///     let quick = Duration::from_secs(600);
    ///     let orders = pipeline.from("orders");
    ///     orders.sequence("data.placed", "data.paid", quick, |waiting| waiting.place("data.order")).to("paid-quickly")
    /// });
    /// assert!(topology.build().is_ok());
    /// ```
    pub fn sequence(
        mut self,
        first: &str,
        then: &str,
        within: Duration,
        declare: impl FnOnce(Waiting) -> Waiting,
    ) -> Self {
        let waiting = declare(Waiting::default());
        let condition = self.expression("sequence", then);
        let place = self.joined_place("sequence", waiting.place.as_deref().unwrap_or(Sequence::PLACE_DEFAULT));
        let ending = condition.zip(place).map(|(condition, place)| Ending::Then { condition, place });
        self.sequence_ending(first, ending, within, &waiting)
    }

    /// Lets an event go on for which `first` holds, once `within` has passed without one for which `absent` holds. No place is
    /// needed: nothing is put into it.
    pub fn sequence_absent(
        mut self,
        first: &str,
        absent: &str,
        within: Duration,
        declare: impl FnOnce(Waiting) -> Waiting,
    ) -> Self {
        let waiting = declare(Waiting::default());
        let condition = self.expression("sequence", absent);
        self.sequence_ending(first, condition.map(|condition| Ending::Absent { condition }), within, &waiting)
    }

    fn sequence_ending(mut self, first: &str, ending: Option<Ending>, within: Duration, waiting: &Waiting) -> Self {
        let first = self.expression("sequence", first);
        let late = self.late("sequence", waiting.late.as_deref());
        let grace = waiting.grace;
        let sequence = first
            .zip(ending)
            .zip(late)
            .map(|((first, ending), late)| Operator::Sequence(Sequence { first, ending, within, grace, late }));
        self.step(sequence)
    }

    fn expression(&mut self, verb: &str, source: &str) -> Option<Expression> {
        let place = self.place(verb);
        self.scope.mistakes.expression(|| place, source)
    }

    fn joined_place(&mut self, verb: &str, field: &str) -> Option<Path> {
        let place = self.place(verb);
        self.scope.mistakes.path(|| place, field)
    }

    /// The sink of late events; `None` when its name is a mistake.
    fn late(&mut self, verb: &str, topic: Option<&str>) -> Option<Option<Sink>> {
        let Some(topic) = topic else { return Some(None) };
        let place = format!("{}.late", self.place(verb));
        self.scope.mistakes.named(|| place, TopicName::new(topic)).map(|topic| Some(Sink::Topic(topic)))
    }
}
