//! Runs one test: a driver of its own, its steps in order, everything that is not as expected.

use std::collections::BTreeMap;

use riverrun_app::{ClockMove, ExpectedTopic, ExpectedView, Given, Source, Test, TestStep};
use riverrun_event::{PipelineName, Record, TopicName};
use riverrun_ingest::http::problem::DoorError;
use riverrun_log::Logged;
use riverrun_topology::Topology;

use super::compare::compare;
use super::driver::{Driver, DriverError};
use super::file::TestOutcome;
use super::finding::{Finding, Origins};
use super::lookups::Answers;
use super::rows;
use super::send::send;
use crate::app::App;

/// Pipelines that this program cannot run, with what they lack.
pub(super) type Lacking = BTreeMap<PipelineName, Vec<String>>;

/// Runs a test.
pub(super) fn run(app: &App, lacking: &Lacking, source: &Source, test: &Test) -> Result<TestOutcome, DriverError> {
    let topology = app.topology();
    let runs: Vec<PipelineName> =
        topology.pipelines.keys().filter(|name| !lacking.contains_key(*name)).cloned().collect();
    let answers = Answers::default();
    let mut run = Run {
        driver: Driver::start_pipelines(answers.serve(app.clone(), test), Some(runs))?,
        answers,
        topology,
        origins: Origins::new(source),
        topics: topology.topics.keys().cloned().collect(),
        set_aside: dead_letter_topics(topology),
        arrived: BTreeMap::new(),
        dead_letters: Vec::new(),
        stopped: Vec::new(),
        findings: Vec::new(),
    };
    for step in &test.steps {
        run.step(step)?;
        if let Some(lacks) = run.needs(step, lacking) {
            return Ok(TestOutcome::NotRun { lacks });
        }
        // What follows a step that went wrong went wrong as well.
        if !run.findings.is_empty() {
            return Ok(TestOutcome::Failed(run.findings));
        }
    }
    Ok(TestOutcome::Passed)
}

fn dead_letter_topics(topology: &Topology) -> Vec<TopicName> {
    let of_pipelines = topology.pipelines.keys().map(TopicName::dead_letters_of);
    of_pipelines.chain(topology.models.keys().map(TopicName::dead_letters_of_model)).collect()
}

struct Run<'a> {
    driver: Driver,
    answers: Answers,
    topology: &'a Topology,
    origins: Origins<'a>,
    topics: Vec<TopicName>,
    set_aside: Vec<TopicName>,
    /// What each topic got in this step, in the order in which it came.
    arrived: BTreeMap<TopicName, Vec<Record>>,
    dead_letters: Vec<Record>,
    stopped: Vec<PipelineName>,
    findings: Vec<Finding>,
}

