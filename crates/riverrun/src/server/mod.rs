//! The server: log, runtime and doors of one app, started and stopped together.
//!
//! Nothing is decided here. The order of stopping is: doors first, so that nothing new is acknowledged; then workers, which
//! commit what they have in hand; then the log, which closes cleanly.

mod address;
mod announcement;
mod dead_letters;
mod idle;
mod instance;
mod log;
#[cfg(test)]
mod matrix;
mod metrics;
mod migration;
mod problem;
mod relay;
mod replays;
mod routes;
mod status;
mod views;
mod waiting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riverrun_accept::{Acceptor, IdentityError};
use riverrun_app::{Diagnostics, Settings};
use riverrun_event::{PipelineName, Position};
use riverrun_ingest::{Access, Consumers, Doors, Grant, Guarded, Token};
use riverrun_log::{Health, Log};
use riverrun_log_local::{Loss, OpenError};
use riverrun_outbox_relay::{Relay, StatusHandle};
use riverrun_runtime::{Entrances, Runtime, RuntimeOptions, StartError, WallClock};
use riverrun_topology::Topology;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::log::Opened;
use self::views::others::Others;
use self::waiting::Waiting;
use crate::view::{self, View, ViewError};

pub(crate) use self::log::{Dealing, kafka_options, local_options};
pub use announcement::{ANNOUNCEMENT_FILE, Announcement};

/// What to serve. The default is everything the app file declares.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Worker threads per pipeline; as many as there are processors without it.
    pub workers: Option<usize>,
    /// Whether events come in and go out by HTTP. Health, metrics and status are served in any case.
    pub doors: bool,
    /// Whether the outbox that the app file names is relayed.
    pub outbox: bool,
    /// Which pipelines run; all without it.
    pub pipelines: Option<Vec<PipelineName>>,
    /// Where HTTP is served instead of the app file's `listen`.
    pub listen: Option<SocketAddr>,
    /// Where data is kept instead of the app file's `data_dir`.
    pub data_dir: Option<PathBuf>,
    /// Opens a log that holds less than it acknowledged, and says what is gone.
    pub accept_data_loss: bool,
    /// Deletes the state of steps that are gone or mean something else now, instead of refusing to start.
    pub drop_state: bool,
    /// Lets everyone who reaches the address in, where it is not loopback and no tokens are declared.
    pub insecure: bool,
    /// Does not announce itself in the data directory: for a command that opens the directory for itself.
    pub embedded: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            workers: None,
            doors: true,
            outbox: true,
            pipelines: None,
            listen: None,
            data_dir: None,
            accept_data_loss: false,
            drop_state: false,
            insecure: false,
            embedded: false,
        }
    }
}

