//! Builds the steps that bring events of a key together.

use std::time::Duration;

use riverrun_event::{ModelName, TopicName, ViewName};

use crate::document::Path;
use crate::expression::Expression;
use crate::operators::Operator;
use crate::operators::deduplicate::Deduplicate;
use crate::operators::identify::Identify;
use crate::operators::join::{ForeignJoin, Join, JoinType, ModelJoin, Stage, StreamJoin, TableJoin};
use crate::operators::monitor::{Absence, Condition, Direction, Monitor, Rate, Threshold};
use crate::operators::sequence::{Ending, Sequence};
use crate::operators::snapshot::SnapshotModel;
use crate::operators::table::Table;
use crate::sink::Sink;

use super::steps::StepsBuilder;

/// What may be said of a step that keeps state, besides what it needs. What a step cannot do is a mistake.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Keeping {
    place: Option<String>,
    grace: Option<Duration>,
    late: Option<String>,
    view: Option<String>,
}

impl Keeping {
    /// Where in the data it is put what the step gives: the data of the other event, the entity, the change.
    pub fn place(mut self, field: &str) -> Self {
        self.place = Some(field.to_owned());
        self
    }

    /// How much longer events are awaited that come out of order.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// The topic of events that come too late; without it they are only counted.
    pub fn late(mut self, topic: &str) -> Self {
        self.late = Some(topic.to_owned());
        self
    }

    /// The name by which its state is read.
    pub fn view(mut self, view: &str) -> Self {
        self.view = Some(view.to_owned());
        self
    }

    /// The words for what was said that a step does not take.
    fn beyond<'w>(&self, takes: &[&str]) -> Vec<&'w str> {
        let said = [
            ("place", self.place.is_some()),
            ("grace", self.grace.is_some()),
            ("late", self.late.is_some()),
            ("view", self.view.is_some()),
        ];
        said.into_iter().filter(|(word, is_said)| *is_said && !takes.contains(word)).map(|(word, _)| word).collect()
    }
}

/// The same with names and paths read.
#[derive(Default)]
struct Kept {
    place: Option<Path>,
    grace: Duration,
    late: Option<Sink>,
    view: Option<ViewName>,
}

