//! How a command reaches a server: the one that is named, the one that runs this app, or one of its own.
//!
//! A server writes `server.json` into its data directory. Where none answers, the command opens the directory itself and
//! serves it to itself on a free loopback port, so every command takes one way, HTTP, whether a server runs or not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::client::Client;
use crate::commands::Session;
use crate::failure::{Failure, Report};
use crate::library::{self, Announcement, App, ServeOptions, Server, Topic, Topology};

/// A server on this machine answers at once; one that does not within this time is not there.
const LIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A server to talk to, and how to leave it.
pub(crate) struct Connection {
    client: Client,
    /// What the app file declares, where there is one at hand.
    topology: Option<Topology>,
    embedded: Option<Server>,
}

impl Connection {
    /// Finds or starts a server.
    ///
    /// # Errors
    /// When the app file is wrong, or no server runs and the data directory cannot be opened.
    pub(crate) async fn open(session: Session<'_>) -> Result<Self, Failure> {
        let token = session.global.token.clone();
        if let Some(url) = &session.global.url {
            let topology = library::topology_if_readable(&session.global.file);
            return Ok(Self { client: Client::new(url, token.as_deref())?, topology, embedded: None });
        }
        let app = library::load(session)?;
        let token = token.or_else(|| library::first_token(&app));
        if let Some(client) = running(&library::data_dir(&app), token.as_deref()).await {
            return Ok(Self { client, topology: Some(app.topology().clone()), embedded: None });
        }
        Self::start(app, token.as_deref()).await
    }

    async fn start(app: App, token: Option<&str>) -> Result<Self, Failure> {
        let topology = Some(app.topology().clone());
        let options = ServeOptions {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            pipelines: Some(Vec::new()),
            embedded: true,
            ..ServeOptions::default()
        };
        let server = library::serve(app, options).await?;
        let client = Client::new(server.url(), token)?;
        Ok(Self { client, topology, embedded: Some(server) })
    }

    /// The topic as the app file declares it; `None` without an app file, or when it declares no such topic.
    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topology.as_ref()?.topics.values().find(|topic| topic.name.as_str() == name)
    }

    /// The client of the server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the server is one of our own, because none ran.
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// Leaves: a server of our own closes its log cleanly.
    ///
    /// # Errors
    /// When that failed.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        match self.embedded {
            Some(server) => library::shut_down(server).await,
            None => Ok(()),
        }
    }
}

/// The server that runs on this data directory, if one does. A file left behind by a killed one answers nothing.
async fn running(data_dir: &Path, token: Option<&str>) -> Option<Client> {
    let client = Client::new(&Announcement::read(data_dir)?, token).ok()?;
    client.is_live(LIVE_TIMEOUT).await.then_some(client)
}

/// The error of a command that makes sense only with a server.
pub(crate) fn no_server(needed_for: &str) -> Report {
    Report::new("RR0409", format!("no server runs for this app; {needed_for}")).hint("start it with `riverrun run`")
}
