//! `view`: the rows of a view of a running server, as a table or as JSON lines, and as they change.

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Session;
use crate::arguments::OutputFormat;
use crate::client::{Client, encoded};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::signals::EndSignal;
use crate::terminal::{Ink, Terminal, table};

/// Rows asked for at once.
const PAGE_ROWS: usize = 1_000;

const EXAMPLES: &str = "\
Without NAME, the views there are. Of a view with windows, KEY has a row for each of its windows, oldest first. With --format json there is \
one JSON object a line for each row, and the list of views is the server's JSON.
With --min-position the answer holds what came of that event, or the command fails: it never shows less without a word.

Examples:
  riverrun view
  riverrun view hourly UA
  riverrun view hourly --prefix U --limit 20
  riverrun view hourly UA --window-from 2013-01-01T10:00:00Z
  riverrun view totals ada --min-position orders/2@991
  riverrun view totals --follow --format json | jq -r '.key'";

/// Show the rows of a view, or the views there are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ViewArguments {
    /// The view [default: list the views].
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only the rows of this key.
    #[arg(value_name = "KEY", conflicts_with_all = ["prefix", "from", "to"])]
    key: Option<String>,
    #[command(flatten)]
    rows: RowArguments,
    /// Text, or JSON lines.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Which rows, and when.
#[derive(Debug, Args)]
struct RowArguments {
    /// Only rows whose keys begin with this.
    #[arg(long, value_name = "TEXT", requires = "name", conflicts_with_all = ["from", "to"])]
    prefix: Option<String>,
    /// Only rows with keys from this one on.
    #[arg(long, value_name = "KEY", requires = "to")]
    from: Option<String>,
    /// Only rows with keys before this one.
    #[arg(long, value_name = "KEY", requires = "name")]
    to: Option<String>,
    /// Only windows that end after this time.
    #[arg(long, value_name = "TIME", requires = "name")]
    window_from: Option<String>,
    /// Only windows that start before this time.
    #[arg(long, value_name = "TIME", requires = "name")]
    window_to: Option<String>,
    /// Stop after this many rows.
    #[arg(long, value_name = "NUMBER", requires = "name", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Wait until the view holds what came of the events at these positions, separated by commas.
    #[arg(long, value_name = "POSITION", requires = "name")]
    min_position: Option<String>,
    /// Every row, then every row that changes; Ctrl-C ends it.
    #[arg(long, requires = "name", conflicts_with = "limit")]
    follow: bool,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    pipeline: String,
    step: String,
    tasks: u64,
}

/// A page of rows; of a key without windows, just its row.
#[derive(Deserialize)]
struct Answer {
    rows: Option<Vec<Box<RawValue>>>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    window: Option<Window>,
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Window {
    start: String,
    end: String,
}

/// Shows.
pub(crate) async fn execute(session: Session<'_>, arguments: &ViewArguments) -> Result<(), Failure> {
    let mut end = EndSignal::listen();
    let connection = Connection::open_running(session, "its pipelines hold the rows of views").await?;
    let (client, terminal) = (connection.client(), session.terminal);
    let Some(name) = &arguments.name else { return list(client, arguments.format, terminal).await };
    tokio::select! {
        result = show(client, name, arguments, terminal) => result,
        () = end.wait() => Ok(()),
    }
}

async fn list(client: &Client, format: OutputFormat, terminal: &Terminal) -> Result<(), Failure> {
    let answer = client.get("/views").await?;
    if format == OutputFormat::Json {
        return terminal.line(String::from_utf8_lossy(&answer).trim_end());
    }
    let views: Vec<Listed> = client.parse(&answer)?;
    if views.is_empty() {
        terminal.note("the app has no views; a step that keeps state names it with `view: <name>`");
        return Ok(());
    }
    let row = |view: Listed| vec![view.name, view.pipeline, view.step, view.tasks.to_string()];
    terminal.line(table(&["VIEW", "PIPELINE", "STEP", "TASKS"], views.into_iter().map(row).collect()))
}

async fn show(client: &Client, name: &str, arguments: &ViewArguments, terminal: &Terminal) -> Result<(), Failure> {
    if arguments.rows.follow {
        return follow(client, name, arguments, terminal).await;
    }
    let (rows, has_more) = read(client, name, arguments).await?;
    match arguments.format {
        OutputFormat::Json => rows.iter().try_for_each(|row| terminal.line(row.get()))?,
        OutputFormat::Text if rows.is_empty() => terminal.note("the view holds no such rows"),
        OutputFormat::Text => terminal.line(aligned(client, &rows)?)?,
    }
    if has_more {
        terminal.note(format_args!("there are more rows than {}; --limit shows more", arguments.rows.limit));
    }
    Ok(())
}

/// Rows up to the limit, and whether there are more.
async fn read(client: &Client, name: &str, arguments: &ViewArguments) -> Result<(Vec<Box<RawValue>>, bool), Failure> {
    let limit = usize::try_from(arguments.rows.limit).unwrap_or(usize::MAX);
    let mut path = format!("/views/{}", encoded(name));
    if let Some(key) = &arguments.key {
        path.push_str(&format!("/{}", encoded(key)));
    }
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let mut asked = arguments.rows.parameters();
        asked.push(("limit", (limit - rows.len()).min(PAGE_ROWS).to_string()));
        asked.extend(after.map(|after: String| ("after", after)));
        let answer = client.get(&with_parameters(&path, &asked)).await?;
        let page: Answer = client.parse(&answer)?;
        match page.rows {
            Some(page) => rows.extend(page),
            None => rows.push(client.parse(&answer)?),
        }
        match page.next {
            Some(next) if rows.len() < limit => after = Some(next),
            next => return Ok((rows, next.is_some())),
        }
    }
}

