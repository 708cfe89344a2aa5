//! The names of steps that state none. The app file and the builder give them out in the order of the document, a step before
//! those within it, so both give the same.

use std::collections::BTreeMap;

use riverrun_event::{NameError, OperatorName};

#[cfg(doc)]
use crate::operators::Operator;

/// Gives names to the steps of one pipeline, or of one use of a fragment, whose name then stands before theirs.
#[derive(Debug, Default)]
pub struct StepNames {
    prefix: String,
    counts: BTreeMap<&'static str, usize>,
}

impl StepNames {
    /// Those of the steps within `owner`: `<owner>.<name>`, counted anew.
    #[must_use]
    pub fn within(owner: &OperatorName) -> Self {
        Self { prefix: format!("{owner}."), counts: BTreeMap::new() }
    }

    /// The name of the next step with this verb: the one it states (or brings, see [`Operator::own_name`]), else `<verb>-<n>`,
    /// n counting the steps of that verb from 1, for example `filter-2`.
    ///
    /// # Errors
    /// [`NameError`] when the name it brings is none, or it becomes too long.
    pub fn next(&mut self, verb: &'static str, stated: Option<&str>) -> Result<OperatorName, NameError> {
        let count = self.counts.entry(verb).or_default();
        *count += 1;
        let count = *count;
        match stated {
            Some(name) => self.qualified(name),
            None => self.qualified(&format!("{verb}-{count}")),
        }
    }

    /// A name that stands in the file, of a branch for example, as it counts in the pipeline.
    ///
    /// # Errors
    /// [`NameError`] when it is none, or becomes too long.
    pub fn qualified(&self, name: &str) -> Result<OperatorName, NameError> {
        OperatorName::new(&format!("{}{name}", self.prefix))
    }
}
