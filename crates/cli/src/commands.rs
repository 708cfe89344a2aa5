//! The commands, one file each, and what every one of them is given.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod consumers;
pub(crate) mod dead_letters;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod init;
pub(crate) mod listen;
pub(crate) mod migrate;
pub(crate) mod outbox;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod test;
pub(crate) mod verify;
pub(crate) mod view;

use crate::arguments::{Arguments, Command, GlobalOptions};
use crate::failure::{Failure, Report};
use crate::logging::{self, LogOptions};
use crate::terminal::Terminal;

/// What every command is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'a> {
    /// Options of every command.
    pub(crate) global: &'a GlobalOptions,
    /// Where output goes.
    pub(crate) terminal: &'a Terminal,
}

/// Runs the command that was asked for.
pub(crate) fn execute(arguments: Arguments, terminal: &Terminal) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    let session = Session { global: &global, terminal };
    // `run` logs what it does; other commands answer on standard output and log only what is asked for.
    match &command {
        Command::Run(arguments) => logging::start(&arguments.log, run::LOG_FILTER, terminal),
        _ => logging::start(&LogOptions::default(), "off", terminal),
    }
    match command {
        Command::Init(arguments) => init::execute(session, &arguments),
        Command::Check(arguments) => check::execute(session, &arguments),
        Command::Test(arguments) => test::execute(session, &arguments),
        Command::Describe(arguments) => describe::execute(session, &arguments),
        Command::Schema(_) => schema::execute(session),
        Command::Completions(arguments) => completions::execute(session, &arguments),
        Command::Migrate(arguments) => in_runtime(migrate::execute(session, &arguments)),
        Command::Verify(arguments) => verify::execute(session, &arguments),
        Command::Run(arguments) => in_runtime(run::execute(session, arguments)),
        Command::Publish(arguments) => in_runtime(publish::execute(session, arguments)),
        Command::Outbox(arguments) => in_runtime(outbox::execute(session, &arguments)),
        Command::Listen(arguments) => in_runtime(listen::execute(session, &arguments)),
        Command::Tail(arguments) => in_runtime(tail::execute(session, &arguments)),
        Command::Replay(arguments) => in_runtime(replay::execute(session, &arguments)),
        Command::DeadLetters(arguments) => in_runtime(dead_letters::execute(session, &arguments)),
        Command::Consumers(arguments) => in_runtime(consumers::execute(session, &arguments)),
        Command::View(arguments) => in_runtime(view::execute(session, &arguments)),
        Command::Status(arguments) => in_runtime(status::execute(session, &arguments)),
        Command::Demo(arguments) => in_runtime(demo::execute(session, &arguments)),
    }
}

fn in_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Report::new("RR0418", format!("the async runtime cannot start: {error}")))?;
    let result = runtime.block_on(command);
    // A thread may still wait for standard input, which nothing can interrupt; it must not hold up the end.
    runtime.shutdown_background();
    result
}
