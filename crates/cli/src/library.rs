//! The one place where the command line meets the `riverrun` library: what it uses, and how its errors are shown.

use std::path::{Path, PathBuf};

pub(crate) use riverrun::migrate::{
    Compared, GroupReport, MigrateReport, Phase as MigrationPhase, Plan as MigrationPlan,
    Progress as MigrationProgress, TopicPlan as MigrationTopic,
};
pub(crate) use riverrun::outbox;
pub(crate) use riverrun::server::Announcement;
pub(crate) use riverrun::testing::{Report as TestReport, TestOutcome};
pub(crate) use riverrun::topology::{DescribeFormat, Expression, Topic};
pub(crate) use riverrun::{
    App, Diagnostics, LogSetting, OutboxSetting, PipelineName, SCHEMA_FILE, Sample, ServeOptions, Server, TestFile,
    Time, TopicName, Topology, VerifyReport, init, schema,
};

use std::ops::ControlFlow;

use riverrun::migrate::MigrateError;
use riverrun::testing::DriverError;
use riverrun::topology::Draft;
use riverrun::{Color, EnsureError, Key, LoadError, RawEvent, ServeError, StartError, TestFileError};

use crate::commands::Session;
use crate::failure::{Failure, Report};
use crate::terminal::{Palette, Terminal};

/// What `check` found.
pub(crate) struct Checked {
    /// Mistakes and doubts.
    pub(crate) diagnostics: Diagnostics,
    /// Transformers the file names and this binary does not have. The file is right, another program runs it.
    pub(crate) missing: Option<Diagnostics>,
}

/// Loads the app file of the command line. Its mistakes are shown as `check` shows them, on standard error.
///
/// # Errors
/// When it cannot be read or has mistakes.
pub(crate) fn load(session: Session<'_>) -> Result<App, Failure> {
    load_file(&session.global.file, session.global.environment.as_deref(), session.terminal)
}

/// Loads an app file for an environment.
///
/// # Errors
/// When it cannot be read or has mistakes.
pub(crate) fn load_file(path: &Path, environment: Option<&str>, terminal: &Terminal) -> Result<App, Failure> {
    App::load_for(path, environment).map_err(|error| match error {
        LoadError::Invalid(diagnostics) => {
            terminal.note(rendered(&diagnostics, terminal.error).trim_end());
            Failure::AlreadyShown
        }
        error => not_loaded(error).into(),
    })
}

/// The database whose outbox the app relays, without its password.
pub(crate) fn outbox_place(app: &App) -> Option<String> {
    let outbox = app.settings().outbox.as_ref()?;
    outbox::Database::new(outbox.url.reveal()).ok().map(|database| database.to_string())
}

/// Everything there is to say about an app file.
///
/// # Errors
/// When it cannot be read at all.
pub(crate) fn check(session: Session<'_>) -> Result<Checked, Failure> {
    match App::load_for(&session.global.file, session.global.environment.as_deref()) {
        Ok(app) => Ok(Checked {
            diagnostics: app.warnings().clone(),
            missing: Some(app.unregistered_transformers().into_warnings()).filter(|missing| !missing.is_empty()),
        }),
        Err(LoadError::Invalid(diagnostics)) => Ok(Checked { diagnostics, missing: None }),
        Err(error) => Err(not_loaded(error).into()),
    }
}

/// Diagnostics for people.
pub(crate) fn rendered(diagnostics: &Diagnostics, palette: Palette) -> String {
    diagnostics.render(color(palette))
}

/// Colours as the library wants them.
pub(crate) fn color(palette: Palette) -> Color {
    if palette.is_colored() { Color::Always } else { Color::Never }
}

/// Loads a test file of an app; inside, all of its mistakes.
///
/// # Errors
/// When it cannot be read at all.
pub(crate) fn load_tests(path: &Path, app: &App) -> Result<Result<TestFile, Diagnostics>, Report> {
    match TestFile::load(path, app.topology()) {
        Ok(file) => Ok(Ok(file)),
        Err(TestFileError::Invalid(diagnostics)) => Ok(Err(diagnostics)),
        Err(TestFileError::Unreadable { path, reason }) => {
            let message = format!("the test file {} cannot be read: {reason}", path.display());
            Err(Report::new("RR0040", message).usage())
        }
    }
}

