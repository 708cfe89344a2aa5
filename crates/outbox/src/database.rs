//! How PostgreSQL is reached: a URL as every client of it takes it, and TLS by rustls.
//!
//! `sslmode` is `disable`, `prefer` (what counts where it is not said and the server is on another machine) or `require`; `verify-ca` and
//! `verify-full` mean the same as `require`, since certificates are always verified: against `sslrootcert`, a file in PEM format, or the
//! usual authorities. Without `sslmode`, connections within the machine have no TLS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::poll_fn;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A server that is there answers within this, also from another continent.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// A peer that lost its power is found out after this much silence, and three probes without an answer.
const KEEPALIVE: Duration = Duration::from_secs(15);
const PROBES: (u32, Duration) = (3, Duration::from_secs(5));
/// The same where something was sent and not even received.
const UNRECEIVED_TIME_MAX: Duration = Duration::from_secs(30);
/// Notifications nobody has taken yet. They are wake-ups: whoever finds as many as this has missed some, and looks at everything.
pub const NOTIFICATIONS_MAX: usize = 1024;

/// Where a database is, and how to get there.
#[derive(Clone)]
pub struct Database {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    shown: String,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It is no address of PostgreSQL.
    #[error("it is no address of PostgreSQL: {0}; expected for example postgres://user:password@host:5432/database")]
    Url(String),
    /// The certificates cannot be read.
    #[error("the certificates in {path}: {reason}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL at {database} cannot be reached: {reason}")]
pub struct ConnectError {
    /// Where it should be.
    pub database: String,
    /// Why.
    pub reason: String,
    /// What PostgreSQL said, if it did.
    #[source]
    pub source: Option<tokio_postgres::Error>,
}

/// A connection whose notifications are heard.
pub struct Listening {
    /// Sends statements.
    pub client: Client,
    /// What is notified, as (channel, payload). Ends with the connection.
    pub notifications: mpsc::Receiver<(String, String)>,
}

impl Database {
    /// Takes an address.
    ///
    /// # Errors
    /// [`DatabaseError`] says what is wrong with it; it never repeats a password.
    pub fn new(url: &str) -> Result<Self, DatabaseError> {
        // The library takes `host=... sslmode=require` too, and what that says of TLS would be overlooked.
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(DatabaseError::Url("it does not begin with postgres://".to_owned()));
        }
        let (url, tls) = TlsWish::taken_from(url)?;
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            DatabaseError::Url(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(DatabaseError::Url("it names no host".to_owned()));
        }
        config.connect_timeout(CONNECT_TIME_MAX).keepalives_idle(KEEPALIVE);
        config.keepalives_retries(PROBES.0).keepalives_interval(PROBES.1).tcp_user_timeout(UNRECEIVED_TIME_MAX);
        if config.get_application_name().is_none() {
            config.application_name("riverrun");
        }
        let mode = tls.mode.unwrap_or(if is_near(&config) { SslMode::Disable } else { SslMode::Prefer });
        config.ssl_mode(mode);
        let tls = if mode == SslMode::Disable { None } else { Some(connector(tls.roots.as_deref())?) };
        let shown = shown(&config);
        Ok(Self { config, tls, shown })
    }

    /// Connects. Notifications are not heard.
    ///
    /// # Errors
    /// [`ConnectError`] says why not.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        Ok(self.listen().await?.client)
    }

    /// Connects, and hears notifications.
    ///
    /// # Errors
    /// [`ConnectError`] says why not.
    pub async fn listen(&self) -> Result<Listening, ConnectError> {
        let connecting = async {
            match &self.tls {
                None => self.config.connect(NoTls).await.map(|(client, connection)| heard(client, connection)),
                Some(tls) => {
                    self.config.connect(tls.clone()).await.map(|(client, connection)| heard(client, connection))
                }
            }
        };
        match tokio::time::timeout(CONNECT_TIME_MAX, connecting).await {
            Ok(Ok(listening)) => Ok(listening),
            Ok(Err(error)) => Err(self.unreachable(said(&error), Some(error))),
            Err(_) => Err(self.unreachable(format!("no answer within {} s", CONNECT_TIME_MAX.as_secs()), None)),
        }
    }

    fn unreachable(&self, reason: String, source: Option<tokio_postgres::Error>) -> ConnectError {
        ConnectError { database: self.shown.clone(), reason, source }
    }
}