impl Run<'_> {
    fn step(&mut self, step: &TestStep) -> Result<(), DriverError> {
        self.arrived.clear();
        self.dead_letters.clear();
        self.answers.set(&step.lookups);
        match step.clock {
            Some(ClockMove::At(time)) => self.move_clock(step, |driver| driver.set_time(time))?,
            Some(ClockMove::After(duration)) => self.move_clock(step, |driver| driver.advance(duration))?,
            None => {}
        }
        self.collect()?;
        for given in &step.given {
            self.give(given);
            self.driver.work()?;
            self.collect()?;
        }
        self.compare_topics(&step.expect);
        self.compare_views(&step.views)?;
        self.compare_dead_letters(step);
        self.compare_stops(step)
    }

    fn move_clock(
        &mut self,
        step: &TestStep,
        move_clock: impl FnOnce(&mut Driver) -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        match move_clock(&mut self.driver) {
            Err(error @ DriverError::Backwards { .. }) => {
                self.findings.push(self.origins.finding(step.span, error.to_string()));
                Ok(())
            }
            moved => moved,
        }
    }

    fn give(&mut self, given: &Given) {
        let answer = send(&mut self.driver, given);
        let message = match (answer, given.refused.as_deref()) {
            (Ok(logged), None) => return self.remember(given, &logged),
            (Ok(_), Some(code)) => format!("the door accepted the event; it was to refuse it with {code}"),
            (Err(error), Some(code)) if error.code() == code => return,
            (Err(error), expected) => {
                let instead = expected.map(|code| format!(", not with {code}")).unwrap_or_default();
                format!("the door refused the event with {}{instead}: {}", error.code(), advice(&error))
            }
        };
        self.findings.push(self.origins.finding(given.span, message));
    }

    fn remember(&mut self, given: &Given, logged: &Logged) {
        let position = logged.position().clone();
        self.origins.given(position, given.span);
    }

    /// Takes what has come out since the last time.
    fn collect(&mut self) -> Result<(), DriverError> {
        for topic in &self.topics {
            let records = self.driver.read_records(topic)?;
            if !records.is_empty() {
                records.iter().for_each(|record| self.origins.seen(record));
                self.arrived.entry(topic.clone()).or_default().extend(records);
            }
        }
        for topic in &self.set_aside {
            let records = self.driver.read_records(topic)?;
            records.iter().for_each(|record| self.origins.seen(record));
            self.dead_letters.extend(records);
        }
        Ok(())
    }

    fn compare_topics(&mut self, expected: &[ExpectedTopic]) {
        for expected in expected {
            let arrived = self.arrived.get(&expected.topic).map_or(&[][..], Vec::as_slice);
            let topic = expected.topic.as_str();
            let mismatches = compare(&expected.records, arrived).into_iter();
            self.findings.extend(mismatches.map(|mismatch| self.origins.of_mismatch(topic, expected.span, mismatch)));
        }
    }

    fn compare_views(&mut self, expected: &[ExpectedView]) -> Result<(), DriverError> {
        for ExpectedView { view: name, rows } in expected {
            let view = self.driver.view(name.as_str())?;
            let found = rows.iter().filter_map(|row| rows::compare(name.as_str(), &view, row, &self.origins));
            self.findings.extend(found);
        }
        Ok(())
    }

    fn compare_dead_letters(&mut self, step: &TestStep) {
        for mismatch in compare(&step.dead_letters, &self.dead_letters) {
            let finding = match mismatch {
                super::compare::Mismatch::Unexpected { actual } => {
                    let attribute = |name| actual.event.attributes.get(name).unwrap_or_default();
                    let message = format!(
                        "an event became a dead letter of {}: {} in {}: {}",
                        attribute("rrpipeline"),
                        attribute("rrerrorcode"),
                        attribute("rroperator"),
                        attribute("rrerror"),
                    );
                    self.origins.about(self.origins.origin(actual).unwrap_or(step.span), actual, message)
                }
                mismatch => self.origins.of_mismatch("dead letters", step.span, mismatch),
            };
            self.findings.push(finding);
        }
    }

    fn compare_stops(&mut self, step: &TestStep) -> Result<(), DriverError> {
        let stopped = self.driver.stopped()?;
        for (pipeline, reason) in &stopped {
            if !self.stopped.contains(pipeline) && step.stopped.as_ref() != Some(pipeline) {
                let message = format!("pipeline {pipeline} stopped: {reason}");
                self.findings.push(self.origins.finding(step.span, message));
            }
        }
        self.stopped = stopped.into_iter().map(|(pipeline, _)| pipeline).collect();
        if let Some(expected) = step.stopped.as_ref().filter(|expected| !self.stopped.contains(expected)) {
            self.findings.push(self.origins.finding(step.span, format!("pipeline {expected} did not stop")));
        }
        Ok(())
    }

    /// What pipelines lack that do not run, and would have got something or shown something.
    fn needs(&self, step: &TestStep, lacking: &Lacking) -> Option<Vec<String>> {
        let is_needed = |name: &PipelineName| {
            self.topology.pipelines.get(name).is_some_and(|pipeline| {
                let got = pipeline.inputs().into_iter().any(|topic| self.arrived.contains_key(topic));
                let mut views = pipeline.all_steps().into_iter().filter_map(|step| step.operator.view());
                got || views.any(|view| step.views.iter().any(|expected| expected.view == *view))
            })
        };
        let mut names: Vec<String> =
            lacking.iter().filter(|(name, _)| is_needed(name)).flat_map(|(_, names)| names.clone()).collect();
        names.sort();
        names.dedup();
        Some(names).filter(|names| !names.is_empty())
    }
}

/// What the door says, and what it means in a test.
fn advice(error: &DoorError) -> String {
    match error.code() {
        "RR0133" => format!("{error}; move the test's clock with `at` or `after`"),
        _ => error.to_string(),
    }
}
