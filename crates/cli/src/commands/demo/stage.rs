//! The stage of a demo: a real server on a fresh directory and a free port, gone without a trace afterwards.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use crate::client::Client;
use crate::failure::{Failure, Report};
use crate::library::{self, ServeOptions, Server};
use crate::terminal::Terminal;

/// A running server that ends and cleans up with the demo.
pub(super) struct Stage {
    directory: TempDir,
    server: Server,
    client: Client,
}

impl Stage {
    /// Puts the app file into a fresh directory and starts it.
    ///
    /// # Errors
    /// When there is no place for temporary files, or the server cannot start.
    pub(super) async fn set(app_file: &str, terminal: &Terminal) -> Result<Self, Failure> {
        let directory = TempDir::with_prefix("riverrun-demo-").map_err(|error| no_directory(&error))?;
        let path = directory.path().join("riverrun.yaml");
        std::fs::write(&path, app_file).map_err(|error| no_directory(&error))?;
        let options =
            ServeOptions { listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))), ..ServeOptions::default() };
        let server = library::serve(library::load_file(&path, None, terminal)?, options).await?;
        let client = Client::new(server.url(), None)?;
        Ok(Self { directory, server, client })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Resolves with the reason when the server stopped by itself.
    pub(super) async fn failed(&self) -> String {
        self.server.failed().await
    }

    /// Ends the server and removes the directory.
    ///
    /// # Errors
    /// When one of them failed.
    pub(super) async fn strike(self) -> Result<(), Failure> {
        library::shut_down(self.server).await?;
        let path = self.directory.path().to_owned();
        self.directory.close().map_err(|error| not_removed(&path, &error).into())
    }
}

fn no_directory(error: &std::io::Error) -> Report {
    Report::new("RR0408", format!("the demo's temporary directory cannot be written: {error}"))
        .hint("TMPDIR names another place for temporary files")
}

fn not_removed(path: &Path, error: &std::io::Error) -> Report {
    Report::new("RR0408", format!("the demo's directory {} cannot be removed: {error}", path.display()))
}
