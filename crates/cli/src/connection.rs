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
        match Self::find(session).await? {
            Found::Running(connection) => Ok(*connection),
            Found::None { app, token } => Self::start(*app, token.as_deref()).await,
        }
    }

    /// Finds a server that runs; starts none, so the data directory is not touched.
    ///
    /// # Errors
    /// When the app file is wrong, or no server runs; `needed_for` then says what for it is needed.
    pub(crate) async fn open_running(session: Session<'_>, needed_for: &str) -> Result<Self, Failure> {
        match Self::find(session).await? {
            Found::Running(connection) => Ok(*connection),
            Found::None { .. } => Err(Report::new("RR0409", format!("no server runs for this app; {needed_for}"))
                .hint("start it with `riverrun run`")
                .into()),
        }
    }

    /// Finds a server that runs, if one does.
    ///
    /// # Errors
    /// When the app file is wrong.
    pub(crate) async fn if_running(session: Session<'_>) -> Result<Option<Self>, Failure> {
        match Self::find(session).await? {
            Found::Running(connection) => Ok(Some(*connection)),
            Found::None { .. } => Ok(None),
        }
    }

    async fn find(session: Session<'_>) -> Result<Found, Failure> {
        let token = session.global.token.clone();
        if let Some(url) = &session.global.url {
            let topology = library::topology_if_readable(session);
            let client = Client::new(url, token.as_deref())?;
            return Ok(Found::Running(Box::new(Self { client, topology, embedded: None })));
        }
        let app = library::load(session)?;
        let token = token.or_else(|| library::widest_token(&app));
        let running = running(&library::data_dir(&app), token.as_deref()).await;
        Ok(match running {
            Some(client) => {
                Found::Running(Box::new(Self { client, topology: Some(app.topology().clone()), embedded: None }))
            }
            None => Found::None { app: Box::new(app), token },
        })
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

/// What there is for a command to talk to.
enum Found {
    Running(Box<Connection>),
    None { app: Box<App>, token: Option<String> },
}
