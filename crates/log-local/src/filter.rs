//! A Bloom filter over identities that grows: it says "never seen" for almost all new events without asking the store.
//!
//! Blocked, after Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007): all bits of an identity lie in
//! one cache line. Identities are hashes already, so their bits are used as they are.

use riverrun_log::Identity;

/// Identities of the first segment; each next segment holds twice as many, so few segments are asked.
const FIRST_SEGMENT: usize = 1 << 15;

/// 42 identities in a block of 512 bits, about 12 bits each: less than one false "maybe" in a hundred.
const PER_BLOCK: usize = 42;

/// Bits set per identity; six times nine bits come out of one half of it.
const BITS: u32 = 6;

/// What was added so far.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    blocks: Vec<[u64; 8]>,
    room: usize,
}

impl Segment {
    fn holding(identities: usize) -> Self {
        Self { blocks: vec![[0; 8]; identities.div_ceil(PER_BLOCK)], room: identities }
    }

    /// The block by the identity's first half.
    fn index(&self, identity: Identity) -> usize {
        let [first, _] = halves(identity);
        // Multiplying maps the half onto the blocks without a division.
        usize::try_from((u128::from(first) * self.blocks.len() as u128) >> 64).unwrap_or(0)
    }
}

fn halves(identity: Identity) -> [u64; 2] {
    let both = u128::from_le_bytes(identity.0);
    #[expect(clippy::cast_possible_truncation, reason = "the halves of it")]
    [(both >> 64) as u64, both as u64]
}

/// Word and bit of each bit of an identity within its block, from its second half.
fn bits(identity: Identity) -> impl Iterator<Item = (usize, u64)> {
    let [_, second] = halves(identity);
    (0..BITS).map(move |bit| {
        let place = (second >> (9 * bit)) & 511;
        (usize::try_from(place >> 6).unwrap_or(0), 1 << (place & 63))
    })
}

impl Filter {
    pub(crate) fn add(&mut self, identity: Identity) {
        if self.segments.last().is_none_or(|segment| segment.room == 0) {
            self.segments.push(Segment::holding(FIRST_SEGMENT << self.segments.len().min(20)));
        }
        let Some(segment) = self.segments.last_mut() else { return };
        segment.room -= 1;
        let index = segment.index(identity);
        if let Some(block) = segment.blocks.get_mut(index) {
            bits(identity).for_each(|(word, bit)| block.iter_mut().skip(word).take(1).for_each(|word| *word |= bit));
        }
    }

    /// `false` only for what was never added.
    pub(crate) fn may_hold(&self, identity: Identity) -> bool {
        self.segments.iter().rev().any(|segment| {
            let block = segment.blocks.get(segment.index(identity));
            block.is_some_and(|block| {
                bits(identity).all(|(word, bit)| block.get(word).is_some_and(|word| word & bit != 0))
            })
        })
    }

    /// Memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.blocks.len() * 64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_held_and_little_else() {
        let identity = |id: u32| Identity::of(b"1", "/s", &id.to_string(), &mut Vec::new());
        let mut filter = Filter::default();
        (0..200_000).for_each(|id| filter.add(identity(id)));
        assert!((0..200_000).all(|id| filter.may_hold(identity(id))));
        let wrong = (200_000..300_000).filter(|id| filter.may_hold(identity(*id))).count();
        assert!(wrong < 3_000, "{wrong} of 100,000");
        assert!(filter.bytes() < 1_000_000, "{}", filter.bytes());
    }
}
