//! `cargo xtask example shop`: the example of the outbox from beginning to end, with a PostgreSQL of its own.
//!
//! The shop places orders, Riverrun relays their events, the billing service writes the invoices; then all events are handed over once
//! more, and none is invoiced twice. What should be there at the end is compared with what is.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::{self, cargo};
use crate::services::postgres::{Postgres, Setup};
use crate::{Failure, packages, tree};

/// How long anything may take that is done in moments, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the shop is asked for; there are five pieces of tea and one cake.
const ORDERS: [[&str; 3]; 4] = [["o-1", "tea", "2"], ["o-2", "cake", "1"], ["o-3", "cake", "1"], ["o-4", "tea", "2"]];
/// Placed after the billing service was set back: its event wakes the service, which then finds all others anew.
const LAST: [&str; 3] = ["o-5", "tea", "1"];
/// The invoices that should be there in the end: the second cake could not be had, and nothing is invoiced twice.
const INVOICES: [&str; 4] = [
    "invoice for o-1: 500 cents",
    "invoice for o-2: 250 cents",
    "invoice for o-4: 500 cents",
    "invoice for o-5: 250 cents",
];

/// Runs an example from beginning to end.
///
/// # Errors
/// There is no such example, something cannot be built or started, or it did not do what it should.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["shop"] => shop(Language::Rust),
        ["shop", "--python"] => shop(Language::Python),
        _ => Err("usage: cargo xtask example shop [--python]".into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    Python,
}

fn shop(language: Language) -> Result<(), Failure> {
    let mut build = vec!["build", "-p", "riverrun-cli"];
    if language == Language::Rust {
        build.extend(["-p", "shop"]);
    }
    process::run(cargo(&build))?;
    let python = match language {
        Language::Rust => None,
        Language::Python => {
            packages::debian(&packages::PYTHON)?;
            Some(packages::python("example/python", &folder().join("python/requirements.txt"))?)
        }
    };
    let data = tree::target_dir().join("example/shop");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    let postgres = Postgres::start(Setup::default())?;
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let place = Place { python, data, listen, database: postgres.url() };

    process::run(place.riverrun(&["outbox", "init"]))?;
    process::run(place.shop(&["open"]))?;
    let mut server = Service::start(place.riverrun(&["run"]))?;
    server.wait("Riverrun to listen", || Ok(TcpStream::connect(&place.listen).is_ok()))?;
    let mut billing = Service::start(place.billing())?;
    for order in ORDERS {
        process::run(place.shop(&[&["order"][..], &order].concat()))?;
    }
    billing.wait("three invoices", || Ok(place.invoices()? == INVOICES[..3]))?;
    process::run(place.riverrun(&["tail", "orders", "--from", "beginning"]))?;

    println!("\nthe billing service is handed all events once more, and the one of another order:");
    process::run(place.riverrun(&["consumers", "reset", "billing", "--to", "beginning"]))?;
    process::run(place.shop(&[&["order"][..], &LAST].concat()))?;
    billing.wait("the billing service to be at the end again", || place.is_at_end())?;
    process::run(place.shop(&["list"]))?;
    process::run(place.riverrun(&["outbox", "status"]))?;
    let invoices = place.invoices()?;
    if invoices == INVOICES {
        Ok(())
    } else {
        Err(format!("these should be the invoices:\n{}", INVOICES.join("\n")).into())
    }
}

fn folder() -> PathBuf {
    tree::root().join("examples/shop")
}

/// Where the example's parts find each other.
struct Place {
    /// The interpreter, for the shop in Python.
    python: Option<PathBuf>,
    data: PathBuf,
    listen: String,
    database: String,
}

impl Place {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder()).env("DATABASE_URL", &self.database).env("SHOP_DATA", &self.data);
        command.env("SHOP_LISTEN", &self.listen).env("RIVERRUN_URL", format!("http://{}", self.listen));
        command
    }

    fn riverrun(&self, words: &[&str]) -> Command {
        let mut command = self.command(&tree::test_program("riverrun"));
        command.args(words);
        command
    }

    fn shop(&self, words: &[&str]) -> Command {
        let mut command = match &self.python {
            None => self.command(&tree::test_program("shop")),
            Some(python) => {
                let mut command = self.command(python);
                command.arg("python/shop.py");
                command
            }
        };
        command.args(words);
        command
    }

    fn billing(&self) -> Command {
        match &self.python {
            None => self.command(&tree::test_program("billing")),
            Some(python) => {
                let bill = format!("'{}' python/shop.py bill", python.display());
                self.riverrun(&["listen", "orders", "--name", "billing", "--exec", &bill])
            }
        }
    }

    fn invoices(&self) -> Result<Vec<String>, Failure> {
        let listed = process::output(self.shop(&["list"]))?;
        Ok(listed.lines().filter(|line| line.starts_with("invoice")).map(str::to_owned).collect())
    }

    fn is_at_end(&self) -> Result<bool, Failure> {
        let shown = process::output(self.riverrun(&["consumers", "show", "billing", "--format", "json"]))?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let partitions = shown
            .get("partitions")
            .and_then(|partitions| partitions.as_array())
            .ok_or("the consumer has no partitions")?;
        // An order that is not relayed yet has no event that could be missing.
        let events: u64 = partitions.iter().filter_map(|partition| partition["end"].as_u64()).sum();
        Ok(events == INVOICES.len() as u64 && partitions.iter().all(|partition| partition["lag"] == 0))
    }
}

/// A process that goes on beside this one. Dropping it ends it.
struct Service {
    child: Child,
    shown: String,
}

impl Service {
    fn start(mut command: Command) -> Result<Self, Failure> {
        let shown = process::shown(&command);
        println!("$ {shown} &");
        Ok(Self { child: command.spawn().map_err(|error| format!("cannot start {shown}: {error}"))?, shown })
    }

    fn wait(&mut self, what: &str, is_done: impl Fn() -> Result<bool, Failure>) -> Result<(), Failure> {
        let begun = Instant::now();
        while !is_done()? {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended by itself ({status})", self.shown).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited {} s for {what}", PATIENCE.as_secs()).into());
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whatever it was doing is done again by the next one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
