//! What a listener with TLS and users needs: a certificate made for this start, and one user.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// The user that may connect, and its password: nothing is secret about a broker that only this machine reaches for as long as a test runs.
const USER: &str = "riverrun";
const PASSWORD: &str = "riverrun-secret";
/// A store's password has to be there; it protects nothing.
const STORE_PASSWORD: &str = "riverrun";
/// A name within the store.
const ALIAS: &str = "broker";

/// A certificate for the loopback address, which is its own authority.
pub(super) struct Certificate {
    store: PathBuf,
    authority: PathBuf,
}

impl Certificate {
    /// Makes one in a folder, by the tool that comes with the Java runtime.
    ///
    /// # Errors
    /// The tool is not there, or failed.
    pub(super) fn make(java: &Path, folder: &Path) -> Result<Self, Failure> {
        let made = Self { store: folder.join("broker.p12"), authority: folder.join("ca.pem") };
        let mut generate = made.keytool(java, &["-genkeypair"]);
        generate.args(["-keyalg", "EC", "-groupname", "secp256r1", "-validity", "30", "-dname", "CN=riverrun-testing"]);
        run(generate.args(["-ext", "san=ip:127.0.0.1,dns:localhost"]))?;
        run(made.keytool(java, &["-exportcert", "-rfc", "-file"]).arg(&made.authority))?;
        Ok(made)
    }

    fn keytool(&self, java: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(java.with_file_name("keytool"));
        command.args(words.iter().take(1)).args([
            "-alias",
            ALIAS,
            "-storetype",
            "PKCS12",
            "-storepass",
            STORE_PASSWORD,
        ]);
        command.arg("-keystore").arg(&self.store).args(words.iter().skip(1));
        command
    }

    /// What the settings of a broker say of it and of the user.
    pub(super) fn settings(&self) -> String {
        let login = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        format!(
            "listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.location={store}
listener.name.secure.ssl.keystore.password={STORE_PASSWORD}
listener.name.secure.plain.sasl.jaas.config={login} user_{USER}=\"{PASSWORD}\";
",
            store = self.store.display()
        )
    }

    /// How tests connect to brokers at these addresses: `user:secret@HOST:PORT[,...]?ca=FILE`.
    pub(super) fn address(&self, brokers: &str) -> String {
        format!("{USER}:{PASSWORD}@{brokers}?ca={}", self.authority.display())
    }
}

/// The user, as the tool that formats a broker's storage takes it.
pub(super) fn scram() -> String {
    format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|error| format!("cannot start {program}, which comes with the Java runtime: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} could not make a certificate ({}): {}", output.status, said.trim()).into())
}
