//! What all readers share: where diagnostics go, and how a mapping is opened against its section of the table of fields.

use std::collections::BTreeMap;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::fields::Section;
use crate::source::{Sources, Span};
use crate::spelling;
use crate::yaml::{Entry, Node, Value};

/// Reads the files of one app, joined.
pub(crate) struct Reader<'s> {
    pub(crate) sources: &'s Sources,
    pub(crate) environment: &'s dyn Environment,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Places whose text is never printed.
    pub(crate) secrets: Vec<Span>,
    /// Settings whose value came from `${...}`, with what the file says.
    pub(crate) substituted: BTreeMap<&'static str, String>,
    /// The assignor that the service has to bring, and where the file names it.
    pub(crate) custom_assignor: Option<(String, Span)>,
}

/// The fields of one mapping.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    section: &'static Section,
    span: Span,
    entries: &'n [Entry],
}

impl<'s> Reader<'s> {
    pub(crate) fn new(sources: &'s Sources, environment: &'s dyn Environment) -> Self {
        Self {
            sources,
            environment,
            diagnostics: Vec::new(),
            secrets: Vec::new(),
            substituted: BTreeMap::new(),
            custom_assignor: None,
        }
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports a value of the wrong kind; silent about what was reported before.
    pub(crate) fn wrong_kind(&mut self, node: &Node, expected: &str) {
        if !matches!(node.value, Value::Broken) {
            let message = format!("expected {expected}, found {}", node.kind());
            self.report(
                Diagnostic::error(codes::WRONG_KIND, node.span, message).note(format!("this is {}", node.kind())),
            );
        }
    }

    /// Opens a mapping: reports what is none, and every field that the section does not have. Nothing counts as empty.
    /// `place` is the span of the name the mapping stands under, for what is missing in it.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, place: Span, section: &'static Section) -> Option<Fields<'n>> {
        match &node.value {
            Value::Mapping(entries) => {
                for entry in entries.iter().filter(|entry| !section.names().any(|name| name == entry.name)) {
                    self.unknown_field(entry, section);
                }
                Some(Fields { section, span: place, entries })
            }
            Value::Null => Some(Fields { section, span: place, entries: &[] }),
            _ => {
                let example = section.fields.first().map_or("", |field| field.example);
                if !matches!(node.value, Value::Broken) {
                    let message = format!("expected fields such as `{example}`, found {}", node.kind());
                    let names: Vec<String> = section.names().map(|name| format!("`{name}`")).collect();
                    self.report(
                        Diagnostic::error(codes::WRONG_KIND, node.span, message).note("not a mapping").help(format!(
                            "`{}` takes {}",
                            section.path,
                            names.join(", ")
                        )),
                    );
                }
                None
            }
        }
    }

    fn unknown_field(&mut self, entry: &Entry, section: &'static Section) {
        let what = format!("fields of {}", section.title());
        let help = match entry.name.as_str() {
            "<<" => "YAML's merge key is not part of YAML 1.2; put what is shared into `defaults`".to_owned(),
            name => spelling::suggestion(name, &what, section.names()),
        };
        let message = format!("`{}` is no field of {}", entry.name, section.title());
        self.report(Diagnostic::error(codes::UNKNOWN_FIELD, entry.name_span, message).note("unknown").help(help));
    }

    /// The entries of a mapping whose names the user chose; reports what is no mapping. Nothing counts as empty.
    pub(crate) fn named<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [Entry] {
        match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            _ => {
                self.wrong_kind(node, expected);
                &[]
            }
        }
    }
}

impl<'n> Fields<'n> {
    /// The entry of a field, where it is given.
    pub(crate) fn entry(&self, name: &str) -> Option<&'n Entry> {
        debug_assert!(self.section.names().any(|known| known == name), "{name} is not in the table of fields");
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The value of a field, where it is given.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entry(name).map(|entry| &entry.node)
    }

    /// The value of a field that has to be there; reports when it is not.
    pub(crate) fn require(&self, reader: &mut Reader<'_>, name: &str) -> Option<&'n Node> {
        let entry = self.entry(name);
        let missing = entry.is_none_or(|entry| matches!(entry.node.value, Value::Null));
        // A misspelled field is reported as unknown with this one as its cure; it is not missing as well.
        let strangers = self.entries.iter().filter(|entry| !self.section.names().any(|known| known == entry.name));
        let misspelled = entry.is_none()
            && strangers
                .into_iter()
                .any(|stranger| spelling::nearest(&stranger.name, self.section.names()) == Some(name));
        if misspelled {
            return None;
        }
        if missing {
            let place = entry.map_or(self.span, |entry| entry.name_span);
            let example = self.section.fields.iter().find(|field| field.name == name).map_or("", |field| field.example);
            reader.report(
                Diagnostic::error(
                    codes::MISSING_FIELD,
                    place,
                    format!("`{name}` is missing in {}", self.section.title()),
                )
                .note(if entry.is_some() { "nothing follows".to_owned() } else { format!("has no `{name}`") })
                .help(format!("add it, for example `{example}`")),
            );
            return None;
        }
        entry.map(|entry| &entry.node)
    }
}
