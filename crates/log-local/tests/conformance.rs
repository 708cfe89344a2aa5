//! The local log keeps the contract of `riverrun-log`.
#![allow(clippy::unwrap_used)]

use riverrun_log::Log;
use riverrun_log::conformance::{Features, OpenedLog, run};
use riverrun_log_local::{LocalLog, Options};
use tempfile::TempDir;

struct Opened {
    log: LocalLog,
    folder: TempDir,
    options: Options,
}

impl OpenedLog for Opened {
    fn log(&self) -> &dyn Log {
        &self.log
    }

    fn reopen(self: Box<Self>) -> Box<dyn OpenedLog> {
        let Self { log, folder, options } = *self;
        drop(log);
        Box::new(Self { log: LocalLog::open(folder.path(), options.clone()).unwrap(), folder, options })
    }
}

fn check(options: &Options) {
    let open = || {
        let (folder, options) = (tempfile::tempdir().unwrap(), options.clone());
        let log = LocalLog::open(folder.path(), options.clone()).unwrap();
        Box::new(Opened { log, folder, options }) as Box<dyn OpenedLog>
    };
    run(&open, Features { dense_offsets: true, deduplicates: true, reopens: true, compacts: true });
}

fn options() -> Options {
    Options { compaction_interval: std::time::Duration::from_millis(5), ..Options::default() }
}

#[test]
fn the_local_log_keeps_the_contract() {
    check(&options());
}

#[test]
fn it_does_so_when_nothing_is_read_from_memory() {
    check(&Options { tail_bytes: 0, ..options() });
}

#[test]
fn it_does_so_when_memory_holds_little() {
    check(&Options { tail_bytes: 2_000, ..options() });
}
