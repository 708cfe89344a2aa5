//! The engine's own lists of its files, read only to find damage: which file is not what was written.
//!
//! Each keyspace has a folder with a file `current`, which names the version in force and its checksum; the version lists the
//! keyspace's tables and value files with theirs. The engine checks less of this, and what it does not find any more it takes for
//! garbage and deletes. So the lists are compared before it is asked, and the listed files, which are large, only after it gave up.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

/// Bytes hashed at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The first list that is not what was written, among those of all keyspaces.
pub(crate) fn damaged_list(store: &Path) -> Option<String> {
    keyspaces(store).iter().find_map(|folder| damage(store, current_version(folder).map(|_| ())))
}

/// The first file of the keyspaces that is not what was written. Reads all of them.
pub(crate) fn damaged_file(store: &Path) -> Option<String> {
    keyspaces(store).iter().find_map(|folder| damage(store, check_files(folder)))
}

/// What is wrong with a file.
struct Damage(PathBuf, Flaw);

enum Flaw {
    Checksum,
    Unreadable(io::Error),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The words for it, with the file's path within the store. What the operating system refuses is no damage.
fn damage(store: &Path, found: Result<(), Damage>) -> Option<String> {
    let Damage(path, flaw) = found.err()?;
    let what = match flaw {
        Flaw::Checksum => "does not have the checksum it was written with",
        Flaw::Unreadable(error) => match error.kind() {
            io::ErrorKind::NotFound => "is missing",
            io::ErrorKind::UnexpectedEof => "ends early",
            io::ErrorKind::InvalidData => "is not what was written",
            _ => return None,
        },
    };
    Some(format!("the store's file {} {what}", path.strip_prefix(store).unwrap_or(&path).display()))
}

/// Folders of keyspaces that were completely created.
fn keyspaces(store: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(store.join("keyspaces")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut created: Vec<PathBuf> = folders.filter(|folder| folder.join("current").exists()).collect();
    created.sort();
    created
}

/// The version in force, which has the checksum that `current` says: a number, the checksum, its kind.
fn current_version(folder: &Path) -> Result<PathBuf, Damage> {
    let current = folder.join("current");
    let read = fs::read(&current).and_then(|bytes| {
        let mut bytes = bytes.as_slice();
        Ok((u64::from_le_bytes(take(&mut bytes)?), u128::from_le_bytes(take(&mut bytes)?)))
    });
    let (number, checksum) = read.map_err(|error| Damage(current, error.into()))?;
    let version = folder.join(format!("v{number}"));
    check_file(&version, checksum).map(|()| version)
}

fn check_files(folder: &Path) -> Result<(), Damage> {
    let version = current_version(folder)?;
    let listed = listed(folder, &version).map_err(|error| Damage(version, error.into()))?;
    listed.iter().try_for_each(|(path, checksum)| check_file(path, *checksum))
}

fn check_file(path: &Path, checksum: u128) -> Result<(), Damage> {
    match hash(path) {
        Ok(found) if found == checksum => Ok(()),
        Ok(_) => Err(Damage(path.to_owned(), Flaw::Checksum)),
        Err(error) => Err(Damage(path.to_owned(), error.into())),
    }
}

/// The files of a version with their checksums.
fn listed(folder: &Path, version: &Path) -> io::Result<Vec<(PathBuf, u128)>> {
    let reader = sfa::Reader::new(version).map_err(io::Error::other)?;
    let section = |name: &[u8]| reader.toc().section(name).ok_or(io::ErrorKind::InvalidData)?.buf_reader(version);
    let mut files = Vec::new();
    let mut tables = section(b"tables")?;
    for _level in 0..u8::from_le_bytes(take(&mut tables)?) {
        for _run in 0..u8::from_le_bytes(take(&mut tables)?) {
            for _table in 0..u32::from_le_bytes(take(&mut tables)?) {
                files.push(listed_file(&mut tables, &folder.join("tables"))?);
                let _sequence_number: [u8; 8] = take(&mut tables)?;
            }
        }
    }
    let mut values = section(b"blob_files")?;
    for _file in 0..u32::from_le_bytes(take(&mut values)?) {
        files.push(listed_file(&mut values, &folder.join("blobs"))?);
    }
    Ok(files)
}

/// A file's number, the kind of its checksum, and the checksum.
fn listed_file(list: &mut impl Read, folder: &Path) -> io::Result<(PathBuf, u128)> {
    let number = u64::from_le_bytes(take(list)?);
    let _kind: [u8; 1] = take(list)?;
    Ok((folder.join(number.to_string()), u128::from_le_bytes(take(list)?)))
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map(|()| bytes)
}

fn hash(path: &Path) -> io::Result<u128> {
    let mut file = File::open(path)?;
    let mut hasher = Xxh3Default::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(hasher.digest128());
        }
        hasher.update(piece.get(..length).unwrap_or_default());
    }
}
