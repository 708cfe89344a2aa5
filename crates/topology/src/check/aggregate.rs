//! What must hold for an aggregate: its windows, when it emits, and the topics it names.

use riverrun_event::TopicName;

use crate::operators::aggregate::Aggregate;
use crate::sink::Sink;

use super::Findings;

impl Findings<'_> {
    /// Checks the aggregate of a step in a pipeline that reads `inputs`.
    pub(super) fn aggregate(&mut self, place: &str, aggregate: &Aggregate, inputs: &[&TopicName]) {
        let place = format!("{place}.{}", aggregate.method.verb());
        if let Err(error) = aggregate.check() {
            self.refuse(format!("{place}.{}", error.field), error.message);
        }
        for topic in aggregate.options.late.iter().flat_map(Sink::topics) {
            let place = format!("{place}.late");
            if inputs.contains(&topic) {
                let message = format!("{topic} is also an input; the pipeline would feed itself without end");
                self.refuse(place, message);
            } else {
                self.known_topic(&place, topic);
            }
        }
    }
}