/// Why a server did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The app file names transformers this program does not have.
    #[error("{0}")]
    Transformers(Diagnostics),
    /// The address is not loopback and nobody would have to show a token.
    #[error(
        "{listen} can be reached from other machines and `access:` declares no tokens: declare some, listen on a loopback \
         address, or start with --insecure"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log on Kafka cannot be opened.
    #[error(transparent)]
    Kafka(#[from] riverrun_log_kafka::OpenError),
    /// The outbox cannot be relayed as it is declared.
    #[error("outbox: {0}")]
    Outbox(String),
    /// The pipelines cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system gives no random numbers.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The data directory cannot be written.
    #[error("cannot write {path}: {source}")]
    Announce {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log had stopped, or could not be closed.
    #[error("the log was not closed cleanly: {0}")]
    Close(String),
}

/// A running server. Dropping it stops it without waiting; use [`Server::shutdown`].
pub struct Server {
    url: String,
    parts: Arc<Parts>,
    closing: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    relaying: Option<JoinHandle<()>>,
    announcement: Option<Announcement>,
}

/// What the routes stand on.
struct Parts {
    topology: Arc<Topology>,
    log: Arc<dyn Log>,
    opened: Opened,
    runtime: Runtime,
    consumers: Consumers,
    metrics: metrics::Registered,
    /// What the relay of the outbox says, where there is one here.
    relay: Option<StatusHandle>,
    acceptor: Arc<Acceptor>,
    /// Whether events come in and go out by HTTP here.
    doors_open: bool,
    /// Instances that have other tasks.
    others: Others,
    settings: Settings,
    /// What has been copied elsewhere; one copy at a time.
    copied: Arc<tokio::sync::Mutex<migration::Copied>>,
    /// Becomes true when the server is about to stop: answers that would go on are ended then.
    closing: watch::Receiver<bool>,
}

impl Parts {
    /// What the routes stand on, and the relay of the outbox where one is to run.
    fn assembled(
        topology: Arc<Topology>,
        settings: Settings,
        opened: Opened,
        runtime: Runtime,
        metrics: metrics::Registered,
        options: &ServeOptions,
        closing: watch::Receiver<bool>,
    ) -> Result<(Arc<Self>, Option<Relay>), ServeError> {
        let log = opened.log();
        let consumers = Consumers::new(Arc::clone(&log), topology.app.clone());
        let acceptor = Arc::new(Acceptor::new(topology.topics.values().cloned(), settings.limits)?);
        let relay = match options.outbox && !options.embedded {
            true => {
                let (accept, append, hears) = (Arc::clone(&acceptor), Arc::clone(&log), closing.clone());
                relay::relay(&settings, runtime.has_entrances(), accept, append, metrics.relay.clone(), hears)?
            }
            false => None,
        };
        let parts = Self {
            topology,
            log,
            opened,
            runtime,
            consumers,
            metrics,
            relay: relay.as_ref().map(Relay::status),
            acceptor,
            doors_open: options.doors,
            others: Others::new(),
            settings,
            copied: Arc::default(),
            closing,
        };
        Ok((Arc::new(parts), relay))
    }
}

/// How long open requests may take once the server closes; longer than a commit ever should.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(10);

impl Server {
    pub(crate) async fn start(
        app: riverrun_app::App,
        dealing: Dealing,
        options: ServeOptions,
    ) -> Result<Self, ServeError> {
        let missing = app.unregistered_diagnostics();
        if !missing.is_empty() && options.pipelines.as_ref().is_none_or(|wanted| !wanted.is_empty()) {
            return Err(ServeError::Transformers(missing));
        }
        let (topology, mut settings) = (Arc::new(app.topology), app.settings);
        let listen = options.listen.unwrap_or(settings.listen);
        if !listen.ip().is_loopback() && settings.tokens.is_empty() && !options.insecure {
            return Err(ServeError::Exposed { listen });
        }
        // The address is taken before anything is opened: a port in use must not touch the data.
        let listener = TcpListener::bind(listen).await.map_err(|source| ServeError::Listen { listen, source })?;
        settings.data_dir = options.data_dir.clone().unwrap_or_else(|| settings.data_dir.clone());
        let data_dir = settings.data_dir.clone();
        let listening = listener.local_addr().map_err(|source| ServeError::Listen { listen, source })?;
        let address = address::address(&settings, listening).await;
        let waiting = Waiting::serve(&listener);
        let opening =
            Opened::open(&data_dir, &settings, dealing, address, options.accept_data_loss, options.embedded).await;
        let opened = opening?;
        waiting.opened(opened.log());
        let metrics = metrics::Registered::new(&opened, settings.outbox.is_some());
        let running = RuntimeOptions {
            workers: options.workers.unwrap_or_else(processors),
            pipelines: options.pipelines.clone(),
            metrics: metrics.runtime.clone(),
            clock: WallClock::System,
            drop_state: options.drop_state,
            entrances: entrances(&opened, &settings, options.doors || options.outbox),
        };
        let runtime = Runtime::start(Arc::clone(&topology), opened.log(), running).await?;
        drop(waiting);
        let closing = watch::Sender::new(false);
        let (parts, relay) =
            Parts::assembled(topology, settings, opened, runtime, metrics, &options, closing.subscribe())?;
        let relaying = relay.map(|relay| tokio::spawn(relay.run()));
        let (url, announcement) = (String::new(), None);
        let mut server = Self { url, parts: Arc::clone(&parts), closing, serving: None, relaying, announcement };
        server.listen(listener, listen, &parts.settings, options.doors)?;
        if !options.embedded {
            server.announcement = Some(Announcement::write(&data_dir, &server.url)?);
        }
        Ok(server)
    }

    fn listen(
        &mut self,
        listener: TcpListener,
        asked: SocketAddr,
        settings: &Settings,
        open: bool,
    ) -> Result<(), ServeError> {
        let listen = listener.local_addr().map_err(|source| ServeError::Listen { listen: asked, source })?;
        self.url = format!("http://{listen}");
        let routes = self.routes(listen, settings, open);
        self.serving = Some(tokio::spawn(riverrun_ingest::serve(listener, routes, self.closing.subscribe())));
        Ok(())
    }

    fn routes(&self, listen: SocketAddr, settings: &Settings, open: bool) -> Guarded {
        let tokens = settings.tokens.iter().map(token).collect();
        // Other instances call it by the name that they are told.
        let hosts: Vec<String> = settings.allowed_hosts.iter().chain(&settings.kafka.address).cloned().collect();
        let doors = Doors {
            log: Arc::clone(&self.parts.log),
            acceptor: Arc::clone(&self.parts.acceptor),
            consumers: self.parts.consumers.clone(),
            limits: settings.limits,
            metrics: self.parts.metrics.doors.clone(),
            access: Arc::new(Access::new(listen, &hosts, tokens)),
            entrances: self.parts.runtime.has_entrances(),
            dead_letters: dead_letters::all(&self.parts).into(),
            closing: self.closing.subscribe(),
        };
        routes::routes(Arc::clone(&self.parts), doors, open)
    }

    /// Where HTTP is served, for example `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was missing from the log when it was opened with [`ServeOptions::accept_data_loss`].
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        self.parts.opened.losses()
    }

    /// The view of this name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<View> {
        View::of(&self.parts.runtime, name)
    }

    /// Resolves when the view holds everything that came of the events at `positions`.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when that takes longer than `patience`; the others when it can never be.
    pub async fn view_holds(&self, view: &View, positions: &[Position], patience: Duration) -> Result<(), ViewError> {
        view::holds(&self.parts.runtime, view, positions, patience).await
    }

    /// Resolves when nothing was left to do for this long.
    pub async fn idle_for(&self, duration: Duration) {
        idle::idle_for(&self.parts, duration).await;
    }

    /// Resolves with the reason when the log, or a pipeline with `on_error: stop`, has stopped.
    pub async fn failed(&self) -> String {
        let log_stopped = async {
            let mut health = tokio::time::interval(Duration::from_millis(200));
            loop {
                health.tick().await;
                if let Health::Stopped { reason } = self.parts.log.health() {
                    return format!("the log stopped: {reason}");
                }
            }
        };
        tokio::select! {
            reason = log_stopped => reason,
            (pipeline, reason) = self.parts.runtime.stopped() => format!("pipeline {pipeline} stopped: {reason}"),
        }
    }

    /// Stops the doors, lets the workers commit what they have in hand, closes the log. Nothing acknowledged is lost, and what
    /// is unfinished goes on at the next start.
    ///
    /// # Errors
    /// [`ServeError::Close`] when the log had failed or cannot be closed; what was acknowledged is still safe.
    pub async fn shutdown(mut self) -> Result<(), ServeError> {
        self.closing.send_replace(true);
        if let Some(mut serving) = self.serving.take()
            && tokio::time::timeout(CLOSING_TIME_MAX, &mut serving).await.is_err()
        {
            tracing::warn!("requests were still open; their connections are dropped");
            serving.abort();
        }
        if let Some(relaying) = self.relaying.take() {
            // It cannot fail but by a panic, which was reported where it happened.
            let _ended = relaying.await;
        }
        drop(self.announcement.take());
        let parts = Arc::clone(&self.parts);
        let closed = tokio::task::spawn_blocking(move || {
            parts.runtime.shutdown();
            let health = parts.log.health();
            parts.opened.close();
            match health {
                Health::Serving | Health::Unreachable { .. } => Ok(()),
                Health::Stopped { reason } => Err(ServeError::Close(reason)),
            }
        });
        closed.await.unwrap_or_else(|error| Err(ServeError::Close(error.to_string())))
    }
}

fn token(declared: &riverrun_app::Token) -> Token {
    let (name, verbs, topics) = (declared.name.clone(), declared.verbs.clone(), declared.topics.clone());
    Token::new(Grant { name, verbs, topics }, declared.secret.reveal())
}

/// How events of doors are deduplicated where the log does not do it.
fn entrances(opened: &Opened, settings: &Settings, runs_here: bool) -> Option<Entrances> {
    let window_days = settings.limits.deduplication_days;
    (!opened.deduplicates() && window_days > 0).then_some(Entrances { window_days, runs_here })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}
