//! How connections are encrypted, and who connects.

use std::fmt;
use std::path::{Path, PathBuf};

use krafka::KrafkaError;
use krafka::auth::{AuthConfig, OAuthBearerToken, TlsConfig};

/// How a connection is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// It is encrypted.
    pub tls: Option<Tls>,
    /// Who connects.
    pub sasl: Option<Sasl>,
}

/// Files in PEM format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the brokers' certificates; the usual ones without it.
    pub ca: Option<PathBuf>,
    /// This client's certificate and the key of it, where brokers ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Who connects, and how that is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// `PLAIN`: by the password itself.
    Plain(Password),
    /// `SCRAM-SHA-256`.
    ScramSha256(Password),
    /// `SCRAM-SHA-512`.
    ScramSha512(Password),
    /// `OAUTHBEARER`.
    Token {
        /// The file that holds the token, read anew for every connection.
        file: PathBuf,
    },
}

/// A user and what proves it. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// The name.
    pub user: String,
    /// The password.
    pub secret: String,
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Security {
    /// The same as the client has it.
    pub(crate) fn auth(&self) -> AuthConfig {
        let auth = match &self.sasl {
            None => AuthConfig::plaintext(),
            Some(Sasl::Plain(Password { user, secret })) => AuthConfig::sasl_plain(user, secret),
            Some(Sasl::ScramSha256(Password { user, secret })) => AuthConfig::sasl_scram_sha256(user, secret),
            Some(Sasl::ScramSha512(Password { user, secret })) => AuthConfig::sasl_scram_sha512(user, secret),
            Some(Sasl::Token { file }) => {
                let file = file.clone();
                AuthConfig::sasl_oauthbearer_provider(move || {
                    let token = token(&file);
                    async { token }
                })
            }
        };
        match &self.tls {
            Some(tls) => auth.with_tls(tls.config()),
            None => auth,
        }
    }
}

impl Tls {
    fn config(&self) -> TlsConfig {
        let mut config = TlsConfig::new();
        if let Some(ca) = &self.ca {
            config = config.with_ca_cert(text(ca));
        }
        match &self.identity {
            Some((certificate, key)) => config.with_client_cert(text(certificate), text(key)),
            None => config,
        }
    }
}

fn token(file: &Path) -> krafka::Result<OAuthBearerToken> {
    let token = std::fs::read_to_string(file)
        .map_err(|error| KrafkaError::config(format!("the token in {} cannot be read: {error}", file.display())))?;
    Ok(OAuthBearerToken::new(token.trim()))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use krafka::auth::SecurityProtocol;

    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let password = || Password { user: "shop".to_owned(), secret: "hunter2".to_owned() };
        for sasl in [Sasl::Plain(password()), Sasl::ScramSha256(password()), Sasl::ScramSha512(password())] {
            let security = Security { tls: None, sasl: Some(sasl) };
            let printed = format!("{security:?} {:?}", security.auth());
            assert!(printed.contains("shop") && !printed.contains("hunter2"), "{printed}");
        }
    }

    #[test]
    fn tls_and_sasl_go_together() {
        let check = |tls: Option<Tls>, sasl: Option<Sasl>, expected| {
            assert_eq!(Security { tls, sasl }.auth().security_protocol(), &expected);
        };
        let token = || Some(Sasl::Token { file: "/run/secrets/token".into() });
        check(None, None, SecurityProtocol::Plaintext);
        check(Some(Tls::default()), None, SecurityProtocol::Ssl);
        check(None, token(), SecurityProtocol::SaslPlaintext);
        check(Some(Tls::default()), token(), SecurityProtocol::SaslSsl);
    }

    #[test]
    fn a_token_is_read_anew_each_time() {
        let file = std::env::temp_dir().join(format!("riverrun-token-{}", std::process::id()));
        for written in ["one\n", "two"] {
            std::fs::write(&file, written).unwrap();
            assert!(token(&file).is_ok_and(|token| token.validate().is_ok()));
        }
        std::fs::remove_file(&file).unwrap();
        let refused = token(&file).err().unwrap().to_string();
        assert!(refused.contains("cannot be read"), "{refused}");
    }
}
