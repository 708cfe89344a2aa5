//! The plainest stored form of an event, as both limits read and write it: length-prefixed fields in a batch, LZ4 over the batch.

use riverrun_bare::Outcome;
use riverrun_bare::flights::Flight;

/// The fields of an event that are stored.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Unique within the source.
    pub(crate) id: &'a [u8],
    /// Who sent it.
    pub(crate) source: &'a [u8],
    /// CloudEvents' type.
    pub(crate) kind: &'a [u8],
    /// The key.
    pub(crate) key: &'a [u8],
    /// Event time, seconds since 1970.
    pub(crate) time: i64,
    /// Extension attributes, already encoded.
    pub(crate) attributes: &'a [u8],
    /// The data, JSON text.
    pub(crate) data: &'a [u8],
}

impl<'a> Record<'a> {
    /// A flight's. `id` is the caller's, so that repeated flights can be told apart.
    pub(crate) fn of(flight: &'a Flight, id: &'a str) -> Self {
        Self {
            id: id.as_bytes(),
            source: flight.source.as_bytes(),
            kind: flight.kind.as_bytes(),
            key: flight.key.as_bytes(),
            time: flight.time,
            attributes: b"",
            data: flight.data.as_bytes(),
        }
    }
}

/// Records one after the other, not yet compressed.
#[derive(Default)]
pub(crate) struct Batch {
    /// The encoded records.
    bytes: Vec<u8>,
    /// How many there are.
    pub(crate) records: u64,
}

impl Batch {
    /// Adds a record at the end.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> Outcome<()> {
        for field in [record.id, record.source, record.kind, record.key, record.attributes, record.data] {
            self.bytes.extend_from_slice(&u32::try_from(field.len())?.to_be_bytes());
            self.bytes.extend_from_slice(field);
        }
        self.bytes.extend_from_slice(&record.time.to_be_bytes());
        self.records += 1;
        Ok(())
    }

    /// The stored form; the batch is empty afterwards and keeps its memory.
    pub(crate) fn take_compressed(&mut self) -> Vec<u8> {
        let compressed = lz4_flex::compress_prepend_size(&self.bytes);
        self.bytes.clear();
        self.records = 0;
        compressed
    }
}

/// The bytes of a stored batch before compression.
pub(crate) fn decompress(stored: &[u8]) -> Outcome<Vec<u8>> {
    Ok(lz4_flex::decompress_size_prepended(stored)?)
}

/// Takes the next record off `bytes`; `None` at the end.
pub(crate) fn next_record<'a>(bytes: &mut &'a [u8]) -> Outcome<Option<Record<'a>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = next_field(bytes)?;
    let source = next_field(bytes)?;
    let kind = next_field(bytes)?;
    let key = next_field(bytes)?;
    let attributes = next_field(bytes)?;
    let data = next_field(bytes)?;
    let (time, rest) = bytes.split_first_chunk::<8>().ok_or("the batch ends within a time")?;
    *bytes = rest;
    Ok(Some(Record { id, source, kind, key, time: i64::from_be_bytes(*time), attributes, data }))
}

fn next_field<'a>(bytes: &mut &'a [u8]) -> Outcome<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("the batch ends within a length")?;
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    let (field, rest) = rest.split_at_checked(length).ok_or("the batch ends within a field")?;
    *bytes = rest;
    Ok(field)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_stored() {
        let record = Record { id: b"1", source: b"/s", kind: b"t", key: b"k", time: -5, attributes: b"", data: b"{}" };
        let mut batch = Batch::default();
        batch.push(&record).unwrap();
        batch.push(&Record { id: b"2", ..record }).unwrap();
        let bytes = decompress(&batch.take_compressed()).unwrap();
        let mut left = bytes.as_slice();
        let ids: Vec<_> = std::iter::from_fn(|| next_record(&mut left).unwrap()).map(|r| (r.id, r.time)).collect();
        assert_eq!(ids, [(&b"1"[..], -5), (&b"2"[..], -5)]);
    }
}
