//! A connection that speaks Kafka's protocol, for what no client offers: a group member whose tasks we assign ourselves.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer about groups is larger.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Wire {
    stream: TcpStream,
    correlation: i32,
}

impl Wire {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        let stream =
            stream.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not answer")))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, correlation: 0 })
    }

    /// Sends a request and waits for its answer, at most so long.
    pub(crate) async fn call<R>(&mut self, version: i16, request: &R, patience: Duration) -> io::Result<R::Response>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let exchange = self.exchange(version, request);
        timeout(patience, exchange).await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))?
    }

    async fn exchange<R>(&mut self, version: i16, request: &R) -> io::Result<R::Response>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("riverrun")));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version)).map_err(io::Error::other)?;
        request.encode(&mut body, version).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.stream.write_all(&[&length.to_be_bytes()[..], &body].concat()).await?;
        let length = usize::try_from(self.stream.read_u32().await?).map_err(io::Error::other)?;
        if length > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        let mut answer = Bytes::from(answer);
        let header =
            ResponseHeader::decode(&mut answer, R::Response::header_version(version)).map_err(io::Error::other)?;
        if header.correlation_id != self.correlation {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is to another request"));
        }
        R::Response::decode(&mut answer, version).map_err(io::Error::other)
    }
}
