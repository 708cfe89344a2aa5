//! The local log keeps the contract of `riverrun-log`.
#![allow(clippy::unwrap_used)]

use riverrun_log::Log;
use riverrun_log::conformance::{Features, OpenedLog, run};
use riverrun_log_local::{LocalLog, Options};
use tempfile::TempDir;

struct Opened {
    log: LocalLog,
    folder: TempDir,
}

impl OpenedLog for Opened {
    fn log(&self) -> &dyn Log {
        &self.log
    }

    fn reopen(self: Box<Self>) -> Box<dyn OpenedLog> {
        let Self { log, folder } = *self;
        drop(log);
        Box::new(Self { log: LocalLog::open(folder.path(), options()).unwrap(), folder })
    }
}

fn options() -> Options {
    Options { compaction_interval: std::time::Duration::from_millis(5), ..Options::default() }
}

#[test]
fn the_local_log_keeps_the_contract() {
    let open = || {
        let folder = tempfile::tempdir().unwrap();
        let log = LocalLog::open(folder.path(), options()).unwrap();
        Box::new(Opened { log, folder }) as Box<dyn OpenedLog>
    };
    run(&open, Features { dense_offsets: true, deduplicates: true, reopens: true, compacts: true });
}
