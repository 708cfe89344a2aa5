//! Which reader should have which partition. Pure: readers and what they have in, what they should have out.
//!
//! Shares differ by at most one. Sticky: a partition leaves its reader only when that reader has more than its share, so a
//! reader that comes or goes moves no more partitions than it must.

use std::collections::BTreeMap;

/// Shares `held` (each partition with its present reader) among `readers`. Whoever is no longer among them has nothing.
pub(super) fn share<'a, P: Ord, R: Ord>(
    readers: &[&'a R],
    held: impl Iterator<Item = (&'a P, Option<&'a R>)> + Clone,
) -> BTreeMap<&'a P, &'a R> {
    let mut shares = shares(readers, held.clone().map(|(_, reader)| reader));
    let mut shared = BTreeMap::new();
    let mut free = Vec::new();
    for (partition, reader) in held {
        match reader.and_then(|reader| shares.get_mut(reader).map(|left| (reader, left))) {
            Some((reader, left)) if *left > 0 => {
                *left -= 1;
                shared.insert(partition, reader);
            }
            _ => free.push(partition),
        }
    }
    for partition in free {
        // The reader that lacks most; of equals the first.
        let most = shares.iter_mut().rev().max_by_key(|(_, left)| **left);
        let Some((reader, left)) = most.filter(|(_, left)| **left > 0) else { break };
        *left -= 1;
        shared.insert(partition, reader);
    }
    shared
}

/// How many partitions each reader should have. Where they cannot all have the same, those that have most now have one more.
fn shares<'a, R: Ord>(readers: &[&'a R], held: impl Iterator<Item = Option<&'a R>>) -> BTreeMap<&'a R, usize> {
    let mut has: BTreeMap<&R, usize> = readers.iter().map(|reader| (*reader, 0)).collect();
    let mut partitions = 0_usize;
    for reader in held {
        partitions += 1;
        if let Some(count) = reader.and_then(|reader| has.get_mut(reader)) {
            *count += 1;
        }
    }
    let (Some(each), Some(larger)) = (partitions.checked_div(has.len()), partitions.checked_rem(has.len())) else {
        return has;
    };
    let mut by_count: Vec<_> = has.into_iter().collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let with_share = by_count.into_iter().enumerate();
    with_share.map(|(at, (reader, _))| (reader, each + usize::from(at < larger))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Partitions 0, 1, ... by their readers' names, `-` for none.
    fn check(readers: &str, before: &str, after: &str) {
        let readers: Vec<char> = readers.chars().collect();
        let before: Vec<(usize, Option<char>)> =
            before.chars().map(|reader| (reader != '-').then_some(reader)).enumerate().collect();
        let readers: Vec<&char> = readers.iter().collect();
        let shared = share(&readers, before.iter().map(|(partition, reader)| (partition, reader.as_ref())));
        let text: String = (0..before.len()).map(|at| shared.get(&at).map_or('-', |reader| **reader)).collect();
        assert_eq!(text, after, "{readers:?}");
    }

    #[test]
    fn partitions_move_only_where_they_must() {
        check("", "----", "----");
        check("", "aabb", "----");
        check("a", "----", "aaaa");
        check("ab", "----", "abab");
        check("ab", "aaaa", "aabb");
        check("abc", "aabb", "aabc");
        check("ab", "aabc", "aabb");
        check("ac", "aabc", "aacc");
        check("ab", "aaab-", "aaabb");
        check("abc", "a", "a");
        check("bc", "a", "b");
    }

    proptest! {
        #[test]
        fn shares_are_even_and_nobody_below_its_share_loses_anything(
            readers in prop::collection::btree_set(0_u8..12, 1..8),
            before in prop::collection::vec(prop::option::of(0_u8..12), 0..40),
        ) {
            let listed: Vec<&u8> = readers.iter().collect();
            let held: Vec<(usize, Option<u8>)> = before.iter().copied().enumerate().collect();
            let shared = share(&listed, held.iter().map(|(partition, reader)| (partition, reader.as_ref())));
            prop_assert_eq!(shared.len(), before.len());
            let count = |reader: &u8| shared.values().filter(|owner| **owner == reader).count();
            let (least, most) = (before.len() / readers.len(), before.len().div_ceil(readers.len()));
            for reader in &readers {
                prop_assert!((least..=most).contains(&count(reader)));
                let had: Vec<usize> = held.iter().filter(|(_, owner)| *owner == Some(*reader)).map(|(at, _)| *at).collect();
                let kept = had.iter().filter(|at| shared.get(at) == Some(&reader)).count();
                prop_assert!(kept >= had.len().min(least), "{} kept {} of {}", reader, kept, had.len());
            }
        }
    }
}
