//! `completions`: a script with which a shell completes commands, options and file names.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Session;
use crate::arguments::Arguments;
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  bash   riverrun completions bash > ~/.local/share/bash-completion/completions/riverrun
  zsh    riverrun completions zsh > ~/.zfunc/_riverrun      (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  fish   riverrun completions fish > ~/.config/fish/completions/riverrun.fish

A new terminal completes them. Write the script anew after an update.";

/// Print a script with which your shell completes commands and options.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn execute(session: Session<'_>, arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "riverrun", &mut script);
    session.terminal.line(String::from_utf8_lossy(&script).trim_end())
}
