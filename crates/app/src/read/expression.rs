//! Expressions and field paths. `${...}` is never filled in here: what an expression does can be read in the file.

use riverrun_event::limits::EXPRESSION_BYTES_MAX;
use riverrun_topology::document::Path;
use riverrun_topology::operators::aggregate::Function;
use riverrun_topology::{Expression, ExpressionError};

use super::reader::Reader;
use super::value::quote;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::settings::AssignorSetting;
use crate::source::Span;
use crate::yaml::{Node, Value};

const EXPRESSION_HELP: &str = "expressions are CEL over id, source, type, subject, time, key, attributes and data, such as `data.amount > 10 && type == 'order.placed'`";
const STATE_HELP: &str = "here expressions know `state`, what was made of the events before, besides those of the event, such as `state.n + data.amount`";
const SCORE_HELP: &str = "here expressions know `task` and `member`, such as `member.labels.rack == 'a' ? 10 - member.tasks : -member.tasks`";
const FUNCTION_HELP: &str = "a function is count(), or one of count, sum, avg, min, max, distinct over an expression, such as sum(data.amount), or collect or top with how many values to keep, such as top(data.delay, 3)";

impl Reader<'_> {
    /// An expression.
    pub(super) fn expression(&mut self, node: &Node) -> Option<Expression> {
        self.compiled(node, Expression::parse, EXPRESSION_HELP)
    }

    /// An expression that knows `state`.
    pub(super) fn state_expression(&mut self, node: &Node) -> Option<Expression> {
        self.compiled(node, Expression::parse_with_state, STATE_HELP)
    }

    /// The score of an assignor, which knows no event.
    pub(super) fn score_expression(&mut self, node: &Node) -> Option<Expression> {
        self.compiled(node, |source| Expression::parse_over(source, &AssignorSetting::SCORE_NAMES), SCORE_HELP)
    }

    /// A function of `aggregate`.
    pub(super) fn function(&mut self, node: &Node) -> Option<Function> {
        self.compiled(node, Function::parse, FUNCTION_HELP)
    }

    fn compiled<T>(
        &mut self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, ExpressionError>,
        help: &str,
    ) -> Option<T> {
        let Value::Scalar(scalar) = &node.value else {
            self.no_expression(node);
            return None;
        };
        if scalar.text.len() > EXPRESSION_BYTES_MAX {
            let message =
                format!("the expression has {} bytes; at most {EXPRESSION_BYTES_MAX} are taken", scalar.text.len());
            self.report(Diagnostic::error(codes::EXPRESSION, node.span, message).note("too long"));
            return None;
        }
        match parse(&scalar.text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let place = node.inside(self.sources.of(node.span), error.offset);
                let help = if scalar.text.contains("${") {
                    "`${...}` is not filled in inside expressions; take the value from the event, or write it out"
                } else {
                    help
                };
                let message = format!("the expression does not parse: {}", error.message);
                self.report(Diagnostic::error(codes::EXPRESSION, place, message).note("at this place").help(help));
                None
            }
        }
    }

    fn no_expression(&mut self, node: &Node) {
        if matches!(node.value, Value::Broken) {
            return;
        }
        let help = match node.value {
            Value::Null => "write one, for example `data.amount > 10`; the expression null is written 'null' in quotes",
            _ => "an expression that begins with `{` or `[`, or contains `: `, has to be put in quotes",
        };
        let message = format!("expected an expression, found {}", node.kind());
        self.report(Diagnostic::error(codes::WRONG_KIND, node.span, message).note("not an expression").help(help));
    }

    /// A field path that stands as a value.
    pub(super) fn path(&mut self, node: &Node) -> Option<Path> {
        match &node.value {
            Value::Scalar(scalar) => self.path_text(&scalar.text, node.span),
            _ => {
                self.wrong_kind(node, "a field such as data.name");
                None
            }
        }
    }

    /// A field path wherever it stands.
    pub(super) fn path_text(&mut self, text: &str, span: Span) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                let message = format!("{} is no field of the data", quote(text));
                let help = match text.strip_prefix("data.") {
                    None if Path::parse(&format!("data.{text}")).is_ok() => format!("did you mean `data.{text}`?"),
                    _ => "a field is written data.name or data.part.name".to_owned(),
                };
                self.report(Diagnostic::error(codes::PATH, span, message).note(error.to_string()).help(help));
                None
            }
        }
    }
}
