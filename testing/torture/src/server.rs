//! The server under test as a process: start, wait until ready, stop its threads, kill, or end in good order.
//!
//! It is killed when this value is dropped, whatever happened; no other process is ever signalled.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::http::{Connection, Request};

/// How long a start may take, recovery included; the data of a run is small.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long SIGTERM may take.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the kernel may take to stop all threads.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the server's log a message quotes.
const LOG_TAIL_BYTES: usize = 2_000;

/// What is needed to start the server, again and again.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// What it gets on its command line.
    pub arguments: Vec<OsString>,
    /// The data directory, where the server tells its address.
    pub data_directory: PathBuf,
    /// Its standard output and error are added to this file.
    pub log: PathBuf,
    /// The sabotage switch to set, if any.
    pub sabotage: Option<String>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    launch: Launch,
}

impl Server {
    /// Starts the process, without waiting for anything.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it cannot be started.
    pub fn spawn(launch: &Launch) -> Result<Self, Failure> {
        let log = File::options().create(true).append(true).open(&launch.log).or_environment("cannot open the log")?;
        let errors = log.try_clone().or_environment("cannot open the log")?;
        let mut command = Command::new(&launch.program);
        // A process group of its own: an interrupt from the keyboard is for this program, which then ends the server.
        command.args(&launch.arguments).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        command.env_remove("RIVERRUN_SABOTAGE").env_remove("RIVERRUN_URL");
        if let Some(switch) = &launch.sabotage {
            command.env("RIVERRUN_SABOTAGE", switch);
        }
        let child = command.spawn().or_environment(&format!("cannot start {}", launch.program.display()))?;
        Ok(Self { child, launch: launch.clone() })
    }

    /// Waits until the server says that it is ready; gives its address.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it exits or is not ready in time.
    pub fn wait_ready(&mut self, interruption: &Interruption) -> Result<SocketAddr, Failure> {
        let end = Instant::now() + READY_TIMEOUT;
        while Instant::now() < end {
            interruption.check()?;
            self.check_running()?;
            if let Some(address) = self.address() {
                let answer = Connection::new(address, Duration::from_secs(2)).send(&Request::get("/health/ready"));
                if answer.is_ok_and(|response| response.status == 200) {
                    return Ok(address);
                }
            }
            interruption.sleep(Duration::from_millis(5))?;
        }
        Err(Failure::broken(format!("the server was not ready after {READY_TIMEOUT:?}; {}", self.log_tail())))
    }

    /// The number of the process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Goes on only if the process still runs.
    ///
    /// # Errors
    /// [`Failure::Broken`] with the end of its log.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        match self.child.try_wait().or_environment("cannot look at the server")? {
            None => Ok(()),
            Some(status) => {
                Err(Failure::broken(format!("the server ended by itself with {status}; {}", self.log_tail())))
            }
        }
    }

    /// kill -9, and waits for the end.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the signal cannot be sent.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().or_environment("cannot kill the server")?;
        self.child.wait().or_environment("cannot wait for the server")?;
        Ok(())
    }

    /// Stops every thread of the process where it is; nothing of it runs afterwards.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the threads do not stop in time.
    pub fn freeze(&self) -> Result<(), Failure> {
        self.signal(Signal::STOP)?;
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        let end = Instant::now() + STOP_TIMEOUT;
        while !all_stopped(&tasks).or_environment("cannot look at the server's threads")? {
            if Instant::now() > end {
                return Err(Failure::Environment("the server's threads did not stop".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets the threads go on that [`Self::freeze`] stopped.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the signal cannot be sent.
    pub fn wake(&self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM: the server has to finish its work in hand and end with success.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it ends otherwise or not in time.
    pub fn end(mut self, interruption: &Interruption) -> Result<(), Failure> {
        self.signal(Signal::TERM)?;
        let end = Instant::now() + END_TIMEOUT;
        while Instant::now() < end {
            match self.child.try_wait().or_environment("cannot look at the server")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(Failure::broken(self.ended_badly(status))),
                None => interruption.sleep(Duration::from_millis(10))?,
            }
        }
        Err(Failure::broken(format!("the server still ran {END_TIMEOUT:?} after SIGTERM; {}", self.log_tail())))
    }

    fn ended_badly(&self, status: ExitStatus) -> String {
        format!("the server ended with {status} after SIGTERM; {}", self.log_tail())
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| Failure::Environment("the server has no process id".to_owned()))?;
        kill_process(id, signal).or_environment("cannot signal the server")
    }

    /// The address in `server.json`, if this process wrote it; after a fault the file is that of the process before.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let text = fs::read_to_string(self.launch.data_directory.join("server.json")).ok()?;
        let told: serde_json::Value = serde_json::from_str(&text).ok()?;
        let is_own = told.get("pid")?.as_u64()? == u64::from(self.child.id());
        is_own.then(|| told.get("url")?.as_str()?.strip_prefix("http://")?.trim_end_matches('/').parse().ok())?
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.launch.log).unwrap_or_default();
        let tail = log.get(log.len().saturating_sub(LOG_TAIL_BYTES)..).unwrap_or_default();
        format!("the end of its log:\n{}", String::from_utf8_lossy(tail))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn all_stopped(tasks: &Path) -> std::io::Result<bool> {
    for task in fs::read_dir(tasks)? {
        let stat = fs::read_to_string(task?.path().join("stat"))?;
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        if !matches!(state, Some('T' | 't')) {
            return Ok(false);
        }
    }
    Ok(true)
}