impl fmt::Display for Database {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Database({})", self.shown)
    }
}

/// An error of the library with what is behind it: by itself it says little more than "db error".
#[must_use]
pub fn said(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let hint = said.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        return format!("{} ({}){hint}", said.message(), said.code().code());
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Runs the connection and hands its notifications on.
fn heard<S, T>(client: Client, mut connection: tokio_postgres::Connection<S, T>) -> Listening
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, notifications) = mpsc::channel(NOTIFICATIONS_MAX);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(told) = message {
                // Full or not wanted: the connection has to go on in any case.
                let _ = sender.try_send((told.channel().to_owned(), told.payload().to_owned()));
            }
        }
    });
    Listening { client, notifications }
}

/// Whether the server can only be on this machine.
fn is_near(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{host}:{port}/{}", config.get_dbname().or(config.get_user()).unwrap_or_default())
}

/// What an address says of TLS. The library does not know `sslrootcert`, nor the modes that verify.
struct TlsWish {
    mode: Option<SslMode>,
    roots: Option<PathBuf>,
}

impl TlsWish {
    fn taken_from(url: &str) -> Result<(String, Self), DatabaseError> {
        let mut wish = Self { mode: None, roots: None };
        let Some((address, query)) = url.split_once('?') else { return Ok((url.to_owned(), wish)) };
        let mut kept = Vec::new();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => wish.mode = Some(mode_named(mode)?),
                Some(("sslrootcert", path)) => wish.roots = Some(PathBuf::from(path)),
                _ => kept.push(pair),
            }
        }
        if wish.roots.is_some() && wish.mode.is_none() {
            wish.mode = Some(SslMode::Require);
        }
        let kept = kept.join("&");
        Ok((if kept.is_empty() { address.to_owned() } else { format!("{address}?{kept}") }, wish))
    }
}

fn mode_named(name: &str) -> Result<SslMode, DatabaseError> {
    match name {
        "disable" => Ok(SslMode::Disable),
        "allow" | "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(DatabaseError::Url(format!("sslmode={name} is unknown; there are disable, prefer and require"))),
    }
}

fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, DatabaseError> {
    let mut trusted = RootCertStore::empty();
    match roots {
        None => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let wrong = |reason: String| DatabaseError::Certificates { path: path.to_owned(), reason };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                trusted.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if trusted.is_empty() {
                return Err(wrong("the file has none".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| DatabaseError::Url(error.to_string()))?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(trusted).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<(&str, bool), &str>) {
        match (Database::new(url), expected) {
            (Ok(database), Ok((shown, with_tls))) => {
                assert_eq!((database.to_string().as_str(), database.tls.is_some()), (shown, with_tls), "{url}");
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{url}: {error}"),
            (database, expected) => panic!("{url}: {database:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn addresses_are_taken_and_shown_without_passwords() {
        check("postgres://shop:secret@127.0.0.1:5433/orders", Ok(("127.0.0.1:5433/orders", false)));
        check("postgres://shop:secret@db.internal/orders", Ok(("db.internal:5432/orders", true)));
        check("postgres://shop@db/orders?sslmode=disable", Ok(("db:5432/orders", false)));
        check("postgres://shop@db/orders?sslmode=verify-full&application_name=x", Ok(("db:5432/orders", true)));
        check("postgres://shop@db/orders?sslrootcert=/nowhere.pem", Err("/nowhere.pem"));
        check("postgres://shop@db/orders?sslmode=maybe", Err("sslmode=maybe"));
        check("http://shop", Err("no address of PostgreSQL"));
        check("host=localhost sslmode=require", Err("does not begin with postgres://"));
        check("postgres:///orders", Err("names no host"));
        check("", Err("does not begin with postgres://"));
    }
}
