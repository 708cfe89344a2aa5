//! What readers of this process see of its own commits: the records of one and the state that changed with it at once, and not the one before
//! the other. The cluster shows the records when it has marked them, the local copy of the state changes when that is known; in between, the
//! records are held back.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use riverrun_event::{Offset, TopicPartition};

type Ends = HashMap<TopicPartition, BTreeSet<Offset>>;

/// From where on records are held back, in each partition that commits under way write to.
#[derive(Default)]
pub(crate) struct Visible(RwLock<Ends>);

/// Records that are held back until this is shown or dropped.
pub(crate) struct Held<'a> {
    visible: &'a Visible,
    first: HashMap<TopicPartition, Offset>,
}

impl Visible {
    /// Holds records back from their first offset on. To be called before the cluster may mark them.
    pub(crate) fn hold(&self, first: HashMap<TopicPartition, Offset>) -> Held<'_> {
        let mut ends = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (partition, offset) in &first {
            ends.entry(partition.clone()).or_default().insert(*offset);
        }
        Held { visible: self, first }
    }

    /// The end that readers see where the cluster says that it is `end`. To be called with what it said before.
    pub(crate) fn end(&self, partition: &TopicPartition, end: Offset) -> Offset {
        let ends = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ends.get(partition).and_then(BTreeSet::first).map_or(end, |held| end.min(*held))
    }
}

impl Held<'_> {
    /// Shows the records in the same moment as what `change` changes.
    pub(crate) fn show<T>(mut self, change: impl FnOnce() -> T) -> T {
        let mut ends = self.visible.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change();
        let_go(&mut ends, std::mem::take(&mut self.first));
        changed
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.first.is_empty() {
            let mut ends = self.visible.0.write().unwrap_or_else(PoisonError::into_inner);
            let_go(&mut ends, std::mem::take(&mut self.first));
        }
    }
}

fn let_go(ends: &mut Ends, first: HashMap<TopicPartition, Offset>) {
    for (partition, offset) in first {
        if let Some(held) = ends.get_mut(&partition) {
            held.remove(&offset);
            if held.is_empty() {
                ends.remove(&partition);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use riverrun_event::{Partition, TopicName};

    use super::*;

    #[test]
    fn records_are_held_back_from_the_first_commit_under_way_on() {
        let visible = Visible::default();
        let place = TopicPartition::new(TopicName::new("out").unwrap(), Partition(0));
        let hold = |offset| visible.hold(HashMap::from([(place.clone(), Offset(offset))]));
        assert_eq!(visible.end(&place, Offset(30)), Offset(30));
        let (first, second) = (hold(10), hold(20));
        assert_eq!(visible.end(&place, Offset(30)), Offset(10));
        assert_eq!(visible.end(&place, Offset(5)), Offset(5));
        assert_eq!(first.show(|| 7), 7);
        assert_eq!(visible.end(&place, Offset(30)), Offset(20));
        drop(second);
        assert_eq!(visible.end(&place, Offset(30)), Offset(30));
        assert!(visible.0.read().unwrap().is_empty());
    }
}
