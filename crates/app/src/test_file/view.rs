//! What a step of a test says about views, and what its lookups are answered.

use riverrun_event::ViewName;
use riverrun_topology::Topology;
use riverrun_topology::operators::Operator;
use riverrun_topology::operators::lookup::Whom;

use super::{ExpectedRow, ExpectedView, RowIs, fields, json};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::Reader;
use crate::yaml::{Entry, Node, Value};

impl Reader<'_> {
    pub(super) fn views(&mut self, node: &Node, topology: &Topology) -> Vec<ExpectedView> {
        let entries = self.named(node, "views and rows of them, such as `hourly: [{ key: UA }]`");
        entries.iter().filter_map(|entry| self.expected_view(entry, topology)).collect()
    }

    fn expected_view(&mut self, entry: &Entry, topology: &Topology) -> Option<ExpectedView> {
        let view = self.key_name(&entry.name, entry.name_span, "a view", ViewName::new);
        let rows = match &entry.node.value {
            Value::List(items) => items.iter().filter_map(|item| self.expected_row(item)).collect(),
            _ => {
                self.no_rows(&entry.node);
                Vec::new()
            }
        };
        let view = view?.value;
        let steps = topology.pipelines.values().flat_map(|pipeline| pipeline.all_steps());
        let known: Vec<&ViewName> = steps.filter_map(|step| step.operator.view()).collect();
        if known.contains(&&view) {
            return Some(ExpectedView { view, rows });
        }
        let known = known.iter().map(|name| name.as_str());
        self.unknown("view", "views of the app", view.as_str(), entry.name_span, known);
        None
    }

    fn no_rows(&mut self, node: &Node) {
        if !matches!(node.value, Value::Broken) {
            let message = format!("a view takes a list of rows, found {}", node.kind());
            let help = "put `- ` in front of each row, as in `- { key: ada, data: { count: 2 } }`";
            self.report(Diagnostic::error(codes::WRONG_KIND, node.span, message).note("not a list").help(help));
        }
    }

    fn expected_row(&mut self, node: &Node) -> Option<ExpectedRow> {
        let place = node.entries().first().map_or(node.span, |entry| entry.name_span);
        let fields = self.fields(node, place, &fields::ROW)?;
        self.one_of(&fields, &["data", "contains", "no_row"]);
        let key = fields.require(self, "key").and_then(|node| self.plain(node));
        let value = |name: &str| {
            let text = fields.get(name).and_then(json::text)?;
            serde_json::from_str::<serde_json::Value>(&text).ok()
        };
        let (data, part) = (value("data").map(RowIs::Data), value("contains").map(RowIs::Containing));
        let gone = self.said(&fields, "no_row").then_some(RowIs::Gone);
        let is = gone.or(data).or(part).unwrap_or(RowIs::There);
        let (mut window_start, mut window_end) = (None, None);
        if let Some(entry) = fields.entry("window")
            && let Some(window) = self.fields(&entry.node, entry.name_span, &fields::ROW_WINDOW)
        {
            window_start = window.get("start").and_then(|node| self.time(node));
            window_end = window.get("end").and_then(|node| self.time(node));
        }
        Some(ExpectedRow { span: place, key: key?, window_start, window_end, is })
    }

    /// The answers as JSON texts, by address.
    pub(super) fn lookups(&mut self, entry: &Entry, topology: &Topology) -> Vec<(String, String)> {
        if !asks_over_http(topology) {
            self.report(
                Diagnostic::error(codes::TEST_LOOKUPS, entry.name_span, "no step of the app looks anything up by HTTP")
                    .note("nobody asks")
                    .help("leave it out; a lookup that `call`s a function is answered by the program that brings the function"),
            );
        }
        let answers =
            self.named(&entry.node, "addresses and their answers, such as `\"http://prices/tea\": { price: 4 }`");
        answers.iter().filter_map(|answer| Some((answer.name.clone(), json::text(&answer.node)?))).collect()
    }
}

fn asks_over_http(topology: &Topology) -> bool {
    let mut steps = topology.pipelines.values().flat_map(|pipeline| pipeline.all_steps());
    steps.any(|step| matches!(&step.operator, Operator::Lookup(lookup) if lookup.calling.whom == Whom::Http))
}
