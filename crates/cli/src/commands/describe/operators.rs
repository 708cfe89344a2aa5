//! What an operator does, in a few words of the app file.

use crate::library::Operator;

/// One text per part of the operator.
pub(super) fn parts(operator: &Operator) -> Vec<String> {
    match operator {
        Operator::Filter(filter) => vec![filter.condition.source().to_owned()],
        Operator::Set(set) => set.fields.iter().map(|(path, value)| format!("{path} = {}", value.source())).collect(),
        Operator::Remove(remove) => remove.fields.iter().map(ToString::to_string).collect(),
        Operator::Rename(rename) => rename.fields.iter().map(|(from, to)| format!("{from} -> {to}")).collect(),
        Operator::Snapshot(snapshot) => {
            let part = |model: &crate::library::SnapshotModel| {
                format!("{} by {} as {}", model.model, model.key.source(), model.place)
            };
            snapshot.models.iter().map(part).collect()
        }
        Operator::Transform(transform) => vec![transform.transformer_name.clone()],
    }
}
