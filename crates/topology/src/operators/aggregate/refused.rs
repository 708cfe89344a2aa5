//! Why an aggregate could not take an event in.

use riverrun_event::OperatorName;

use crate::context::StepError;
use crate::operators::event_error;

/// What is wrong with a value, before it is known whose error it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refused {
    /// A value of a kind the function does not take.
    pub(super) fn kind(message: String) -> Self {
        Self { code: "RR0316", message }
    }

    /// A result that became too large.
    pub(super) fn overflow(message: String) -> Self {
        Self { code: "RR0317", message }
    }

    /// The same with the function that failed.
    pub(super) fn within(self, function: &str) -> Self {
        Self { message: format!("{} (in `{function}`)", self.message), ..self }
    }

    /// The event's error.
    pub(super) fn of(self, operator: &OperatorName) -> StepError {
        event_error(self.code, operator, self.message)
    }
}
