//! The processes of services: tied to this one, ended together, and the end of what they said.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How much of a log a message quotes: the reason is among the last lines, once the lines of Java's stacks are left out.
const LOG_LINES: usize = 15;
const TIE: [&str; 2] = ["--pdeathsig", "KILL"];

/// A command that the kernel kills when the thread that spawned it ends, whatever ended it.
///
/// `setpriv` belongs to Linux's basic tools and becomes the program, so the process keeps its id. Where it is missing, services survive a
/// kill -9 of this process.
pub(super) fn tied(program: &Path) -> Command {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if quiet(Command::new("setpriv").args(TIE).arg("true")).is_ok_and(|status| status.success()) {
        let mut command = Command::new("setpriv");
        command.args(TIE).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// The same as another user, which only root may ask for.
pub(super) fn tied_as(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--init-groups"]).args(TIE).arg(program);
    command
}

/// Ends processes together by a signal, and by SIGKILL those that take longer than `limit`.
pub(super) fn end(mut running: Vec<&mut Child>, signal: Signal, limit: Duration) {
    running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    for child in &running {
        // It fails only when the process is gone already.
        let _ = kill_process(Pid::from_child(child), signal);
    }
    let end = Instant::now() + limit;
    while !running.is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
    for child in running {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The last lines of a log, without the lines of stacks.
pub(super) fn end_of_log(path: &Path) -> String {
    end_of(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()))
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with('\t') && !line.trim().is_empty()).collect();
    match lines.get(lines.len().saturating_sub(LOG_LINES)..) {
        Some(end) if !end.is_empty() => end.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"),
        _ => "  (it is empty)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_has_no_stacks() {
        let log = "ERROR Exiting (kafka.Kafka$)\n\njava.net.BindException: Address already in use\n\tat a.b(C.java:1)\n\t... 6 more\n";
        assert_eq!(end_of(log), "  ERROR Exiting (kafka.Kafka$)\n  java.net.BindException: Address already in use");
        assert_eq!(end_of("\n"), "  (it is empty)");
        let long: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(end_of(&long).lines().count(), LOG_LINES);
        assert!(end_of(&long).ends_with("  line 99"));
    }
}
