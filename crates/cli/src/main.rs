//! The `riverrun` binary: reads the command line, runs one command, and turns what went wrong into an exit code.
//!
//! Wiring only: what a command does to events lives in the library; what it shows lives in `commands/`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod arguments;
mod client;
mod commands;
mod connection;
mod duration;
mod failure;
mod json_text;
mod library;
mod logging;
mod open_files;
mod progress;
mod publisher;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::new(arguments.global.color);
    match commands::execute(arguments, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.show(&terminal),
    }
}
