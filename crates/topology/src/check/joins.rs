//! What must hold for steps that bring events of a key together.

use std::time::Duration;

use crate::operators::Operator;
use crate::operators::join::{Join, JoinType, StreamJoin};
use crate::operators::monitor::{Condition, Monitor};
use crate::operators::snapshot::SnapshotModel;

use super::{Findings, listed};

impl Findings<'_> {
    /// Checks a step of its kind, which stands at `place`.
    pub(super) fn joining(&mut self, place: &str, operator: &Operator) {
        let place = format!("{place}.{}", operator.verb());
        match operator {
            Operator::Deduplicate(deduplicate) => {
                if let Some(window) = deduplicate.window {
                    self.time(&format!("{place}.window"), window);
                }
            }
            Operator::Sequence(sequence) => self.time(&format!("{place}.within"), sequence.within),
            Operator::Join(join) => self.join(&place, join),
            Operator::Identify(identify) if identify.matches.is_empty() => {
                self.refuse(format!("{place}.match"), "nothing identifies an entity; name at least one value");
            }
            Operator::Monitor(monitor) => self.monitor(&place, monitor),
            _ => {}
        }
    }

    fn join(&mut self, place: &str, join: &Join) {
        match join {
            Join::Stream(join) => self.stream_join(place, join),
            Join::Table(_) => {}
            Join::Foreign(join) => {
                if join.kind == JoinType::Outer {
                    let message = "a join by a foreign key is `inner` or `left`: a row that none names has no key to come out with";
                    self.refuse(format!("{place}.type"), message);
                }
            }
            Join::Model(join) => {
                self.known_model(&format!("{place}.model"), &join.entry);
                if join.kind == JoinType::Outer {
                    let message = "a join with a model is `inner` or `left`: the model has no events that come alone";
                    self.refuse(format!("{place}.type"), message);
                }
            }
        }
    }

    fn stream_join(&mut self, place: &str, join: &StreamJoin) {
        if join.before.is_zero() && join.after.is_zero() {
            let message =
                "a window of no length joins nothing but events of the very same time; give it one such as 10m";
            self.refuse(format!("{place}.within"), message);
        }
    }

    pub(super) fn known_model(&mut self, place: &str, entry: &SnapshotModel) {
        if !self.topology.models.contains_key(&entry.model) {
            let known = listed(self.topology.models.keys());
            self.refuse(place.to_owned(), format!("there is no model {}; declared are {known}", entry.model));
        }
    }

    fn monitor(&mut self, place: &str, monitor: &Monitor) {
        match &monitor.condition {
            Condition::Threshold(threshold) if threshold.is_upside_down() => {
                let message = "it would be cleared while it is raised; `clear` lies on the other side of the limit";
                self.refuse(format!("{place}.threshold.clear"), message);
            }
            Condition::Threshold(_) => {}
            Condition::Rate(rate) => self.time(&format!("{place}.rate.within"), rate.within),
            Condition::Absence(absence) => self.time(&format!("{place}.absence.of"), absence.of),
        }
    }

    /// Refuses a time of no length: nothing lies within it.
    fn time(&mut self, place: &str, time: Duration) {
        if time.is_zero() {
            self.refuse(place.to_owned(), "a time of no length holds no events; give it one such as 10m");
        }
    }
}
