//! The name of an instance that was given none: made up once and kept in its data directory, so that it is the same after a restart.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use super::ServeError;

const FILE: &str = "instance";

/// The name that is kept in a data directory.
pub(super) fn instance(data_dir: &Path) -> Result<String, ServeError> {
    let path = data_dir.join(FILE);
    let failed = |source: io::Error| ServeError::Announce { path: path.clone(), source };
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    // Keys of a hasher are random, and unlike those of any other process: all that a name has to be.
    let name = format!("i-{:016x}", RandomState::new().hash_one(std::process::id()));
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, &name).map_err(failed)?;
    std::fs::rename(&unfinished, &path).map_err(failed)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = instance(&one.path().join("data")).unwrap();
        assert_eq!(instance(&one.path().join("data")).unwrap(), name);
        assert_ne!(instance(two.path()).unwrap(), name);
    }
}