impl<O> StepsBuilder<'_, O> {
    /// Drops an event whose value was there before under the same key.
    pub fn deduplicate(mut self, by: &str) -> Self {
        let by = self.expression("deduplicate", by);
        self.step(by.map(|by| Operator::Deduplicate(Deduplicate { by, window: None, late: None })))
    }

    /// Drops an event whose value was there under the same key, less than `window` before or after it. It takes late
    /// events: those that come too late to be told apart.
    pub fn deduplicate_within(mut self, by: &str, window: Duration, declare: impl FnOnce(Keeping) -> Keeping) -> Self {
        let by = self.expression("deduplicate", by);
        let late = self.kept("deduplicate", declare, &["late"]).late;
        let window = Some(window);
        self.step(by.map(|by| Operator::Deduplicate(Deduplicate { by, window, late })))
    }

    /// Lets the events go on for which `then` holds, each with the data of those for which `first` held before it, less
    /// than `within` ago, in `data.first`. It takes a place, a grace and late events.
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
    ///     orders.sequence("data.placed", "data.paid", quick, |step| step.place("data.order")).to("paid-quickly")
    /// });
    /// assert!(topology.build().is_ok());
    /// ```
    pub fn sequence(
        mut self,
        first: &str,
        then: &str,
        within: Duration,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let condition = self.expression("sequence", then);
        let default = Path::parse(Sequence::PLACE_DEFAULT).ok();
        let kept = self.kept("sequence", declare, &["place", "grace", "late"]);
        let place = kept.place.clone().or(default);
        let ending = condition.zip(place).map(|(condition, place)| Ending::Then { condition, place });
        self.sequence_ending(first, ending, within, kept)
    }

    /// Lets an event go on for which `first` holds, once `within` has passed without one for which `absent` holds. It takes a grace
    /// and late events.
    pub fn sequence_absent(
        mut self,
        first: &str,
        absent: &str,
        within: Duration,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let condition = self.expression("sequence", absent);
        let kept = self.kept("sequence", declare, &["grace", "late"]);
        self.sequence_ending(first, condition.map(|condition| Ending::Absent { condition }), within, kept)
    }

    fn sequence_ending(mut self, first: &str, ending: Option<Ending>, within: Duration, kept: Kept) -> Self {
        let first = self.expression("sequence", first);
        let Kept { grace, late, .. } = kept;
        let sequence = first
            .zip(ending)
            .map(|(first, ending)| Operator::Sequence(Sequence { first, ending, within, grace, late }));
        self.step(sequence)
    }

    /// Joins events with those of another topic that lie at most `within` before or after them. It takes a place (`data.<topic>`
    /// otherwise), a grace and late events.
    pub fn join_stream(
        self,
        topic: &str,
        kind: JoinType,
        within: Duration,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        self.join_stream_between(topic, kind, (within, within), declare)
    }

    /// Joins events with those of another topic that lie from the first of `around` before to the second after them.
    pub fn join_stream_between(
        mut self,
        topic: &str,
        kind: JoinType,
        around: (Duration, Duration),
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let stream = self.topic_of("join", topic);
        let Kept { place, grace, late, .. } = self.kept("join", declare, &["place", "grace", "late"]);
        let place = place.or_else(|| Join::default_place(topic));
        let (before, after) = around;
        let join =
            stream.zip(place).map(|(stream, place)| StreamJoin { stream, kind, before, after, grace, place, late });
        self.step(join.map(|join| Operator::Join(Join::Stream(join))))
    }

    /// Joins the newest events of both sides; a change of either gives the new result. It takes a place (`data.<topic>` otherwise)
    /// and a view.
    pub fn join_table(mut self, topic: &str, kind: JoinType, declare: impl FnOnce(Keeping) -> Keeping) -> Self {
        let table = self.topic_of("join", topic);
        let Kept { place, view, .. } = self.kept("join", declare, &["place", "view"]);
        let place = place.or_else(|| Join::default_place(topic));
        let join = table.zip(place).map(|(table, place)| TableJoin { table, kind, place, view });
        self.step(join.map(|join| Operator::Join(Join::Table(join))))
    }

    /// Joins each left row with the row of a table that it names: `by` gives its key. A change of either side gives the results it
    /// concerns. It takes a place (`data.<topic>` otherwise).
    pub fn join_table_by(
        mut self,
        topic: &str,
        by: &str,
        kind: JoinType,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let (table, by) = (self.topic_of("join", topic), self.expression("join", by));
        let place = self.kept("join", declare, &["place"]).place.or_else(|| Join::default_place(topic));
        let join = table.zip(by).zip(place).map(|((table, by), place)| {
            Operator::Join(Join::Foreign(ForeignJoin { table, by, kind, place, stage: Stage::Whole }))
        });
        self.step(join)
    }

    /// Joins events with the state of an entity of a model at their time. It takes a place (`data.<model>` otherwise).
    pub fn join_model(
        mut self,
        model: &str,
        by: &str,
        kind: JoinType,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let at = self.place("join");
        let named = self.scope.mistakes.named(|| at, ModelName::new(model));
        let key = self.expression("join", by);
        let place = self.kept("join", declare, &["place"]).place.or_else(|| Join::default_place(model));
        let entry = named.zip(key).zip(place).map(|((model, key), place)| SnapshotModel { model, key, place });
        self.step(entry.map(|entry| Operator::Join(Join::Model(ModelJoin { entry, kind }))))
    }

    /// Keeps the newest event of each key as state that is read as `view`; every event passes.
    pub fn table(self, view: &str) -> Self {
        let place = self.place("table");
        let view = self.scope.mistakes.named(|| place, ViewName::new(view));
        self.step(view.map(|view| Operator::Table(Table { view })))
    }

    /// Resolves events to entities by values that events before them were resolved by: `matches`, the most telling first. Nothing
    /// outside of the scope that `within` gives is compared; without it all events come to one task. Events leave keyed by their
    /// entity. It takes a place (`data.<entity>` otherwise).
    pub fn identify<'m>(
        mut self,
        entity: &str,
        matches: impl IntoIterator<Item = &'m str>,
        within: Option<&str>,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let at = self.place("identify");
        let entity = self.scope.mistakes.named(|| at, ModelName::new(entity));
        let matches: Vec<_> = matches.into_iter().map(|source| self.expression("identify", source)).collect();
        let matches: Option<Vec<Expression>> = matches.into_iter().collect();
        let scope = self.expression("identify", within.unwrap_or(Identify::ONE_SCOPE));
        let place = self.kept("identify", declare, &["place"]).place;
        let place = place.or_else(|| entity.as_ref().and_then(Identify::default_place));
        let whole = entity.zip(matches).zip(place.zip(scope));
        let identify = whole.map(|((entity, matches), (place, scope))| Identify { entity, matches, scope, place });
        self.step(identify.map(Operator::Identify))
    }

    /// Says when a value is above or below a limit, and when it has come back: to `clear`, or to the limit itself. It takes a
    /// place (`data.monitor` otherwise) and a view.
    pub fn monitor_threshold(
        mut self,
        value: &str,
        direction: Direction,
        limit: &str,
        clear: Option<&str>,
        declare: impl FnOnce(Keeping) -> Keeping,
    ) -> Self {
        let (value, limit) = (self.expression("monitor", value), self.expression("monitor", limit));
        let clear = clear.map(|clear| self.expression("monitor", clear));
        let kept = self.kept("monitor", declare, &["place", "view"]);
        let threshold = match (value, limit, clear) {
            (_, _, Some(None)) => None,
            (Some(value), Some(limit), clear) => Threshold::new(value, direction, limit, clear.flatten()).ok(),
            _ => None,
        };
        self.monitored(threshold.map(Condition::Threshold), kept)
    }

    /// Says when more than so many events of a key come within a time, and when they no longer do. It takes a place
    /// (`data.monitor` otherwise), late events and a view.
    pub fn monitor_rate(mut self, more_than: u64, within: Duration, declare: impl FnOnce(Keeping) -> Keeping) -> Self {
        let kept = self.kept("monitor", declare, &["place", "late", "view"]);
        self.monitored(Some(Condition::Rate(Rate { more_than, within })), kept)
    }

    /// Says when no event of a key comes for a time, and when one comes again. It takes a place (`data.monitor` otherwise), late
    /// events and a view.
    pub fn monitor_absence(mut self, of: Duration, declare: impl FnOnce(Keeping) -> Keeping) -> Self {
        let kept = self.kept("monitor", declare, &["place", "late", "view"]);
        self.monitored(Some(Condition::Absence(Absence { of })), kept)
    }

    fn monitored(self, condition: Option<Condition>, kept: Kept) -> Self {
        let Kept { place, late, view, .. } = kept;
        let place = place.or_else(|| Path::parse(Monitor::PLACE_DEFAULT).ok());
        let monitor = condition.zip(place).map(|(condition, place)| Monitor { condition, place, late, view });
        self.step(monitor.map(Operator::Monitor))
    }

    fn expression(&mut self, verb: &str, source: &str) -> Option<Expression> {
        let place = self.place(verb);
        self.scope.mistakes.expression(|| place, source)
    }

    fn topic_of(&mut self, verb: &str, topic: &str) -> Option<TopicName> {
        let place = self.place(verb);
        self.scope.mistakes.named(|| place, TopicName::new(topic))
    }

    /// Reads what was said of a step; what it does not take is a mistake.
    fn kept(&mut self, verb: &str, declare: impl FnOnce(Keeping) -> Keeping, takes: &[&str]) -> Kept {
        let keeping = declare(Keeping::default());
        let at = self.place(verb);
        for word in keeping.beyond(takes) {
            let message = format!("this step takes no `{word}`; it takes {}", takes.join(", "));
            self.scope.mistakes.add(at.clone(), message);
        }
        let Keeping { place, grace, late, view } = keeping;
        let mistakes = &mut *self.scope.mistakes;
        Kept {
            place: place.and_then(|field| mistakes.path(|| at.clone(), &field)),
            grace: grace.unwrap_or_default(),
            late: late.and_then(|topic| mistakes.named(|| at.clone(), TopicName::new(&topic))).map(Sink::Topic),
            view: view.and_then(|view| mistakes.named(|| at.clone(), ViewName::new(&view))),
        }
    }
}
