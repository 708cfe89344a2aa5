//! The head: what the log is known to hold, kept outside the LSM so that the LSM can be checked against it.
//!
//! Two files are written in turn, so one is whole whenever a write is torn; each carries a sequence number and a CRC-32C. The
//! head is written only after the commit it names was synced, so it is never ahead of the log; it may be up to 100 ms behind.
//!
//! ```text
//! "RRHD" format:u32 sequence:u64 commit:u64 count:u32 { topic:u32 partition:u32 end:u64 hash:32 }* crc:u32
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::schema::FORMAT_VERSION;
use crate::stored::batch::ChainHash;
use crate::stored::codec::Cursor;
use crate::stored::{PartitionId, TopicId, Undecodable};

/// What the log holds at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last commit known to be durable.
    pub(crate) commit: u64,
    /// Every partition with records, by number.
    pub(crate) partitions: Vec<HeadPartition>,
}

/// The end of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadPartition {
    pub(crate) id: PartitionId,
    pub(crate) end: u64,
    pub(crate) last: ChainHash,
}

/// The two files.
#[derive(Debug)]
pub(crate) struct HeadFiles {
    folder: PathBuf,
    sequence: u64,
}

const NAMES: [&str; 2] = ["head.a", "head.b"];
const MAGIC: [u8; 4] = *b"RRHD";

impl HeadFiles {
    /// The newest whole head in `folder`, if any, and the files to write the next ones to.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Option<Head>)> {
        let mut newest: Option<(u64, Head)> = None;
        for name in NAMES {
            let bytes = match std::fs::read(folder.join(name)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // A torn head is what the other one is for.
            let Ok((sequence, head)) = decode(&bytes) else { continue };
            if newest.as_ref().is_none_or(|(known, _)| sequence > *known) {
                newest = Some((sequence, head));
            }
        }
        let sequence = newest.as_ref().map_or(0, |(sequence, _)| *sequence);
        Ok((Self { folder: folder.to_owned(), sequence }, newest.map(|(_, head)| head)))
    }

    /// Whether there is any head file, whole or not.
    pub(crate) fn present(folder: &Path) -> bool {
        NAMES.iter().any(|name| folder.join(name).exists())
    }

    /// Writes over the older file and syncs it.
    pub(crate) fn write(&mut self, head: &Head) -> io::Result<()> {
        let sequence = self.sequence + 1;
        let [a, b] = NAMES;
        let path = self.folder.join(if sequence.is_multiple_of(2) { a } else { b });
        let fresh = !path.exists();
        let bytes = encode(sequence, head);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        file.write_all(&bytes)?;
        file.set_len(bytes.len() as u64)?;
        if !crate::sabotage::no_sync() {
            file.sync_data()?;
            if fresh {
                File::open(&self.folder)?.sync_all()?;
            }
        }
        self.sequence = sequence;
        Ok(())
    }
}

fn encode(sequence: u64, head: &Head) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + head.partitions.len() * 48);
    out.extend(MAGIC);
    out.extend(FORMAT_VERSION.to_be_bytes());
    out.extend(sequence.to_be_bytes());
    out.extend(head.commit.to_be_bytes());
    out.extend(u32::try_from(head.partitions.len()).unwrap_or(u32::MAX).to_be_bytes());
    for partition in &head.partitions {
        out.extend(partition.id.topic.0.to_be_bytes());
        out.extend(partition.id.partition.to_be_bytes());
        out.extend(partition.end.to_be_bytes());
        out.extend(partition.last.0);
    }
    out.extend(crc32c::crc32c(&out).to_be_bytes());
    out
}

fn decode(bytes: &[u8]) -> Result<(u64, Head), Undecodable> {
    let mut cursor = Cursor::new("head", bytes);
    if cursor.array::<4>()? != MAGIC || cursor.u32()? != FORMAT_VERSION {
        return Err(cursor.error("it is no head of this format"));
    }
    let sequence = cursor.u64()?;
    let mut head = Head { commit: cursor.u64()?, partitions: Vec::new() };
    for _ in 0..cursor.u32()? {
        let id = PartitionId { topic: TopicId(cursor.u32()?), partition: cursor.u32()? };
        head.partitions.push(HeadPartition { id, end: cursor.u64()?, last: ChainHash(cursor.array()?) });
    }
    let stored = cursor.u32()?;
    cursor.end()?;
    let covered = bytes.get(..bytes.len().saturating_sub(4)).unwrap_or_default();
    if crc32c::crc32c(covered) == stored { Ok((sequence, head)) } else { Err(cursor.error("its CRC does not match")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(commit: u64) -> Head {
        let id = PartitionId { topic: TopicId(1), partition: 2 };
        Head { commit, partitions: vec![HeadPartition { id, end: commit, last: ChainHash([7; 32]) }] }
    }

    #[test]
    fn the_newest_whole_head_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, none) = HeadFiles::open(folder.path()).unwrap();
        assert_eq!(none, None);
        for commit in 1..=5 {
            files.write(&head(commit)).unwrap();
            assert_eq!(HeadFiles::open(folder.path()).unwrap().1, Some(head(commit)));
        }
        // The fifth went to head.b; torn, the fourth counts.
        std::fs::write(folder.path().join("head.b"), b"RRHDgarbage").unwrap();
        assert_eq!(HeadFiles::open(folder.path()).unwrap().1, Some(head(4)));
    }

    #[test]
    fn a_smaller_head_leaves_nothing_of_the_larger() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, _) = HeadFiles::open(folder.path()).unwrap();
        for commit in 1..=2 {
            files.write(&head(commit)).unwrap();
        }
        for commit in 3..=4 {
            files.write(&Head { commit, partitions: Vec::new() }).unwrap();
        }
        assert_eq!(HeadFiles::open(folder.path()).unwrap().1.unwrap().commit, 4);
    }
}
