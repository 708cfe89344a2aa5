//! How numbers, texts and times are laid out in every row. Decoding never trusts a length.

use std::time::Duration;

use riverrun_event::Time;

/// Bytes that are no row of the kind they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {row} row cannot be decoded: {detail}")]
pub(crate) struct Undecodable {
    /// Which kind of row.
    pub(crate) row: &'static str,
    /// What does not fit.
    pub(crate) detail: &'static str,
}

/// Reads a row from the front.
pub(crate) struct Cursor<'a> {
    row: &'static str,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(row: &'static str, bytes: &'a [u8]) -> Self {
        Self { row, rest: bytes }
    }

    pub(crate) fn error(&self, detail: &'static str) -> Undecodable {
        Undecodable { row: self.row, detail }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Undecodable> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(self.error("it ends early"))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(self.error("it ends early"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Undecodable> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Undecodable> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Undecodable> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn time(&mut self) -> Result<Time, Undecodable> {
        let seconds = self.array().map(i64::from_be_bytes)?;
        Ok(Time::from_unix(seconds, self.u32()?))
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, Undecodable> {
        let seconds = self.u64()?;
        let nanoseconds = self.u32()?;
        // Duration::new panics on overflow of the carry; a stored one has none.
        if nanoseconds > 999_999_999 {
            return Err(self.error("a duration has too many nanoseconds"));
        }
        Ok(Duration::new(seconds, nanoseconds))
    }

    /// LEB128, at most ten bytes.
    pub(crate) fn varint(&mut self) -> Result<u64, Undecodable> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("a length is too long"))
    }

    pub(crate) fn length(&mut self) -> Result<usize, Undecodable> {
        usize::try_from(self.varint()?).map_err(|_| self.error("a length is too long"))
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], Undecodable> {
        let length = self.length()?;
        self.bytes(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Undecodable> {
        let bytes = self.string()?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a text is not UTF-8"))
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The row must end here.
    pub(crate) fn end(&self) -> Result<(), Undecodable> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("bytes are left over")) }
    }

    /// The key must start with this tag.
    pub(crate) fn tag(&mut self, row: crate::schema::StoredRow) -> Result<(), Undecodable> {
        if row.tag() == Some(self.u8()?) { Ok(()) } else { Err(self.error("its key is of another kind")) }
    }
}

/// A key that starts with the row's tag.
pub(crate) fn key(row: crate::schema::StoredRow, capacity: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(capacity + 1);
    key.extend(row.tag());
    key
}

pub(crate) fn put_time(out: &mut Vec<u8>, time: Time) {
    out.extend(time.unix_seconds().to_be_bytes());
    out.extend(time.subsecond_nanoseconds().to_be_bytes());
}

pub(crate) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    out.extend(duration.as_secs().to_be_bytes());
    out.extend(duration.subsec_nanos().to_be_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7F) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
