//! `lookup`: who outside is asked, and how.

use std::time::Duration;

use riverrun_event::OperatorName;
use riverrun_topology::Expression;
use riverrun_topology::operators::lookup::{Calling, Lookup, OnFailure};

use super::reader::{Fields, Reader};
use super::unit;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::Node;

impl Reader<'_> {
    pub(super) fn lookup(&mut self, node: &Node, place: Span) -> Option<Lookup> {
        let fields = self.fields(node, place, &fields::LOOKUP)?;
        let asked = self.asked(&fields, place);
        let path = fields.require(self, "as").and_then(|node| self.path(node));
        let before = self.diagnostics.len();
        let duration = |reader: &mut Self, name: &str| -> Option<Duration> {
            let node = fields.get(name)?;
            reader.parsed(node, "a duration such as 500ms", unit::duration)
        };
        let (timeout, cache) = (duration(self, "timeout"), duration(self, "cache"));
        let attempts = fields.get("attempts").and_then(|node| self.number(node, 1, 100));
        let concurrency = fields.get("concurrency").and_then(|node| self.number(node, 1, 10_000));
        let on_failure = fields.get("on_failure").and_then(|node| {
            self.parsed(node, "error or null", |text| match text {
                "error" => Ok(OnFailure::Error),
                "null" => Ok(OnFailure::Null),
                _ => Err("unknown".to_owned()),
            })
        });
        let (request, calling) = asked.filter(|_| self.diagnostics.len() == before)?;
        let calling = Calling {
            timeout: timeout.unwrap_or(calling.timeout),
            attempts: attempts.and_then(|count| u32::try_from(count).ok()).unwrap_or(calling.attempts),
            concurrency: concurrency.and_then(|count| usize::try_from(count).ok()).unwrap_or(calling.concurrency),
            cache,
            ..calling
        };
        Some(Lookup { request, place: path?, calling, on_failure: on_failure.unwrap_or_default() })
    }

    /// Who is asked, and what.
    fn asked(&mut self, fields: &Fields<'_>, place: Span) -> Option<(Expression, Calling)> {
        match (fields.get("get"), fields.get("call"), fields.get("with")) {
            (Some(get), None, None) => Some((self.expression(get)?, Calling::get())),
            (None, Some(call), _) => {
                let name = self.name(call, "a function", OperatorName::new);
                let with = fields.require(self, "with").and_then(|node| self.expression(node));
                Some((with?, Calling::function(name?.value.as_str())))
            }
            (get, _, _) => {
                let message = "a lookup says either `get`, or `call` and `with`";
                let code = if get.is_some() { codes::VALUE } else { codes::MISSING_FIELD };
                self.report(
                    Diagnostic::error(code, place, message)
                        .note("this one")
                        .help("`get` is the address of an HTTP GET; `call` names a function of the service"),
                );
                None
            }
        }
    }
}
