//! Child processes of a command: cargo and the programs it built, in the foreground, their output passed on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::{Failure, tree};

/// A cargo command in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tree::root()).args(arguments);
    command
}

/// Runs a command to its end; false when it failed.
///
/// # Errors
/// The command could not be started.
pub(crate) fn succeeds(mut command: Command) -> Result<bool, Failure> {
    announce(&command);
    let status = command.status().map_err(|error| cannot_start(&command, &error))?;
    Ok(status.success())
}

/// Runs a command to its end.
///
/// # Errors
/// The command could not be started or failed.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let shown = shown(&command);
    if succeeds(command)? { Ok(()) } else { Err(format!("failed: {shown}").into()) }
}

/// Runs a command to its end without a word, and gives its standard output.
///
/// # Errors
/// The command could not be started or failed; the message has what it said.
pub(crate) fn output(mut command: Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| cannot_start(&command, &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("failed: {}\n{said}", shown(&command)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end, passes its standard output on line by line and shows each line to `see`; false when it failed.
///
/// # Errors
/// The command could not be started, or its output not read.
pub(crate) fn watch(mut command: Command, mut see: impl FnMut(&str)) -> Result<bool, Failure> {
    announce(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(&command, &error))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    Ok(child.wait()?.success())
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

/// The command as one would type it, without the folders of the program and the root.
pub(crate) fn shown(command: &Command) -> String {
    let root = format!("{}/", tree::root().display());
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .enumerate()
        .map(|(index, word)| match word.rsplit_once('/') {
            Some((_, name)) if index == 0 => name.to_owned(),
            _ => word.replace(&root, ""),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    format!("cannot start {}: {error}", shown(command)).into()
}
