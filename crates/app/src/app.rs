//! A loaded app: what it does, where it runs, and what is doubtful about its file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use riverrun_event::{AppName, PipelineName};
use riverrun_topology::{Operator, Topology, Transformer};

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::environment::{Environment, ProcessEnvironment};
use crate::files;
use crate::lint;
use crate::plan;
use crate::read::{self, Parts, Reader};
use crate::settings::{AssignorSetting, Settings};
use crate::source::{Source, Sources, Span};
use crate::spelling;
use crate::yaml::{Node, Value};

/// An app as its file declares it.
#[derive(Clone)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// What it does.
    pub topology: Topology,
    /// Where and how it runs.
    pub settings: Settings,
    /// Doubts about its file; none of them keeps it from running.
    pub warnings: Diagnostics,
    transformers: Vec<(PipelineName, String, Span)>,
    /// The assignor that the file names, until it is registered.
    assignor: Option<(String, Span)>,
}

/// A transformer that the file names and nobody registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnregisteredTransformer {
    /// The pipeline that names it.
    pub pipeline: PipelineName,
    /// Its name.
    pub name: String,
    /// Where the file names it.
    pub span: Span,
}

/// Why an app file gives no app.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{code}: the app file {path} cannot be read: {reason}. Name it with -f, or write one with `riverrun init`", code = codes::UNREADABLE, path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// The environment has no file.
    #[error("{code}: there is no environment `{name}`: {path} is not there. {known}", code = codes::ENVIRONMENT, path = path.display())]
    Environment {
        /// As asked for.
        name: String,
        /// The file that would be its.
        path: PathBuf,
        /// Which environments there are, as a sentence.
        known: String,
    },
    /// The file has mistakes: all of them.
    #[error("{0}")]
    Invalid(Diagnostics),
}

