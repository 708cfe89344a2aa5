//! `listen`: hands the events of topics to standard output or to a program, woken by PostgreSQL, caught up from the log.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use super::{Session, outbox};
use crate::connection::Connection;
use crate::failure::{Failure, Report};
use crate::library::outbox::{Consumer, Database};
use crate::signals::EndSignal;

const EXAMPLES: &str = "\
Events are handed over at least once, in order per key, each as one line of JSON (CloudEvents, with `rrposition`). A position is committed when \
the events before it were handed over; what came while nobody listened comes first. With --exec, the program gets an event on standard input \
and says by its exit code whether it has dealt with it; otherwise it gets the same event again, after a pause.

Examples:
  riverrun listen orders --name billing
  riverrun listen orders payments --name audit --from beginning >> audit.ndjson
  riverrun listen orders --name mail --exec './send-mail'";

/// Between attempts of a program at an event: doubled from the first to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Hand the events of topics to a program, woken by PostgreSQL.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListenArguments {
    /// The topics.
    #[arg(value_name = "TOPIC", required = true)]
    topics: Vec<String>,
    /// Names the consumer; its position is kept under this name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where a new consumer begins: beginning, latest or a time.
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Run this for each event, by the shell, instead of printing it.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// The database that tells of new events, instead of the one of the app file's outbox.
    #[arg(long, value_name = "URL", env = "RIVERRUN_DATABASE", hide_env_values = true)]
    database: Option<String>,
}

/// Listens until a signal ends it.
pub(crate) async fn execute(session: Session<'_>, arguments: &ListenArguments) -> Result<(), Failure> {
    let mut end = EndSignal::listen();
    let url = match &arguments.database {
        Some(url) => url.clone(),
        None => outbox::declared(session)?.url.reveal().to_owned(),
    };
    let database = Database::new(&url).map_err(|error| Report::new("RR0008", error.to_string()).usage())?;
    let connection = Connection::open_running(session, "events are handed on by a running one").await?;
    let topics: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
    let mut consumer = Consumer::over(connection.client().clone(), &arguments.name, &topics, database);
    if let Some(from) = &arguments.from {
        consumer = consumer.with(|reader| reader.from(from));
    }
    let handed = tokio::select! {
        handed = hand_over(&mut consumer, arguments.exec.as_deref(), session) => handed,
        () = end.wait() => Ok(()),
    };
    consumer.leave().await?;
    handed
}

async fn hand_over(consumer: &mut Consumer, command: Option<&str>, session: Session<'_>) -> Result<(), Failure> {
    loop {
        let batch = consumer.next().await?;
        for text in batch.texts() {
            match command {
                None => session.terminal.line(text)?,
                Some(command) => run(command, text, session).await?,
            }
        }
        // What was lost comes again, to whoever has the partition now.
        let _ = consumer.commit(batch).await?;
    }
}

/// Runs the program until it has dealt with the event.
async fn run(command: &str, event: &str, session: Session<'_>) -> Result<(), Failure> {
    let mut pause = PAUSE.0;
    loop {
        let (shell, line) = (command.to_owned(), format!("{event}\n"));
        let ran = tokio::task::spawn_blocking(move || deal(&shell, &line)).await;
        let reason = match ran {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        session
            .terminal
            .note(format_args!("the program failed ({reason}); the same event again in {} ms", pause.as_millis()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

fn deal(command: &str, line: &str) -> std::io::Result<std::process::ExitStatus> {
    let mut child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A program need not read what it gets; its exit code is what counts.
        let _ = input.write_all(line.as_bytes());
    }
    child.wait()
}
