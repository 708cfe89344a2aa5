//! The broker of the tests behind TLS, as its environment variable announces it:
//! `user:secret@HOST:PORT?ca=FILE&limited=user:secret&mutual=HOST:PORT&certificate=FILE&key=FILE`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun_log_kafka::{Options, Password, Sasl, Security, Tls};

pub(crate) struct Announced {
    /// Who may do everything.
    pub(crate) user: Password,
    /// Who may do what it is given the right to.
    pub(crate) limited: Password,
    /// Where users are let in.
    brokers: String,
    /// Where clients with a certificate are let in.
    mutual: String,
    pub(crate) identity: (PathBuf, PathBuf),
    ca: PathBuf,
}

impl Announced {
    pub(crate) fn read() -> Self {
        let Ok(text) = std::env::var("RIVERRUN_TEST_KAFKA_SECURE") else {
            panic!("RIVERRUN_TEST_KAFKA_SECURE names no broker; `cargo xtask services start kafka` starts one")
        };
        let (user, rest) = text.split_once('@').unwrap();
        let (brokers, rest) = rest.split_once('?').unwrap();
        let more: HashMap<&str, &str> = rest.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        Self {
            user: password(user),
            limited: password(more["limited"]),
            brokers: brokers.to_owned(),
            mutual: more["mutual"].to_owned(),
            identity: (more["certificate"].into(), more["key"].into()),
            ca: more["ca"].into(),
        }
    }

    /// Connects as a user.
    pub(crate) fn as_user(&self, directory: &Path, sasl: Sasl, name: &str) -> Options {
        self.options(&self.brokers, directory, Security { tls: Some(self.tls()), sasl: Some(sasl) }, name)
    }

    /// Connects with a certificate, or without.
    pub(crate) fn with_certificate(&self, directory: &Path, is_shown: bool, name: &str) -> Options {
        let identity = is_shown.then(|| self.identity.clone());
        let tls = Tls { identity, ..self.tls() };
        self.options(&self.mutual, directory, Security { tls: Some(tls), sasl: None }, name)
    }

    fn tls(&self) -> Tls {
        Tls { ca: Some(self.ca.clone()), identity: None }
    }

    fn options(&self, brokers: &str, directory: &Path, security: Security, name: &str) -> Options {
        let mut options = Options::new(brokers, "one", directory.join("state"));
        options.security = Some(security);
        (options.prefix, options.replication) = (format!("{name}{}.", std::process::id()), Some(1));
        (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(2));
        options
    }
}

fn password(text: &str) -> Password {
    let (user, secret) = text.split_once(':').unwrap();
    Password { user: user.to_owned(), secret: secret.to_owned() }
}
