//! `outbox`: sets up a transactional outbox in PostgreSQL, shows what waits in it, and mends it. No server is needed for that.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Session;
use crate::arguments::OutputFormat;
use crate::duration::readable;
use crate::failure::{Failure, Report};
use crate::library;
use crate::library::outbox::admin::{Admin, Marked, Overview};
use crate::library::outbox::{Database, RelayError, SchemaName, schema};
use crate::progress::count;
use crate::terminal::{Ink, Terminal, table};

const EXAMPLES: &str = "\
The database is that of `outbox:` in the app file, or of --database.

Examples:
  riverrun outbox init                          create or update the outbox
  riverrun outbox init --print > outbox.sql     for whoever applies schemas with other tools
  riverrun outbox status
  riverrun outbox retry 1734                    process a marked row again, and what waits behind it
  riverrun outbox discard 1734 1735
  riverrun outbox status --database postgres://shop@localhost/shop --format json";

/// Set up a transactional outbox in PostgreSQL, look at it, mend it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OutboxArguments {
    #[command(subcommand)]
    action: Action,
    /// The database, instead of the one in the app file.
    #[arg(long, value_name = "URL", global = true, env = "RIVERRUN_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// The schema the outbox is in, instead of the one in the app file [default: public].
    #[arg(long, value_name = "NAME", global = true)]
    schema: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create the outbox, or bring it to the version of this program.
    #[command(after_help = EXAMPLES)]
    Init(InitArguments),
    /// Show what waits, what failed, and which relays there are.
    #[command(after_help = EXAMPLES)]
    Status(StatusArguments),
    /// Process rows again that were marked not to be processed any more.
    #[command(after_help = EXAMPLES)]
    Retry(WhichArguments),
    /// Remove rows for good that were marked not to be processed any more.
    #[command(after_help = EXAMPLES)]
    Discard(WhichArguments),
}

