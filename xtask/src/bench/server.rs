//! A server under measurement: the product's, the bare one or NATS, started on a free port of the loopback address.
//!
//! What it costs is read from /proc while it lives, the same way for all. Dropping it kills it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{BARE, SERVER, nats};
use crate::{Failure, tree};

/// A server that does not answer by then never will.
const START_SECONDS_MAX: u64 = 60;
/// Clock ticks a second in /proc/PID/stat: 100 on every Linux architecture Rust supports (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The app of the product's server: one topic, as the bare server has one file.
const APP: &str = "\
app: bench
data_dir: ./data
topics:
  flights: { partitions: 4, key: data.tailnum }
";

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Product,
    Bare,
    Nats,
}

/// A running server.
pub(crate) struct Server {
    side: Side,
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts the server over `folder` without waiting for it; the product finds there what an earlier one left.
    pub(crate) fn spawn(side: Side, folder: &Path) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = match side {
            Side::Product => product(folder, address)?,
            Side::Bare => bare(folder, address),
            Side::Nats => jetstream(folder, address),
        };
        let log = fs::File::create(folder.join("stderr"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { side, child, address })
    }

    /// Which server it is.
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where events go.
    pub(crate) fn events_url(&self) -> String {
        format!("http://{}/topics/flights/events", self.address)
    }

    /// Sends one event again and again until it is accepted: the moment the server is of use.
    pub(crate) fn accept_one(&mut self, id: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            let is_ready = match self.side {
                Side::Nats => self.greets(),
                Side::Product | Side::Bare => self.try_accept(id),
            };
            if is_ready.unwrap_or(false) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended with {status} before it accepted an event").into());
            }
            if Instant::now() > deadline {
                return Err(format!("the server accepted no event within {START_SECONDS_MAX} s").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn try_accept(&self, id: &str) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(START_SECONDS_MAX)))?;
        let body = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":"flight","data":{{"tailnum":"N1"}}}}"#
        );
        let request = format!(
            "POST /topics/flights/events HTTP/1.1\r\nHost: {}\r\nContent-Type: application/cloudevents+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status == *b"HTTP/1.1 202")
    }

    /// NATS speaks first, once it is ready.
    fn greets(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting)?;
        Ok(greeting == *b"INFO")
    }

    /// CPU time so far, user and system.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The command in parentheses may hold spaces; utime and stime are the 12th and 13th fields after it.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// The most memory it had resident, in MB of 10^6 bytes.
    pub(crate) fn peak_memory_mb(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
        let kibibytes: f64 = line.split_whitespace().next().ok_or("empty VmHWM in /proc")?.parse()?;
        Ok(kibibytes * 1024.0 / 1e6)
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status} when asked to stop").into()) }
    }

    /// Kills it without warning.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` and `kill` there is nothing left to end, and both calls fail without harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn product(folder: &Path, address: SocketAddr) -> Result<Command, Failure> {
    let app = folder.join("riverrun.yaml");
    fs::write(&app, format!("{APP}listen: {address}\n"))?;
    let mut command = Command::new(tree::release_program(SERVER));
    command.arg("run").arg("-f").arg(app);
    Ok(command)
}

fn bare(folder: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(tree::release_program(BARE));
    command.arg("http").arg("--port").arg(address.port().to_string()).arg("--directory").arg(folder);
    command
}

fn jetstream(folder: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(nats::program());
    command.arg("server").arg("--port").arg(address.port().to_string()).arg("--directory").arg(folder);
    command
}
