//! Builds a branch, a way for each call.

use riverrun_event::OperatorName;

use crate::operators::branch::Arm;

use super::steps::{Built, OfWay, Scope, StepsBuilder};

/// Declares the ways of a branch, in order.
#[must_use]
pub struct BranchBuilder<'b> {
    name: OperatorName,
    place: String,
    scope: Scope<'b>,
    arms: Vec<Arm>,
    default: Option<Arm>,
}

impl<'b> BranchBuilder<'b> {
    pub(super) fn new(name: OperatorName, place: String, scope: Scope<'b>) -> Self {
        Self { name, place, scope, arms: Vec::new(), default: None }
    }

    /// The ways, the default last.
    pub(super) fn finish(self) -> Vec<Arm> {
        self.arms.into_iter().chain(self.default).collect()
    }

    /// Adds a way for the events for which a condition holds, and that none of the ways before it took.
    pub fn when(
        mut self,
        name: &str,
        condition: &str,
        declare: impl FnOnce(StepsBuilder<'_, OfWay>) -> StepsBuilder<'_, OfWay>,
    ) -> Self {
        let place = format!("{}.{name}", self.place);
        let name = self.scope.mistakes.named(|| place.clone(), self.scope.names.qualified(name));
        let when = self.scope.mistakes.expression(|| format!("{place}.when"), condition);
        let Built { steps, to, .. } = declare(StepsBuilder::new(OfWay, place, self.scope.inner())).finish();
        self.arms.extend(name.zip(when).map(|(name, when)| Arm { name, when: Some(when), steps, to }));
        self
    }

    /// The way of the events that none of the others took. Without it they go on behind the branch.
    pub fn default(mut self, declare: impl FnOnce(StepsBuilder<'_, OfWay>) -> StepsBuilder<'_, OfWay>) -> Self {
        let place = format!("{}.default", self.place);
        let name = self.scope.mistakes.named(|| place.clone(), OperatorName::new(&Arm::default_of(&self.name)));
        let Built { steps, to, .. } = declare(StepsBuilder::new(OfWay, place, self.scope.inner())).finish();
        self.default = name.map(|name| Arm { name, when: None, steps, to });
        self
    }
}
