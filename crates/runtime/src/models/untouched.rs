//! Whether the key of a look-up still says what it said when the event was placed: a step before it may have changed the field,
//! the shape of the data or the key. Then the entity may belong to another partition, and its model cannot live in the task.

use riverrun_topology::document::Path;
use riverrun_topology::operators::join::Join;
use riverrun_topology::operators::sequence::Ending;
use riverrun_topology::{Expression, Model, Operator, Pipeline, Step};

/// What steps may have changed so far.
#[derive(Clone, Default)]
struct Changed<'p> {
    key: bool,
    /// All of the data.
    data: bool,
    fields: Vec<&'p Path>,
}

/// Whether no step changes what the model is looked up by before it is.
pub(super) fn is_untouched(pipeline: &Pipeline, model: &Model) -> bool {
    Changed::default().pass(&pipeline.steps, model)
}

impl<'p> Changed<'p> {
    /// Follows the steps; false when a look-up of the model comes too late. What one way of a branch changes counts behind the
    /// branch for all.
    fn pass(&mut self, steps: &'p [Step], model: &Model) -> bool {
        steps.iter().all(|step| self.step(&step.operator, model))
    }

    fn step(&mut self, operator: &'p Operator, model: &Model) -> bool {
        match operator {
            Operator::Snapshot(snapshot) => {
                let of_model = snapshot.models.iter().filter(|entry| entry.model == model.name);
                let untouched = of_model.into_iter().all(|entry| !self.touches(&entry.key));
                self.fields.extend(snapshot.models.iter().map(|entry| &entry.place));
                return untouched;
            }
            Operator::Join(Join::Model(join)) => {
                let untouched = join.entry.model != model.name || !self.touches(&join.entry.key);
                self.fields.push(&join.entry.place);
                return untouched;
            }
            // What comes out may have been made of another event than the one that came in.
            Operator::Join(Join::Stream(_) | Join::Table(_) | Join::Foreign(_)) => self.data = true,
            Operator::Monitor(_) => self.data = true,
            Operator::Identify(identify) => {
                self.fields.push(&identify.place);
                self.key = true;
            }
            Operator::Table(_) => {}
            Operator::Lookup(lookup) => self.fields.push(&lookup.place),
            Operator::Set(set) => self.fields.extend(set.fields.iter().map(|(path, _)| path)),
            Operator::Remove(remove) => self.fields.extend(&remove.fields),
            Operator::Rename(rename) => self.fields.extend(rename.fields.iter().flat_map(|(from, to)| [from, to])),
            Operator::Map(_) | Operator::Aggregate(_) => self.data = true,
            Operator::FlatMap(flat_map) => match &flat_map.place {
                Some(place) => self.fields.push(place),
                None => self.data = true,
            },
            Operator::Transform(_) => (self.data, self.key) = (true, true),
            Operator::SelectKey(_) | Operator::GroupBy(_) | Operator::Repartition(_) => self.key = true,
            Operator::Branch(branch) => {
                let mut after = self.clone();
                for arm in &branch.arms {
                    let mut within = self.clone();
                    if !within.pass(&arm.steps, model) {
                        return false;
                    }
                    if arm.to.is_none() {
                        after.add(within);
                    }
                }
                *self = after;
            }
            Operator::Merge(merge) => {
                let mut entering = Self::default();
                if !entering.pass(&merge.steps, model) {
                    return false;
                }
                self.add(entering);
            }
            Operator::Sequence(sequence) => match &sequence.ending {
                Ending::Then { place, .. } => self.fields.push(place),
                Ending::Absent { .. } => {}
            },
            Operator::Filter(_) | Operator::Peek(_) | Operator::Deduplicate(_) => {}
        }
        true
    }

    fn add(&mut self, other: Self) {
        self.key |= other.key;
        self.data |= other.data;
        self.fields.extend(other.fields);
    }

    fn touches(&self, key: &Expression) -> bool {
        if key.source().trim() == "key" {
            return self.key;
        }
        let overlaps = |field: &Path, path: &Path| field.segments().zip(path.segments()).all(|(one, two)| one == two);
        // An expression may name `key`, or the data as a whole, among other things.
        self.data
            || (self.key && key.source().contains("key"))
            || key.paths().any(|path| self.fields.iter().any(|field| overlaps(field, path)))
            || (key.paths().len() == 0 && !self.fields.is_empty())
    }
}
