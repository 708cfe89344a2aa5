//! Test files, `*.test.yaml`: an app's own given/expect tests, read with places and checked against the topology.
//!
//! This room only reads. What a test means, and how it is run, is in the library's `testing`. Fields live in [`fields`];
//! every mistake of a file is reported at once, like those of the app file.

mod event;
pub(crate) mod fields;
mod json;
mod step;
mod view;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun_event::{PipelineName, Time, TopicName, ViewName};
use riverrun_topology::Topology;

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::ProcessEnvironment;
use crate::read::Reader;
use crate::source::{Source, Sources, Span};
use crate::yaml::{self, Node, Value};

/// The tests of one file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// The file.
    pub source: Source,
    /// Its tests, in order.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// Where it begins.
    pub span: Span,
    /// What happens, in order.
    pub steps: Vec<TestStep>,
}

/// One step of a test.
#[derive(Clone, Debug)]
pub struct TestStep {
    /// Where it begins.
    pub span: Span,
    /// How the clock moves before anything comes in.
    pub clock: Option<ClockMove>,
    /// What comes in.
    pub given: Vec<Given>,
    /// What came out, per topic.
    pub expect: Vec<ExpectedTopic>,
    /// What was set aside.
    pub dead_letters: Vec<ExpectedRecord>,
    /// What views show then.
    pub views: Vec<ExpectedView>,
    /// What lookups by HTTP are answered from here on: addresses and JSON texts.
    pub lookups: Vec<(String, String)>,
    /// The pipeline that stops.
    pub stopped: Option<PipelineName>,
}

/// Time moved by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMove {
    /// To this time.
    At(Time),
    /// Ahead by this much.
    After(Duration),
}

/// An event for the door.
#[derive(Clone, Debug)]
pub struct Given {
    /// Where it stands.
    pub span: Span,
    /// Where it is sent.
    pub topic: TopicName,
    /// Its attributes in the order of the file, under CloudEvents' names.
    pub attributes: Vec<(String, String)>,
    /// Its data; `None` deletes the entity.
    pub data: Option<GivenData>,
    /// The code the door refuses it with.
    pub refused: Option<String>,
}

/// The data of a given event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenData {
    /// JSON text made of YAML.
    Json(String),
    /// Bytes as they are sent.
    Raw(String),
}

/// What a topic is to have got.
#[derive(Clone, Debug)]
pub struct ExpectedTopic {
    /// The topic.
    pub topic: TopicName,
    /// Where it is named.
    pub span: Span,
    /// All of its events, in order per key.
    pub records: Vec<ExpectedRecord>,
}

/// What a view is to show.
#[derive(Clone, Debug)]
pub struct ExpectedView {
    /// The view.
    pub view: ViewName,
    /// Some of its rows.
    pub rows: Vec<ExpectedRow>,
}

/// A row that a view is to have, or not to have.
#[derive(Clone, Debug)]
pub struct ExpectedRow {
    /// Where it stands.
    pub span: Span,
    /// Its key.
    pub key: String,
    /// Where its window starts, if that is said.
    pub window_start: Option<Time>,
    /// Where its window ends, if that is said.
    pub window_end: Option<Time>,
    /// What of it is compared.
    pub is: RowIs,
}

/// What a row is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum RowIs {
    /// There, whatever it says.
    There,
    /// There, with just this data.
    Data(serde_json::Value),
    /// There, with this as a part of its data.
    Containing(serde_json::Value),
    /// Not there.
    Gone,
}

/// An event that is to have come out.
#[derive(Clone, Debug)]
pub struct ExpectedRecord {
    /// Where it stands.
    pub span: Span,
    /// What of it is compared.
    pub fields: Vec<ExpectedField>,
}

/// One thing that is compared.
#[derive(Clone, Debug)]
pub struct ExpectedField {
    /// What.
    pub aspect: Aspect,
    /// What it is to be; null: it is not to be there.
    pub value: serde_json::Value,
}

/// What of an event is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// An attribute, under CloudEvents' name.
    Attribute(String),
    /// The key.
    Key,
    /// A text that the attribute contains.
    Within(String),
    /// All of the data.
    Data,
    /// A part of the data.
    Contains,
    /// That there is no data.
    NoData,
}

impl fmt::Display for Aspect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) | Self::Within(name) => formatter.write_str(name),
            Self::Key => formatter.write_str("key"),
            Self::Data | Self::Contains | Self::NoData => formatter.write_str("data"),
        }
    }
}

/// Why a test file gives no tests.
#[derive(Debug, thiserror::Error)]
pub enum TestFileError {
    /// The file cannot be read.
    #[error("{code}: the test file {path} cannot be read: {reason}", code = codes::TEST_UNREADABLE, path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// The file has mistakes: all of them.
    #[error("{0}")]
    Invalid(Diagnostics),
}

impl TestFile {
    /// Loads a test file of an app.
    ///
    /// # Errors
    /// [`TestFileError`] when the file cannot be read, or with every mistake in it.
    pub fn load(path: impl AsRef<Path>, topology: &Topology) -> Result<Self, TestFileError> {
        let path = path.as_ref();
        let unreadable = |reason| TestFileError::Unreadable { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path, topology).map_err(TestFileError::Invalid)
    }

    /// Reads the text of a test file; messages name `path`.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(text: &str, path: impl AsRef<Path>, topology: &Topology) -> Result<Self, Diagnostics> {
        let source = Source::new(path.as_ref(), text);
        let (root, mut found) = yaml::parse(&source);
        let (sources, environment) = (Sources::new(source.clone()), ProcessEnvironment::new(path.as_ref()));
        let mut reader = Reader::new(&sources, &environment);
        let tests = root.map(|root| tests(&mut reader, topology, &root)).unwrap_or_default();
        found.append(&mut reader.diagnostics);
        let diagnostics = Diagnostics::new(source.clone(), Vec::new(), found);
        if diagnostics.has_errors() { Err(diagnostics) } else { Ok(Self { source, tests }) }
    }
}

fn tests(reader: &mut Reader<'_>, topology: &Topology, root: &Node) -> Vec<Test> {
    let first_line = Span::new(0, reader.sources.first().text().lines().next().map_or(0, str::len));
    let Some(fields) = reader.fields(root, first_line, &fields::FILE) else { return Vec::new() };
    let Some(node) = fields.require(reader, "tests") else { return Vec::new() };
    let entries = reader.named(node, "tests by name, such as `an order is billed: { given: [...], expect: {...} }`");
    entries
        .iter()
        .map(|entry| {
            let nodes = match &entry.node.value {
                Value::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&entry.node),
            };
            let before = reader.diagnostics.len();
            let steps: Vec<TestStep> =
                nodes.iter().filter_map(|node| step::read(reader, topology, node, entry.name_span)).collect();
            if reader.diagnostics.len() == before && !steps.iter().any(TestStep::checks_something) {
                reader.report(
                    Diagnostic::error(
                        codes::TEST_EMPTY,
                        entry.name_span,
                        format!("the test `{}` expects nothing", entry.name),
                    )
                    .note("cannot fail")
                    .help("say what comes out: `expect: { topic: nothing }` where nothing does"),
                );
            }
            Test { name: entry.name.clone(), span: entry.name_span, steps }
        })
        .collect()
}

impl TestStep {
    fn checks_something(&self) -> bool {
        let refuses = self.given.iter().any(|given| given.refused.is_some());
        let reads = self.views.iter().any(|view| !view.rows.is_empty());
        refuses || reads || !self.expect.is_empty() || !self.dead_letters.is_empty() || self.stopped.is_some()
    }
}
