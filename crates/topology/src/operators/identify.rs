//! `identify`: resolves an event to an entity by values that events before it were resolved by.
//!
//! The entity is the one that the first of the values, as declared, is linked to that is linked to any; where none is, a new one is
//! created, named after the position of the event that created it. From then on all values of the event are linked to it. Where
//! they were linked to several, the others are merged into it: whatever is linked to them belongs to it from then on.
//!
//! Keys and partitions: a repartition by the scope is inserted before it, unless the scope is the key; events leave keyed by their
//! entity. State: a row for each value and entity of a scope, for ever. Time: none; what came before counts.

use bytes::Bytes;
use riverrun_event::limits::KEY_BYTES_MAX;
use riverrun_event::{Key, ModelName, OperatorName};

use crate::context::{Flow, StepContext, StepError};
use crate::document::{Path, write_string};
use crate::draft::Draft;
use crate::expression::Expression;
use crate::rows::prefix_of;

use super::keyed::value_of;
use super::{data_failed, event_error, key_of, put};

/// The attribute that names the entity of an event.
pub const ENTITY_ATTRIBUTE: &str = "rrentity";
/// The attribute that names the entities that were merged into it because of the event, separated by commas.
pub const MERGED_ATTRIBUTE: &str = "rrmerged";

/// The lane of what values are linked to.
const LINKS: u8 = 0;
/// The lane of entities: empty, or the one it was merged into.
const ENTITIES: u8 = 1;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Identify {
    /// What is identified; the names of entities begin with it.
    pub entity: ModelName,
    /// What identifies it, the most telling first. Those that are null say nothing.
    pub matches: Vec<Expression>,
    /// Gives the scope, outside of which nothing is compared.
    pub scope: Expression,
    /// Where the entity is put.
    pub place: Path,
}

/// The rows of one scope.
struct Scope<'c, 's> {
    name: &'c OperatorName,
    prefix: Vec<u8>,
    context: &'c mut StepContext<'s>,
}

impl Identify {
    /// One scope for all events, which one task identifies then.
    pub const ONE_SCOPE: &str = "'all'";

    /// What events are keyed and placed by before they come here; `None` where the key they have is their scope.
    #[must_use]
    pub fn placed_by(&self) -> Option<&Expression> {
        (self.scope.source().trim() != "key").then_some(&self.scope)
    }

    /// Where the entity is put unless another place is named: `data.<entity>`.
    #[must_use]
    pub fn default_place(entity: &ModelName) -> Option<Path> {
        Path::from_segments(vec![entity.as_str().into()])
    }

    /// Identifies one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event has no key (RR0305), an expression fails (RR0301) or gives too much (RR0325), all of
    /// them give null (RR0326), or the data cannot hold the entity (RR0302).
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, "identify")?;
        let links = self.links(name, draft)?;
        let mut scope = Scope { name, prefix: prefix_of(key.as_bytes()), context };
        let known = scope.known(&links)?;
        let (entity, merged) = match known.split_first() {
            Some((first, others)) => (first.clone(), others),
            None => (scope.create(&self.entity, draft)?, [].as_slice()),
        };
        self.tell(name, &entity, draft)?;
        scope.link(&links, &entity, merged);
        if !merged.is_empty() {
            draft.header_mut().attributes.set(MERGED_ATTRIBUTE, merged.join(","));
        }
        Ok(Flow::Pass)
    }

    /// The rows of the event's values.
    fn links(&self, name: &OperatorName, draft: &mut Draft) -> Result<Vec<Vec<u8>>, StepError> {
        let mut links = Vec::with_capacity(self.matches.len());
        for (number, expression) in (0_u8..).zip(&self.matches) {
            if let Some(value) = value_of(name, expression, draft)? {
                links.push([&[LINKS, number], &value[..]].concat());
            }
        }
        if links.is_empty() {
            let named: Vec<&str> = self.matches.iter().map(Expression::source).collect();
            let message = format!("nothing identifies the {}: {} are all null", self.entity, named.join(", "));
            return Err(event_error("RR0326", name, message));
        }
        Ok(links)
    }

    fn tell(&self, name: &OperatorName, entity: &str, draft: &mut Draft) -> Result<(), StepError> {
        let mut json = Vec::new();
        write_string(entity, &mut json);
        put(draft, &self.place, &json).map_err(|error| data_failed(name, error))?;
        let header = draft.header_mut();
        header.attributes.set(ENTITY_ATTRIBUTE, entity);
        // A name has a few hundred bytes, far less than a key may have.
        debug_assert!(entity.len() <= KEY_BYTES_MAX);
        header.key = Key::new(entity.as_bytes().to_vec()).ok();
        Ok(())
    }
}

impl Scope<'_, '_> {
    fn row(&self, behind: &[u8]) -> Vec<u8> {
        [self.prefix.as_slice(), behind].concat()
    }

    fn get(&mut self, behind: &[u8]) -> Result<Option<String>, StepError> {
        let row = self.context.state.get(self.name, &self.row(behind))?;
        Ok(row.map(|row| String::from_utf8_lossy(&row).into_owned()))
    }

    fn put(&mut self, behind: &[u8], value: &str) {
        let value = Bytes::copy_from_slice(value.as_bytes());
        self.context.state.put(self.name, &self.row(behind), Some(value));
    }

