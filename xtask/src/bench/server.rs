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
/// So many ids lie in every one of four partitions.
const MARKERS: usize = 32;
/// A million events are processed long before.
const SETTLE_SECONDS_MAX: u64 = 300;
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
            Side::Product => product(APP, folder, address)?,
            Side::Bare => bare(folder, address),
            Side::Nats => jetstream(folder, address),
        };
        Self::run(side, &mut command, folder, address)
    }

    /// Starts the product's server with an app of one's own.
    pub(crate) fn spawn_app(app: &str, folder: &Path) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Self::run(Side::Product, &mut product(app, folder, address)?, folder, address)
    }

    fn run(side: Side, command: &mut Command, folder: &Path, address: SocketAddr) -> Result<Self, Failure> {
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

    /// Where the rows of a view are; the bare server answers everywhere.
    pub(crate) fn view_url(&self, view: &str) -> String {
        format!("http://{}/views/{view}", self.address)
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

    /// Waits until all that was sent is in the view of ids: partitions are processed in order, so an event in each that comes
    /// after all of it tells.
    pub(crate) fn settle(&mut self, view: &str) -> Result<(), Failure> {
        let ids: Vec<String> = (0..MARKERS).map(|number| format!("marker-{number}")).collect();
        ids.iter().try_for_each(|id| self.accept_one(id))?;
        ids.iter().try_for_each(|id| self.has_row(view, id))
    }

    /// Waits until the view has a row of this key.
    pub(crate) fn has_row(&mut self, view: &str, key: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(SETTLE_SECONDS_MAX);
        while !self.try_row(view, key).unwrap_or(false) {
            if Instant::now() > deadline {
                return Err(format!("the view {view} had no row {key} within {SETTLE_SECONDS_MAX} s").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn try_row(&self, view: &str, key: &str) -> std::io::Result<bool> {
        let address = self.address;
        let request = format!("GET /views/{view}/{key} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        Ok(self.status_of(&request)? == *b"HTTP/1.1 200")
    }

    fn try_accept(&self, id: &str) -> std::io::Result<bool> {
        let body = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":"flight","data":{{"tailnum":"N1"}}}}"#
        );
        let request = format!(
            "POST /topics/flights/events HTTP/1.1\r\nHost: {}\r\nContent-Type: application/cloudevents+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        Ok(self.status_of(&request)? == *b"HTTP/1.1 202")
    }

    /// The beginning of what a request is answered with.
    fn status_of(&self, request: &str) -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(START_SECONDS_MAX)))?;
        stream.write_all(request.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status)
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

fn product(app: &str, folder: &Path, address: SocketAddr) -> Result<Command, Failure> {
    let file = folder.join("riverrun.yaml");
    fs::write(&file, format!("{app}listen: {address}\n"))?;
    let mut command = Command::new(tree::release_program(SERVER));
    command.arg("run").arg("-f").arg(file);
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
