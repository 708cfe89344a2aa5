//! What the listeners with TLS need: certificates made for this start, and users.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::services::certificate;

/// The user who may do everything, and its password: nothing is secret about a broker that only this machine reaches for as long as a test runs.
const USER: &str = "riverrun";
const PASSWORD: &str = "riverrun-secret";
/// The user who may do what it is given the right to.
const LIMITED: &str = "limited";
const LIMITED_PASSWORD: &str = "limited-secret";
/// Who the client with the certificate is.
const CLIENT: &str = "CN=riverrun-testing-client";

/// Certificates of a broker on the loopback address and of a client. Each is its own authority.
pub(super) struct Certificates {
    /// The broker's, with its key in the same file.
    broker: PathBuf,
    /// The same without the key.
    authority: PathBuf,
    client: PathBuf,
    client_key: PathBuf,
}

impl Certificates {
    /// Makes them in a folder. OpenSSL is installed first where it is missing.
    ///
    /// # Errors
    /// The tool cannot be had, or failed.
    pub(super) fn make(folder: &Path) -> Result<Self, Failure> {
        let file = |name: &str| folder.join(name);
        let broker_key = file("broker.key");
        let made = Self {
            broker: file("broker.pem"),
            authority: file("ca.pem"),
            client: file("client.pem"),
            client_key: file("client.key"),
        };
        certificate::make("CN=riverrun-testing", &broker_key, &made.authority)?;
        certificate::make(CLIENT, &made.client_key, &made.client)?;
        fs::write(&made.broker, [fs::read(broker_key)?, fs::read(&made.authority)?].concat())?;
        Ok(made)
    }

    /// What the settings of a broker say of them and of the users.
    pub(super) fn settings(&self) -> String {
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        let stores = |listener: &str| {
            format!(
                "listener.name.{listener}.ssl.keystore.type=PEM\nlistener.name.{listener}.ssl.keystore.location={}\n",
                self.broker.display()
            )
        };
        format!(
            "{}{}listener.name.mutual.ssl.truststore.type=PEM
listener.name.mutual.ssl.truststore.location={client}
listener.name.secure.plain.sasl.jaas.config={plain} user_{USER}=\"{PASSWORD}\" user_{LIMITED}=\"{LIMITED_PASSWORD}\";
super.users=User:ANONYMOUS;User:{USER};User:{CLIENT}
",
            stores("secure"),
            stores("mutual"),
            client = self.client.display()
        )
    }

    /// How tests connect to brokers that listen for users and for clients with certificates:
    /// `user:secret@HOST:PORT[,...]?ca=FILE&limited=user:secret&mutual=HOST:PORT[,...]&certificate=FILE&key=FILE`.
    pub(super) fn address(&self, secure: &str, mutual: &str) -> String {
        let Self { authority, client, client_key, .. } = self;
        format!(
            "{USER}:{PASSWORD}@{secure}?ca={}&limited={LIMITED}:{LIMITED_PASSWORD}&mutual={mutual}&certificate={}&key={}",
            authority.display(),
            client.display(),
            client_key.display()
        )
    }
}

/// The user of SCRAM, as the tool that formats a broker's storage takes it.
pub(super) fn scram() -> Vec<String> {
    let user = |mechanism| format!("{mechanism}=[name={USER},password={PASSWORD}]");
    ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .into_iter()
        .flat_map(|mechanism| ["--add-scram".to_owned(), user(mechanism)])
        .collect()
}
