//! The functions of `aggregate`, as the app file writes them: `count()`, `sum(data.distance)`, `top(data.delay, 3)`.

use crate::expression::{Expression, ExpressionError, nearest};

/// Most values that `collect`, `distinct` and `top` keep: all of them are in one row of state, written with each event.
pub const VALUES_MAX: usize = 10_000;

/// One function over the events of a key and window.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    kind: Kind,
    argument: Option<Expression>,
    limit: usize,
    source: String,
}

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    Collect,
    Distinct,
    Top,
}

impl Kind {
    const ALL: [Self; 8] =
        [Self::Count, Self::Sum, Self::Min, Self::Max, Self::Avg, Self::Collect, Self::Distinct, Self::Top];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Collect => "collect",
            Self::Distinct => "distinct",
            Self::Top => "top",
        }
    }

    /// What tells its state from that of others.
    pub(super) fn mark(self) -> u8 {
        match self {
            Self::Count => 1,
            Self::Sum => 2,
            Self::Min => 3,
            Self::Max => 4,
            Self::Avg => 5,
            Self::Collect => 6,
            Self::Distinct => 7,
            Self::Top => 8,
        }
    }

    fn has_limit(self) -> bool {
        matches!(self, Self::Collect | Self::Top)
    }

    fn example(self) -> String {
        match self {
            Self::Count => "count()".to_owned(),
            _ if self.has_limit() => format!("{}(data.amount, 10)", self.word()),
            _ => format!("{}(data.amount)", self.word()),
        }
    }
}

impl Function {
    /// Counts every event.
    #[must_use]
    pub fn count() -> Self {
        Self { kind: Kind::Count, argument: None, limit: VALUES_MAX, source: "count()".to_owned() }
    }

    /// Reads a function.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place in the text.
    ///
    /// # Examples
    /// ```
    /// use riverrun_topology::operators::aggregate::Function;
    ///
    /// assert_eq!(Function::parse("top(data.delay, 3)")?.source(), "top(data.delay, 3)");
    /// let mistake = Function::parse("summ(data.delay)").unwrap_err();
    /// assert_eq!(mistake.message, "there is no function `summ`; did you mean `sum`?");
    /// # Ok::<(), riverrun_topology::ExpressionError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let refused = |message: String, offset: usize| ExpressionError { message, offset };
        let source = text.trim();
        let indent = text.len() - text.trim_start().len();
        let Some((name, rest)) = source.split_once('(') else {
            return Err(refused(
                format!("`{source}` is no call of a function; write for example sum(data.amount)"),
                indent,
            ));
        };
        let kind = named(name.trim_end()).map_err(|message| refused(message, indent))?;
        let Some(inner) = rest.strip_suffix(')') else {
            let message = format!(
                "`{source}` does not end with the bracket of {name}(); compute with what it gives in a later step, such as `set`"
            );
            return Err(refused(message, indent));
        };
        let start = indent + name.len() + 1;
        let (argument, limit) = arguments(kind, inner).map_err(|message| refused(message, start))?;
        let expression = match argument {
            None => None,
            Some(argument) => {
                let placed = |error: ExpressionError| refused(error.message, start + error.offset);
                Some(Expression::parse(argument).map_err(placed)?)
            }
        };
        Ok(Self { kind, argument: expression, limit, source: source.to_owned() })
    }

    /// The function as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What is evaluated for each event; `None` for `count()`.
    #[must_use]
    pub fn argument(&self) -> Option<&Expression> {
        self.argument.as_ref()
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Most values it keeps.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

fn named(name: &str) -> Result<Kind, String> {
    let words = Kind::ALL.map(Kind::word);
    let found = Kind::ALL.into_iter().find(|kind| kind.word() == name);
    found.ok_or_else(|| match nearest(name, words.into_iter()) {
        Some(near) => format!("there is no function `{name}`; did you mean `{near}`?"),
        None => format!("there is no function `{name}`; there are {}", words.join(", ")),
    })
}

/// The expression among the arguments, and the limit.
fn arguments(kind: Kind, inner: &str) -> Result<(Option<&str>, usize), String> {
    if inner.trim().is_empty() {
        if kind == Kind::Count {
            return Ok((None, VALUES_MAX));
        }
        return Err(format!("{}() needs something to work on: {}", kind.word(), kind.example()));
    }
    if !kind.has_limit() {
        return Ok((Some(inner), VALUES_MAX));
    }
    // No expression ends with a comma and a number, so the last comma is the one before the limit, if there is one.
    let split = inner.rsplit_once(',').and_then(|(argument, limit)| Some((argument, limit.trim().parse().ok()?)));
    match split {
        Some((argument, limit @ 1..=VALUES_MAX)) => Ok((Some(argument), limit)),
        _ => Err(format!(
            "{}() needs to know how many values it may keep, 1 to {VALUES_MAX}: {}",
            kind.word(),
            kind.example()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_read() {
        for (text, argument, limit) in [
            ("count()", None, VALUES_MAX),
            (" sum( data.a + 1 ) ", Some(" data.a + 1 "), VALUES_MAX),
            ("collect([data.a, 1], 5)", Some("[data.a, 1]"), 5),
            ("distinct(data.a.split(','))", Some("data.a.split(',')"), VALUES_MAX),
        ] {
            let function = Function::parse(text).unwrap();
            assert_eq!(function.argument().map(Expression::source), argument, "{text}");
            assert_eq!((function.limit(), function.source()), (limit, text.trim()), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        for (text, offset, message) in [
            ("data.a", 0, "`data.a` is no call of a function; write for example sum(data.amount)"),
            (
                " median(data.a)",
                1,
                "there is no function `median`; there are count, sum, min, max, avg, collect, distinct, top",
            ),
            ("Sum(data.a)", 0, "there is no function `Sum`; did you mean `sum`?"),
            ("sum()", 4, "sum() needs something to work on: sum(data.amount)"),
            (
                "collect(data.a)",
                8,
                "collect() needs to know how many values it may keep, 1 to 10000: collect(data.amount, 10)",
            ),
            ("top(data.a, 0)", 4, "top() needs to know how many values it may keep, 1 to 10000: top(data.amount, 10)"),
            (
                "top(data.a, 10001)",
                4,
                "top() needs to know how many values it may keep, 1 to 10000: top(data.amount, 10)",
            ),
            ("sum(dat.a)", 4, "`dat` is not known; did you mean `data`?"),
            (
                "sum(data.a) / count",
                0,
                "`sum(data.a) / count` does not end with the bracket of sum(); compute with what it gives in a later step, such as `set`",
            ),
        ] {
            let error = Function::parse(text).unwrap_err();
            assert_eq!((error.offset, error.message.as_str()), (offset, message), "{text}");
        }
    }
}
