//! `table`: keeps the newest event of each key as state that a view shows, and lets every event pass.
//!
//! Newest is what came last; an event without data deletes its key. Keys, partitions and time stay as they are. State: one row for each
//! key, until it is deleted.
//!
//! ```
//! use riverrun_event::ViewName;
//! use riverrun_topology::operators::table::Table;
//!
//! let customers = Table { view: ViewName::new("customers")? };
//! # let _ = customers;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use bytes::Bytes;
use riverrun_event::{OperatorName, ViewName};

use crate::context::{Flow, StepContext, StepError};
use crate::draft::Draft;
use crate::rows::{prefix_of, split, unreadable};
use crate::view::ViewRow;

use super::key_of;
use super::pair::json_of;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the table is read as.
    pub view: ViewName,
}

impl Table {
    /// Keeps one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event has no key (RR0305) or its data is not JSON (RR0302).
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, "table")?;
        let newest = match draft.header().data {
            Some(_) => Some(json_of(name, draft)?),
            None => None,
        };
        context.state.put(name, &prefix_of(key.as_bytes()), newest);
        Ok(Flow::Pass)
    }

    pub(super) fn view_row(row_key: &[u8], value: &Bytes) -> Result<Option<ViewRow>, StepError> {
        let (key, _) = split(row_key).ok_or_else(unreadable)?;
        Ok(Some(ViewRow { key, window: None, data: value.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, event_at};
    use super::*;
    use crate::operators::Operator;

    #[test]
    fn the_newest_event_of_a_key_is_kept() {
        let operator = Operator::Table(Table { view: ViewName::new("customers").unwrap() });
        let mut world = World::default();
        let events = [
            ("a", r#"{"n":1}"#, "a -> {\"n\":1}"),
            ("b", r#"{"n": 2}"#, "a -> {\"n\":1}, b -> {\"n\": 2}"),
            ("a", r#"[3]"#, "a -> [3], b -> {\"n\": 2}"),
            ("b", "", "a -> [3]"),
            ("c", "", "a -> [3]"),
        ];
        for (key, data, expected) in events {
            let shown = if data.is_empty() { "-" } else { data };
            assert_eq!(world.step(&operator, 0, event_at(0, key, data)), [format!("{key} {shown}")]);
            let rows = world.own_rows().into_iter().map(|(row, value)| {
                let row = operator.view_row(&row, &value).unwrap().unwrap();
                format!("{} -> {}", String::from_utf8(row.key).unwrap(), String::from_utf8(row.data.to_vec()).unwrap())
            });
            assert_eq!(rows.collect::<Vec<_>>().join(", "), expected);
        }
        let mut event = event_at(0, "a", "x");
        assert!(world.apply(&operator, &mut event).unwrap_err().to_string().starts_with("RR0302"));
    }
}
