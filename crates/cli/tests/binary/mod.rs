//! Runs the real binary: a directory of its own per test, servers on free ports, everything ended with the test.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness of several test binaries"
)]

use std::io::{BufRead, BufReader, Read as _, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes a second on a quiet machine; the bound is for a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A directory in which commands run.
pub(crate) struct Place(tempfile::TempDir);

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With this app file as `riverrun.yaml`.
    pub(crate) fn with_app(app: &str) -> Self {
        let place = Self::new();
        place.write("riverrun.yaml", app);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riverrun"));
        command.args(arguments).current_dir(self.path());
        for name in ["RIVERRUN_ENV", "RIVERRUN_URL", "RIVERRUN_TOKEN", "RUST_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with_input(arguments, "")
    }

    /// Runs a command to its end with this on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A command that does not read its input closes the pipe; that is its right.
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.into()
    }

    /// Runs a command that must succeed; its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, 0, "{arguments:?}: {outcome:?}");
        outcome.out
    }

    /// Runs a command that must fail with this exit code; its standard error.
    pub(crate) fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, code, "{arguments:?}: {outcome:?}");
        outcome.error
    }

    /// Starts a command that stays.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut child =
            self.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Running { child, out: Some(BufReader::new(out)), error: BufReader::new(error) }
    }

    /// Starts `run` on a free port and waits until it is up.
    pub(crate) fn serve(&self, arguments: &[&str]) -> (Running, String) {
        let mut running = self.start(&[&["run", "--listen", "127.0.0.1:0"], arguments].concat());
        let url = running.error_line_with("url");
        let url = url.split_whitespace().find(|word| word.starts_with("http")).unwrap().to_owned();
        (running, url)
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A command that runs until the test has seen enough.
pub(crate) struct Running {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
    error: BufReader<ChildStderr>,
}

impl Running {
    /// Reads standard output up to a line with `text`.
    pub(crate) fn out_line_with(&mut self, text: &str) -> String {
        line_with(self.out.as_mut().unwrap(), text)
    }

    /// Reads standard error up to a line with `text`.
    pub(crate) fn error_line_with(&mut self, text: &str) -> String {
        line_with(&mut self.error, text)
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> i32 {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.wait()
    }

    /// Sends SIGTERM, waits for the end, and gives what is left of its standard error.
    pub(crate) fn last_words(mut self) -> String {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let mut rest = String::new();
        self.error.read_to_string(&mut rest).unwrap();
        self.wait();
        rest
    }

    /// Goes away as a reader of its output, and waits for the end.
    pub(crate) fn close_output_and_wait(mut self) -> i32 {
        drop(self.out.take());
        self.wait()
    }

    fn wait(&mut self) -> i32 {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < give_up_at, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it as the system would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line_with(reader: &mut impl BufRead, text: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the process ended without a line with {text:?}:\n{seen}");
        if line.contains(text) {
            return line;
        }
        seen.push_str(&line);
    }
}
