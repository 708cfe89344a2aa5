//! EXT4_IOC_SHUTDOWN: stops a filesystem as if its device had lost power. The only unsafe code of this crate.

use std::fs::File;

use rustix::io;
use rustix::ioctl::{Setter, ioctl, opcode};

/// `_IOR('X', 125, __u32)`, from the kernel's fs/ext4/ext4.h.
const EXT4_IOC_SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: neither data nor the journal is flushed.
const WITHOUT_FLUSH: u32 = 2;

/// Shuts down the ext4 filesystem that `root` lies on.
pub(super) fn shut_down(root: &File) -> io::Result<()> {
    #[allow(unsafe_code, reason = "rustix has no safe call for this ioctl")]
    // SAFETY: the opcode takes a pointer to a u32 that the kernel only reads, which is what `Setter` passes; `ioctl` is
    // given an open file, and another filesystem than ext4 answers ENOTTY.
    unsafe {
        ioctl(root, Setter::<EXT4_IOC_SHUTDOWN, u32>::new(WITHOUT_FLUSH))
    }
}
