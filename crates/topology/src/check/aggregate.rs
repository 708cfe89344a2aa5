//! What must hold for an aggregate: its windows, and when it emits.

use crate::operators::aggregate::Aggregate;

use super::Findings;

impl Findings<'_> {
    /// Checks the aggregate of a step.
    pub(super) fn aggregate(&mut self, place: &str, aggregate: &Aggregate) {
        let place = format!("{place}.{}", aggregate.method.verb());
        if let Err(error) = aggregate.check() {
            self.refuse(format!("{place}.{}", error.field), error.message);
        }
    }
}
