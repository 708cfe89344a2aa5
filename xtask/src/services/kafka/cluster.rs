//! The processes of a cluster and the directory they write to. Dropping it ends the processes, then removes the directory.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::Setup;
use super::jars::Jars;
use super::secure::{Certificates, scram};
use super::settings::{Ports, settings};
use crate::services::child::{end, end_of_log, tied};
use crate::services::running::Service;
use crate::services::scratch::Scratch;
use crate::{Failure, tree};

const COMMON_SETTINGS: &str = "testing/kafka/server.properties";
/// Any 16 bytes do, in base64: "riverrun-testing".
const CLUSTER_ID: &str = "cml2ZXJydW4tdGVzdGluZw";
/// How long brokers may take to end in good order.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What a broker is started with.
pub(super) struct Launch {
    /// The program.
    pub(super) java: PathBuf,
    pub(super) jars: Jars,
    pub(super) setup: Setup,
}

/// What a broker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Few records, soon: a quick start and little memory.
    Tests,
    /// Rates: as a broker is run in production.
    Rates,
}

impl Purpose {
    /// What Java is told.
    fn options(self) -> &'static [&'static str] {
        match self {
            // Enough for tests, little enough for three beside a build. A test is over before the second compiler has paid for
            // itself: without it a start takes half the time.
            Self::Tests => &["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
            // Kafka's own scripts give a broker a gigabyte.
            Self::Rates => &["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"],
        }
    }
}

/// Processes and their directory.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    certificates: Certificates,
    _scratch: Scratch,
}

/// One process of Java: first the one that formats, then the broker.
struct Node {
    number: usize,
    settings: PathBuf,
    process: Option<Child>,
}

impl Cluster {
    /// Writes the settings, and makes the certificates. No broker runs yet.
    pub(super) fn make(setup: Setup, ports: &[Ports]) -> Result<Self, Failure> {
        let common = tree::root().join(COMMON_SETTINGS);
        let common = fs::read_to_string(common).map_err(|error| format!("cannot read {COMMON_SETTINGS}: {error}"))?;
        let scratch = Scratch::make()?;
        let certificates = Certificates::make(scratch.path())?;
        let mut nodes = Vec::new();
        for (number, own) in (1..).zip(ports) {
            let folder = scratch.path().join(number.to_string());
            let data = folder.join("data");
            fs::create_dir_all(&data)?;
            let path = folder.join("server.properties");
            let mut text = settings(&common, ports, number, *own, &data) + &certificates.settings();
            if let Some(proxied) = setup.proxied {
                text = proxied.add_to(&text);
            }
            fs::write(&path, text)?;
            nodes.push(Node { number, settings: path, process: None });
        }
        Ok(Self { nodes, certificates, _scratch: scratch })
    }

    /// How tests connect with TLS, to listeners for users and for clients with certificates.
    pub(super) fn secure_address(&self, secure: &str, mutual: &str) -> String {
        self.certificates.address(secure, mutual)
    }

    /// Begins to format the storage of all nodes.
    pub(super) fn format(&mut self, launch: &Launch) -> Result<(), Failure> {
        let mut words = vec!["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID];
        let users = scram();
        words.extend(users.iter().map(String::as_str));
        let feature = launch.setup.transactions.map(|version| version.feature());
        words.extend(feature.iter().flat_map(|feature| ["--feature", feature]));
        words.push("--config");
        self.nodes.iter_mut().try_for_each(|node| node.spawn(launch, &words))
    }

    /// Whether all have been formatted.
    ///
    /// # Errors
    /// One could not be.
    pub(super) fn is_formatted(&mut self) -> Result<bool, Failure> {
        for node in &mut self.nodes {
            match node.ended()? {
                None => return Ok(false),
                Some(status) if status.success() => {}
                Some(status) => return Err(node.failure(&format!("could not format its storage ({status})"))),
            }
        }
        Ok(true)
    }

    /// Starts the brokers, without waiting for anything.
    pub(super) fn run(&mut self, launch: &Launch) -> Result<(), Failure> {
        self.nodes.iter_mut().try_for_each(|node| node.spawn(launch, &["kafka.Kafka"]))
    }

    /// Ends one broker in good order and starts it again, without waiting for it.
    pub(super) fn restart(&mut self, launch: &Launch, number: usize) -> Result<(), Failure> {
        let node = self.nodes.iter_mut().find(|node| node.number == number);
        let node = node.ok_or_else(|| format!("there is no broker {number}"))?;
        end(node.process.as_mut().into_iter().collect(), Signal::TERM, STOP_MAX);
        node.spawn(launch, &["kafka.Kafka"])
    }

    /// Goes on only if all processes run.
    ///
    /// # Errors
    /// One has ended.
    pub(super) fn check_running(&mut self) -> Result<(), Failure> {
        for node in &mut self.nodes {
            if let Some(status) = node.ended()? {
                return Err(node.failure(&format!("ended by itself ({status}); it should run until it is told to end")));
            }
        }
        Ok(())
    }
}

impl Service for Cluster {
    const NAME: &'static str = "kafka";

    fn late(&self, limit: Duration) -> Failure {
        let logs: Vec<String> = self.nodes.iter().map(|node| node.log_end()).collect();
        format!(
            "the brokers did not serve within {} s of being started; the machine may be too busy, or short of memory\n{}",
            limit.as_secs(),
            logs.join("\n")
        )
        .into()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let running = self.nodes.iter_mut().filter_map(|node| node.process.as_mut());
        end(running.collect(), Signal::TERM, STOP_MAX);
        // The directory goes after this, as the fields are dropped.
    }
}

impl Node {
    fn spawn(&mut self, launch: &Launch, words: &[&str]) -> Result<(), Failure> {
        let folder = self.folder();
        // The broker's log begins anew: once its storage is formatted, nobody asks how that went.
        let log = File::create(self.log())?;
        let errors = log.try_clone()?;
        let mut command = tied(&launch.java);
        command.args(launch.setup.purpose.options());
        // Otherwise these leave files in the system's place for temporary ones.
        command.arg("-XX:-UsePerfData").arg(format!("-Djava.io.tmpdir={}", folder.display()));
        // Without settings of its own, log4j writes only errors.
        command.arg("-Dlog4j2.level=WARN").arg("-cp").arg(launch.jars.class_path());
        command.args(words).arg(&self.settings);
        // A process group of its own: an interrupt from the keyboard is for this program, which then ends the broker.
        command.current_dir(&folder).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", launch.java.display()))?;
        self.process = Some(child);
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        match &mut self.process {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    fn folder(&self) -> PathBuf {
        self.settings.parent().unwrap_or(&self.settings).to_owned()
    }

    fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    fn failure(&self, what: &str) -> Failure {
        format!("Kafka broker {} {what}\n{}", self.number, self.log_end()).into()
    }

    fn log_end(&self) -> String {
        format!("the end of the log of broker {}:\n{}", self.number, end_of_log(&self.log()))
    }
}
