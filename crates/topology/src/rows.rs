//! The bytes of operators' state: keys that sort as what they stand for, and values read back in the order they were written.
//!
//! A row key begins with the event's key, escaped so that the rows of one key stand together and no key is the beginning of
//! another's, followed by what the operator tells its rows of that key apart by: mostly a time. These bytes are kept by the log
//! across versions of the program, so a change here needs another name for the operator's rows.

use bytes::{Buf, Bytes};
use riverrun_event::{Attributes, Event, Key, Text, Time};

use crate::context::StepError;
use crate::draft::{Cause, Draft};

/// Ends an escaped key. Within it a zero is followed by [`ZERO`], which sorts behind this.
const END: [u8; 2] = [0, 1];
const ZERO: [u8; 2] = [0, 0xff];

/// The beginning of all row keys of `key`.
#[must_use]
pub fn prefix_of(key: &[u8]) -> Vec<u8> {
    let mut row = escaped(key);
    row.extend(END);
    row
}

/// The beginning of the row keys of all keys that begin with `key`.
#[must_use]
pub fn escaped(key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(key.len() + 16);
    if !key.contains(&0) {
        row.extend_from_slice(key);
        return row;
    }
    for byte in key {
        if *byte == 0 {
            row.extend(ZERO);
        } else {
            row.push(*byte);
        }
    }
    row
}

/// The key a row key begins with, and what stands behind it; `None` where it is no row key.
#[must_use]
pub fn split(row: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut key = Vec::with_capacity(row.len());
    let mut rest = row;
    loop {
        rest = match rest {
            [0, 1, behind @ ..] => return Some((key, behind)),
            [0, 0xff, behind @ ..] => {
                key.push(0);
                behind
            }
            [0, ..] | [] => return None,
            [byte, behind @ ..] => {
                key.push(*byte);
                behind
            }
        };
    }
}

/// The first row key behind all that begin with `prefix`; empty prefixes and those of 0xff alone have none, and get one that is
/// behind every row key in use.
#[must_use]
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0xff; 16]
}

/// Appends a time so that times sort as bytes.
pub fn put_time(row: &mut Vec<u8>, time: Time) {
    // The sign bit is turned, so that times before 1970 come first.
    let seconds = u64::from_be_bytes(time.unix_seconds().to_be_bytes()) ^ (1 << 63);
    row.extend(seconds.to_be_bytes());
    row.extend(time.subsecond_nanoseconds().to_be_bytes());
}

/// Appends a number in as few bytes as it needs (LEB128).
pub fn put_number(row: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        row.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    row.push(u8::try_from(number).unwrap_or(0));
}

/// Appends bytes with their length before them.
pub fn put_bytes(row: &mut Vec<u8>, bytes: &[u8]) {
    put_number(row, bytes.len() as u64);
    row.extend_from_slice(bytes);
}

/// Appends bytes that may be missing.
pub fn put_optional(row: &mut Vec<u8>, bytes: Option<&[u8]>) {
    row.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(row, bytes);
    }
}

/// Appends an event with its cause; [`RowReader::draft`] reads it back.
pub fn put_draft(row: &mut Vec<u8>, draft: &mut Draft, cause: Option<&Cause>) {
    let data = draft.rendered().data.clone();
    put_event(row, draft, data.as_deref(), cause);
}

/// The same without the event's data, for those who will give it others.
pub fn put_header(row: &mut Vec<u8>, draft: &Draft, cause: Option<&Cause>) {
    put_event(row, draft, None, cause);
}

fn put_event(row: &mut Vec<u8>, draft: &Draft, data: Option<&[u8]>, cause: Option<&Cause>) {
    put_time(row, draft.event_time());
    put_time(row, draft.accepted());
    put_optional(row, cause.map(|cause| cause.position.to_string()).as_ref().map(String::as_bytes));
    if let Some(cause) = cause {
        put_bytes(row, cause.id.as_bytes());
        put_bytes(row, cause.source.as_bytes());
    }
    let event = draft.header();
    for text in [&event.id, &event.source, &event.kind] {
        put_bytes(row, text.as_bytes());
    }
    put_optional(row, event.subject.as_ref().map(|subject| subject.as_bytes()));
    put_optional(row, event.key.as_ref().map(Key::as_bytes));
    put_optional(row, event.content_type.as_ref().map(|kind| kind.as_bytes()));
    put_optional(row, event.data_schema.as_ref().map(|schema| schema.as_bytes()));
    put_optional(row, data);
    put_number(row, event.attributes.iter().count() as u64);
    for (name, value) in event.attributes.iter() {
        put_bytes(row, name.as_bytes());
        put_bytes(row, value.as_bytes());
    }
}

/// Reads a value part by part, as it was written. What cannot be read is the state's fault, not the event's.
pub struct RowReader {
    row: Bytes,
}

