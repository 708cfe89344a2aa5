//! A pipeline: inputs, steps in order, one output topic, and what happens to an event that fails.

use riverrun_event::{NameError, OperatorName, PipelineName, TopicName};

use crate::operators::Operator;

/// A declared pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Its name.
    pub name: PipelineName,
    /// Its inputs. Task n reads partition n of each.
    pub from: Vec<TopicName>,
    /// What happens to an event, in order.
    pub steps: Vec<Step>,
    /// Where the outcome goes.
    pub to: TopicName,
    /// What happens to an event that fails.
    pub on_error: OnError,
}

/// One operator in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Names the operator and owns its state; unique within the pipeline.
    pub name: OperatorName,
    /// What it does.
    pub operator: Operator,
}

impl Step {
    /// The name a step has that states none: `<verb>-<n>`, n counting the steps of that verb from 1, for example `filter-2`;
    /// a transform is named after its transformer. `earlier` are the steps before it.
    ///
    /// # Errors
    /// [`NameError`] when a transformer's name cannot name an operator; such a step needs a name of its own.
    pub fn default_name(operator: &Operator, earlier: &[Self]) -> Result<OperatorName, NameError> {
        if let Operator::Transform(transform) = operator {
            return OperatorName::new(&transform.transformer_name);
        }
        let same = earlier.iter().filter(|step| step.operator.verb() == operator.verb()).count();
        OperatorName::new(&format!("{}-{}", operator.verb(), same + 1))
    }
}

impl OnError {
    /// The word of the app file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Skip => "skip",
            Self::Stop => "stop",
        }
    }
}

/// What a pipeline does with an event that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Sets it aside with its error; its key goes on.
    #[default]
    DeadLetter,
    /// Counts it and goes on.
    Skip,
    /// Stops the pipeline in front of it.
    Stop,
}
