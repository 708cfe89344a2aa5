//! A streamed answer, cut into lines. Lines are bounded, so a server that sends no newline cannot fill the memory.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{ClientError, innermost};

/// Far more than the largest event a door takes (1 MiB by default) with its attributes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Lines of a streamed answer.
#[derive(Debug)]
pub struct Lines {
    url: String,
    body: Incoming,
    held: BytesMut,
    /// How much of `held` is known to have no newline.
    searched: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn new(url: String, body: Incoming) -> Self {
        Self { url, body, held: BytesMut::new(), searched: 0, ended: false }
    }

    /// Whether [`Self::next`] would have to wait for the server.
    #[must_use]
    pub fn must_wait(&self) -> bool {
        !self.ended && !self.held.get(self.searched..).unwrap_or_default().contains(&b'\n')
    }

    /// The next line without its newline, empty ones left out; `None` at the end. Safe to drop while it waits.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when the connection broke; [`ClientError::Answer`] for an endless line.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(line) = self.held_line() {
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            self.receive().await?;
        }
    }

    fn held_line(&mut self) -> Option<Bytes> {
        let unsearched = self.held.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.held.len();
            if self.ended && !self.held.is_empty() {
                self.searched = 0;
                return Some(self.held.split().freeze());
            }
            return None;
        };
        let mut line = self.held.split_to(self.searched + found + 1);
        self.searched = 0;
        line.truncate(line.len() - 1);
        Some(line.freeze())
    }

    async fn receive(&mut self) -> Result<(), ClientError> {
        if self.held.len() > LINE_BYTES_MAX {
            let reason = format!("a line has more than {LINE_BYTES_MAX} bytes");
            return Err(ClientError::Answer { url: self.url.clone(), reason });
        }
        match self.body.frame().await {
            None => self.ended = true,
            Some(Err(error)) => {
                return Err(ClientError::Unreachable { url: self.url.clone(), reason: innermost(&error) });
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.held.extend_from_slice(&data);
                }
            }
        }
        Ok(())
    }
}
