//! A join with a table: both sides keep the newest event of each key, and a change of either gives the new result.
//!
//! Newest is what came last. An event without data deletes its side. A result that is no more comes out as an event without data.
//! State: one row for each key and side, until it is deleted. Time: a result has the later of the two times.

use bytes::Bytes;
use riverrun_event::{Key, OperatorName, TopicName, ViewName};

use crate::context::{Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::Draft;
use crate::operators::key_of;
use crate::operators::pair::{json_of, pair, with_place};
use crate::rows::{RowReader, prefix_of, put_draft, split, unreadable};
use crate::view::ViewRow;

use super::{JoinType, Side};

/// Tells the row of the result from those of the sides.
const RESULT: u8 = 2;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct TableJoin {
    /// The topic of the right side.
    pub table: TopicName,
    /// When there is a result: with both sides, with the left one, or with one of them.
    pub kind: JoinType,
    /// Where the right side's data is put.
    pub place: Path,
    /// What the results are read as; only then they are kept.
    pub view: Option<ViewName>,
}

/// The newest events of a key.
#[derive(Default)]
struct Sides {
    left: Option<Draft>,
    right: Option<Draft>,
}

impl Sides {
    fn of(&mut self, side: Side) -> &mut Option<Draft> {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

impl TableJoin {
    pub(super) fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let side = Side::of(context.port);
        let key = key_of(name, draft, "join")?;
        let mut sides =
            Sides { left: read(name, &key, Side::Left, context)?, right: read(name, &key, Side::Right, context)? };
        let was = self.has_result(&sides);
        let newest = match (draft.header().data.is_some(), side) {
            (false, _) => None,
            (true, Side::Left) => Some(with_place(name, draft, &self.place)?),
            (true, Side::Right) => json_of(name, draft).map(|_| Some(draft.clone()))?,
        };
        *sides.of(side) = newest;
        write(name, &key, side, sides.of(side).as_mut(), context);
        let mut result = match (self.has_result(&sides), was) {
            (true, _) => self.result(name, side, sides, draft, context)?,
            (false, true) => deletion(draft),
            (false, false) => return Ok(Flow::Drop),
        };
        if self.view.is_some() {
            let row = [prefix_of(key.as_bytes()).as_slice(), &[RESULT]].concat();
            context.state.put(name, &row, result.rendered().data.clone());
        }
        Ok(Flow::Replace(vec![result]))
    }

    /// The results, where they are kept.
    pub(super) fn view_row(row_key: &[u8], value: &Bytes) -> Result<Option<ViewRow>, StepError> {
        let (key, row) = split(row_key).ok_or_else(unreadable)?;
        Ok((row == [RESULT]).then(|| ViewRow { key, window: None, data: value.clone() }))
    }

    fn has_result(&self, sides: &Sides) -> bool {
        match self.kind {
            JoinType::Inner => sides.left.is_some() && sides.right.is_some(),
            JoinType::Left => sides.left.is_some(),
            JoinType::Outer => sides.left.is_some() || sides.right.is_some(),
        }
    }

    /// The result of a change of `side`.
    fn result(
        &self,
        name: &OperatorName,
        side: Side,
        mut sides: Sides,
        draft: &Draft,
        context: &StepContext<'_>,
    ) -> Result<Draft, StepError> {
        let trigger = context.cause_of(draft);
        let other = sides.of(side.other()).as_ref().and_then(|other| other.cause().cloned());
        let times = [sides.left.as_ref(), sides.right.as_ref()].into_iter().flatten().map(Draft::event_time);
        let time = times.max().unwrap_or_else(|| draft.event_time());
        let mut result = match (sides.left, sides.right) {
            (Some(left), None) => left,
            (left, Some(mut right)) => {
                let json = json_of(name, &mut right)?;
                let left = left.unwrap_or_else(|| right.derived(Bytes::from_static(b"{}")));
                pair(name, left, &self.place, &json, None, other.as_ref())?
            }
            (None, None) => deletion(draft),
        };
        result.header_mut().time = Some(time);
        Ok(match trigger {
            Some(trigger) => result.caused_by(trigger),
            None => result,
        })
    }
}

/// The event without its data.
fn deletion(draft: &Draft) -> Draft {
    let mut event = draft.header().clone();
    event.data = None;
    draft.another(event)
}

fn row_of(key: &Key, side: Side) -> Vec<u8> {
    let mut row = prefix_of(key.as_bytes());
    row.push(side.byte());
    row
}

fn read(name: &OperatorName, key: &Key, side: Side, context: &mut StepContext<'_>) -> Result<Option<Draft>, StepError> {
    let row = context.state.get(name, &row_of(key, side))?;
    row.map(|row| RowReader::new(row).draft()).transpose()
}

fn write(name: &OperatorName, key: &Key, side: Side, newest: Option<&mut Draft>, context: &mut StepContext<'_>) {
    let value = newest.map(|newest| {
        let cause = context.cause_of(newest);
        let mut value = Vec::new();
        put_draft(&mut value, newest, cause.as_ref());
        Bytes::from(value)
    });
    context.state.put(name, &row_of(key, side), value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Join;
    use super::*;
    use crate::operators::Operator;
    use crate::operators::testing::{World, event_at};

    fn join(kind: JoinType) -> Operator {
        let (table, place) = (TopicName::new("customers").unwrap(), Path::parse("data.customer").unwrap());
        Operator::Join(Join::Table(TableJoin { table, kind, place, view: None }))
    }

    /// Steps events given as port and data, each with what comes out of each type of join.
    #[track_caller]
    fn check(events: &[(usize, &str, [&[&str]; 3])]) {
        for (index, kind) in [JoinType::Inner, JoinType::Left, JoinType::Outer].into_iter().enumerate() {
            let mut world = World::default();
            for (second, (port, data, expected)) in events.iter().enumerate() {
                let event = event_at(i64::try_from(second).unwrap(), "k", data);
                assert_eq!(world.step(&join(kind), *port, event), expected[index], "{kind:?} at {second}");
            }
            assert_eq!(world.rows(), 0, "{kind:?}");
        }
    }

    #[test]
    fn a_change_of_either_side_gives_the_new_result() {
        let both = r#"k {"o":1,"customer":{"c":1}}"#;
        check(&[
            (0, "", [&[], &[], &[]]),
            (0, r#"{"o":1}"#, [&[], &[r#"k {"o":1,"customer":null}"#], &[r#"k {"o":1,"customer":null}"#]]),
            (1, r#"{"c":1}"#, [&[both], &[both], &[both]]),
            (1, r#"{"c":2}"#, [&[r#"k {"o":1,"customer":{"c":2}}"#]; 3]),
            (0, r#"{"o":2}"#, [&[r#"k {"o":2,"customer":{"c":2}}"#]; 3]),
            (0, "", [&["k -"], &["k -"], &[r#"k {"customer":{"c":2}}"#]]),
            (0, "", [&[], &[], &[r#"k {"customer":{"c":2}}"#]]),
            (1, "", [&[], &[], &["k -"]]),
            (1, r#"[3]"#, [&[], &[], &[r#"k {"customer":[3]}"#]]),
            (0, r#"{"o":3}"#, [&[r#"k {"o":3,"customer":[3]}"#]; 3]),
            (1, "", [&["k -"], &[r#"k {"o":3,"customer":null}"#], &[r#"k {"o":3,"customer":null}"#]]),
            (0, "", [&[], &["k -"], &["k -"]]),
        ]);
    }

    #[test]
    fn a_view_shows_the_results() {
        let Operator::Join(Join::Table(join)) = join(JoinType::Inner) else { panic!("no join of tables") };
        let operator = Operator::Join(Join::Table(TableJoin { view: ViewName::new("orders").ok(), ..join }));
        let mut world = World::default();
        let mut viewed = |port: usize, data: &str| {
            world.step(&operator, port, event_at(0, "k", data));
            let rows = world.own_rows().into_iter();
            let rows = rows.filter_map(|(row, value)| operator.view_row(&row, &value).unwrap());
            rows.map(|row| String::from_utf8([row.key, row.data.to_vec()].concat()).unwrap()).collect::<Vec<_>>()
        };
        assert!(viewed(0, r#"{"o":1}"#).is_empty());
        assert_eq!(viewed(1, "2"), [r#"k{"o":1,"customer":2}"#]);
        assert!(viewed(0, "").is_empty());
    }

    #[test]
    fn a_result_names_both() {
        let (operator, mut world) = (join(JoinType::Inner), World::default());
        world.step(&operator, 0, event_at(9, "k", "{}"));
        let Flow::Replace(results) = world.apply_at(&operator, 1, &mut event_at(5, "k", "1")).unwrap() else {
            panic!()
        };
        let [joined] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(joined.header().attributes.get("rrjoined"), Some("input-0/0@0"));
        assert_eq!(joined.cause().unwrap().position.to_string(), "input-1/0@1");
        assert_eq!((joined.event_time().unix_seconds(), joined.header().id.as_str()), (9, "e-9"));
    }

    proptest! {
        /// Replaying the results into a table gives the join of the two tables.
        #[test]
        fn results_add_up_to_the_join(
            changes in prop::collection::vec((any::<bool>(), 0_u8..3, prop::option::of(0_u8..9)), 0..40),
            kind in prop::sample::select(vec![JoinType::Inner, JoinType::Left, JoinType::Outer]),
        ) {
            use std::collections::BTreeMap;
            let mut world = World::default();
            let (mut left, mut right, mut held) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
            for (is_right, key, value) in changes {
                let data = value.map_or_else(String::new, |value| format!(r#"{{"v":{value}}}"#));
                let table = if is_right { &mut right } else { &mut left };
                match value {
                    Some(_) => table.insert(key, data.clone()),
                    None => table.remove(&key),
                };
                for out in world.step(&join(kind), usize::from(is_right), event_at(0, &key.to_string(), &data)) {
                    let (key, data) = out.split_once(' ').unwrap();
                    let key: u8 = key.parse().unwrap();
                    if data == "-" {
                        // Only what was there disappears.
                        prop_assert!(held.remove(&key).is_some());
                    } else {
                        held.insert(key, data.to_owned());
                    }
                }
            }
            let mut expected = BTreeMap::new();
            for key in 0..3 {
                let joined = match (left.get(&key), right.get(&key)) {
                    (Some(left), Some(right)) => Some(format!(r#"{},"customer":{right}}}"#, left.trim_end_matches('}'))),
                    (Some(left), None) if kind.covers(Side::Left) => Some(format!(r#"{},"customer":null}}"#, left.trim_end_matches('}'))),
                    (None, Some(right)) if kind.covers(Side::Right) => Some(format!(r#"{{"customer":{right}}}"#)),
                    _ => None,
                };
                expected.extend(joined.map(|joined| (key, joined)));
            }
            prop_assert_eq!(held, expected);
            prop_assert_eq!(world.rows(), left.len() + right.len());
        }
    }
}
