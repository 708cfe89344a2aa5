//! A value that crosses a limit: raised when it is beyond, cleared when it has come back.

use crate::context::{StepContext, StepError};
use crate::draft::Draft;
use crate::expression::{Expression, ExpressionError};
use crate::operators::evaluation_failed;

use super::{Change, Watch};

/// What is watched. The order of events is that in which they come; one whose value is null changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    value: Expression,
    direction: Direction,
    limit: Expression,
    clear: Option<Expression>,
    raises: Expression,
    clears: Expression,
}

/// On which side of the limit a value is beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Raised when the value is greater than the limit, cleared when it is not greater than the limit to clear.
    Above,
    /// Raised when the value is less than the limit, cleared when it is not less than the limit to clear.
    Below,
}

impl Direction {
    /// The word of the app file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

impl Threshold {
    /// Watches `value`, raised beyond `limit`, and cleared at `clear`: at the limit itself without it.
    ///
    /// # Errors
    /// [`ExpressionError`] when the expressions are too much together.
    pub fn new(
        value: Expression,
        direction: Direction,
        limit: Expression,
        clear: Option<Expression>,
    ) -> Result<Self, ExpressionError> {
        let (beyond, back) = match direction {
            Direction::Above => (">", "<="),
            Direction::Below => ("<", ">="),
        };
        // Each stands on lines of its own, since it may end in a comment.
        let compared = |sign: &str, with: &Expression| {
            Expression::parse(&format!("(\n{}\n) {sign} (\n{}\n)", value.source(), with.source()))
        };
        let (raises, clears) = (compared(beyond, &limit)?, compared(back, clear.as_ref().unwrap_or(&limit))?);
        Ok(Self { value, direction, limit, clear, raises, clears })
    }

    /// What is watched.
    #[must_use]
    pub fn value(&self) -> &Expression {
        &self.value
    }

    /// On which side of the limit it is raised.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> &Expression {
        &self.limit
    }

    /// Where it is cleared; at the limit without it.
    #[must_use]
    pub fn clear(&self) -> Option<&Expression> {
        self.clear.as_ref()
    }

    /// Whether it would be cleared while it is raised, as far as two numbers tell.
    pub(crate) fn is_upside_down(&self) -> bool {
        let number = |expression: &Expression| expression.source().trim().parse::<f64>().ok();
        match (number(&self.limit), self.clear.as_ref().and_then(number), self.direction) {
            (Some(limit), Some(clear), Direction::Above) => clear > limit,
            (Some(limit), Some(clear), Direction::Below) => clear < limit,
            _ => false,
        }
    }

    pub(super) fn apply(
        &self,
        watch: &Watch<'_>,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Option<Draft>, StepError> {
        let failed = |error| evaluation_failed(watch.name, error);
        let (changes, change) = match watch.is_raised(context)? {
            false => (&self.raises, Change::Raised),
            true => (&self.clears, Change::Cleared),
        };
        if !changes.evaluate_bool(draft).map_err(failed)? {
            return Ok(None);
        }
        let value = self.value.evaluate_json(draft).map_err(failed)?;
        watch.change(change, &value, draft, context).map(Some)
    }
}
