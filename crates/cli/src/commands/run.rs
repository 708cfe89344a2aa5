//! `run`: everything the app file declares, until a signal, a failure or idleness ends it.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::Session;
use crate::duration;
use crate::failure::{Failure, Report};
use crate::library::{self, App, PipelineName, ServeOptions, Server};
use crate::logging::LogOptions;
use crate::open_files;
use crate::signals::EndSignal;
use crate::terminal::{Ink, Terminal};

/// What is logged when neither `--log` nor RUST_LOG says: what an operator has to act on.
pub(crate) const LOG_FILTER: &str = "warn,krafka=error,riverrun=info";

const EXAMPLES: &str = "\
SIGINT (Ctrl-C) and SIGTERM end it cleanly: doors close, work in hand is finished and committed, the log is closed. \
A second signal ends it at once; everything that was acknowledged is on disk even then.

Examples:
  riverrun run
  riverrun -f shop.yaml run --workers 8 --log debug
  riverrun run --only pipelines=invoices,reports --exit-when-idle 2s
  riverrun run --listen 0.0.0.0:8080 --log-format json";

/// Start everything the app file declares.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArguments {
    /// Threads per pipeline, at most one per task [default: one per processor].
    #[arg(long, value_name = "NUMBER", value_parser = parse_workers)]
    workers: Option<usize>,
    /// Run a part only: `doors`, `outbox`, `pipelines`, or `pipelines=a,b`.
    #[arg(long, value_name = "PART", value_parser = parse_only)]
    only: Option<Only>,
    /// End when there was nothing left to do for this long.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    exit_when_idle: Option<Duration>,
    /// Listen here instead of where the app file says.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Allow an address that others can reach although the app file names no access tokens.
    #[arg(long)]
    insecure: bool,
    /// Open a data directory that lacks what was acknowledged (RR0204) all the same, and say what is gone.
    #[arg(long)]
    accept_data_loss: bool,
    /// Delete the state of steps that are gone or mean something else now (RR0420), instead of refusing to start.
    #[arg(long)]
    drop_state: bool,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// A part of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Only {
    Doors,
    Outbox,
    Pipelines(Option<Vec<PipelineName>>),
}

fn parse_workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn parse_only(text: &str) -> Result<Only, String> {
    match text.split_once('=') {
        None if text == "doors" => Ok(Only::Doors),
        None if text == "outbox" => Ok(Only::Outbox),
        None if text == "pipelines" => Ok(Only::Pipelines(None)),
        Some(("pipelines", names)) => {
            let names: Result<Vec<_>, _> = names.split(',').map(PipelineName::new).collect();
            names.map(|names| Only::Pipelines(Some(names))).map_err(|error| error.to_string())
        }
        _ => Err("expected doors, outbox, pipelines or pipelines=a,b".to_owned()),
    }
}

/// Runs.
pub(crate) async fn execute(session: Session<'_>, arguments: RunArguments) -> Result<(), Failure> {
    open_files::allow_most();
    let mut end = EndSignal::listen();
    let app = library::load(session)?;
    let options = options(&arguments);
    check_pipelines(&app, options.pipelines.as_deref())?;
    let banner = Banner::new(&app, &options);
    let server = tokio::select! {
        server = library::serve(app, options) => server?,
        // Brokers may be away for as long as they like.
        () = end.wait() => {
            session.terminal.note("ended before it was running");
            return Ok(());
        }
    };
    banner.show(&server, session.terminal);
    let (why, failed) = tokio::select! {
        () = end.wait() => ("ending (a second Ctrl-C ends at once)", None),
        () = idle(&server, arguments.exit_when_idle) => ("nothing left to do, ending", None),
        reason = server.failed() => ("ending", Some(reason)),
    };
    session.terminal.note(format_args!("{why}: doors close, work in hand is finished and committed"));
    let closed = library::shut_down(server).await;
    if failed.is_none() && closed.is_ok() {
        session.terminal.note("ended cleanly");
    }
    match failed {
        None => closed,
        Some(reason) => Err(Report::new("RR0410", format!("the server stopped by itself: {reason}")).into()),
    }
}

