//! Every automation of the project, run as `cargo xtask <command>`.
//!
//! This file only dispatches: each command is a module. Nothing here is part of the product, and nothing in the product
//! depends on it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks to its terminal")]

mod bench;
mod example;
mod manifests;
mod packages;
mod peers;
mod process;
mod services;
mod test;
mod tidy;
mod torture;
mod tree;

use std::process::ExitCode;

/// What went wrong, ready to be printed.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
cargo xtask <command>

  test [FILTER] [--no-torture]   everything: unit, integration and doc tests, the demo, peers, the short fault tiers, media;
                                 starts a Kafka broker and a PostgreSQL for them, unless RIVERRUN_TEST_KAFKA and
                                 RIVERRUN_TEST_POSTGRES name some
  services start kafka [--brokers N]
                                 a real Kafka broker, or N of them, until Ctrl-C; prints RIVERRUN_TEST_KAFKA=ADDRESS
  services start postgres [--logical] [--pooler]
                                 a real PostgreSQL, its log readable or a pooler in front of it, until Ctrl-C; prints
                                 RIVERRUN_TEST_POSTGRES=URL
  example shop [--python]        the example of the outbox from beginning to end, with a PostgreSQL of its own
  peers [SCENARIO ...]           clients of other languages and foreign test suites against the binary
  tidy [--index]                 the rules of the tree: crate table, sizes, error pages, links, licences;
                                 --index writes the index of error pages anew
  torture [ARGUMENTS]            the full fault tier; arguments go to riverrun-torture
  torture media [KIND ...]       disks that fill up, fail and decay, clocks that jump
  torture kafka [short|full] [SCENARIO ...]
                                 several instances on a Kafka cluster: killed, paused, coming and going
  torture outbox [short|full] [SCENARIO ...]
                                 a transactional outbox: relays killed, PostgreSQL crashed, connections cut, the log away
  torture sabotage [ARGUMENTS]   builds with each guarantee broken in turn; every one must turn the fault tier red;
                                 `torture kafka sabotage` and `torture outbox sabotage` those of these tiers
  bench [PART ...] [--quick]     the product beside bare programs; writes bench/RESULTS.md
  bench --kafka [--quick]        the product beside Kafka Streams on one broker; writes a section of bench/RESULTS.md
  bench --outbox [--quick]       the product's outbox beside Debezium on one PostgreSQL; writes a section of bench/RESULTS.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", Default::default()),
    };
    let outcome = match command {
        "test" => test::run(rest),
        "services" => services::run(rest),
        "example" => example::run(rest),
        "peers" => peers::run(rest),
        "tidy" => tidy::run(rest),
        "torture" => torture::run(rest),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        unknown => Err(format!("there is no command {unknown:?}\n\n{USAGE}").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {command}: {failure}");
            ExitCode::FAILURE
        }
    }
}
