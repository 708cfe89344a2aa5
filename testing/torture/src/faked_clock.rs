//! A clock that is wrong for one process, by libfaketime.

use std::path::{Path, PathBuf};

use crate::server::Launch;

/// The library, wherever Debian puts it for this architecture.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let paths = folders.flatten().map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    paths.into_iter().find(|path| path.exists())
}

/// The same process with a clock that is off by what the file `offset` says, for example `+3600` seconds, whenever it is looked at.
/// What measures how time passes is right.
pub(crate) fn with_clock(launch: Launch, library: &Path, offset: &Path) -> Launch {
    let assign = |name: &str, value: &Path| format!("{name}={}", value.display()).into();
    let mut arguments = vec![
        assign("LD_PRELOAD", library),
        assign("FAKETIME_TIMESTAMP_FILE", offset),
        "FAKETIME_NO_CACHE=1".into(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
        launch.program.into_os_string(),
    ];
    arguments.extend(launch.arguments);
    // `env` becomes the program, so the process stays the direct child.
    Launch { program: "env".into(), arguments, ..launch }
}
