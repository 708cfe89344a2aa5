//! A server of a scenario: `riverrun run` with its app file and data in a directory of its own, on a free port.

use std::net::SocketAddr;

use riverrun_torture::failure::{Failure, OrEnvironment};
use riverrun_torture::server::{Launch, Server};
use tempfile::TempDir;

use crate::programs::Programs;

/// A running server. It ends, and its directory goes, when this value does.
pub(crate) struct Served {
    server: Server,
    launch: Launch,
    address: SocketAddr,
    /// Removed after the server has ended: fields are dropped in order.
    _directory: TempDir,
}

impl Served {
    /// Starts a server with this app file, which names neither `data_dir` nor `listen`.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it does not come up.
    pub(crate) fn start(programs: &Programs, app: &str) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("riverrun-peers-").tempdir();
        let directory = directory.or_environment("cannot make a directory for the scenario")?;
        let app_file = directory.path().join("riverrun.yaml");
        std::fs::write(&app_file, app).or_environment("cannot write the app file")?;
        let words = ["-f".into(), app_file.into_os_string(), "run".into(), "--listen".into(), "127.0.0.1:0".into()];
        let launch = Launch {
            program: programs.server.clone(),
            arguments: words.into(),
            // Where an app file without `data_dir` keeps its data.
            data_directory: directory.path().join("data"),
            log: directory.path().join("server.log"),
            sabotage: None,
        };
        let mut server = Server::spawn(&launch)?;
        let address = server.wait_ready(&programs.interruption)?;
        Ok(Self { server, launch, address, _directory: directory })
    }

    /// kill -9, and the same again: same directory, same address.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it does not come up.
    pub(crate) fn kill_and_start(mut self, programs: &Programs) -> Result<Self, Failure> {
        self.server.kill()?;
        // The last word is where it listens; the first time that was any free port.
        self.launch.arguments.pop();
        self.launch.arguments.push(self.address.to_string().into());
        self.server = Server::spawn(&self.launch)?;
        self.server.wait_ready(&programs.interruption)?;
        Ok(self)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is served, such as `http://127.0.0.1:4711`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it with SIGTERM.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it had ended by itself, or does not end well.
    pub(crate) fn end(mut self, programs: &Programs) -> Result<(), Failure> {
        self.server.check_running()?;
        self.server.end(&programs.interruption)
    }
}