#[derive(Debug, Args)]
struct InitArguments {
    /// Print the SQL instead of applying it. It may be run again.
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Args)]
struct StatusArguments {
    /// At most this many marked rows.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: u32,
    /// Tables, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Args)]
struct WhichArguments {
    /// The rows, by the ROW that `status` shows.
    #[arg(value_name = "ROW", required_unless_present = "all")]
    rows: Vec<i64>,
    /// All that are marked.
    #[arg(long, conflicts_with = "rows")]
    all: bool,
}

impl WhichArguments {
    fn ids(&self) -> Option<&[i64]> {
        (!self.all).then_some(&self.rows)
    }
}

/// Does what was asked for.
pub(crate) async fn execute(session: Session<'_>, arguments: &OutboxArguments) -> Result<(), Failure> {
    let terminal = session.terminal;
    if let Action::Init(InitArguments { print: true }) = arguments.action {
        let name = arguments.schema.as_deref().map_or(Ok(SchemaName::default()), schema_named)?;
        return terminal.line(schema::script(&name).trim_end());
    }
    let (database, name) = place(session, arguments)?;
    match &arguments.action {
        Action::Init(_) => init(&database, &name, terminal).await,
        Action::Status(arguments) => status(&database, &name, arguments, terminal).await,
        Action::Retry(which) => {
            let many = connect(&database, &name).await?.retry(which.ids()).await.map_err(report)?;
            said(many, which, "to be processed again", terminal)
        }
        Action::Discard(which) => {
            let many = connect(&database, &name).await?.discard(which.ids()).await.map_err(report)?;
            said(many, which, "discarded", terminal)
        }
    }
}

/// The database and the schema that are meant.
pub(crate) fn place(session: Session<'_>, arguments: &OutboxArguments) -> Result<(Database, SchemaName), Failure> {
    let declared = match &arguments.database {
        Some(_) => None,
        None => Some(declared(session)?),
    };
    let url = arguments.database.as_deref().or(declared.as_ref().map(|outbox| outbox.url.reveal())).unwrap_or_default();
    let database = Database::new(url).map_err(|error| Report::new("RR0008", error.to_string()).usage())?;
    let schema = arguments.schema.as_deref().or(declared.as_ref().map(|outbox| outbox.schema.as_str()));
    Ok((database, schema.map_or(Ok(SchemaName::default()), schema_named)?))
}

/// The outbox of the app file.
pub(crate) fn declared(session: Session<'_>) -> Result<library::OutboxSetting, Failure> {
    let app = library::load(session)?;
    app.settings().outbox.clone().ok_or_else(|| {
        Report::new("RR0506", "the app file has no `outbox:` section")
            .hint("name the database with --database postgres://user@host/database, or declare it: `outbox: { url: ... }`")
            .usage()
            .into()
    })
}

fn schema_named(name: &str) -> Result<SchemaName, Failure> {
    SchemaName::new(name).map_err(|error| Report::new("RR0008", error.to_string()).usage().into())
}

async fn init(database: &Database, name: &SchemaName, terminal: &Terminal) -> Result<(), Failure> {
    let mut client = database.connect().await.map_err(|error| report(error.into()))?;
    let before = schema::apply(&mut client, name).await.map_err(|error| report(error.into()))?;
    let (place, version) = (format!("schema {name} of {database}"), schema::VERSION);
    match before {
        0 => terminal.line(format_args!("created the outbox, version {version}, in {place}")),
        before if before < version => {
            terminal.line(format_args!("updated the outbox from version {before} to {version} in {place}"))
        }
        before if before > version => Err(Report::new(
            "RR0502",
            format!("{place} has an outbox of version {before}, which is newer than this program's {version}"),
        )
        .hint("use a newer program")
        .into()),
        _ => terminal.line(format_args!("the outbox is there, version {version}, in {place}; nothing to do")),
    }
}

async fn connect(database: &Database, name: &SchemaName) -> Result<Admin, Failure> {
    Admin::connect(database, name).await.map_err(|error| report(error).into())
}

fn said(many: u64, which: &WhichArguments, what: &str, terminal: &Terminal) -> Result<(), Failure> {
    let asked = which.rows.len() as u64;
    if !which.all && many < asked {
        let missing = asked - many;
        let message = format!("{} of {} rows were not marked, or are gone", count(missing), count(asked));
        let done = format!("{} {what}", rows(many));
        return Err(Report::new("RR0507", message)
            .hint(done)
            .hint("`riverrun outbox status` shows the marked ones")
            .into());
    }
    terminal.line(format_args!("{} {what}", rows(many)))
}

fn rows(many: u64) -> String {
    if many == 1 { "1 row".to_owned() } else { format!("{} rows", count(many)) }
}

async fn status(
    database: &Database,
    name: &SchemaName,
    arguments: &StatusArguments,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let admin = connect(database, name).await?;
    let overview = admin.overview().await.map_err(report)?;
    let marked = admin.marked(arguments.limit).await.map_err(report)?;
    if arguments.format == OutputFormat::Json {
        return terminal.line(as_json(&overview, &marked));
    }
    let palette = terminal.out;
    let place = format!("outbox in schema {name} of {database}");
    let health = match (overview.marked, overview.relays.is_empty()) {
        (0, false) => palette.paint(Ink::Good, "in order".to_owned()),
        (0, true) => palette.paint(Ink::Bad, "no relay is connected".to_owned()),
        (many, _) => palette.paint(Ink::Bad, format!("{} marked", rows(many))),
    };
    terminal.line(format_args!("{}: {health}\n", palette.paint(Ink::Strong, place)))?;
    let oldest = overview.oldest.map_or_else(|| "-".to_owned(), readable);
    let row = vec![
        count(overview.waiting),
        oldest,
        count(overview.retrying),
        count(overview.parked),
        count(overview.marked),
        format!("{} KiB", count(overview.bytes / 1024)),
    ];
    terminal.line(table(&["WAITING", "OLDEST", "RETRYING", "PARKED", "MARKED", "SIZE"], vec![row]))?;
    if !overview.relays.is_empty() {
        let row = |relay: &library::outbox::admin::ConnectedRelay| {
            let state = if relay.asleep { "sleeping" } else { "relaying" };
            let address = relay.address.clone().unwrap_or_else(|| "-".to_owned());
            vec![relay.pid.to_string(), address, relay.shards.to_string(), state.to_owned()]
        };
        let relays = overview.relays.iter().map(row).collect();
        terminal.line(format_args!("\n{}", table(&["RELAY", "FROM", "SHARDS", "STATE"], relays)))?;
    }
    if !marked.is_empty() {
        let listed = marked.iter().map(cells).collect();
        let header = ["ROW", "TOPIC", "KEY", "TYPE", "ATTEMPTS", "BEHIND", "MARKED", "ERROR"];
        terminal.line(format_args!("\n{}", table(&header, listed)))?;
        if (marked.len() as u64) < overview.marked {
            terminal.note(format_args!("the first {}; --limit shows more", marked.len()));
        }
    }
    Ok(())
}

fn cells(marked: &Marked) -> Vec<String> {
    vec![
        marked.id.to_string(),
        marked.topic.clone(),
        marked.key.clone().unwrap_or_else(|| "-".to_owned()),
        marked.kind.clone(),
        marked.attempts.to_string(),
        count(marked.behind),
        format!("{} ago", readable(marked.age)),
        marked.error.clone().unwrap_or_default(),
    ]
}

fn as_json(overview: &Overview, marked: &[Marked]) -> Value {
    let relay = |relay: &library::outbox::admin::ConnectedRelay| json!({"pid": relay.pid, "address": relay.address, "shards": relay.shards, "asleep": relay.asleep});
    let row = |row: &Marked| {
        json!({
            "row": row.id, "topic": row.topic, "key": row.key, "id": row.event_id, "type": row.kind, "attempts": row.attempts,
            "error": row.error, "age_seconds": row.age.as_secs_f64(), "behind": row.behind,
        })
    };
    json!({
        "waiting": overview.waiting,
        "oldest_seconds": overview.oldest.map(|age| age.as_secs_f64()),
        "retrying": overview.retrying,
        "parked": overview.parked,
        "marked": overview.marked,
        "bytes": overview.bytes,
        "relays": overview.relays.iter().map(relay).collect::<Vec<_>>(),
        "rows": marked.iter().map(row).collect::<Vec<_>>(),
    })
}

/// How what went wrong is shown.
pub(crate) fn report(error: RelayError) -> Report {
    let hint = match error {
        RelayError::Version { .. } => "`riverrun outbox init` creates or updates it",
        RelayError::Connect(_) | RelayError::Postgres(_) | RelayError::Log(_) => {
            "see that PostgreSQL runs, and that the address, the role and its rights are right"
        }
    };
    Report::new(error.code(), error.to_string()).hint(hint)
}
