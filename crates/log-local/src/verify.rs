//! Reads everything there is and says what does not fit: chains, checksums, records, the head, markers, positions, identities.
//!
//! It opens the store as a server would, so it needs the directory to itself; it changes nothing in it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use riverrun_event::Time;
use riverrun_store::Tuning;

use crate::check;
use crate::committer::Stop;
use crate::head::HeadFiles;
use crate::load::{self, Loaded};
use crate::open::{self, OpenError};
use crate::record::{self, Placed};
use crate::schema::{KeyspaceId, StoredRow};
use crate::stored::batch::{self, ChainHash, Codec};
use crate::stored::identity::Seen;
use crate::stored::partition::PartitionRow;
use crate::stored::{PartitionId, Undecodable, identity, marker, order, position, recent, state};

/// What was read, and what was wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Partitions of all topics.
    pub partitions: u64,
    /// Records read and decoded.
    pub records: u64,
    /// Batches they are stored in.
    pub batches: u64,
    /// Bytes of those batches as stored.
    pub bytes: u64,
    /// Records that were lost and whose loss was accepted earlier.
    pub lost: u64,
    /// Records that compaction removed where others are left.
    pub compacted: u64,
    /// Everything that does not fit; empty for a sound log.
    pub problems: Vec<Problem>,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: String,
    /// What.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.detail)
    }
}

/// Why a log could not even be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is none.
    #[error("there is no log in {}; name the data_dir of an app that has run", path.display())]
    NoLog {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl VerifyError {
    /// The stable code; `docs/errors/<code>.md` explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoLog { .. } => "RR0206",
            Self::Open(error) => error.code(),
        }
    }
}

/// Reads the whole log in `path`.
///
/// # Errors
/// [`VerifyError`] when it cannot be opened; what is wrong inside is in the report.
pub fn verify(path: &Path) -> Result<VerifyReport, VerifyError> {
    if !path.join("format").exists() && !path.join("store").exists() {
        return Err(VerifyError::NoLog { path: path.to_owned() });
    }
    open::check_format(path)?;
    let loaded = load::load(path, Tuning::default())?;
    let head = HeadFiles::open(path).map_err(|error| OpenError::Io { path: path.to_owned(), error })?.1;
    let mut report = VerifyReport::default();
    for loss in check::losses(&loaded, head.as_ref()) {
        report.problem(loss.place, format!("expected {}, found {}", loss.expected, loss.found));
    }
    let parts: [(KeyspaceId, Part); 5] = [
        (KeyspaceId::Records, records),
        (KeyspaceId::Meta, positions),
        (KeyspaceId::State, states),
        (KeyspaceId::Identities(0), identities),
        (KeyspaceId::Recent, recent_identities),
    ];
    for (keyspace, part) in parts {
        if let Err(stop) = part(&loaded, &mut report) {
            report.problem(format!("keyspace {keyspace}"), stop.0);
        }
    }
    Ok(report)
}

/// Checks the rows of one keyspace; what it cannot read ends it.
type Part = fn(&Loaded, &mut VerifyReport) -> Result<(), Stop>;

impl VerifyReport {
    fn problem(&mut self, place: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), detail: detail.into() });
    }
}

/// One partition's chain, as far as it was followed.
struct Chain {
    next: u64,
    previous: ChainHash,
    accepted: Time,
    bytes: u64,
}

impl Chain {
    fn from(row: &PartitionRow) -> Self {
        Self { next: row.start, previous: row.anchor, accepted: Time::EPOCH, bytes: 0 }
    }
}

fn records(loaded: &Loaded, report: &mut VerifyReport) -> Result<(), Stop> {
    report.partitions = loaded.partitions.len() as u64;
    let mut chains: BTreeMap<PartitionId, Chain> =
        loaded.partitions.iter().map(|(id, row)| (*id, Chain::from(row))).collect();
    if let Some(keyspace) = loaded.keyspaces.get(&KeyspaceId::Records) {
        for row in loaded.snapshot.scan::<&[u8]>(keyspace, ..) {
            let row = row?;
            if marker::decode_key(&row.key).is_ok() {
                continue;
            }
            let key = batch::decode_key(&row.key)?;
            let place = format!("{}@{}", loaded.name_of(key.partition), key.base);
            let Some(chain) = chains.get_mut(&key.partition) else {
                report.problem(place, "a batch of a partition that does not exist");
                continue;
            };
            one_batch(report, &place, key.base, chain, &row);
        }
    }
    for (id, row) in &loaded.partitions {
        let Some(chain) = chains.get(id) else { continue };
        if (chain.next, chain.previous, chain.bytes) != (row.end, row.last, row.bytes) {
            let known = |end: u64, hash: ChainHash, bytes: u64| format!("offset {end}, hash {hash:?}, {bytes} bytes");
            let (found, expected) =
                (known(chain.next, chain.previous, chain.bytes), known(row.end, row.last, row.bytes));
            report.problem(loaded.name_of(*id), format!("its batches end at {found}; its row says {expected}"));
        }
    }
    Ok(())
}

