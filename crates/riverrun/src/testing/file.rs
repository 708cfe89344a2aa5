//! Runs the tests of a file.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use riverrun_app::{Place, Source, TestFile, TestFileError};
use riverrun_topology::TopologyError;
use riverrun_topology::operators::lookup::Whom;

use super::driver::DriverError;
use super::finding::Finding;
use super::render;
use super::run::{Lacking, run};
use crate::app::App;

/// What became of the tests of a file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file.
    pub source: Source,
    /// Each test, in order.
    pub results: Vec<TestResult>,
}

/// What became of one test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// The test.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// How it ended.
    pub outcome: TestOutcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// How a test ended.
#[derive(Clone, Debug)]
pub enum TestOutcome {
    /// Everything is as expected.
    Passed,
    /// Something is not.
    Failed(Vec<Finding>),
    /// Its events reach pipelines that need what this program does not have.
    NotRun {
        /// What that is: "the transformer `risk`".
        lacks: Vec<String>,
    },
}

/// Why the tests of a file did not pass. `Debug` is as readable as `Display`, for tests that unwrap.
#[derive(thiserror::Error)]
pub enum FileError {
    /// The file gives no tests.
    #[error(transparent)]
    File(#[from] TestFileError),
    /// The app cannot run.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Tests failed, or could not run.
    #[error("{0}")]
    Failed(Report),
}

impl fmt::Debug for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Runs all tests of a file with the transformers the app brings, in a `#[test]` of a service:
///
/// ```no_run
/// # fn orders_are_tested(app: &riverrun::App) -> Result<(), riverrun::testing::FileError> {
/// riverrun::testing::run_file(app, "orders.test.yaml")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`FileError`] unless every test passed; it prints what failed, where, and how it differs.
pub fn run_file(app: &App, path: impl AsRef<Path>) -> Result<Report, FileError> {
    let file = TestFile::load(path, app.topology())?;
    let report = Report::of(app, &file, |_| true)?;
    if report.has_passed() { Ok(report) } else { Err(FileError::Failed(report)) }
}

impl Report {
    /// Runs the tests of a file whose name is wanted.
    ///
    /// # Errors
    /// [`DriverError`] when the app cannot run.
    pub fn of(app: &App, file: &TestFile, wanted: impl Fn(&str) -> bool) -> Result<Self, DriverError> {
        let lacking = lacking(app);
        let tests = file.tests.iter().filter(|test| wanted(&test.name));
        let results = tests.map(|test| {
            let started = Instant::now();
            let outcome = run(app, &lacking, &file.source, test)?;
            let place = file.source.place(test.span.start);
            Ok(TestResult { name: test.name.clone(), place, outcome, elapsed: started.elapsed() })
        });
        Ok(Self { source: file.source.clone(), results: results.collect::<Result<_, DriverError>>()? })
    }

    /// Whether every test passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.results.iter().all(|result| matches!(result.outcome, TestOutcome::Passed))
    }

    /// For people: a line per test, and what failed with its place and differences.
    #[must_use]
    pub fn render(&self, color: riverrun_app::Color) -> String {
        render::text(self, color)
    }

    /// For programs: a JSON object per line and test.
    #[must_use]
    pub fn json_lines(&self) -> String {
        render::json_lines(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(riverrun_app::Color::Never))
    }
}

/// HTTP lookups lack nothing: tests answer them.
fn lacking(app: &App) -> Lacking {
    let topology = app.topology();
    let needs_http = |error: &TopologyError| matches!(error, TopologyError::UnknownLookup { whom: Whom::Http, .. });
    let lacks = topology.pipelines.keys().map(|name| {
        let errors = topology.lacking(name).into_iter().filter(|error| !needs_http(error));
        (name.clone(), errors.filter_map(|error| error.lacks()).collect::<Vec<_>>())
    });
    lacks.filter(|(_, lacks)| !lacks.is_empty()).collect()
}