fn options(arguments: &RunArguments) -> ServeOptions {
    let (doors, outbox, pipelines) = match &arguments.only {
        None => (true, true, None),
        Some(Only::Doors) => (true, false, Some(Vec::new())),
        Some(Only::Outbox) => (false, true, Some(Vec::new())),
        Some(Only::Pipelines(names)) => (false, false, names.clone()),
    };
    ServeOptions {
        workers: arguments.workers,
        doors,
        outbox,
        pipelines,
        listen: arguments.listen,
        accept_data_loss: arguments.accept_data_loss,
        drop_state: arguments.drop_state,
        insecure: arguments.insecure,
        ..ServeOptions::default()
    }
}

/// A misspelt pipeline would otherwise silently not run.
fn check_pipelines(app: &App, named: Option<&[PipelineName]>) -> Result<(), Report> {
    let declared = &app.topology().pipelines;
    let Some(unknown) = named.unwrap_or_default().iter().find(|name| !declared.contains_key(*name)) else {
        return Ok(());
    };
    let names: Vec<&str> = declared.keys().map(PipelineName::as_str).collect();
    let declared = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(Report::new("RR0411", format!("the app file declares no pipeline {unknown}"))
        .hint(format!("it declares: {declared}"))
        .usage())
}

async fn idle(server: &Server, exit_when_idle: Option<Duration>) {
    match exit_when_idle {
        Some(duration) => server.idle_for(duration).await,
        None => std::future::pending().await,
    }
}

/// What `run` says when it is up.
struct Banner {
    app: String,
    data_dir: String,
    pipelines: Vec<String>,
    /// The database whose outbox is relayed.
    outbox: Option<String>,
    doors: bool,
}

impl Banner {
    fn new(app: &App, options: &ServeOptions) -> Self {
        let topology = app.topology();
        let runs = |name: &&PipelineName| options.pipelines.as_ref().is_none_or(|named| named.contains(name));
        Self {
            app: topology.app.to_string(),
            data_dir: library::data_dir(app).display().to_string(),
            pipelines: topology.pipelines.keys().filter(runs).map(ToString::to_string).collect(),
            outbox: library::outbox_place(app).filter(|_| options.outbox),
            doors: options.doors,
        }
    }

    fn show(&self, server: &Server, terminal: &Terminal) {
        let palette = terminal.error;
        let pipelines = if self.pipelines.is_empty() { "none".to_owned() } else { self.pipelines.join(", ") };
        terminal.note(format_args!("{} is running; Ctrl-C ends it", palette.paint(Ink::Strong, &self.app)));
        let closed = if self.doors { "" } else { " (health, metrics and status only)" };
        terminal.note(format_args!("  url        {}{closed}", palette.paint(Ink::Name, server.url())));
        terminal.note(format_args!("  data       {}", self.data_dir));
        terminal.note(format_args!("  pipelines  {pipelines}"));
        if let Some(outbox) = &self.outbox {
            terminal.note(format_args!("  outbox     {outbox}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named() {
        let name = |text: &str| PipelineName::new(text).unwrap();
        assert_eq!(parse_only("doors"), Ok(Only::Doors));
        assert_eq!(parse_only("outbox"), Ok(Only::Outbox));
        assert_eq!(parse_only("pipelines"), Ok(Only::Pipelines(None)));
        assert_eq!(parse_only("pipelines=a,b"), Ok(Only::Pipelines(Some(vec![name("a"), name("b")]))));
        for bad in ["", "door", "pipelines=", "pipelines=A", "doors=a"] {
            assert!(parse_only(bad).is_err(), "{bad}");
        }
        assert!(parse_workers("0").is_err());
    }
}
