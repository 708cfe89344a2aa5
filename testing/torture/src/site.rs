//! A site: a server with a load on it, its app file, its log and the ledger. Faults are what happens to it.
//!
//! The process and the senders belong to the value and go with it, before the files do. Where the data lies is the caller's.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::report::say;
use crate::scenario_app::app_file;
use crate::server::{Launch, Server};

/// A server under load.
pub struct Site {
    // In the order in which they have to go.
    /// The process, while there is one.
    pub server: Option<Server>,
    /// Its senders.
    pub load: Load,
    /// What was sent and answered.
    pub ledger: Arc<Ledger>,
    /// How it is started.
    pub launch: Launch,
    work: TempDir,
    interruption: Interruption,
}

impl Site {
    /// Makes a site whose data lies in `data` below `root`. Nothing runs yet.
    ///
    /// # Errors
    /// [`Failure::Environment`] when a file cannot be made.
    pub fn prepare(program: &Path, root: &Path, seed: u64, interruption: &Interruption) -> Result<Self, Failure> {
        let work = tempfile::Builder::new().prefix("riverrun-torture-").tempdir();
        let work = work.or_environment("cannot make a directory for the site")?;
        let app_path = work.path().join("riverrun.yaml");
        let launch = Launch {
            program: program.to_owned(),
            arguments: vec![app_path.clone().into_os_string()],
            log: work.path().join("server.log"),
            data_directory: root.join("data"),
            sabotage: None,
        };
        std::fs::write(&app_path, app_file(&launch.data_directory)).or_environment("cannot write the app file")?;
        let ledger = Arc::new(Ledger::create(&work.path().join("ledger.ndjson"))?);
        let load = Load::start(seed, &ledger);
        Ok(Self { server: None, load, ledger, launch, work, interruption: interruption.clone() })
    }

    /// Starts the server and lets the load at it.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it does not come up.
    pub fn start(&mut self) -> Result<SocketAddr, Failure> {
        let server = self.server.insert(Server::spawn(&self.launch)?);
        let address = server.wait_ready(&self.interruption)?;
        self.load.server_is_up(address);
        Ok(address)
    }

    /// Ends the server with SIGTERM, under whatever load there is.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it does not end well.
    pub fn end(&mut self) -> Result<(), Failure> {
        let ended = self.server.take().map_or(Ok(()), |server| server.end(&self.interruption));
        self.load.server_is_down();
        ended
    }

    /// Copies what tells of a fault to `keep`, each file's name beginning with `title`.
    pub fn keep_evidence(&self, keep: &Path, title: &str) {
        for name in ["ledger.ndjson", "server.log", "riverrun.yaml"] {
            let kept = keep.join(format!("{title}-{name}"));
            match std::fs::copy(self.work.path().join(name), &kept) {
                Ok(_) => say(format!("  kept {}", kept.display())),
                Err(error) => say(format!("  {name} cannot be kept: {error}")),
            }
        }
    }
}
