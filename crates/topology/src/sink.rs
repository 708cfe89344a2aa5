//! Where events leave a pipeline: one topic, or one of several that an expression names.

use riverrun_event::{OperatorName, TopicName};

use crate::context::StepError;
use crate::draft::Draft;
use crate::expression::{Expression, Value};
use crate::operators::{evaluation_failed, event_error};

/// Where events leave a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Sink {
    /// All to one topic.
    Topic(TopicName),
    /// Each to the topic that an expression names.
    Route(Route),
}

/// A choice among topics.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Gives the name of one of the topics.
    pub expression: Expression,
    /// The topics it may name.
    pub topics: Vec<TopicName>,
    /// Where an event goes for which it names none of them; without it that is the event's error.
    pub default: Option<TopicName>,
}

impl Sink {
    /// The topics it may write, in order.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        let (one, several) = match self {
            Self::Topic(topic) => (Some(topic), [].as_slice()),
            Self::Route(route) => (route.default.as_ref(), route.topics.as_slice()),
        };
        several.iter().chain(one)
    }
}

impl Route {
    /// The topic an event goes to, by its place in [`Sink::topics`].
    ///
    /// # Errors
    /// [`StepError::Event`] when the expression fails (RR0301), or names none of the topics and there is no default (RR0314).
    pub fn choose(&self, name: &OperatorName, draft: &mut Draft) -> Result<usize, StepError> {
        let value = self.expression.evaluate(draft).map_err(|error| evaluation_failed(name, error))?;
        let named = match &value {
            Value::Text(text) => self.topics.iter().position(|topic| topic.as_str() == text),
            _ => None,
        };
        let default = self.default.as_ref().map(|_| self.topics.len());
        named.or(default).ok_or_else(|| event_error("RR0314", name, self.refused(&value)))
    }

    fn refused(&self, value: &Value) -> String {
        let found = match value {
            Value::Text(text) => format!("{text:?}"),
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "a truth value".to_owned(),
            Value::Number(_) | Value::Json(_) => "no text".to_owned(),
        };
        let topics: Vec<&str> = self.topics.iter().map(TopicName::as_str).collect();
        format!(
            "the route gives {found}, which is none of the topics {}; list it, or name a `default` (in `{}`)",
            topics.join(", "),
            self.expression.source()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::draft;

    #[track_caller]
    fn check(default: Option<&str>, data: &'static str, expected: Result<&str, &str>) {
        let topic = |name: &str| TopicName::new(name).unwrap();
        let route = Route {
            expression: Expression::parse("data.region").unwrap(),
            topics: vec![topic("eu"), topic("us")],
            default: default.map(topic),
        };
        let chosen = route.choose(&OperatorName::of_sink(None), &mut draft(data));
        let sink = Sink::Route(route);
        let topics: Vec<&TopicName> = sink.topics().collect();
        match (chosen, expected) {
            (Ok(place), Ok(topic)) => assert_eq!(topics[place].as_str(), topic),
            (Err(StepError::Event(error)), Err(message)) => assert_eq!(error.to_string(), message),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn an_event_goes_to_the_topic_that_is_named() {
        check(None, r#"{"region":"us"}"#, Ok("us"));
        check(Some("else"), r#"{"region":"us"}"#, Ok("us"));
        check(Some("else"), r#"{"region":"mars"}"#, Ok("else"));
        check(Some("eu"), "{}", Ok("eu"));
        let refused = "RR0314 in to: the route gives \"mars\", which is none of the topics eu, us; list it, or name a `default` (in `data.region`)";
        check(None, r#"{"region":"mars"}"#, Err(refused));
        let refused = "RR0314 in to: the route gives null, which is none of the topics eu, us; list it, or name a `default` (in `data.region`)";
        check(None, "{}", Err(refused));
    }
}
