//! What a scenario talks to besides the product: `xtask services start ...` as a child, which ends the service when its standard input does.

mod brokers;
mod postgres;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::failure::{Failure, OrEnvironment};
pub(crate) use brokers::Brokers;
pub(crate) use postgres::Postgres;

/// A running service; it is gone when this is dropped.
struct Service {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts a service, without waiting for anything. `program` is the one that starts it, `words` what it gets after `services start`.
    fn start(program: &Path, words: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.args(["services", "start"]).args(words);
        // A process group of its own: an interrupt from the keyboard is for this program, which then ends the service.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().or_environment("cannot start a service")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| Failure::Environment("a service has no output".to_owned()))?;
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Says a line to it.
    fn tell(&mut self, line: &str) -> Result<(), Failure> {
        match &mut self.input {
            Some(input) => writeln!(input, "{line}").or_environment("cannot speak to a service"),
            None => Ok(()),
        }
    }

    /// The rest of the next line that begins so.
    fn wait_for(&mut self, beginning: &str) -> Result<String, Failure> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).or_environment("cannot read of a service")? == 0 {
                return Err(Failure::Environment("a service ended by itself".to_owned()));
            }
            if let Some(rest) = line.strip_prefix(beginning) {
                return Ok(rest.trim_end().to_owned());
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The end of its input ends it in good order; it stops what it started in at most 10 s.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