/// Runs the tests of a file whose name is wanted.
///
/// # Errors
/// When the app cannot run at all.
pub(crate) fn run_tests(app: &App, file: &TestFile, wanted: impl Fn(&str) -> bool) -> Result<TestReport, Report> {
    TestReport::of(app, file, wanted).map_err(|error| match error {
        DriverError::Start(StartError::Topology(_)) => Report::new("RR0014", error.to_string()),
        error => Report::new("RR0418", error.to_string()),
    })
}

fn not_loaded(error: LoadError) -> Report {
    match error {
        LoadError::Unreadable { path, reason } => unreadable(&path, &reason),
        LoadError::Environment { name, path, known } => {
            let message = format!("there is no environment `{name}`: {} is not there. {known}", path.display());
            Report::new("RR0021", message)
                .hint("--env and RIVERRUN_ENV name an environment; leave them out to use the app file as it is")
        }
        LoadError::Invalid(diagnostics) => Report::without_code(diagnostics.to_string()),
    }
}

fn unreadable(path: &Path, reason: &std::io::Error) -> Report {
    let report = Report::new("RR0017", format!("the app file {} cannot be read: {reason}", path.display()));
    match reason.kind() {
        std::io::ErrorKind::NotFound => report.hint("-f names another file; `riverrun init` writes a new one"),
        _ => report,
    }
}

/// Where the app keeps its data.
pub(crate) fn data_dir(app: &App) -> PathBuf {
    app.settings().data_dir.clone()
}

/// The token of this app that may do most, for commands that talk to its server.
pub(crate) fn widest_token(app: &App) -> Option<String> {
    let tokens = &app.settings().tokens;
    // Of equals the first: it is the one its writer thought of first.
    let widest = tokens.iter().rev().max_by_key(|token| (token.verbs.len(), token.topics.is_none()));
    widest.map(|token| token.secret.reveal().to_owned())
}

/// What the app file declares, if there is one without mistakes.
pub(crate) fn topology_if_readable(session: Session<'_>) -> Option<Topology> {
    App::load_for(&session.global.file, session.global.environment.as_deref()).ok().map(|app| app.topology().clone())
}

/// Starts a server.
///
/// # Errors
/// When something of it cannot start; nothing runs then.
pub(crate) async fn serve(app: App, options: ServeOptions) -> Result<Server, Failure> {
    app.serve(options).await.map_err(|error| not_started(error).into())
}

/// Ends a server cleanly.
///
/// # Errors
/// When the log could not be closed cleanly. What was acknowledged is on disk even then.
pub(crate) async fn shut_down(server: Server) -> Result<(), Failure> {
    server.shutdown().await.map_err(|error| not_started(error).into())
}

fn not_started(error: ServeError) -> Report {
    let message = error.to_string();
    match error {
        ServeError::Transformers(_) => Report::new("RR0016", "this binary lacks transformers that the app file names")
            .hint(
                "`riverrun check` shows which; a program of your own brings them with App::load(...)?.transform(...)",
            ),
        ServeError::Exposed { .. } => Report::new("RR0415", message),
        ServeError::Listen { source, .. } => listen_failed(&source, message),
        ServeError::Kafka(_) => Report::new("RR0421", message)
            .hint("see that a broker listens at an address of `log:`, and that `kafka:` says how to connect to it"),
        ServeError::Open(error) => Report::new(error.code(), message),
        ServeError::Announce { .. } => Report::new("RR0408", message),
        ServeError::Start(StartError::Topology(_)) => Report::new("RR0014", message),
        ServeError::Start(StartError::Topics(EnsureError::PartitionCount { topic, existing, .. })) => {
            Report::new("RR0417", message)
                .hint(format!("write `partitions: {existing}` at the topic {topic}, or give the topic another name"))
        }
        ServeError::Start(StartError::StateLeftBehind(_)) => Report::new("RR0420", message),
        ServeError::Outbox(_) => {
            Report::new("RR0008", message).hint("write `outbox: { url: postgres://user@host:5432/database }`")
        }
        ServeError::Start(_) | ServeError::Identity(_) => Report::new("RR0418", message),
        ServeError::Close(_) => Report::new("RR0419", message)
            .hint("what was acknowledged is on disk; `riverrun verify` checks the data directory"),
    }
}

