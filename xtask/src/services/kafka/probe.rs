//! Asks a broker how many brokers it knows: a Metadata request of version 0 in Kafka's protocol, and the beginning of its answer.
//!
//! A port that accepts says little, since a broker listens before the cluster lets it serve. Metadata names only those that may.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const METADATA: i16 = 3;
const VERSION: i16 = 0;
/// Any number; the answer repeats it.
const CORRELATION: i32 = 0x7269_7665;
/// On the loopback address an answer comes at once, or the broker is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many brokers the one at `address` knows to serve.
///
/// # Errors
/// It does not answer, or not as Kafka does.
pub(super) fn brokers_known(address: SocketAddr) -> Result<usize> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&request())?;
    let size = number(&mut stream)?;
    let correlation = number(&mut stream)?;
    if size < 8 || correlation != CORRELATION {
        return Err(Error::new(ErrorKind::InvalidData, "this is no answer to a Metadata request"));
    }
    usize::try_from(number(&mut stream)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    // No client name.
    body.extend((-1_i16).to_be_bytes());
    // No topics named: this version then takes all of them, and there are none yet.
    body.extend(0_i32.to_be_bytes());
    let size = u32::try_from(body.len()).unwrap_or_default();
    [&size.to_be_bytes(), body.as_slice()].concat()
}

fn number(stream: &mut TcpStream) -> Result<i32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(i32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What a client makes of a server that answers every request with these bytes.
    fn check(answer: &'static [u8]) -> Option<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 18];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            request
        });
        let known = brokers_known(address).ok();
        assert_eq!(server.join().unwrap(), *b"\0\0\0\x0e\0\x03\0\0rive\xff\xff\0\0\0\0");
        known
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(check(b"\0\0\0\x23rive\0\0\0\x01\0\0\0\x01\0\t127.0.0.1\0\0\x99\x18\0\0\0\0"), Some(1));
        assert_eq!(check(b"\0\0\0\x0crive\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(check(b"\0\0\0\x0criva\0\0\0\x01\0\0\0\0"), None);
        assert_eq!(check(b"\0\0\0\x0crive\xff\xff\xff\xff"), None);
        assert_eq!(check(b"HTTP/1.1 400 Bad Request"), None);
        assert_eq!(check(b""), None);
    }
}
