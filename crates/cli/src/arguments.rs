//! The command line as types. What a command does, and the options only it has, are in its file under `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::commands::{
    check, completions, consumers, dead_letters, demo, describe, init, listen, migrate, outbox, publish, replay, run,
    schema, status, tail, test, verify, view,
};
use crate::terminal::ColorChoice;

/// An event backbone in one binary.
///
/// Events come in by HTTP, are kept as immutable facts, run in order per key through the pipelines of one app file, and
/// leave on topics that others read at their own rate. No broker, no database: the log is a directory.
#[derive(Debug, Parser)]
#[command(name = "riverrun", version, max_term_width = 100, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  riverrun demo flights                  see it work on real data, in a few seconds
  riverrun init --from orders.ndjson     write an app file that fits a sample of events
  riverrun test                          run the app's own tests
  riverrun run                           start what it declares
  riverrun publish orders orders.ndjson  send events, from a second terminal
  riverrun tail orders-enriched          see what the pipeline made of them

Exit codes: 0 success, 1 failure, 2 wrong command line.
Errors have a code; docs/errors has a page on each.";

/// Where `--help` lists the options of every command.
const GLOBAL: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalOptions {
    /// The app file.
    #[arg(short, long, value_name = "APP", value_hint = ValueHint::FilePath, global = true, help_heading = GLOBAL, default_value = "./riverrun.yaml")]
    pub(crate) file: PathBuf,
    /// The environment to load the app file for: `prod` lays riverrun.prod.yaml over riverrun.yaml.
    #[arg(long = "env", value_name = "NAME", global = true, help_heading = GLOBAL, env = "RIVERRUN_ENV", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) environment: Option<String>,
    /// The server to talk to, instead of the one that runs the app file.
    #[arg(long, value_name = "URL", global = true, help_heading = GLOBAL, env = "RIVERRUN_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// The access token, where the server wants one.
    #[arg(long, value_name = "TOKEN", global = true, help_heading = GLOBAL, env = "RIVERRUN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Whether output is coloured; auto means on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", global = true, help_heading = GLOBAL, value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented app file, made to fit a sample of your events.
    Init(init::InitArguments),
    /// Start everything the app file declares.
    Run(run::RunArguments),
    /// Check the app file and report every mistake in it.
    Check(check::CheckArguments),
    /// Run the app's own tests: events in, events out, no server.
    Test(test::TestArguments),
    /// Print the topology the app file declares.
    Describe(describe::DescribeArguments),
    /// Print the JSON Schema of the app file, for editors.
    Schema(schema::SchemaArguments),
    /// Publish NDJSON lines to a topic.
    Publish(publish::PublishArguments),
    /// Print the records of a topic as NDJSON.
    Tail(tail::TailArguments),
    /// Hand the events of topics to a program, woken by PostgreSQL.
    Listen(listen::ListenArguments),
    /// Set up a transactional outbox in PostgreSQL, look at it, mend it.
    Outbox(outbox::OutboxArguments),
    /// Run a pipeline again over what it has read, into another topic.
    Replay(replay::ReplayArguments),
    /// Look at events that failed and were set aside.
    DeadLetters(dead_letters::DeadLettersArguments),
    /// Show how far named consumers are, set their positions anew, remove them.
    Consumers(consumers::ConsumersArguments),
    /// Move the app from the embedded log to Kafka.
    Migrate(migrate::MigrateArguments),
    /// Read the whole data directory and check every checksum and chain. Offline.
    Verify(verify::VerifyArguments),
    /// Show the rows of a view, or the views there are.
    View(view::ViewArguments),
    /// Show topics, pipelines and how far behind they are.
    Status(status::StatusArguments),
    /// See Riverrun do its main job on real data, and end.
    Demo(demo::DemoArguments),
    /// Print a script with which your shell completes commands and options.
    Completions(completions::CompletionsArguments),
}

/// Text for people or JSON for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