fn listen_failed(error: &std::io::Error, message: String) -> Report {
    let report = Report::new("RR0416", message);
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            report.hint("something listens there already, perhaps this app; --listen names another address")
        }
        std::io::ErrorKind::PermissionDenied => {
            report.hint("ports below 1024 need privileges; --listen names another address")
        }
        _ => report.hint("--listen names another address"),
    }
}

/// Reads everything in a data directory and says what does not fit.
///
/// # Errors
/// When there is no log, or it cannot be opened at all.
pub(crate) fn verify(data_dir: &Path) -> Result<VerifyReport, Report> {
    riverrun::verify(data_dir).map_err(|error| Report::new(error.code(), error.to_string()))
}

/// A cluster as the app file names it.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_cluster(text: &str) -> Result<String, String> {
    match LogSetting::named(text) {
        Ok(LogSetting::Kafka { .. }) => Ok(text.to_owned()),
        Ok(LogSetting::Local) | Err(_) => Err("expected brokers as in kafka://broker-1:9092,broker-2:9092".to_owned()),
    }
}

/// What a move of the app would do.
///
/// # Errors
/// When that cannot be found out.
pub(crate) fn plan_migration(app: &App, to: &str) -> Result<MigrationPlan, Failure> {
    app.plan_migration(to).map_err(|error| not_moved(&error).into())
}

/// Says to the server that runs on the data directory of the app where it is to move.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn announce_migration(app: &App, to: &str) -> Result<(), Failure> {
    app.announce_migration(to).map_err(|error| not_moved(&error).into())
}

/// Why the app was not moved, and both sides where they were compared.
pub(crate) struct NotMoved {
    pub(crate) failure: Failure,
    pub(crate) report: Option<Box<MigrateReport>>,
    /// Whether another process has the data directory.
    pub(crate) is_locked: bool,
}

/// Moves the app to a cluster.
///
/// # Errors
/// [`NotMoved`] when something is in the way, or both sides differ.
pub(crate) fn migrate(
    app: &App,
    to: &str,
    compared: Compared,
    watch: &(dyn Fn(MigrationProgress) -> ControlFlow<()> + Sync),
) -> Result<MigrateReport, NotMoved> {
    app.migrate(to, compared, watch).map_err(|error| {
        let is_locked = error.code() == "RR0201";
        let failure = not_moved(&error).into();
        let report = if let MigrateError::Differs(report) = error { Some(report) } else { None };
        NotMoved { failure, report, is_locked }
    })
}

/// The code with which a server says that it ends.
pub(crate) const STOPPED: &str = "RR0425";

fn not_moved(error: &MigrateError) -> Report {
    refused_migration(error.code(), error.to_string())
}

/// Why the app was not moved, as its server or this process says it.
pub(crate) fn refused_migration(code: &str, message: String) -> Report {
    let report = Report::new(code, message);
    match code {
        "RR0422" => {
            report.hint("delete it from the cluster if nobody needs it, or write another `kafka: { prefix: ... }`")
        }
        "RR0423" => {
            report.hint("nothing was changed here; delete the topics of the copy from the cluster, and move again")
        }
        "RR0424" => report.hint("run the same command again; it goes on where it is"),
        _ => report,
    }
}

/// What an expression gives for bare data, as text: texts as they are, integers in decimal, null as none.
///
/// # Errors
/// A sentence that says why it gives nothing of the kind.
pub(crate) fn text_of(expression: &Expression, data: &str) -> Result<Option<String>, String> {
    let mut event = RawEvent::new("", "", "");
    event.data = Some(data.to_owned().into());
    let key = expression.evaluate_key(&mut Draft::new(event, Time::now()));
    match key {
        Ok(key) => Ok(key.as_ref().and_then(Key::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned)),
        Err(error) => Err(format!("the topic takes it from {:?}: {}", expression.source(), error.message)),
    }
}
