//! What makes an event the same as another: (source, id); and what must not differ between two events that are.

use riverrun_event::{Event, Key, Time};

/// 128 bits of BLAKE3 over a scope, source and id. Two events of one scope share it only if they share both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 16]);

/// 128 bits of BLAKE3 over what must not differ under one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content(pub [u8; 16]);

impl Identity {
    /// The identity of an event among those of a scope, a topic for example; `buffer` is memory to work in.
    #[must_use]
    pub fn of(scope: &[u8], source: &str, id: &str, buffer: &mut Vec<u8>) -> Self {
        buffer.clear();
        buffer.extend_from_slice(scope);
        // The length keeps ("a", "bc") apart from ("ab", "c").
        buffer.extend((source.len() as u64).to_be_bytes());
        buffer.extend_from_slice(source.as_bytes());
        buffer.extend_from_slice(id.as_bytes());
        Self(half_hash(buffer))
    }
}

impl Content {
    /// Type, subject, sent time, key and data of an event; `buffer` is memory to work in.
    #[must_use]
    pub fn of(event: &Event, buffer: &mut Vec<u8>) -> Self {
        buffer.clear();
        let mut field = |bytes: Option<&[u8]>| {
            // One more than the length, so that an absent field differs from an empty one.
            let length = bytes.map_or(0, |bytes| bytes.len() as u64 + 1);
            buffer.extend(length.to_be_bytes());
            buffer.extend_from_slice(bytes.unwrap_or_default());
        };
        field(Some(event.kind.as_bytes()));
        field(event.subject.as_ref().map(|subject| subject.as_bytes()));
        let time = event.time.map(|time| {
            let mut bytes = Vec::with_capacity(12);
            bytes.extend(time.unix_seconds().to_be_bytes());
            bytes.extend(time.subsecond_nanoseconds().to_be_bytes());
            bytes
        });
        field(time.as_deref());
        field(event.key.as_ref().map(Key::as_bytes));
        field(event.data.as_deref());
        Self(half_hash(buffer))
    }
}

/// The UTC day of a time, counted from 1970-01-01; earlier times count as that day. Identities are forgotten by days.
#[must_use]
pub fn day_of(time: Time) -> u32 {
    u32::try_from(time.unix_seconds().div_euclid(86_400)).unwrap_or(0)
}

/// The first half of the hash. Of few bytes in one piece it costs a fraction of what a hasher does that is fed with parts.
#[must_use]
pub fn half_hash(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(blake3::hash(bytes).as_bytes()).for_each(|(half, byte)| *half = *byte);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_keep_source_and_id_apart() {
        let of = |scope: &[u8], source, id| Identity::of(scope, source, id, &mut Vec::new());
        assert_ne!(of(b"1", "a", "bc"), of(b"1", "ab", "c"));
        assert_ne!(of(b"1", "a", "b"), of(b"2", "a", "b"));
    }

    #[test]
    fn an_absent_field_differs_from_an_empty_one() {
        let content = |event: &Event| Content::of(event, &mut Vec::new());
        let event = Event::new("1", "/s", "t");
        let mut other = event.clone();
        assert_eq!(content(&event), content(&other));
        other.subject = Some("".into());
        assert_ne!(content(&event), content(&other));
        other.subject = None;
        other.data = Some(bytes::Bytes::new());
        assert_ne!(content(&event), content(&other));
    }
}
