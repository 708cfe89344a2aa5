//! The callers of the storm: they open, ask and send, and mind nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::http::{Connection, Request};

/// The largest body the server takes, as its app file says.
const BODY_BYTES_MAX: usize = 4 << 20;
/// What a gzip bomb unpacks to.
const BOMB_BYTES: usize = 64 << 20;
/// Rounds of requests that are too large, each of every kind.
const ROUNDS: usize = 40;
/// Announced bodies that never come: over three times what there is room for.
const ANNOUNCED: usize = 60;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is held open until the end of the storm.
pub(super) struct Flood {
    address: SocketAddr,
    held: Vec<TcpStream>,
}

impl Flood {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, held: Vec::new() }
    }

    /// Fills a topic and lets readers ask for all of it, and follow, without reading.
    pub(super) fn slow_readers(&mut self, events: usize, readers: usize) -> Result<String, Failure> {
        let mut connection = Connection::new(self.address, PATIENCE);
        let padding = "x".repeat(64 * 1024);
        for number in 0..events {
            let body = format!(r#"{{"number":{number},"padding":"{padding}"}}"#);
            let answer = connection.send(&Request::post("/topics/large/events", "application/json", body));
            let status = answer.map_err(|error| Failure::broken(format!("a large event: {error:?}")))?.status;
            expect("a large event", status, 202)?;
        }
        for _ in 0..readers {
            let follow = format!("GET /topics/large/events?follow=true HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
            let stream = self.open()?;
            (&stream).write_all(follow.as_bytes()).or_environment("cannot ask")?;
            self.held.push(stream);
        }
        Ok(format!("{readers} readers take nothing of {events} events of 64 KiB"))
    }

    /// Opens connections and says nothing on them.
    pub(super) fn idle(&mut self, connections: usize, interruption: &Interruption) -> Result<String, Failure> {
        allow_open_files(connections + 500)?;
        for _ in 0..connections {
            interruption.check()?;
            let stream = self.open()?;
            self.held.push(stream);
        }
        Ok(format!("{connections} connections are open and say nothing"))
    }

    /// Bodies that are too large: announced, unannounced, and only once unpacked.
    pub(super) fn too_large(&self) -> Result<String, Failure> {
        let announced = b"Content-Length: 1073741824\r\n\r\n".to_vec();
        let mut unannounced = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", BODY_BYTES_MAX + 1).into_bytes();
        unannounced.resize(unannounced.len() + BODY_BYTES_MAX + 1, b' ');
        let bomb = bomb()?;
        let mut packed = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len()).into_bytes();
        packed.extend_from_slice(&bomb);
        for _ in 0..ROUNDS {
            for (name, rest) in [("announced", &announced), ("unannounced", &unannounced), ("packed", &packed)] {
                let status = self.post(rest)?;
                expect(&format!("a body that is too large, {name}"), status, 413)?;
            }
        }
        Ok(format!("{} bodies were refused with 413", 3 * ROUNDS))
    }

    /// Announces more bodies than there is room for and sends none of them.
    pub(super) fn too_many(&mut self) -> Result<String, Failure> {
        let announced = format!("Content-Length: {BODY_BYTES_MAX}\r\n\r\n");
        let mut open = Vec::new();
        for _ in 0..ANNOUNCED {
            let stream = self.open()?;
            self.send(&stream, announced.as_bytes())?;
            open.push(stream);
        }
        let mut refused = 0;
        for stream in &open {
            // Those that found room wait for their body and say nothing.
            stream.set_read_timeout(Some(Duration::from_millis(50))).or_environment("cannot set a time-out")?;
            if let Some(status) = status_of(stream)? {
                expect("a body for which there is no room", status, 429)?;
                refused += 1;
            }
        }
        // 64 MiB of bodies, 4 MiB each.
        if refused < ANNOUNCED - 16 {
            return Err(Failure::broken(format!("only {refused} of {ANNOUNCED} bodies of 4 MiB were refused")));
        }
        Ok(format!("{refused} of {ANNOUNCED} bodies were refused with 429"))
    }

    fn open(&self) -> Result<TcpStream, Failure> {
        TcpStream::connect_timeout(&self.address, PATIENCE)
            .map_err(|error| Failure::broken(format!("the server takes no connection: {error}")))
    }

    fn send(&self, mut stream: &TcpStream, rest: &[u8]) -> Result<(), Failure> {
        let head = format!(
            "POST /topics/orders/events HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n",
            self.address
        );
        // One that was refused early may be closed before everything is sent; its answer counts then.
        match stream.write_all(&[head.as_bytes(), rest].concat()) {
            Err(error) if !is_closed(error.kind()) => Err(error).or_environment("cannot send"),
            _ => Ok(()),
        }
    }

    fn post(&self, rest: &[u8]) -> Result<u16, Failure> {
        let stream = self.open()?;
        stream.set_read_timeout(Some(PATIENCE)).or_environment("cannot set a time-out")?;
        self.send(&stream, rest)?;
        status_of(&stream)?.ok_or_else(|| Failure::broken("a body that is too large has no answer"))
    }
}

/// The status that comes, or none before the stream's time-out.
fn status_of(mut stream: &TcpStream) -> Result<Option<u16>, Failure> {
    let mut head = [0; 12];
    match stream.read_exact(&mut head) {
        Ok(()) => {
            let status = std::str::from_utf8(&head).ok().and_then(|head| head.get(9..)?.parse().ok());
            status.map(Some).ok_or_else(|| Failure::broken(format!("no HTTP: {:?}", String::from_utf8_lossy(&head))))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(Failure::broken(format!("a connection was cut without an answer: {error}"))),
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

fn expect(what: &str, status: u16, expected: u16) -> Result<(), Failure> {
    if status == expected { Ok(()) } else { Err(Failure::broken(format!("{what}: {status} instead of {expected}"))) }
}

fn bomb() -> Result<Vec<u8>, Failure> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..BOMB_BYTES / zeros.len() {
        packed.write_all(&zeros).or_environment("cannot pack")?;
    }
    packed.finish().or_environment("cannot pack")
}

/// Raises this program's limit of open files, as far as it must.
fn allow_open_files(files: usize) -> Result<(), Failure> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = files as u64;
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        setrlimit(Resource::Nofile, limit).or_environment(&format!("cannot have {files} files open (ulimit -n)"))?;
    }
    Ok(())
}