impl App {
    /// Loads an app file.
    ///
    /// # Errors
    /// [`LoadError`] when the file cannot be read, or with every mistake in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::load_for(path, None)
    }

    /// Loads an app file as it counts in an environment: for `prod`, `riverrun.prod.yaml` beside `riverrun.yaml` is laid over
    /// it. Without an environment, this is [`App::load`].
    ///
    /// # Errors
    /// [`LoadError`] when a file cannot be read, the environment has none, or with every mistake in them.
    pub fn load_for(path: impl AsRef<Path>, environment: Option<&str>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let app_file = read(path)?;
        let around = ProcessEnvironment::new(path);
        let overlay = environment.map(|name| overlay(name, &around)).transpose()?;
        Self::parse_in(&app_file, overlay, &around).map_err(LoadError::Invalid)
    }

    /// Reads the text of an app file; `path` is where it is (or would be): messages name it, and `data_dir` is relative to its folder.
    ///
    /// # Errors
    /// [`LoadError::Invalid`] with every mistake.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        Self::parse_in(&Source::new(path, text), None, &ProcessEnvironment::new(path)).map_err(LoadError::Invalid)
    }

    /// An app that was built in Rust instead of being declared in a file.
    #[must_use]
    pub fn built(topology: Topology, settings: Settings) -> Self {
        let nowhere = Source::new(Path::new("(built in Rust)"), "");
        let warnings = Diagnostics::new(nowhere, Vec::new(), Vec::new());
        Self { name: topology.app.clone(), topology, settings, warnings, transformers: Vec::new(), assignor: None }
    }

    pub(crate) fn parse_in(
        app_file: &Source,
        overlay: Option<Source>,
        environment: &dyn Environment,
    ) -> Result<Self, Diagnostics> {
        let files::Joined { root, sources, trees, mut found } = files::join(app_file, overlay, environment);
        let mut secrets = Vec::new();
        trees.iter().for_each(|tree| secret_nodes(tree, &mut secrets));
        if !found.is_empty() {
            // A second `secret:` of one token is dropped from the tree, and its line is shown all the same.
            secrets.extend(sources.iter().flat_map(secret_lines));
        }
        let Some(root) = root else { return Err(Diagnostics::over(sources, secrets, found)) };
        let mut reader = Reader::new(&sources, environment);
        reader.secrets = secrets;
        let parts = read::app(&mut reader, &root);
        found.append(&mut reader.diagnostics);
        let topology = parts.as_ref().and_then(|parts| plan::plan(parts, &root, &mut found));
        // A mistake makes other things look unused; doubts wait until the file is in order.
        if found.iter().all(|item| item.severity != Severity::Error) {
            found.extend(parts.iter().flat_map(lint::lint));
        }
        let Reader { secrets, substituted, custom_assignor, .. } = reader;
        let diagnostics = Diagnostics::over(sources, secrets, found);
        match (parts, topology) {
            (Some(parts), Some(topology)) if !diagnostics.has_errors() => {
                let transformers = parts.pipelines.iter().flat_map(|pipeline| {
                    let named = pipeline.expanded.transformers.iter();
                    named.map(|name| (pipeline.name.value.clone(), name.value.clone(), name.span))
                });
                Ok(Self {
                    name: topology.app.clone(),
                    topology,
                    transformers: transformers.collect(),
                    assignor: custom_assignor,
                    settings: Settings { substituted, ..settings(parts, app_file) },
                    warnings: diagnostics,
                })
            }
            _ => Err(diagnostics),
        }
    }

    /// All files the app was read from.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        self.warnings.sources()
    }

    /// The app file.
    #[must_use]
    pub fn source(&self) -> &Source {
        self.warnings.source()
    }

    /// Registers a transformer wherever the file names it; false when it is named nowhere.
    pub fn register(&mut self, name: &str, transformer: &Arc<dyn Transformer>) -> bool {
        self.topology.register(name, transformer)
    }

    /// Notes that there is an assignor of this name; false when the file does not name it.
    pub fn register_assignor(&mut self, name: &str) -> bool {
        self.assignor = self.assignor.take().filter(|(wanted, _)| wanted != name);
        matches!(&self.settings.kafka.assignor, AssignorSetting::Custom(wanted) if wanted == name)
    }

    /// The transformers that the file names and nobody registered so far.
    #[must_use]
    pub fn unregistered_transformers(&self) -> Vec<UnregisteredTransformer> {
        let missing = self.transformers.iter().filter(|(pipeline, name, _)| {
            let pipeline = self.topology.pipelines.get(pipeline);
            pipeline.into_iter().flat_map(|pipeline| pipeline.all_steps()).any(|step| {
                matches!(&step.operator, Operator::Transform(transform)
                    if transform.transformer_name == *name && transform.transformer.is_none())
            })
        });
        let named = |(pipeline, name, span): &(PipelineName, String, Span)| UnregisteredTransformer {
            pipeline: pipeline.clone(),
            name: name.clone(),
            span: *span,
        };
        missing.map(named).collect()
    }

    /// The same as diagnostics, with the assignor that is missing, for who cannot run the app without them. Empty when all are registered.
    #[must_use]
    pub fn unregistered_diagnostics(&self) -> Diagnostics {
        let diagnostic = |missing: UnregisteredTransformer| {
            let name = missing.name;
            Diagnostic::error(codes::TRANSFORMER, missing.span, format!("the transformer `{name}` is not compiled into this binary"))
                .note(format!("pipeline `{}` needs it", missing.pipeline))
                .help(format!("transformers are Rust: run the app from a program of your own with App::load(...)?.transform(\"{name}\", ...)"))
        };
        let assignor = self.assignor.iter().map(|(name, span)| {
            Diagnostic::error(codes::TRANSFORMER, *span, format!("the assignor `{name}` is not compiled into this binary"))
                .note("`kafka.assignor` needs it")
                .help(format!("an assignor of your own is Rust: run the app from a program of your own with App::load(...)?.assignor(\"{name}\", ...)"))
        });
        let items = self.unregistered_transformers().into_iter().map(diagnostic).chain(assignor).collect();
        Diagnostics::over(self.sources().clone(), self.warnings.secrets().to_vec(), items)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("App")
            .field("source", self.source())
            .field("topology", &self.topology)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Source, LoadError> {
    let unreadable = |reason| LoadError::Unreadable { path: path.to_owned(), reason };
    std::fs::read_to_string(path).map(|text| Source::new(path, &text)).map_err(unreadable)
}

/// The file of an environment; without one, the error says which there are.
fn overlay(name: &str, around: &ProcessEnvironment) -> Result<Source, LoadError> {
    let path = around.file_of(name);
    if !name.is_empty() && !name.contains(['/', '\\']) && path.is_file() {
        return read(&path);
    }
    let known = match around.environments().as_slice() {
        [] => "No environment has one so far".to_owned(),
        names => format!("There are: {}", names.join(", ")),
    };
    Err(LoadError::Environment { name: name.to_owned(), path, known })
}

fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn settings(parts: Parts, source: &Source) -> Settings {
    let data_dir = parts.data_dir.unwrap_or_else(|| PathBuf::from(Settings::DATA_DIR_DEFAULT));
    Settings {
        log: parts.log,
        kafka: parts.kafka,
        outbox: parts.outbox,
        // Through its components: `././data` is the same directory as `./data`, and reads better in messages.
        data_dir: folder(source.path()).join(data_dir).components().collect(),
        durability: parts.durability,
        compression: parts.compression,
        cache_bytes: parts.cache_bytes.unwrap_or(Settings::CACHE_BYTES_DEFAULT),
        listen: parts.listen.map_or(Settings::LISTEN_DEFAULT, |listen| listen.value),
        limits: parts.limits,
        tokens: parts.tokens,
        allowed_hosts: parts.hosts,
        substituted: Default::default(),
    }
}

/// Where secrets stand wherever they were written, also under a misspelled parent that no reader opens.
fn secret_nodes(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| secret_nodes(item, found)),
        Value::Mapping(entries) => {
            for entry in entries {
                if entry.name == "secret" || spelling::nearest(&entry.name, ["secret"]).is_some() {
                    found.push(entry.node.span);
                }
                secret_nodes(&entry.node, found);
            }
        }
        Value::Null | Value::Scalar(_) | Value::Broken => {}
    }
}

/// Where secrets stand in a file that is no sound YAML, so that the tree lacks some: behind `secret:` up to the end of the line.
fn secret_lines(source: &Source) -> Vec<Span> {
    let text = source.text();
    let starts = text.match_indices("secret").filter_map(|(at, word)| {
        let behind = text.get(at + word.len()..)?;
        let colon = behind.find(':').filter(|colon| *colon <= 2)?;
        Some(at + word.len() + colon + 1)
    });
    let line_end =
        |start: usize| text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| start + end);
    starts.map(|start| source.span(start, line_end(start))).collect()
}
