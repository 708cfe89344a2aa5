//! The processes of a server and the directory they write to. Dropping it ends the processes, then removes the directory.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::account::Account;
use super::programs::Programs;
use super::{ROLE, SUPERUSER, Setup, Shutdown, pooler, quoted};
use crate::Failure;
use crate::services::certificate;
use crate::services::child::{end, end_of_log};
use crate::services::running::Service;
use crate::services::scratch::Scratch;

/// How long processes may take to end for good. They are told to do nothing else.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long a server that is started again may take to write everything down first.
const RESTART_MAX: Duration = Duration::from_secs(60);

/// Where is listened, on the loopback address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) server: u16,
    /// Only where a pooler is wanted.
    pub(super) pooler: Option<u16>,
}

impl Ports {
    /// Ports that are free now. Both are held until both are known, so that they differ.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn choose(setup: Setup) -> Result<Self, Failure> {
        let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [server, pooler] = &held;
        let (server, pooler) = (server.local_addr()?.port(), pooler.local_addr()?.port());
        Ok(Self { server, pooler: setup.pooler.then_some(pooler) })
    }
}

/// Processes and their directory.
pub(super) struct Server {
    programs: Programs,
    account: Account,
    setup: Setup,
    ports: Ports,
    postmaster: Option<Child>,
    pooler: Option<Child>,
    scratch: Scratch,
}

