//! An app: what its file declares, plus the transformers the service brings.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_app::{Diagnostics, LoadError, Settings};
use riverrun_topology::operators::lookup::Ask;
use riverrun_topology::{Partitioning, Topology, Transformer};

use crate::assignor::{self, Assignor, Labels, NamedAssignor};
use crate::lookup::{self, AskError, Function};
use crate::migrate::{self, Compared, MigrateError, MigrateReport, Plan, Progress};
use crate::server::{Dealing, ServeError, ServeOptions, Server};
use crate::transform::{Transform, Typed};

/// An app, ready to be started.
#[derive(Clone)]
pub struct App {
    declared: riverrun_app::App,
    unused: Vec<String>,
    /// Whether its HTTP lookups are answered already.
    has_http: bool,
    assignors: assignor::Registered,
}

impl App {
    /// Loads an app file.
    ///
    /// # Errors
    /// [`LoadError`] when it cannot be read, or with every mistake in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Ok(Self {
            declared: riverrun_app::App::load(path.as_ref())?,
            unused: Vec::new(),
            has_http: false,
            assignors: Default::default(),
        })
    }

    /// Loads an app file as it counts in an environment: for `prod`, `riverrun.prod.yaml` beside `riverrun.yaml` is laid over it.
    ///
    /// # Errors
    /// [`LoadError`] when a file cannot be read, the environment has none, or with every mistake in them.
    pub fn load_for(path: impl AsRef<Path>, environment: Option<&str>) -> Result<Self, LoadError> {
        Ok(Self {
            declared: riverrun_app::App::load_for(path.as_ref(), environment)?,
            unused: Vec::new(),
            has_http: false,
            assignors: Default::default(),
        })
    }

    /// Parses the text of an app file; `path` is where it counts as being from.
    ///
    /// # Errors
    /// [`LoadError`] with every mistake in it.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Ok(Self {
            declared: riverrun_app::App::parse(text, path.as_ref())?,
            unused: Vec::new(),
            has_http: false,
            assignors: Default::default(),
        })
    }

    /// An app built in Rust with [`Topology::builder`]; the same topology as from a file is the same app.
    #[must_use]
    pub fn built(topology: Topology, settings: Settings) -> Self {
        Self {
            declared: riverrun_app::App::built(topology, settings),
            unused: Vec::new(),
            has_http: false,
            assignors: Default::default(),
        }
    }

    /// Registers a transformer under the name the app file uses.
    #[must_use]
    pub fn transform(mut self, name: &str, transformer: impl Transform) -> Self {
        let transformer: Arc<dyn Transformer> = Arc::new(Typed(transformer));
        if !self.declared.topology.register(name, &transformer) {
            self.unused.push(name.to_owned());
        }
        self
    }

    /// Registers an async function under the name that `lookup: { call: ... }` uses. It gets what the step's `with` gives, as
    /// text for a text, else as JSON, and answers JSON. It may be called again for the same event, after a restart for example;
    /// what it answered is kept in the commit that used it.
    #[must_use]
    pub fn lookup<F, A>(mut self, name: &str, function: F) -> Self
    where
        F: Fn(Bytes) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Bytes, AskError>> + Send + 'static,
    {
        let function: Arc<dyn Ask> = Arc::new(Function(function));
        if !self.declared.topology.register_lookup(Some(name), &function) {
            self.unused.push(name.to_owned());
        }
        self
    }

    /// Answers the HTTP lookups of the app by a function, which gets the address, instead of over the network: for tests.
    #[must_use]
    pub fn http_lookup<F, A>(mut self, function: F) -> Self
    where
        F: Fn(Bytes) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Bytes, AskError>> + Send + 'static,
    {
        let function: Arc<dyn Ask> = Arc::new(Function(function));
        self.declared.topology.register_lookup(None, &function);
        self.has_http = true;
        self
    }

    /// Registers a partitioner under the name that `repartition: { partitioner: { custom: ... } }` uses.
    #[must_use]
    pub fn partitioner(mut self, name: &str, partitioning: impl Partitioning + 'static) -> Self {
        let partitioning: Arc<dyn Partitioning> = Arc::new(partitioning);
        if !self.declared.topology.register_partitioner(name, &partitioning) {
            self.unused.push(name.to_owned());
        }
        self
    }

    /// Registers an assignor under the name that `kafka: { assignor: { custom: ... } }` uses.
    #[must_use]
    pub fn assignor(mut self, name: &str, assignor: impl Assignor + 'static) -> Self {
        if self.declared.register_assignor(name) {
            self.assignors.insert(name.to_owned(), Arc::new(assignor));
        } else {
            self.unused.push(name.to_owned());
        }
        self
    }

    /// The assignor that its groups use on Kafka; `None` when the file names one that is not registered.
    #[must_use]
    pub fn declared_assignor(&self) -> Option<NamedAssignor> {
        assignor::declared(&self.settings().kafka.assignor, &self.assignors)
    }

    /// What this instance says of itself to assignors.
    #[must_use]
    pub fn labels(&self) -> Labels {
        assignor::labels(&self.settings().kafka.labels)
    }

    /// What it does.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.declared.topology
    }

    /// Where and how it runs.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.declared.settings
    }

    /// Warnings about the file.
    #[must_use]
    pub fn warnings(&self) -> &Diagnostics {
        &self.declared.warnings
    }

    /// What the file names and this program does not have, as diagnostics that point into the file.
    #[must_use]
    pub fn unregistered_transformers(&self) -> Diagnostics {
        self.declared.unregistered_diagnostics()
    }

    /// Starts everything the file declares.
    ///
    /// # Errors
    /// [`ServeError`] when something of it cannot start; nothing runs then.
    pub async fn start(self) -> Result<Server, ServeError> {
        self.serve(ServeOptions::default()).await
    }

    /// Starts what the options ask for.
    ///
    /// # Errors
    /// [`ServeError`] when something of it cannot start; nothing runs then.
    pub async fn serve(mut self, options: ServeOptions) -> Result<Server, ServeError> {
        for name in &self.unused {
            tracing::warn!(name, "nothing in the app names this transformer, partitioner, lookup or assignor");
        }
        if !self.has_http {
            self.declared.topology.register_lookup(None, &lookup::http());
        }
        let assignor = self.declared_assignor().unwrap_or_default();
        let dealing = Dealing { assignor, labels: self.labels() };
        Server::start(self.declared, dealing, options).await
    }

    /// Moves the app from the embedded log in its `data_dir` to the cluster that `to` names as `log:` would. It does not run
    /// meanwhile; what its server has copied and `compared` before need not be again. Blocks until everything is there and
    /// equal; `watch` hears how far that is, and may stop it.
    ///
    /// # Errors
    /// [`MigrateError`] says what is in the way. Nothing is lost, and the same call goes on where it is.
    pub fn migrate(
        &self,
        to: &str,
        compared: Compared,
        watch: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
    ) -> Result<MigrateReport, MigrateError> {
        migrate::migrate(self.topology(), self.settings(), to, compared, watch)
    }

    /// Says in the `data_dir` where the app is to move, for the server that runs on it: `POST /migration` copies there.
    ///
    /// # Errors
    /// [`MigrateError::Target`] when that cannot be written.
    pub fn announce_migration(&self, to: &str) -> Result<(), MigrateError> {
        migrate::announce(&self.settings().data_dir, to)
    }

    /// What [`App::migrate`] would do. Nothing is written.
    ///
    /// # Errors
    /// [`MigrateError`] when that cannot be found out.
    pub fn plan_migration(&self, to: &str) -> Result<Plan, MigrateError> {
        migrate::plan(self.topology(), self.settings(), to)
    }

    /// Whether its HTTP lookups are answered by a function.
    pub(crate) fn answers_http(&self) -> bool {
        self.has_http
    }

    pub(crate) fn into_topology(self) -> Topology {
        self.declared.topology
    }
}
