//! PostgreSQL for tests: a private server on a free port of the loopback address, and a pooler in front of it where one is wanted.
//!
//! It keeps what it has acknowledged, as in production: faults restart it in the middle. Processes and directory are gone when a
//! [`Postgres`] is dropped, when a signal ends this process, and after SIGKILL as [`super::child`] and [`super::scratch`] say.

mod account;
mod pooler;
mod programs;
mod server;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use super::running::{Running, start_twice_at_most};
use crate::Failure;
use programs::Programs;
use server::{Ports, Server};

/// Where tests look for the server: `postgres://riverrun@HOST:PORT/riverrun`.
const VARIABLE: &str = "RIVERRUN_TEST_POSTGRES";
/// Where they look for the same server behind a pooler that gives a connection to each transaction.
const POOLER_VARIABLE: &str = "RIVERRUN_TEST_POOLER";
/// The file with the authority of the certificate both show to clients that ask for TLS.
const AUTHORITY_VARIABLE: &str = "RIVERRUN_TEST_POSTGRES_CA";

/// The role and its database. It may log in and create databases; who needs more connects as `postgres`.
const ROLE: &str = "riverrun";
const SUPERUSER: &str = "postgres";

/// What server is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Whether changes can be read from its log, by the role too.
    pub(crate) logical: bool,
    /// Whether a pooler is in front of it, besides.
    pub(crate) pooler: bool,
}

/// How a server ends before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// As in a crash: the next start recovers from the log.
    Immediate,
    /// In good order, but without waiting for clients.
    Fast,
}

impl FromStr for Shutdown {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self::Immediate),
            "fast" => Ok(Self::Fast),
            other => Err(format!("restart {other}: expected `restart`, which is a crash, or `restart fast`")),
        }
    }
}

/// A running server. Dropping it stops its processes and removes what they wrote.
///
/// It must not outlive the thread that started it, or the one that restarted it: the kernel takes the end of that thread for the end of
/// this process.
pub(crate) struct Postgres {
    server: Running<Server>,
    ports: Ports,
    authority: PathBuf,
}

impl Postgres {
    /// Starts a server and waits until it answers. What is missing is installed first.
    ///
    /// # Errors
    /// Something cannot be installed, or the server does not come up; the message quotes its log.
    pub(crate) fn start(setup: Setup) -> Result<Self, Failure> {
        let programs = Programs::find_or_install(setup)?;
        start_twice_at_most(|| Self::try_start(&programs, setup))
    }

    /// The server for a run of the tests; none when the environment names one.
    ///
    /// # Errors
    /// As [`Self::start`]; the message says how to use another server.
    pub(crate) fn for_tests() -> Result<Option<Self>, Failure> {
        if std::env::var_os(VARIABLE).is_some_and(|given| !given.is_empty()) {
            // It is not repeated: it may hold a password.
            eprintln!("postgres: {VARIABLE} is set, the tests use that server");
            return Ok(None);
        }
        let started = Self::start(Setup { logical: false, pooler: true });
        started.map(Some).map_err(|failure| {
            format!("the tests need PostgreSQL, and none could be started: {failure}\nOr set {VARIABLE}=postgres://USER@HOST:PORT/DATABASE to one that runs.").into()
        })
    }

    /// Where clients connect to.
    pub(crate) fn url(&self) -> String {
        url(self.ports.server)
    }

    /// Where they connect to the pooler, if there is one.
    pub(crate) fn pooler_url(&self) -> Option<String> {
        self.ports.pooler.map(url)
    }

    /// What tests are told, as names and values of environment variables.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let pooler = self.pooler_url().map(|url| (POOLER_VARIABLE, url));
        let authority = (AUTHORITY_VARIABLE, self.authority.display().to_string());
        [(VARIABLE, self.url())].into_iter().chain(pooler).chain([authority]).collect()
    }

    /// The server's first process, the parent of all others. A restart changes it.
    ///
    /// # Errors
    /// The server has been stopped.
    pub(crate) fn process_id(&self) -> Result<u32, Failure> {
        self.server.with(|server| server.process_id())
    }

    /// Goes on only if the server, and its pooler, still run.
    ///
    /// # Errors
    /// One has ended by itself; the message quotes its log.
    pub(crate) fn check_running(&self) -> Result<(), Failure> {
        self.server.with(Server::check_running)
    }

    /// Ends the server, starts it again on the same port, and waits until it answers. The pooler goes on.
    ///
    /// # Errors
    /// It does not come up; the message quotes its log.
    pub(crate) fn restart(&self, shutdown: Shutdown) -> Result<(), Failure> {
        self.server.with(|server| server.restart(shutdown))?;
        self.server.wait(Instant::now(), Server::answers)
    }

    fn try_start(programs: &Programs, setup: Setup) -> Result<Self, Failure> {
        eprintln!("postgres: starting {}", programs.version()?);
        let begun = Instant::now();
        let ports = Ports::choose(setup)?;
        let server = Server::make(programs.clone(), setup, ports)?;
        let authority = server.authority();
        let server = Running::keep(server)?;
        server.with(Server::initialize)?;
        server.with(Server::run)?;
        server.wait(begun, Server::answers)?;
        let postgres = Self { server, ports, authority };
        let (seconds, process) = (begun.elapsed().as_secs_f64(), postgres.process_id()?);
        eprintln!("postgres: ready after {seconds:.1} s, process {process}");
        Ok(postgres)
    }
}

fn url(port: u16) -> String {
    format!("postgres://{ROLE}@127.0.0.1:{port}/{ROLE}")
}

/// A path as a setting of PostgreSQL takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_parsed() {
        assert_eq!("".parse(), Ok(Shutdown::Immediate));
        assert_eq!(" fast\n".parse(), Ok(Shutdown::Fast));
        assert!("slow".parse::<Shutdown>().is_err());
    }

    #[test]
    fn paths_are_quoted() {
        assert_eq!(quoted(Path::new("/tmp/it's")), "'/tmp/it''s'");
    }
}