impl RowReader {
    /// Reads `row` from its beginning.
    #[must_use]
    pub fn new(row: Bytes) -> Self {
        Self { row }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.row.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<Bytes, StepError> {
        if count > self.row.len() {
            return Err(unreadable());
        }
        Ok(self.row.split_to(count))
    }

    /// One byte.
    ///
    /// # Errors
    /// [`StepError::Fatal`] at the end of the row.
    pub fn byte(&mut self) -> Result<u8, StepError> {
        let byte = self.row.first().copied().ok_or_else(unreadable)?;
        self.row.advance(1);
        Ok(byte)
    }

    /// A time.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when there is none.
    pub fn time(&mut self) -> Result<Time, StepError> {
        let bytes = self.take(12)?;
        let (seconds, nanoseconds) = bytes.split_at(8);
        let seconds = u64::from_be_bytes(seconds.try_into().map_err(|_| unreadable())?) ^ (1 << 63);
        let nanoseconds = u32::from_be_bytes(nanoseconds.try_into().map_err(|_| unreadable())?);
        Ok(Time::from_unix(i64::from_be_bytes(seconds.to_be_bytes()), nanoseconds))
    }

    /// A number.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when there is none.
    pub fn number(&mut self) -> Result<u64, StepError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(unreadable())
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when there are none.
    pub fn bytes(&mut self) -> Result<Bytes, StepError> {
        let length = usize::try_from(self.number()?).map_err(|_| unreadable())?;
        self.take(length)
    }

    /// Bytes that may be missing.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when there is no mark of them.
    pub fn optional(&mut self) -> Result<Option<Bytes>, StepError> {
        if self.byte()? == 0 { Ok(None) } else { self.bytes().map(Some) }
    }

    /// Text.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when there is none.
    pub fn text(&mut self) -> Result<Text, StepError> {
        text(&self.bytes()?)
    }

    /// An event, with the cause it was written with.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when there is none.
    pub fn draft(&mut self) -> Result<Draft, StepError> {
        let (time, accepted) = (self.time()?, self.time()?);
        let cause = match self.optional()? {
            None => None,
            Some(position) => {
                let position = text(&position)?.parse().map_err(|_| unreadable())?;
                Some(Cause { position, id: self.text()?, source: self.text()? })
            }
        };
        let mut event = Event::new(self.text()?, self.text()?, self.text()?);
        event.time = Some(time);
        event.subject = self.optional()?.map(|subject| text(&subject)).transpose()?;
        event.key = match self.optional()? {
            None => None,
            Some(key) => Some(Key::new(key.to_vec()).map_err(|_| unreadable())?),
        };
        event.content_type = self.optional()?.map(|kind| text(&kind)).transpose()?;
        event.data_schema = self.optional()?.map(|schema| text(&schema)).transpose()?;
        event.data = self.optional()?;
        let mut attributes = Attributes::default();
        for _ in 0..self.number()? {
            let (name, value) = (self.text()?, self.text()?);
            attributes.set(&name, value);
        }
        event.attributes = attributes;
        let draft = Draft::new(event, accepted);
        Ok(match cause {
            Some(cause) => draft.caused_by(cause),
            None => draft,
        })
    }
}

fn text(bytes: &[u8]) -> Result<Text, StepError> {
    std::str::from_utf8(bytes).map(Into::into).map_err(|_| unreadable())
}

/// A row of state that is not as it was written.
#[must_use]
pub fn unreadable() -> StepError {
    StepError::Fatal("a row of the operator's state cannot be read; it was written by something else".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_sort_as_keys_and_times_do(
            one: (Vec<u8>, i64, u32), other: (Vec<u8>, i64, u32),
        ) {
            let row = |(key, seconds, nanoseconds): &(Vec<u8>, i64, u32)| {
                let mut row = prefix_of(key);
                put_time(&mut row, Time::from_unix(*seconds, *nanoseconds));
                row
            };
            let order = |(key, seconds, nanoseconds): &(Vec<u8>, i64, u32)| {
                (key.clone(), Time::from_unix(*seconds, *nanoseconds))
            };
            prop_assert_eq!(row(&one).cmp(&row(&other)), order(&one).cmp(&order(&other)));
            let (first, rest) = (row(&one), prefix_of(&one.0));
            prop_assert!(first >= rest && first < end_of(&rest));
            let (key, behind) = split(&first).unwrap();
            prop_assert_eq!(key, one.0.clone());
            prop_assert_eq!(RowReader::new(behind.to_vec().into()).time().unwrap(), Time::from_unix(one.1, one.2));
        }

        #[test]
        fn values_come_back_as_they_went(numbers: Vec<u64>, texts: Vec<Option<Vec<u8>>>) {
            let mut row = Vec::new();
            numbers.iter().for_each(|number| put_number(&mut row, *number));
            texts.iter().for_each(|text| put_optional(&mut row, text.as_deref()));
            let mut reader = RowReader::new(row.into());
            for number in numbers {
                prop_assert_eq!(reader.number().unwrap(), number);
            }
            for text in texts {
                prop_assert_eq!(reader.optional().unwrap().map(|bytes| bytes.to_vec()), text);
            }
            prop_assert!(reader.is_at_end());
            prop_assert!(reader.byte().is_err());
        }
    }

    #[test]
    fn events_come_back_with_their_cause() {
        let mut event = Event::new("1", "/test", "test");
        event.time = Some(Time::from_unix(7, 8));
        event.key = Key::new("k").ok();
        event.data = Some("{\"a\": 1}".into());
        event.data_schema = Some("urn:schema".into());
        event.attributes.set("traceparent", "t");
        let cause = Cause { position: "orders/1@5".parse().unwrap(), id: "1".into(), source: "/test".into() };
        let mut row = Vec::new();
        put_draft(&mut row, &mut Draft::new(event.clone(), Time::from_unix(9, 0)), Some(&cause));
        let mut reader = RowReader::new(row.into());
        let draft = reader.draft().unwrap();
        assert!(reader.is_at_end());
        assert_eq!((draft.cause(), draft.accepted()), (Some(&cause), Time::from_unix(9, 0)));
        assert_eq!(draft.into_event(), event);
        let mut row = Vec::new();
        put_header(&mut row, &Draft::new(event.clone(), Time::from_unix(9, 0)), Some(&cause));
        let header = RowReader::new(row.into()).draft().unwrap();
        assert_eq!(header.cause(), Some(&cause));
        assert_eq!(header.into_event(), Event { data: None, ..event });
    }
}
