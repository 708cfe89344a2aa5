//! A join with a model: the event gets the state the entity had at the event's time, as `snapshot` does it. Keys, partitions and
//! time stay as they are, and there is no state but the model's.

use riverrun_event::OperatorName;

use crate::context::{Flow, Models, StepError};
use crate::draft::Draft;
use crate::operators::snapshot::{SnapshotModel, Taken};

use super::JoinType;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelJoin {
    /// The model, the entity, and where its state is put.
    pub entry: SnapshotModel,
    /// `Inner` drops an event whose entity is not known; `Left` puts null into it.
    pub kind: JoinType,
}

impl ModelJoin {
    pub(super) fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        models: &mut dyn Models,
    ) -> Result<Flow, StepError> {
        let version = self.entry.look_up(name, draft, models)?;
        if version.is_none() && self.kind == JoinType::Inner {
            return Ok(Flow::Drop);
        }
        let mut taken = Taken::before(draft, 1);
        taken.put(name, draft, &self.entry, version.as_ref())?;
        taken.note(draft);
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use riverrun_event::ModelName;

    use super::super::Join;
    use super::*;
    use crate::document::Path;
    use crate::expression::Expression;
    use crate::operators::Operator;
    use crate::operators::testing::{World, event_at};

    #[track_caller]
    fn check(kind: JoinType, data: &str, expected: &[&str]) {
        let mut world = World::default();
        world.versions.insert(("customer".into(), b"c1".to_vec()), ("customers/0@7", r#"{"name":"Ada"}"#));
        let model = ModelName::new("customer").unwrap();
        let key = Expression::parse("data.by").unwrap();
        let entry = SnapshotModel { model, key, place: Path::parse("data.customer").unwrap() };
        let operator = Operator::Join(Join::Model(ModelJoin { entry, kind }));
        assert_eq!(world.step(&operator, 0, event_at(0, "", data)), expected);
    }

    #[test]
    fn an_entity_is_joined_or_not() {
        let joined = r#"- {"by":"c1","customer":{"name":"Ada"}}"#;
        check(JoinType::Inner, r#"{"by":"c1"}"#, &[joined]);
        check(JoinType::Left, r#"{"by":"c1"}"#, &[joined]);
        check(JoinType::Inner, r#"{"by":"c2"}"#, &[]);
        check(JoinType::Left, r#"{"by":"c2"}"#, &[r#"- {"by":"c2","customer":null}"#]);
        check(JoinType::Left, r#"{"by":null}"#, &[r#"- {"by":null,"customer":null}"#]);
    }
}
