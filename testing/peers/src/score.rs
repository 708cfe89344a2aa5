//! What a foreign program said: `ok <check>` and `not ok <check>: <why>`, a line each.

use std::fmt;

use riverrun_torture::report::say;

/// A stack trace is enough; a flood hides it.
const EXPLANATION_LINES_MAX: usize = 40;

/// Checks that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    passed: u32,
    failed: u32,
}

impl Score {
    /// Reads a program's standard output and repeats what it said of failures.
    pub(crate) fn of(output: &str) -> Self {
        let mut score = Self::default();
        for line in output.lines() {
            if line.starts_with("ok ") {
                score.passed += 1;
            } else if line.starts_with("not ok ") {
                score.fail(line);
            }
        }
        score
    }

    /// A scenario that ended with these broken promises.
    pub(crate) fn broken(places: &[String]) -> Self {
        let mut score = Self::default();
        places.iter().for_each(|place| score.fail(place));
        score
    }

    /// Counts a check of the scenario's own.
    pub(crate) fn check(&mut self, is_good: bool, otherwise: impl FnOnce() -> String) {
        if is_good {
            self.passed += 1;
        } else {
            self.fail(&otherwise());
        }
    }

    /// Counts a failure and says why; further lines are indented, so that none is taken for a closing line.
    pub(crate) fn fail(&mut self, why: &str) {
        self.failed += 1;
        say(format!("  {}", why.replace('\n', "\n  ")));
    }

    /// Repeats what a program that failed said besides, indented.
    pub(crate) fn explain(self, text: &str) {
        text.lines().take(EXPLANATION_LINES_MAX).for_each(|line| say(format!("    {line}")));
    }

    /// Takes in another score.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// Whether there were checks, and none failed: a suite that ran nothing shows nothing.
    pub(crate) fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = if self.passed == 0 { self.failed.max(1) } else { self.failed };
        write!(formatter, "{} passed, {failed} failed", self.passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, shown: &str, is_good: bool) {
        let score = Score::of(output);
        assert_eq!((score.to_string().as_str(), score.is_good()), (shown, is_good), "{output}");
    }

    #[test]
    fn lines_are_counted() {
        check("ok a\nok b: c\nnoise\n  ok not\n", "2 passed, 0 failed", true);
        check("ok a\nnot ok b: because\n", "1 passed, 1 failed", false);
        check("nothing ran\n", "0 passed, 1 failed", false);
    }
}