impl Server {
    /// Makes the directory and the certificate. Nothing runs yet.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn make(programs: Programs, setup: Setup, ports: Ports) -> Result<Self, Failure> {
        let (account, scratch) = (Account::find()?, Scratch::make()?);
        let made = Self { programs, account, setup, ports, postmaster: None, pooler: None, scratch };
        certificate::make("CN=riverrun-testing", &made.file("server.key"), &made.authority())?;
        made.account.own(&[made.scratch.path(), &made.file("server.key"), &made.authority()])?;
        Ok(made)
    }

    /// The certificate, which is its own authority.
    pub(super) fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Makes the storage, the role and its database.
    ///
    /// # Errors
    /// One of PostgreSQL's programs failed; the message is what it said.
    pub(super) fn initialize(&mut self) -> Result<(), Failure> {
        let mut initdb = self.command(&self.programs.path("initdb"));
        initdb.arg("--pgdata").arg(self.data()).args(["--username", SUPERUSER, "--auth=trust", "--no-sync"]);
        initdb.args(["--encoding=UTF8", "--locale=C"]);
        complete(initdb, "")?;
        let mut file = File::options().append(true).open(self.data().join("postgresql.conf"))?;
        file.write_all(self.settings().as_bytes())?;
        let mut single = self.command(&self.programs.path("postgres"));
        single.args(["--single", "-F", "-c", "exit_on_error=on", "-D"]).arg(self.data()).arg(SUPERUSER);
        let replication = if self.setup.logical { " REPLICATION" } else { "" };
        // It reads a command from each line.
        complete(
            single,
            &format!("CREATE ROLE {ROLE} LOGIN CREATEDB{replication}\nCREATE DATABASE {ROLE} OWNER {ROLE}\n"),
        )
    }

    /// Starts the processes, without waiting for anything.
    ///
    /// # Errors
    /// One cannot be started.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        self.run_postmaster()?;
        let Some((program, port)) = self.programs.pooler.clone().zip(self.ports.pooler) else { return Ok(()) };
        let (settings, users) = (self.file("pgbouncer.ini"), self.file("users.txt"));
        let (certificate, key) = (self.authority(), self.file("server.key"));
        fs::write(&settings, pooler::settings(port, self.ports.server, &users, &certificate, &key))?;
        fs::write(&users, pooler::users())?;
        self.account.own(&[&settings, &users])?;
        let mut command = self.command(&program);
        command.arg(settings);
        self.pooler = Some(self.spawn(command, "pooler.log")?);
        Ok(())
    }

    /// The server's first process.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn process_id(&self) -> Result<u32, Failure> {
        self.postmaster.as_ref().map(Child::id).ok_or_else(|| "PostgreSQL does not run".into())
    }

    /// Ends the server and starts it again, without waiting for it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn restart(&mut self, shutdown: Shutdown) -> Result<(), Failure> {
        let signal = match shutdown {
            Shutdown::Immediate => Signal::QUIT,
            Shutdown::Fast => Signal::INT,
        };
        end(self.postmaster.as_mut().into_iter().collect(), signal, RESTART_MAX);
        self.run_postmaster()
    }

    /// Goes on only if all processes run.
    ///
    /// # Errors
    /// One has ended.
    pub(super) fn check_running(&mut self) -> Result<(), Failure> {
        for (child, name, log) in
            [(&mut self.postmaster, "PostgreSQL", "server.log"), (&mut self.pooler, "PgBouncer", "pooler.log")]
        {
            if let Some(status) = child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                let end = end_of_log(&self.scratch.path().join(log));
                return Err(format!("{name} ended by itself ({status}); it should run until it is told to end\nthe end of its log:\n{end}").into());
            }
        }
        Ok(())
    }

    /// Whether the server and the pooler answer clients.
    ///
    /// # Errors
    /// One has ended.
    pub(super) fn answers(&mut self) -> Result<bool, Failure> {
        self.check_running()?;
        let program = self.programs.path("pg_isready");
        let answers = |port: u16| {
            let mut ask = Command::new(&program);
            ask.args(["-q", "-t", "2", "-h", "127.0.0.1", "-U", ROLE, "-d", ROLE, "-p", &port.to_string()]);
            // Otherwise the server's log says of each question that TLS was begun and not ended.
            ask.env("PGSSLMODE", "disable").stdin(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        Ok([Some(self.ports.server), self.ports.pooler].into_iter().flatten().all(answers))
    }

    fn run_postmaster(&mut self) -> Result<(), Failure> {
        let mut command = self.command(&self.programs.path("postgres"));
        command.arg("-D").arg(self.data());
        self.postmaster = Some(self.spawn(command, "server.log")?);
        Ok(())
    }

    /// What differs from PostgreSQL's own settings.
    fn settings(&self) -> String {
        let wal_level = if self.setup.logical { "logical" } else { "replica" };
        // Shared memory in files of the directory, so that none is left behind when the server is killed.
        format!(
            "
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = {folder}
max_connections = 200
shared_buffers = 256MB
dynamic_shared_memory_type = mmap
wal_level = {wal_level}
fsync = on
ssl = on
ssl_cert_file = {certificate}
ssl_key_file = {key}
",
            port = self.ports.server,
            folder = quoted(self.scratch.path()),
            certificate = quoted(&self.authority()),
            key = quoted(&self.file("server.key")),
        )
    }

    fn command(&self, program: &Path) -> Command {
        self.account.command(program, self.scratch.path())
    }

    /// Its log goes on where that of the process before it ended.
    fn spawn(&self, mut command: Command, log: &str) -> Result<Child, Failure> {
        let log = File::options().create(true).append(true).open(self.file(log))?;
        let errors = log.try_clone()?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.spawn().map_err(|error| format!("cannot start {}: {error}", crate::process::shown(&command)).into())
    }

    fn data(&self) -> PathBuf {
        self.file("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

impl Service for Server {
    const NAME: &'static str = "postgres";

    fn late(&self, limit: Duration) -> Failure {
        let logs = ["server.log", "pooler.log"].map(|log| end_of_log(&self.file(log)));
        format!(
            "PostgreSQL did not answer within {} s of being started; the machine may be too busy, or short of memory\nthe ends of the logs of the server and its pooler:\n{}",
            limit.as_secs(),
            logs.join("\n")
        )
        .into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once and without writing anything down: the directory goes after this, as the fields are dropped.
        end([&mut self.pooler, &mut self.postmaster].into_iter().flatten().collect(), Signal::QUIT, STOP_MAX);
    }
}

/// Runs a command to its end with this input.
fn complete(mut command: Command, input: &str) -> Result<(), Failure> {
    let shown = crate::process::shown(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start {shown}: {error}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // What does not read its input has failed, and says why.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("failed ({}): {shown}\n{}", output.status, said.trim()).into())
}
