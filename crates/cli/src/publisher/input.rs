//! Where lines come from: a file, standard input or bytes in the binary, plain or gzip, cut into batches.
//!
//! Memory is bounded: a line by `LINE_BYTES_MAX`, a batch by its events and bytes, batches by the channel they go into.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

use super::line::{EventLine, PlainData, Refused, prepare};
use crate::failure::Report;

/// Half of what a door takes at once by default (1,000), so a lower limit in an app file seldom matters.
const BATCH_EVENTS_MAX: usize = 500;
/// Half of a door's default body limit (1 MiB).
const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Longer lines are refused unread: no door takes an event of that size.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Large enough that reading a file costs few system calls.
const BUFFER_BYTES: usize = 256 * 1024;

/// Lines in input order, some of them refused.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Lines to send.
    pub(super) events: Vec<EventLine>,
    /// Lines that cannot be sent.
    pub(super) refused: Vec<Refused>,
    /// The last line read.
    pub(super) last_line: u64,
    bytes: usize,
}

/// Bytes read so far, before decompression; a progress bar over the file's size needs no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consumed(Arc<AtomicU64>);

impl Consumed {
    /// How many bytes.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An open input.
pub(crate) struct Input {
    reader: Box<dyn BufRead + Send>,
    name: String,
    total_bytes: Option<u64>,
    consumed: Consumed,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// When it cannot be opened or its first bytes cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, Report> {
        if path.as_os_str() == "-" {
            return Self::new(Box::new(io::stdin()), "standard input".to_owned(), None);
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
        let metadata = file.metadata().map_err(|error| unreadable(&name, &error))?;
        if metadata.is_dir() {
            return Err(unreadable(&name, &io::Error::other("it is a directory")));
        }
        Self::new(Box::new(file), name, metadata.is_file().then_some(metadata.len()))
    }

    /// Bytes that are part of the binary.
    ///
    /// # Errors
    /// Never in practice; the first bytes are read the same way as a file's.
    pub(crate) fn from_bytes(name: &str, bytes: &'static [u8]) -> Result<Self, Report> {
        Self::new(Box::new(bytes), name.to_owned(), u64::try_from(bytes.len()).ok())
    }

    fn new(source: Box<dyn Read + Send>, name: String, total_bytes: Option<u64>) -> Result<Self, Report> {
        let consumed = Consumed::default();
        let counted = Counted { source, consumed: consumed.clone() };
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, counted);
        // RFC 1952: a gzip file begins with 1f 8b.
        let is_gzip = reader.fill_buf().map_err(|error| unreadable(&name, &error))?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Self { reader, name, total_bytes, consumed })
    }

    /// The lines alone, decompressed, for who does not publish them.
    pub(crate) fn into_reader(self) -> Box<dyn BufRead + Send> {
        self.reader
    }

    /// The size in bytes as stored, where it is known.
    pub(crate) fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How far it was read; stays valid while [`Self::read`] runs.
    pub(crate) fn consumed(&self) -> Consumed {
        self.consumed.clone()
    }

    /// Reads everything into batches. Ends early, without error, when nobody wants them any more.
    ///
    /// # Errors
    /// When the input cannot be read; the batches before were sent.
    pub(super) fn read(
        mut self,
        plain: &PlainData,
        from_line: u64,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<(), Report> {
        let mut batch = Batch::default();
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            let read = self.read_line(&mut bytes);
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    let _ = batches.blocking_send(batch);
                    return Err(unreadable(&self.name, &error));
                }
            };
            if read == LineRead::End {
                break;
            }
            number += 1;
            if number < from_line {
                continue;
            }
            batch.add(read, &bytes, number, plain);
            if batch.is_full() && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
        let _ = batches.blocking_send(batch);
        Ok(())
    }

    fn read_line(&mut self, bytes: &mut Vec<u8>) -> io::Result<LineRead> {
        bytes.clear();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        if (&mut self.reader).take(limit).read_until(b'\n', bytes)? == 0 {
            return Ok(LineRead::End);
        }
        if bytes.len() < LINE_BYTES_MAX || bytes.ends_with(b"\n") {
            return Ok(LineRead::Whole);
        }
        // Too long: pass over the rest of it, holding one buffer at a time.
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(LineRead::TooLong);
            }
            if let Some(found) = buffer.iter().position(|byte| *byte == b'\n') {
                self.reader.consume(found + 1);
                return Ok(LineRead::TooLong);
            }
            let passed = buffer.len();
            self.reader.consume(passed);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineRead {
    Whole,
    TooLong,
    End,
}

impl Batch {
    fn add(&mut self, read: LineRead, bytes: &[u8], number: u64, plain: &PlainData) {
        self.last_line = number;
        if read == LineRead::TooLong {
            let reason = format!("the line has more than {LINE_BYTES_MAX} bytes");
            self.refused.push(Refused { number, code: None, reason, text: String::new() });
            return;
        }
        match prepare(bytes, number, plain) {
            None => {}
            Some(Ok(event)) => {
                self.bytes += event.json.len();
                self.events.push(event);
            }
            Some(Err(refused)) => self.refused.push(refused),
        }
    }

    fn is_full(&self) -> bool {
        self.events.len() >= BATCH_EVENTS_MAX || self.bytes >= BATCH_BYTES_MAX || self.refused.len() >= BATCH_EVENTS_MAX
    }
}

struct Counted {
    source: Box<dyn Read + Send>,
    consumed: Consumed,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.consumed.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn unreadable(name: &str, error: &io::Error) -> Report {
    Report::new("RR0405", format!("{name} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn check(bytes: Vec<u8>, from_line: u64, events: &[u64], refused: &[u64]) {
        let input = Input::new(Box::new(io::Cursor::new(bytes)), "test".into(), None).unwrap();
        let (sender, mut receiver) = mpsc::channel(100);
        input.read(&PlainData::new("t", None, None, None), from_line, &sender).unwrap();
        drop(sender);
        let (mut sent, mut failed) = (Vec::new(), Vec::new());
        while let Some(batch) = receiver.blocking_recv() {
            assert!(batch.events.len() <= BATCH_EVENTS_MAX);
            sent.extend(batch.events.iter().map(|event| event.number));
            failed.extend(batch.refused.iter().map(|refused| refused.number));
        }
        assert_eq!((sent.as_slice(), failed.as_slice()), (events, refused));
    }

    #[test]
    fn every_line_is_an_event_or_refused() {
        check(b"{}\n\nnope\n[1]".to_vec(), 1, &[1, 4], &[3]);
        check(b"1\n2\n3\n".to_vec(), 3, &[3], &[]);
        check(Vec::new(), 1, &[], &[]);
        let many: Vec<u64> = (1..=1_201).collect();
        check("0\n".repeat(1_201).into_bytes(), 1, &many, &[]);
    }

    #[test]
    fn gzip_is_read_too() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"1\n2\n").unwrap();
        check(encoder.finish().unwrap(), 1, &[1, 2], &[]);
    }

    #[test]
    fn an_endless_line_is_passed_over() {
        let mut bytes = vec![b'7'; LINE_BYTES_MAX + BUFFER_BYTES + 1];
        bytes.extend_from_slice(b"\n8\n");
        check(bytes, 1, &[2], &[1]);
    }
}
