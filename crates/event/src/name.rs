//! Names of topics, pipelines, models, consumers, operators and apps: `[a-z0-9._-]{1,200}`, not starting with a reserved character.
//!
//! Names become parts of keys, file names, URLs and metric labels, so one narrow alphabet serves all of them. A leading `_`
//! is Riverrun's own (`_dead-letters.<pipeline>`); a leading `.` is refused, since `.` and `..` mean something in paths.

use std::fmt;
use std::sync::Arc;

use crate::limits::NAME_BYTES_MAX;

/// Longest prefix that Riverrun puts before a user's name.
const PREFIX_BYTES_MAX: usize = 32;
/// How the names of entrances end.
const ENTRANCE: &str = ".in";

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name must not be empty")]
    Empty,
    /// The name is longer than [`NAME_BYTES_MAX`].
    #[error("the name has {0} bytes; at most {NAME_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// A character outside `a-z 0-9 . _ -`.
    #[error("{0:?} is not allowed in a name; use a-z, 0-9, '.', '_' and '-'")]
    Character(char),
    /// The first character is `_` or `.`.
    #[error("names that start with {0:?} are reserved")]
    Reserved(char),
}

fn check(name: &str, reserved_allowed: bool) -> Result<(), NameError> {
    let first = name.chars().next().ok_or(NameError::Empty)?;
    // Riverrun's own names are a prefix before a user's name.
    let bytes_max = if reserved_allowed { NAME_BYTES_MAX + PREFIX_BYTES_MAX } else { NAME_BYTES_MAX };
    if name.len() > bytes_max {
        return Err(NameError::TooLong(name.len()));
    }
    if let Some(bad) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')) {
        return Err(NameError::Character(bad));
    }
    if first == '.' || (first == '_' && !reserved_allowed) {
        return Err(NameError::Reserved(first));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a name a user chose.
            ///
            /// # Errors
            /// [`NameError`] says which rule the name breaks.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check(name, false).map(|()| Self(name.into()))
            }

            /// Parses a name that may be one of Riverrun's own (leading `_`), as read back from a log.
            ///
            /// # Errors
            /// [`NameError`] says which rule the name breaks.
            pub fn internal(name: &str) -> Result<Self, NameError> {
                check(name, true).map(|()| Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// Names an app: one app file, one data directory.
    AppName
);
name_type!(
    /// Names a topic.
    TopicName
);
name_type!(
    /// Names a pipeline within its app.
    PipelineName
);
name_type!(
    /// Names a model within its app.
    ModelName
);
name_type!(
    /// Names a consumer: readers that share one set of positions.
    ConsumerName
);
name_type!(
    /// Names a view within its app: the state of an operator, to be read.
    ViewName
);
name_type!(
    /// Names an operator within its pipeline; it owns the operator's state across restarts and edits of the app file.
    OperatorName
);

impl TopicName {
    /// Whether the topic is one of Riverrun's own, which doors must not write.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.0.starts_with('_')
    }

    /// The topic that keeps the dead letters of `pipeline`.
    #[must_use]
    pub fn dead_letters_of(pipeline: &PipelineName) -> Self {
        Self(format!("_dead-letters.{pipeline}").into())
    }

    /// The topic in which the events of `pipeline` meet that its step `repartition` deals out anew.
    #[must_use]
    pub fn meeting_of(pipeline: &PipelineName, repartition: &OperatorName) -> Self {
        Self(format!("_repartition.{pipeline}.{repartition}").into())
    }

    /// `<topic>.in`: where the events of doors wait, where the log itself does not recognise an event that is sent again.
    #[must_use]
    pub fn entrance_of(topic: &Self) -> Self {
        Self(format!("{topic}{ENTRANCE}").into())
    }

    /// The topic that a name ending in `.in` would be the entrance of.
    #[must_use]
    pub fn behind_entrance(&self) -> Option<Self> {
        Some(Self(self.as_str().strip_suffix(ENTRANCE)?.into()))
    }

    /// The topic that keeps the events that came to a door of `topic` and could not be taken in.
    #[must_use]
    pub fn dead_letters_of_door(topic: &Self) -> Self {
        Self(format!("_door-dead-letters.{topic}").into())
    }

    /// The topic that keeps the events that `model` could not take.
    #[must_use]
    pub fn dead_letters_of_model(model: &ModelName) -> Self {
        Self(format!("_model-dead-letters.{model}").into())
    }
}

impl OperatorName {
    /// The operator that owns the identities of the events a door has let in.
    #[must_use]
    pub fn of_door() -> Self {
        Self("_door".into())
    }

    /// The operator that owns the versions of `model` in a task's state.
    #[must_use]
    pub fn of_model(model: &ModelName) -> Self {
        Self(format!("_model.{model}").into())
    }

    /// The operator that owns the timers of a task, whoever set them.
    #[must_use]
    pub fn timers() -> Self {
        Self("_timers".into())
    }

    /// The operator that owns what the clocks of a task say.
    #[must_use]
    pub fn clocks() -> Self {
        Self("_clocks".into())
    }

    /// A part of a step that is laid out as several.
    #[must_use]
    pub fn part_of(step: &Self, part: &str) -> Self {
        Self(format!("{step}.{part}").into())
    }

    /// The repartition that is inserted before `step`.
    #[must_use]
    pub fn repartition_of(step: &Self) -> Self {
        Self(format!("{step}.repartition").into())
    }

    /// The way that events go which come too late for the step `operator`.
    #[must_use]
    pub fn of_late(operator: &Self) -> Self {
        Self(format!("{operator}.late").into())
    }

    /// The place where events leave a pipeline, which their ids name: `to` at its end, `<branch>.to` at that of a branch.
    #[must_use]
    pub fn of_sink(branch: Option<&Self>) -> Self {
        Self(branch.map_or_else(|| "to".into(), |branch| format!("{branch}.to").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_alphabet() {
        for good in ["a", "flights", "orders.v2", "0-1_2", &"x".repeat(200)] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", NameError::Empty),
            (&*"x".repeat(201), NameError::TooLong(201)),
            ("Flights", NameError::Character('F')),
            ("a/b", NameError::Character('/')),
            ("über", NameError::Character('ü')),
            ("_x", NameError::Reserved('_')),
            ("..", NameError::Reserved('.')),
        ] {
            assert_eq!(TopicName::new(bad), Err(why), "{bad}");
        }
        assert!(TopicName::internal("_dead-letters.x").is_ok_and(|name| name.is_internal()));
    }
}
