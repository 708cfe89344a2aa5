//! The brokers of a scenario: `cargo xtask services start kafka` as a child, which ends them when its standard input does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::failure::{Failure, OrEnvironment};

/// What the line with the address begins with.
const ADDRESS: &str = "RIVERRUN_TEST_KAFKA=";

/// Running brokers; they are gone when this is dropped.
pub(super) struct Brokers {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Brokers {
    /// Starts so many and waits until they serve. `services` is the program that starts them, `options` its further options.
    ///
    /// # Errors
    /// [`Failure::Environment`] when they do not come up.
    pub(super) fn start(services: &Path, count: usize, options: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(services);
        command.args(["services", "start", "kafka", "--brokers", &count.to_string()]).args(options);
        // A process group of its own: an interrupt from the keyboard is for this program, which then ends the brokers.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().or_environment("cannot start the brokers")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| Failure::Environment("the brokers have no output".to_owned()))?;
        let mut brokers = Self { child, input, output: BufReader::new(output), address: String::new() };
        brokers.address = brokers.wait_for(ADDRESS)?;
        Ok(brokers)
    }

    /// Where clients connect to.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Restarts one, counted from 1, and waits until it serves again.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it does not come up.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), Failure> {
        if let Some(input) = &mut self.input {
            writeln!(input, "restart {number}").or_environment("cannot speak to the brokers")?;
        }
        self.wait_for(&format!("restarted {number}")).map(drop)
    }

    /// The rest of the next line that begins so.
    fn wait_for(&mut self, beginning: &str) -> Result<String, Failure> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).or_environment("cannot read of the brokers")? == 0 {
                return Err(Failure::Environment("the brokers ended by themselves".to_owned()));
            }
            if let Some(rest) = line.strip_prefix(beginning) {
                return Ok(rest.trim_end().to_owned());
            }
        }
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        // The end of its input ends it in good order; it stops the brokers in at most 10 s.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
