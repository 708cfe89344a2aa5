//! Names of members, found by comparing one number instead of two texts.

use super::text::write_string;

/// A name to look for or to write, with its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(super) text: Box<str>,
    pub(super) fingerprint: Fingerprint,
    /// The name as it is written before a member's value: in quotes, with a colon.
    lead: Box<[u8]>,
}

/// The length of a name, modulo 256, and its first seven bytes. Names of different fingerprints differ. An event's fields are
/// looked up a dozen times, each time past most of its members, so nearly all comparisons end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        let mut lead = Vec::with_capacity(text.len() + 3);
        write_string(text, &mut lead);
        lead.push(b':');
        Self { text: text.into(), fingerprint: Fingerprint::of(text.as_bytes()), lead: lead.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the value of a member of this name.
    pub(crate) fn lead(&self) -> &[u8] {
        &self.lead
    }

    /// Whether it is written without escapes, so that the bytes between its quotes are its text.
    pub(super) fn is_plain(&self) -> bool {
        self.lead.len() == self.text.len() + 3
    }
}

impl Fingerprint {
    pub(super) fn of(name: &[u8]) -> Self {
        let length = u64::try_from(name.len()).unwrap_or_default() & 0xff;
        let first = match name.first_chunk::<7>() {
            Some([a, b, c, d, e, f, g]) => u64::from_be_bytes([0, *a, *b, *c, *d, *e, *f, *g]),
            None => name.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
        };
        Self((length << 56) | first)
    }
}