    /// The entities that values are linked to, each once, in the order of the values.
    fn known(&mut self, links: &[Vec<u8>]) -> Result<Vec<String>, StepError> {
        let mut known = Vec::new();
        for link in links {
            let Some(linked) = self.get(link)? else { continue };
            let entity = self.merged_into(linked)?;
            if !known.contains(&entity) {
                known.push(entity);
            }
        }
        Ok(known)
    }

    /// The entity that one is now, whatever it was merged into.
    fn merged_into(&mut self, entity: String) -> Result<String, StepError> {
        let mut now = entity.clone();
        let mut steps = 0;
        while let Some(next) = self.get(&entity_row(&now))?.filter(|next| !next.is_empty()) {
            now = next;
            steps += 1;
        }
        // The next one to ask finds it at once.
        if steps > 1 {
            self.put(&entity_row(&entity), &now);
        }
        Ok(now)
    }

    /// Names a new entity. Several may come of one record, which `flat_map` made into several events.
    fn create(&mut self, entity: &ModelName, draft: &Draft) -> Result<String, StepError> {
        let position = self.context.record.map(|record| record.position.clone());
        let position = position.or_else(|| self.context.cause_of(draft).map(|cause| cause.position));
        let named = match position {
            Some(at) => format!("{entity}-{}.{}.{}", at.topic, at.partition.0, at.offset.0),
            None => format!("{entity}-{}", draft.event_time()),
        };
        let mut unique = named.clone();
        for number in 1_u64.. {
            if self.get(&entity_row(&unique))?.is_none() {
                break;
            }
            unique = format!("{named}.{number}");
        }
        self.put(&entity_row(&unique), "");
        Ok(unique)
    }

    fn link(&mut self, links: &[Vec<u8>], entity: &str, merged: &[String]) {
        merged.iter().for_each(|other| self.put(&entity_row(other), entity));
        links.iter().for_each(|link| self.put(link, entity));
    }
}

fn entity_row(entity: &str) -> Vec<u8> {
    [&[ENTITIES], entity.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, event_at};
    use super::*;
    use crate::operators::Operator;

    fn identify() -> Operator {
        let expression = |source: &str| Expression::parse(source).unwrap();
        Operator::Identify(Identify {
            entity: ModelName::new("device").unwrap(),
            matches: vec![expression("data.serial"), expression("data.mac")],
            scope: expression("key"),
            place: Path::parse("data.device").unwrap(),
        })
    }

    /// Identifies events given as scope and data, each with the number of the event that created its entity, and of those that
    /// were merged into it.
    #[track_caller]
    fn check(events: &[(&str, &str, usize, &[usize])]) {
        let mut world = World::default();
        let named = |number: &usize| format!("device-input-0.0.{number}");
        for (number, (scope, data, created, merged)) in events.iter().enumerate() {
            let mut event = event_at(0, scope, data);
            assert!(matches!(world.apply(&identify(), &mut event).unwrap(), Flow::Pass));
            let (event, entity) = (event.into_event(), named(created));
            let merged: Vec<String> = merged.iter().map(named).collect();
            assert_eq!(event.attributes.get(ENTITY_ATTRIBUTE), Some(entity.as_str()), "event {number}");
            assert_eq!(event.attributes.get(MERGED_ATTRIBUTE).unwrap_or_default(), merged.join(","), "event {number}");
            let data = data.trim_end_matches('}');
            assert_eq!(event.data.unwrap(), format!(r#"{data},"device":"{entity}"}}"#));
            assert_eq!(event.key, Key::new(entity).ok());
        }
    }

    #[test]
    fn an_entity_is_known_by_any_of_its_values() {
        check(&[
            ("t1", r#"{"serial":1}"#, 0, &[]),
            ("t1", r#"{"serial":1,"mac":"a"}"#, 0, &[]),
            ("t1", r#"{"serial":null,"mac":"a"}"#, 0, &[]),
            ("t2", r#"{"serial":1}"#, 3, &[]),
            ("t1", r#"{"mac":1}"#, 4, &[]),
        ]);
    }

    #[test]
    fn entities_turn_out_to_be_one() {
        check(&[
            ("t", r#"{"serial":1,"mac":"a"}"#, 0, &[]),
            ("t", r#"{"serial":2,"mac":"b"}"#, 1, &[]),
            ("t", r#"{"serial":3}"#, 2, &[]),
            ("t", r#"{"serial":2,"mac":"a"}"#, 1, &[0]),
            ("t", r#"{"serial":1}"#, 1, &[]),
            ("t", r#"{"serial":3,"mac":"b"}"#, 2, &[1]),
            ("t", r#"{"serial":1}"#, 2, &[]),
            ("t", r#"{"mac":"a"}"#, 2, &[]),
        ]);
    }

    #[test]
    fn one_record_may_name_several() {
        let (operator, mut world) = (identify(), World::default());
        let first = world.step(&operator, 0, event_at(0, "t", r#"{"serial":1}"#));
        assert_eq!(first, [r#"device-input-0.0.0 {"serial":1,"device":"device-input-0.0.0"}"#]);
        world.records_again();
        let second = world.step(&operator, 0, event_at(0, "t", r#"{"serial":2}"#));
        assert_eq!(second, [r#"device-input-0.0.0.1 {"serial":2,"device":"device-input-0.0.0.1"}"#]);
    }

    #[test]
    fn an_event_that_nothing_identifies_is_an_error() {
        let error = World::default().apply(&identify(), &mut event_at(0, "t", "{}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "RR0326 in tested: nothing identifies the device: data.serial, data.mac are all null"
        );
    }
}
