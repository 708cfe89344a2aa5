//! What must hold for steps that bring events of a key together.

use std::time::Duration;

use crate::operators::Operator;
use crate::operators::sequence::Sequence;

use super::Findings;

impl Findings<'_> {
    /// Checks a step of its kind, which stands at `place`.
    pub(super) fn joining(&mut self, place: &str, operator: &Operator) {
        match operator {
            Operator::Deduplicate(deduplicate) => {
                if let Some(window) = deduplicate.window {
                    self.time(&format!("{place}.deduplicate.window"), window);
                }
            }
            Operator::Sequence(sequence) => self.sequence(&format!("{place}.sequence"), sequence),
            _ => {}
        }
    }

    fn sequence(&mut self, place: &str, sequence: &Sequence) {
        self.time(&format!("{place}.within"), sequence.within);
    }

    /// Refuses a time of no length: nothing lies within it.
    fn time(&mut self, place: &str, time: Duration) {
        if time.is_zero() {
            self.refuse(place.to_owned(), "a time of no length holds no events; give it one such as 10m");
        }
    }
}
