//! `test`: the app's own given/expect tests, without a server and without a disk.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::Session;
use crate::arguments::OutputFormat;
use crate::failure::{Failure, Report};
use crate::library::{self, App, TestFile, TestOutcome, TestReport};
use crate::terminal::{Ink, Terminal};

/// How the name of a test file ends.
const SUFFIX: &str = ".test.yaml";
/// The folder beside the app file that may hold test files, too.
const FOLDER: &str = "tests";

const EXAMPLES: &str = "\
Without FILES, every *.test.yaml beside the app file and in its folder tests/. Each test has an empty log of its own, in memory; time \
stands still unless the test moves it. docs/testing.md shows how tests are written. With --format json there is one JSON object a line \
for each test, or for each mistake in a test file.

Exit codes: 0 all passed, 1 some failed or could not run, 2 a test file has mistakes.

Examples:
  riverrun test
  riverrun test orders.test.yaml --only refund
  riverrun -f shop.yaml test --format json";

/// Run the app's own tests: events in, events out, no server, milliseconds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestArguments {
    /// Test files [default: *.test.yaml beside the app file and in tests/].
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Text, or JSON lines.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// How many tests ended how.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_run: usize,
}

/// Tests.
pub(crate) fn execute(session: Session<'_>, arguments: &TestArguments) -> Result<(), Failure> {
    let app = library::load(session)?;
    let found = if arguments.files.is_empty() { discover(&session.global.file)? } else { arguments.files.clone() };
    let files = load(&found, &app, arguments.format, session.terminal)?;
    let started = Instant::now();
    let mut tally = Tally::default();
    for file in &files {
        let wanted = |name: &str| arguments.only.as_deref().is_none_or(|part| name.contains(part));
        let report = library::run_tests(&app, file, wanted)?;
        tally.add(&report);
        if !report.results.is_empty() {
            show(&report, arguments.format, session.terminal)?;
        }
    }
    let time = started.elapsed();
    if tally.passed + tally.failed + tally.not_run == 0 {
        return Err(no_tests(arguments.only.as_deref()).into());
    }
    if arguments.format == OutputFormat::Text {
        session.terminal.line(format_args!(
            "\n{} in {:.1} ms",
            tally.text(session.terminal),
            time.as_secs_f64() * 1_000.0
        ))?;
    }
    if tally.failed + tally.not_run == 0 { Ok(()) } else { Err(Failure::AlreadyShown) }
}

/// Loads all files before any test runs; every mistake in all of them is shown.
fn load(paths: &[PathBuf], app: &App, format: OutputFormat, terminal: &Terminal) -> Result<Vec<TestFile>, Failure> {
    let mut files = Vec::new();
    let mut mistaken = false;
    for path in paths {
        match library::load_tests(path, app)? {
            Ok(file) => files.push(file),
            Err(diagnostics) => {
                mistaken = true;
                match format {
                    OutputFormat::Json => terminal.line(diagnostics.json_lines().trim_end())?,
                    OutputFormat::Text => terminal.note(library::rendered(&diagnostics, terminal.error).trim_end()),
                }
            }
        }
    }
    if mistaken { Err(Failure::BadInputShown) } else { Ok(files) }
}

fn show(report: &TestReport, format: OutputFormat, terminal: &Terminal) -> Result<(), Failure> {
    match format {
        OutputFormat::Json => terminal.line(report.json_lines().trim_end()),
        OutputFormat::Text => terminal.line(report.render(library::color(terminal.out)).trim_end()),
    }
}

/// The test files of an app.
fn discover(app_file: &Path) -> Result<Vec<PathBuf>, Report> {
    let folder = app_file.parent().unwrap_or(Path::new(""));
    let mut files = test_files_in(folder);
    files.extend(test_files_in(&folder.join(FOLDER)));
    if files.is_empty() {
        let message = format!("there is no *{SUFFIX} beside {} or in {FOLDER}/", app_file.display());
        return Err(Report::new("RR0040", message)
            .hint("docs/testing.md shows a first one; a file of another name is run with `riverrun test FILE`")
            .usage());
    }
    Ok(files)
}

/// In the order of their names. A folder that is not there has none.
fn test_files_in(folder: &Path) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(here).into_iter().flatten().filter_map(Result::ok);
    let named = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().ends_with(SUFFIX);
    // Through its components: `./orders.test.yaml` reads better without its beginning.
    let path = |entry: std::fs::DirEntry| folder.join(entry.file_name()).components().collect::<PathBuf>();
    let mut files: Vec<PathBuf> = entries.filter(named).map(path).collect();
    files
        .iter_mut()
        .for_each(|file| *file = file.strip_prefix(".").map(Path::to_owned).unwrap_or_else(|_| file.clone()));
    files.sort();
    files
}

fn no_tests(only: Option<&str>) -> Report {
    let message = match only {
        Some(part) => format!("no test has {part:?} in its name"),
        None => "the test files hold no tests".to_owned(),
    };
    Report::new("RR0040", message).hint("`riverrun test` without --only runs all there are").usage()
}

impl Tally {
    fn add(&mut self, report: &TestReport) {
        for result in &report.results {
            match result.outcome {
                TestOutcome::Passed => self.passed += 1,
                TestOutcome::Failed(_) => self.failed += 1,
                TestOutcome::NotRun { .. } => self.not_run += 1,
            }
        }
    }

    fn text(&self, terminal: &Terminal) -> String {
        let palette = terminal.out;
        let mut parts = vec![palette.paint(Ink::Good, format!("{} passed", self.passed)).to_string()];
        if self.failed > 0 {
            parts.push(palette.paint(Ink::Bad, format!("{} failed", self.failed)).to_string());
        }
        if self.not_run > 0 {
            parts.push(palette.paint(Ink::Notice, format!("{} not run", self.not_run)).to_string());
        }
        parts.join(", ")
    }
}