fn one_batch(report: &mut VerifyReport, place: &str, base: u64, chain: &mut Chain, row: &riverrun_store::Row) {
    report.batches += 1;
    report.bytes += row.value.len() as u64;
    chain.bytes += row.value.len() as u64;
    if base != chain.next {
        report.problem(place, format!("the batch before it ends at offset {}", chain.next));
    }
    let (header, body) = match batch::decode_value(&row.key, &row.value) {
        Ok(decoded) => decoded,
        Err(error) => {
            // The chain cannot be followed through it; its successor will not fit either.
            return report.problem(place, error.to_string());
        }
    };
    if header.previous != chain.previous {
        report.problem(
            place,
            format!("it names {:?} as the batch before it, which has {:?}", header.previous, chain.previous),
        );
    }
    if header.accepted < chain.accepted {
        report.problem(place, "it was accepted before the batch before it");
    }
    match count_records(base, &header, body) {
        Ok(_) if header.codec == Codec::Lost => report.lost += u64::from(header.count),
        Ok(count) if header.compacted && count <= u64::from(header.count) => {
            report.records += count;
            report.compacted += u64::from(header.count) - count;
        }
        Ok(count) if count == u64::from(header.count) => report.records += count,
        Ok(count) => report.problem(place, format!("it holds {count} records and says {}", header.count)),
        Err(error) => report.problem(place, error.to_string()),
    }
    chain.next = base + u64::from(header.count);
    chain.previous = batch::next_previous(&row.key, &row.value, &header, body);
    chain.accepted = header.accepted;
}

/// Decodes all records, whose offsets must increase within the batch.
fn count_records(base: u64, header: &batch::Header, body: &[u8]) -> Result<u64, Undecodable> {
    let raw = batch::records(header, body)?;
    let (mut count, mut next) = (0, base);
    for placed in Placed::new(base, header, &raw) {
        let (offset, _, encoded) = placed?;
        if offset < next || offset - base >= u64::from(header.count) {
            return Err(Undecodable { row: "record", detail: "its offset is not its batch's" });
        }
        next = offset + 1;
        count += 1;
        record::decode(&raw, encoded)?;
    }
    Ok(count)
}

/// No position may lie beyond its partition.
fn positions(loaded: &Loaded, report: &mut VerifyReport) -> Result<(), Stop> {
    let Some(meta) = loaded.keyspaces.get(&KeyspaceId::Meta) else { return Ok(()) };
    for row in loaded.snapshot.prefix(meta, StoredRow::Position.tag().as_slice()) {
        let row = row?;
        let (task, input) = position::decode_key(&row.key)?;
        let next = position::decode_value(&row.value)?;
        let group = loaded.groups.iter().find(|(_, id)| *id == task.group);
        let group = group.map_or_else(|| format!("group number {}", task.group.0), |(name, _)| name.to_string());
        let place = format!("task {} of {group}, reading {}", task.task, loaded.name_of(input));
        match loaded.partitions.get(&input) {
            None => report.problem(place, "the partition does not exist"),
            Some(row) if next > row.end => {
                report.problem(place, format!("its position {next} is beyond the end {}", row.end));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// State rows have keys that can be read; order rows can be read whole.
fn states(loaded: &Loaded, report: &mut VerifyReport) -> Result<(), Stop> {
    let Some(keyspace) = loaded.keyspaces.get(&KeyspaceId::State) else { return Ok(()) };
    for row in loaded.snapshot.scan::<&[u8]>(keyspace, ..) {
        let row = row?;
        let decoded = match row.key.first().copied() {
            tag if tag == StoredRow::State.tag() => state::decode_key(&row.key).map(drop),
            tag if tag == StoredRow::Order.tag() => {
                order::decode_key(&row.key).and_then(|_| order::decode_value(&row.value)).map(drop)
            }
            tag if tag == StoredRow::Marker.tag() => Ok(()),
            _ => {
                report.problem("keyspace state", format!("an unknown row {:?}", &*row.key));
                Ok(())
            }
        };
        if let Err(error) = decoded {
            report.problem("keyspace state", error.to_string());
        }
    }
    Ok(())
}

/// Every identity points to a record that is there or was.
fn identities(loaded: &Loaded, report: &mut VerifyReport) -> Result<(), Stop> {
    for (id, keyspace) in &loaded.keyspaces {
        if !matches!(id, KeyspaceId::Identities(_)) {
            continue;
        }
        for row in loaded.snapshot.scan::<&[u8]>(keyspace, ..) {
            let row = row?;
            if marker::decode_key(&row.key).is_ok() {
                continue;
            }
            let seen = identity::decode_key(&row.key).and_then(|_| identity::decode_value(&row.value));
            one_identity(loaded, report, id, seen);
        }
    }
    Ok(())
}

/// Those that wait to be moved.
fn recent_identities(loaded: &Loaded, report: &mut VerifyReport) -> Result<(), Stop> {
    let Some(keyspace) = loaded.keyspaces.get(&KeyspaceId::Recent) else { return Ok(()) };
    for row in loaded.snapshot.scan::<&[u8]>(keyspace, ..) {
        let row = row?;
        if marker::decode_key(&row.key).is_ok() {
            continue;
        }
        match recent::decode_key(&row.key).and_then(|_| recent::decode_value(&row.value)) {
            Err(error) => one_identity(loaded, report, &KeyspaceId::Recent, Err(error)),
            Ok(entries) => {
                entries.into_iter().for_each(|(_, seen)| one_identity(loaded, report, &KeyspaceId::Recent, Ok(seen)));
            }
        }
    }
    Ok(())
}

fn one_identity(loaded: &Loaded, report: &mut VerifyReport, id: &KeyspaceId, seen: Result<Seen, Undecodable>) {
    let place = format!("keyspace {id}");
    match seen {
        Err(error) => report.problem(place, error.to_string()),
        Ok(seen) if loaded.partitions.get(&seen.partition).is_none_or(|row| seen.offset >= row.end) => {
            report.problem(place, format!("it names {}@{}", loaded.name_of(seen.partition), seen.offset));
        }
        Ok(_) => {}
    }
}
