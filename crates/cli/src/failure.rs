//! What the command line shows when a command fails, and the exit code it ends with.
//!
//! Exit codes: 0 success, 1 failure, 2 the command line itself was wrong (clap uses 2 as well).

use std::fmt;
use std::process::ExitCode;

use crate::terminal::{Ink, Terminal};

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error to show.
    Report(Box<Report>),
    /// The command has shown what is wrong as its result (`check`, `verify`); only the exit code is left to say it.
    AlreadyShown,
    /// The command has shown what is wrong with what it was given (`test` with a bad test file): exit code 2.
    BadInputShown,
    /// Whoever read our output has had enough (`riverrun tail ... | head`). Not an error.
    PipeClosed,
}

/// One error: what happened, where, and what to do.
#[derive(Debug)]
pub(crate) struct Report {
    code: Option<String>,
    message: String,
    hints: Vec<String>,
    exit_code: u8,
}

impl Report {
    /// An error with a code that has a page in docs/errors.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Some(code.into()), message: message.into(), hints: Vec::new(), exit_code: 1 }
    }

    /// An error of something that names no code.
    pub(crate) fn without_code(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into(), hints: Vec::new(), exit_code: 1 }
    }

    /// Whether a server refused the request as a whole before it read any event: no token, no such topic.
    pub(crate) fn is_certain_refusal(&self) -> bool {
        matches!(self.code.as_deref(), Some("RR0101" | "RR0102" | "RR0103" | "RR0140" | "RR0143"))
    }

    /// Adds what the user can do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The command line itself was wrong: exit code 2.
    #[must_use]
    pub(crate) fn usage(mut self) -> Self {
        self.exit_code = 2;
        self
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Report(Box::new(report))
    }
}

impl Failure {
    /// What a failed write to standard output means.
    pub(crate) fn from_output(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Report::new("RR0412", format!("standard output cannot be written: {error}")).into()
    }

    /// Shows the failure on standard error and gives the exit code.
    pub(crate) fn show(self, terminal: &Terminal) -> ExitCode {
        match self {
            Self::Report(report) => {
                terminal.note(Shown { report: &report, terminal });
                ExitCode::from(report.exit_code)
            }
            Self::AlreadyShown => ExitCode::FAILURE,
            Self::BadInputShown => ExitCode::from(2),
            Self::PipeClosed => ExitCode::SUCCESS,
        }
    }
}

struct Shown<'a> {
    report: &'a Report,
    terminal: &'a Terminal,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let palette = self.terminal.error;
        let title = match &self.report.code {
            Some(code) => format!("error[{code}]"),
            None => "error".to_owned(),
        };
        write!(formatter, "{}: {}", palette.paint(Ink::Bad, title), palette.paint(Ink::Strong, &self.report.message))?;
        for hint in &self.report.hints {
            write!(formatter, "\n  {} {hint}", palette.paint(Ink::Name, "help:"))?;
        }
        if let Some(code) = &self.report.code {
            let page = format!("docs/errors/{code}.md");
            write!(formatter, "\n  {} {}", palette.paint(Ink::Faint, "more:"), palette.paint(Ink::Faint, page))?;
        }
        Ok(())
    }
}
