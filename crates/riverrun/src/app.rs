//! An app: what its file declares, plus the transformers the service brings.

use std::path::Path;
use std::sync::Arc;

use riverrun_app::{Diagnostics, LoadError, Settings};
use riverrun_topology::{Topology, Transformer};

use crate::server::{ServeError, ServeOptions, Server};
use crate::transform::{Transform, Typed};

/// An app, ready to be started.
#[derive(Clone)]
pub struct App {
    declared: riverrun_app::App,
    unused: Vec<String>,
}

impl App {
    /// Loads an app file.
    ///
    /// # Errors
    /// [`LoadError`] when it cannot be read, or with every mistake in it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Ok(Self { declared: riverrun_app::App::load(path.as_ref())?, unused: Vec::new() })
    }

    /// Loads an app file as it counts in an environment: for `prod`, `riverrun.prod.yaml` beside `riverrun.yaml` is laid over it.
    ///
    /// # Errors
    /// [`LoadError`] when a file cannot be read, the environment has none, or with every mistake in them.
    pub fn load_for(path: impl AsRef<Path>, environment: Option<&str>) -> Result<Self, LoadError> {
        Ok(Self { declared: riverrun_app::App::load_for(path.as_ref(), environment)?, unused: Vec::new() })
    }

    /// Parses the text of an app file; `path` is where it counts as being from.
    ///
    /// # Errors
    /// [`LoadError`] with every mistake in it.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Ok(Self { declared: riverrun_app::App::parse(text, path.as_ref())?, unused: Vec::new() })
    }

    /// An app built in Rust with [`Topology::builder`]; the same topology as from a file is the same app.
    #[must_use]
    pub fn built(topology: Topology, settings: Settings) -> Self {
        Self { declared: riverrun_app::App::built(topology, settings), unused: Vec::new() }
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
    pub async fn serve(self, options: ServeOptions) -> Result<Server, ServeError> {
        for name in &self.unused {
            tracing::warn!(transformer = name, "no pipeline names this transformer");
        }
        Server::start(self.declared, options).await
    }

    pub(crate) fn lacking_transformers(&self) -> Vec<riverrun_app::UnregisteredTransformer> {
        self.declared.unregistered_transformers()
    }

    pub(crate) fn into_topology(self) -> Topology {
        self.declared.topology
    }
}
