//! A small HTTP/1.1 client over a blocking socket: keep-alive, timeouts, bodies by length, by chunks or until the end.
//!
//! It tells apart what was never sent from what was sent without an answer: the latter may have been stored.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection may take to come up; the server is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A request with everything but the Host and Content-Length.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET or POST.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST of a body of this media type.
    #[must_use]
    pub fn post(path: impl Into<String>, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Self { method: "POST", path: path.into(), headers, body: body.into() }
    }
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Response {
    /// For example 202.
    pub status: u16,
    /// The body, decoded from chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// The body for a message: as text, shortened.
    #[must_use]
    pub fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

/// Why there is no response.
#[derive(Debug)]
pub enum HttpError {
    /// Nothing was sent: no connection.
    Unreachable(io::Error),
    /// The request was sent, whole or in part, and its outcome is unknown.
    Lost(io::Error),
}

/// One keep-alive connection, opened when needed.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    timeout: Duration,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// A connection to be. `timeout` holds for each read and write.
    #[must_use]
    pub fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self { address, timeout, stream: None }
    }

    /// Sends a request and waits for the whole response.
    ///
    /// # Errors
    /// [`HttpError`]; the next request opens a new connection then.
    pub fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().map_err(HttpError::Unreachable)?,
        };
        let head = self.head(request);
        let sent = stream.get_mut().write_all(&[head.as_bytes(), &request.body].concat());
        // A server may refuse a large body and close before it has read it all: its answer counts then, not the failed write.
        let (response, keeps_open) = match (read_response(&mut stream), sent) {
            (Ok(response), _) => response,
            (Err(error), Ok(())) | (Err(_), Err(error)) => return Err(HttpError::Lost(error)),
        };
        if keeps_open {
            self.stream = Some(stream);
        }
        Ok(response)
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(BufReader::with_capacity(64 * 1024, stream))
    }

    fn head(&self, request: &Request) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.path, self.address);
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if request.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        head.push_str("\r\n");
        head
    }
}

/// Reads a response; the flag says whether the connection stays open.
fn read_response(stream: &mut impl BufRead) -> io::Result<(Response, bool)> {
    loop {
        let status_line = read_line(stream)?;
        let status: u16 = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| malformed(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase()));
        }
        if status >= 200 {
            let has_body = !matches!(status, 204 | 304);
            let (body, has_end) = if has_body { read_body(stream, &headers)? } else { (Vec::new(), true) };
            let closes = headers.iter().any(|(name, value)| name == "connection" && value == "close");
            return Ok((Response { status, body }, has_end && !closes));
        }
    }
}

fn read_body(stream: &mut impl BufRead, headers: &[(String, String)]) -> io::Result<(Vec<u8>, bool)> {
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        read_chunks(stream, &mut body)?;
        return Ok((body, true));
    }
    match header("content-length") {
        Some(length) => {
            body.resize(length.parse().map_err(|_| malformed(length))?, 0);
            stream.read_exact(&mut body)?;
            Ok((body, true))
        }
        None => stream.read_to_end(&mut body).map(|_| (body, false)),
    }
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(stream)?;
        let length = line.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(length, 16).map_err(|_| malformed(&line))?;
        let taken = stream.by_ref().take(length as u64).read_to_end(body)?;
        if taken < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length > 0 {
            read_line(stream)?;
        } else {
            // Trailers, if any, up to the empty line.
            while !read_line(stream)?.is_empty() {}
            return Ok(());
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn malformed(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed HTTP: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wire: &str, status: u16, body: &str, keeps_open: bool) {
        let (response, open) = read_response(&mut wire.as_bytes()).unwrap();
        assert_eq!((response.status, response.body.as_slice(), open), (status, body.as_bytes(), keeps_open), "{wire}");
    }

    #[test]
    fn bodies_are_read_by_length_by_chunks_or_to_the_end() {
        check("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nokHTTP", 202, "ok", true);
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
            200,
            "abcd",
            true,
        );
        check("HTTP/1.1 413 Too Large\r\nConnection: close\r\ncontent-length: 1\r\n\r\nx", 413, "x", false);
        check("HTTP/1.1 200 OK\r\n\r\nall", 200, "all", false);
        check("HTTP/1.1 204 No Content\r\n\r\nHTTP", 204, "", true);
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "", true);
    }

    #[test]
    fn a_cut_response_is_an_error() {
        for wire in ["", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", "garbage\r\n\r\n"] {
            assert!(read_response(&mut wire.as_bytes()).is_err(), "{wire:?}");
        }
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab";
        assert!(read_response(&mut chunked.as_bytes()).is_err());
    }
}
