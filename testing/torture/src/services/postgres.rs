//! The PostgreSQL of a scenario.

use std::path::Path;

use super::Service;
use crate::failure::Failure;

/// What the line with the address begins with.
const ADDRESS: &str = "RIVERRUN_TEST_POSTGRES=";

/// A running server of its own; it is gone when this is dropped.
pub(crate) struct Postgres {
    service: Service,
    url: String,
}

impl Postgres {
    /// Starts a server and waits until it answers. `services` is the program that starts it.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it does not come up.
    pub(crate) fn start(services: &Path) -> Result<Self, Failure> {
        let mut service = Service::start(services, &["postgres"])?;
        let url = service.wait_for(ADDRESS)?;
        Ok(Self { service, url })
    }

    /// Where clients connect to, as a role that is no superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as a crash does, starts it again, and waits until it answers.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it does not come up.
    pub(crate) fn crash(&mut self) -> Result<(), Failure> {
        self.service.tell("restart")?;
        self.service.wait_for("restarted").map(drop)
    }
}