/// Every row asked for, then every one that changes, each as a line.
async fn follow(client: &Client, name: &str, arguments: &ViewArguments, terminal: &Terminal) -> Result<(), Failure> {
    let mut asked = arguments.rows.parameters();
    if let Some(key) = &arguments.key {
        // One key is the range up to the next possible one.
        asked.extend([("from", key.clone()), ("to", format!("{key}\0"))]);
    }
    asked.push(("follow", "true".to_owned()));
    let path = with_parameters(&format!("/views/{}", encoded(name)), &asked);
    let mut lines = client.lines(&path, None).await?;
    let mut width = 0;
    while let Some(line) = lines.next().await? {
        if arguments.format == OutputFormat::Json {
            terminal.line(String::from_utf8_lossy(&line))?;
            continue;
        }
        let row: Row = client.parse(&line)?;
        width = width.max(row.key.chars().count());
        let window = row.window_text().map(|window| format!("{window}  ")).unwrap_or_default();
        let key = format!("{:<width$}", row.key);
        terminal.line(format_args!("{}  {window}{}", terminal.out.paint(Ink::Name, key), row.data_text()))?;
    }
    terminal.note("the server ended the stream");
    Ok(())
}

fn aligned(client: &Client, rows: &[Box<RawValue>]) -> Result<String, Failure> {
    let rows: Vec<Row> = rows.iter().map(|row| client.parse(row.get().as_bytes())).collect::<Result<_, _>>()?;
    let has_windows = rows.iter().any(|row| row.window.is_some());
    let header: &[&str] = if has_windows { &["KEY", "WINDOW", "DATA"] } else { &["KEY", "DATA"] };
    let cells = rows.iter().map(|row| {
        let window = has_windows.then(|| row.window_text().unwrap_or_default());
        [Some(row.key.clone()), window, Some(row.data_text())].into_iter().flatten().collect()
    });
    Ok(table(header, cells.collect()))
}

fn with_parameters(path: &str, parameters: &[(&str, String)]) -> String {
    let parameters = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    format!("{path}?{}", parameters.collect::<Vec<_>>().join("&"))
}

impl RowArguments {
    /// What a question says about keys, windows and positions.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let said = [
            ("prefix", &self.prefix),
            ("from", &self.from),
            ("to", &self.to),
            ("window_from", &self.window_from),
            ("window_to", &self.window_to),
            ("min_position", &self.min_position),
        ];
        said.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

impl Row {
    fn window_text(&self) -> Option<String> {
        self.window.as_ref().map(|window| format!("{} to {}", window.start, window.end))
    }

    /// The data, without the window that stands beside it already.
    fn data_text(&self) -> String {
        let Some(data) = &self.data else { return "(gone)".to_owned() };
        let repeated = self
            .window
            .as_ref()
            .map(|window| format!(r#"{{"window":{{"start":"{}","end":"{}"}}"#, window.start, window.end));
        match repeated.and_then(|repeated| data.get().strip_prefix(&repeated)) {
            Some(rest) => format!("{{{}", rest.strip_prefix(',').unwrap_or(rest)),
            None => data.get().to_owned(),
        }
    }
}
