//! Names of members, found by comparing one number instead of two texts.

/// A name to look for: a segment of a path, with its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) text: Box<str>,
    pub(super) fingerprint: Fingerprint,
}

/// The length of a name, modulo 256, and its first seven bytes. Names of different fingerprints differ. An event's fields are
/// looked up a dozen times, each time past most of its members, so nearly all comparisons end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(u64);

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self { fingerprint: Fingerprint::of(text.as_bytes()), text: text.into() }
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
