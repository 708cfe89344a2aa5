//! A disk that can lose its power: an ext4 filesystem in a file, mounted through a loop device.
//!
//! A cut shuts the filesystem down without writing its journal or any cached page, as power loss would; what was synced before is
//! in the file. The caller stops the writing process first, so that nothing runs between the last acknowledgement and the cut.
//! The filesystem is unmounted when this value is dropped.

mod shutdown;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, OrEnvironment};

/// Size of the filesystem; the file is sparse. A round writes far less.
const DISK_BYTES: u64 = 2 << 30;
/// How often unmounting is tried, a tenth of a second apart: the killed process lets go of its files within that.
const UNMOUNT_ATTEMPTS: u32 = 100;

/// A mounted disk.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// Makes and mounts a disk within `directory`.
    ///
    /// # Errors
    /// The reason, for people, when this machine does not allow it.
    pub fn create(directory: &Path) -> Result<Self, String> {
        let image = directory.join("disk.img");
        let mount_point = directory.join("disk");
        let file = File::create(&image).map_err(|error| format!("no image: {error}"))?;
        file.set_len(DISK_BYTES).map_err(|error| format!("no image: {error}"))?;
        fs::create_dir_all(&mount_point).map_err(|error| format!("no mount point: {error}"))?;
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_path()])?;
        let mut disk = Self { image, mount_point, is_mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Cuts the power: nothing that was not synced reaches the image from now on.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the kernel refuses.
    pub fn cut(&self) -> Result<(), Failure> {
        let root = File::open(&self.mount_point).or_environment("cannot open the disk")?;
        shutdown::shut_down(&root).or_environment("cannot shut the disk's filesystem down")
    }

    /// Mounts again after a cut, which replays the filesystem's journal. No process may use the disk any more.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it cannot be unmounted or mounted.
    pub fn power_up(&mut self) -> Result<(), Failure> {
        self.unmount().map_err(Failure::Environment)?;
        self.mount().map_err(Failure::Environment)
    }

    fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-o".as_ref(), "loop".as_ref(), self.image.as_path(), self.mount_point.as_path()])?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), String> {
        let mut refusal = String::new();
        for _ in 0..UNMOUNT_ATTEMPTS {
            match run("umount", &[self.mount_point.as_path()]) {
                Ok(()) => {
                    self.is_mounted = false;
                    return Ok(());
                }
                Err(reason) => refusal = reason,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(refusal)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted && self.unmount().is_err() {
            // Detach it at least; the loop device goes when the last file is closed.
            let _ = run("umount", &["-l".as_ref(), self.mount_point.as_path()]);
        }
    }
}

/// Runs a command of the system; what it said is the error.
fn run(program: &str, arguments: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
