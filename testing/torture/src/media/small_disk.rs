//! A disk small enough to be filled: a tmpfs. It is unmounted when the value is dropped.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OrEnvironment};

/// Its size; the store's journal alone takes some 10 MB at once.
const SIZE: &str = "size=192m";
/// What fills it, a piece at a time.
static PIECE: [u8; 64 * 1024] = [0; 64 * 1024];

/// A mounted tmpfs.
#[derive(Debug)]
pub(super) struct SmallDisk {
    mount_point: PathBuf,
}

impl SmallDisk {
    /// Mounts one at `mount_point`, an empty folder.
    ///
    /// # Errors
    /// The reason, for people, when this machine does not allow it.
    pub(super) fn mount(mount_point: &Path) -> Result<Self, String> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(mount_point);
        let output = command.output().map_err(|error| format!("mount: {error}"))?;
        if output.status.success() {
            return Ok(Self { mount_point: mount_point.to_owned() });
        }
        Err(format!("this machine mounts no tmpfs ({})", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Takes all space that is left.
    ///
    /// # Errors
    /// [`Failure::Environment`] when that fails for another reason than space.
    pub(super) fn fill(&self) -> Result<(), Failure> {
        let mut ballast = File::create(self.ballast()).or_environment("cannot make the ballast")?;
        for piece in [&PIECE[..], &PIECE[..1]] {
            loop {
                match ballast.write_all(piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).or_environment("cannot fill the disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the ballast cannot be removed.
    pub(super) fn free(&self) -> Result<(), Failure> {
        std::fs::remove_file(self.ballast()).or_environment("cannot remove the ballast")
    }

    fn ballast(&self) -> PathBuf {
        self.mount_point.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process that was killed may hold a file for a moment more; lazily it goes with that.
        let _ = Command::new("umount").arg("-l").arg(&self.mount_point).status();
    }
}
