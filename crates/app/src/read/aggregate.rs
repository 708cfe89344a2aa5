//! `count`, `aggregate`, `reduce`, `fold`, `cogroup`: what is made of events, their windows, and when results come.

use riverrun_event::{TopicName, ViewName};
use riverrun_topology::document::Json;
use riverrun_topology::operators::aggregate::{
    Aggregate, Emit, Fields as Made, FieldsError, Fold, Function, Method, Options,
};
use riverrun_topology::{Clock, Expression, Shape, Window};

use super::reader::{Fields, Reader};
use super::step::StepPart;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::spelling;
use crate::yaml::{Entry, Node, Value};

/// The kinds of windows.
const KINDS: [&str; 4] = ["tumbling", "hopping", "sliding", "session"];

impl Reader<'_> {
    /// An aggregate behind its verb.
    pub(super) fn aggregate(&mut self, verb: &str, entry: &Entry, part: &mut StepPart) -> Option<Aggregate> {
        let section = match verb {
            "count" => &fields::COUNT,
            "aggregate" => &fields::AGGREGATE,
            "reduce" => &fields::REDUCE,
            "fold" => &fields::FOLD,
            _ => &fields::COGROUP,
        };
        let given = self.fields(&entry.node, entry.name_span, section)?;
        // Both are read, for their own mistakes.
        let method = match verb {
            "count" => self.count(&given),
            "aggregate" => self.functions(&given),
            "reduce" => self.fold(&given, false).map(Method::Reduce),
            "fold" => self.fold(&given, true).map(Method::Fold),
            _ => self.cogroup(&given, part),
        };
        let options = self.options(&given, part);
        Some(Aggregate { method: method?, options: options? })
    }

    fn count(&mut self, given: &Fields<'_>) -> Option<Method> {
        let name = match given.get("as") {
            Some(node) => self.text(node, "the name of a field")?.value,
            None => "count".to_owned(),
        };
        let span = given.get("as").map_or_else(Span::default, |node| node.span);
        self.made(vec![(name, Function::count())], |_| span).map(Method::Count)
    }

    fn functions(&mut self, given: &Fields<'_>) -> Option<Method> {
        let node = given.require(self, "fields")?;
        let expected = "fields and functions, such as `flights: count()`";
        self.some_entries(node, given.entry("fields").map_or(node.span, |entry| entry.name_span), expected)?;
        let read = node.entries().iter().map(|entry| Some((entry.name.clone(), self.function(&entry.node)?)));
        let read: Vec<Option<(String, Function)>> = read.collect();
        let place = |name: &str| {
            node.entries().iter().rev().find(|entry| entry.name == name).map_or(node.span, |entry| entry.name_span)
        };
        self.made(read.into_iter().collect::<Option<_>>()?, place).map(Method::Aggregate)
    }

    fn made(&mut self, fields: Vec<(String, Function)>, place: impl Fn(&str) -> Span) -> Option<Made> {
        let refused = |error: FieldsError| {
            let span = match &error {
                FieldsError::Name(name) | FieldsError::Twice(name) => place(name),
                FieldsError::Empty => place(""),
            };
            self.report(Diagnostic::error(codes::PATH, span, error.to_string()).note("this one"));
        };
        Made::new(fields).map_err(refused).ok()
    }

    fn fold(&mut self, given: &Fields<'_>, begins: bool) -> Option<Fold> {
        let with = given.require(self, "with").map(|node| self.state_expression(node));
        if !begins {
            return Some(Fold { initial: None, with: with??, streams: Vec::new(), merge: None });
        }
        let initial = given.require(self, "initial").map(|node| self.json(node));
        let merge = given.get("merge").map(|node| self.state_expression(node));
        if merge == Some(None) {
            return None;
        }
        Some(Fold { initial: Some(initial??), with: with??, streams: Vec::new(), merge: merge.flatten() })
    }

    fn cogroup(&mut self, given: &Fields<'_>, part: &mut StepPart) -> Option<Method> {
        let fold = self.fold(given, true);
        let node = given.require(self, "streams")?;
        let expected = "topics and expressions, such as `returns: state - data.amount`";
        let streams = self.named(node, expected).iter().map(|entry| {
            let topic = self.key_name(&entry.name, entry.name_span, "a topic", TopicName::new);
            let with = self.state_expression(&entry.node);
            part.inputs.extend(topic.clone());
            Some((topic?.value, with?))
        });
        let streams: Vec<Option<(TopicName, Expression)>> = streams.collect();
        let streams = streams.into_iter().collect::<Option<_>>()?;
        Some(Method::Cogroup(Fold { streams, ..fold? }))
    }

    fn json(&mut self, node: &Node) -> Option<Json> {
        self.parsed(node, "JSON in quotes such as '{\"n\": 0}'", |text| {
            Json::check(text.to_owned()).map_err(|error| error.to_string())
        })
    }

    fn options(&mut self, given: &Fields<'_>, part: &mut StepPart) -> Option<Options> {
        let window = given.entry("window").map(|entry| self.window(entry));
        let emit = given.entry("emit").map(|entry| self.emit(entry));
        let late = self.late(given, part);
        let view = given.get("view").map(|node| self.name(node, "a view", ViewName::new));
        let keep = self.optional_duration(given, "keep");
        Some(Options {
            window: window.map_or(Some(None), |window| window.map(Some))?,
            emit: emit.unwrap_or(Some(Emit::Change))?,
            late: late?,
            view: view.map_or(Some(None), |view| view.map(|name| Some(name.value)))?,
            keep: keep?.unwrap_or_default(),
        })
    }

    fn emit(&mut self, entry: &Entry) -> Option<Emit> {
        if let Value::Mapping(_) = &entry.node.value {
            let given = self.fields(&entry.node, entry.name_span, &fields::EMIT)?;
            return given.require(self, "every").and_then(|node| self.duration(node)).map(Emit::Every);
        }
        self.parsed(&entry.node, "`change`, `close` or `{ every: 10s }`", |text| match text {
            "change" => Ok(Emit::Change),
            "close" => Ok(Emit::Close),
            other => Err(suggested(other, &["change", "close"])),
        })
    }

    fn window(&mut self, entry: &Entry) -> Option<Window> {
        let given = self.fields(&entry.node, entry.name_span, &fields::WINDOW)?;
        let shape = self.shape(entry, &given);
        let grace = self.optional_duration(&given, "grace");
        let clock = given.get("clock").map(|node| {
            self.parsed(node, "`event` or `accepted`", |text| match text {
                "event" => Ok(Clock::Event),
                "accepted" => Ok(Clock::Wall),
                other => Err(suggested(other, &["event", "accepted"])),
            })
        });
        Some(Window { shape: shape?, grace: grace?.unwrap_or_default(), clock: clock.unwrap_or(Some(Clock::Event))? })
    }

    fn shape(&mut self, entry: &Entry, given: &Fields<'_>) -> Option<Shape> {
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| given.get(kind).is_some()).collect();
        let every = given.entry("every");
        let [kind] = *kinds else {
            self.refuse_kinds(entry, given, &kinds);
            return None;
        };
        let length = given.get(kind).and_then(|node| self.duration(node));
        if let Some(every) = every.filter(|_| kind != "hopping") {
            let message = format!("`every` is for hopping windows, and this one is {kind}");
            let help = "write `hopping: 1h` with `every: 10m` for windows that overlap; leave `every` out otherwise";
            self.report(Diagnostic::error(codes::WINDOW, every.name_span, message).note("not here").help(help));
            return None;
        }
        Some(match kind {
            "tumbling" => Shape::Tumbling { size: length? },
            "sliding" => Shape::Sliding { size: length? },
            "session" => Shape::Session { gap: length? },
            _ => {
                let every = given.require(self, "every").and_then(|node| self.duration(node));
                Shape::Hopping { size: length?, every: every? }
            }
        })
    }

    /// A window is of one kind.
    fn refuse_kinds(&mut self, entry: &Entry, given: &Fields<'_>, kinds: &[&str]) {
        let place = |kind: &str| given.entry(kind).map_or(entry.name_span, |entry| entry.name_span);
        let diagnostic = match kinds {
            [first, second, ..] => {
                let message = format!("a window is either {first} or {second}, not both");
                Diagnostic::error(codes::WINDOW, place(second), message)
                    .note("the second kind")
                    .label(place(first), "the first kind")
                    .help("keep one of them")
            }
            _ => {
                let message = "a window without a kind";
                let help = "a window says one of `tumbling`, `hopping`, `sliding`, `session`, such as `tumbling: 1h`";
                Diagnostic::error(codes::WINDOW, entry.name_span, message).note("how long is it?").help(help)
            }
        };
        // A misspelt kind was reported as an unknown field.
        let strangers = entry.node.entries().iter().any(|known| !fields::WINDOW.names().any(|name| name == known.name));
        if !strangers {
            self.report(diagnostic);
        }
    }
}

fn suggested(word: &str, words: &[&'static str]) -> String {
    spelling::nearest(word, words.iter().copied())
        .map_or_else(|| "unknown".to_owned(), |near| format!("did you mean `{near}`?"))
}
