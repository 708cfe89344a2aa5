//! Receiving a request's body: bounded in size, memory and time before a single byte is looked at.
//!
//! The limit holds for the bytes as sent and for the bytes after decompression, so a small body that unpacks to a large one
//! is refused when it passes the limit, not after. Room in the server's budget is taken before bytes are kept, and held
//! until the request is answered.

use std::io::{BufRead, Read};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::Bytes;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::admission::{NoRoom, Room};

/// How long a body may take to arrive: a body of the default limit at 0.3 Mbit/s.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How much is decompressed between two looks at the limits.
const DECODE_STEP_BYTES: usize = 16 * 1024;

/// Why a body could not be received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It has more bytes than allowed.
    #[error("the body has more than {bytes_max} bytes{}; send several smaller ones", if *decoded { " once decompressed" } else { "" })]
    TooLarge {
        /// How many it may have.
        bytes_max: usize,
        /// Whether that was found while decompressing.
        decoded: bool,
    },
    /// It did not arrive in time.
    #[error("the body did not arrive within {} s", after.as_secs())]
    Slow {
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended in the middle of it, or its framing is wrong.
    #[error("the body could not be received: {0}")]
    Broken(String),
    /// It is encoded in a way the door does not know.
    #[error("Content-Encoding {0:?} is not supported; send gzip, deflate, or the bytes as they are")]
    Coding(String),
    /// It is not what its encoding says.
    #[error("the body cannot be decompressed: {0}")]
    Compressed(String),
    /// The server holds as many bodies as it may.
    #[error("the server holds as many request bodies as it may; nothing was stored, try again later")]
    NoRoom,
}

impl From<NoRoom> for BodyError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// A body, with the room it takes.
pub(crate) struct ReceivedBody {
    /// The bytes, decompressed.
    pub(crate) bytes: Bytes,
    /// How many bytes were sent.
    pub(crate) sent: usize,
    /// Keeps the bytes counted until the request is answered.
    pub(crate) room: Room,
}

/// Receives the body of a request; it may have `bytes_max` bytes, as sent and after decompression.
pub(crate) async fn receive(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    mut room: Room,
) -> Result<ReceivedBody, BodyError> {
    let coding = Coding::of(headers)?;
    if let Some(announced) = announced(headers) {
        if announced > bytes_max {
            return Err(BodyError::TooLarge { bytes_max, decoded: false });
        }
        room.grow_to(announced)?;
    }
    let slow = |_| BodyError::Slow { after: BODY_TIME_MAX };
    let encoded = timeout(BODY_TIME_MAX, collect(body, bytes_max, &mut room)).await.map_err(slow)??;
    let sent = encoded.len();
    let bytes = match coding {
        Coding::Identity => encoded,
        Coding::Gzip => {
            let mut decoder = GzDecoder::new(&*encoded);
            let decoded = decode(&mut decoder, sent, bytes_max, &mut room).await?;
            nothing_after(decoder.into_inner())?;
            decoded
        }
        Coding::Deflate => {
            let mut decoder = ZlibDecoder::new(&*encoded);
            let decoded = decode(&mut decoder, sent, bytes_max, &mut room).await?;
            nothing_after(decoder.into_inner())?;
            decoded
        }
    };
    Ok(ReceivedBody { bytes, sent, room })
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Gathers the body's pieces; a body of one piece is not copied.
async fn collect(mut body: Body, bytes_max: usize, room: &mut Room) -> Result<Bytes, BodyError> {
    let mut first: Option<Bytes> = None;
    let mut gathered = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(piece) = frame.into_data() else { continue };
        let total = piece.len() + first.as_ref().map_or(0, Bytes::len) + gathered.len();
        if total > bytes_max {
            return Err(BodyError::TooLarge { bytes_max, decoded: false });
        }
        room.grow_to(total)?;
        if total == piece.len() {
            first = Some(piece);
            continue;
        }
        if let Some(first) = first.take() {
            gathered.extend_from_slice(&first);
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(first.unwrap_or_else(|| gathered.into()))
}

/// How a body is compressed.
#[derive(Clone, Copy)]
enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut stated = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?").trim());
        let (Some(name), second) = (stated.next(), stated.next()) else { return Ok(Self::Identity) };
        match name.to_ascii_lowercase().as_str() {
            _ if second.is_some() => Err(BodyError::Coding("several".to_owned())),
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            other => Err(BodyError::Coding(other.chars().take(64).collect())),
        }
    }
}

/// Decompresses step by step, counting; other requests get their turn between the steps.
async fn decode(decoder: &mut impl Read, sent: usize, bytes_max: usize, room: &mut Room) -> Result<Bytes, BodyError> {
    let mut decoded = Vec::new();
    loop {
        let mut step = decoder.by_ref().take(DECODE_STEP_BYTES as u64);
        let read = step.read_to_end(&mut decoded).map_err(|error| BodyError::Compressed(error.to_string()))?;
        if decoded.len() > bytes_max {
            return Err(BodyError::TooLarge { bytes_max, decoded: true });
        }
        room.grow_to(sent + decoded.len())?;
        if read == 0 {
            return Ok(decoded.into());
        }
        tokio::task::yield_now().await;
    }
}

fn nothing_after(mut rest: impl BufRead) -> Result<(), BodyError> {
    match rest.fill_buf() {
        Ok([]) => Ok(()),
        _ => Err(BodyError::Compressed("bytes follow after its end".to_owned())),
    }
}
