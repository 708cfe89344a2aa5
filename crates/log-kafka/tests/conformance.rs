//! The log on Kafka keeps the contract of `riverrun-log`, on the broker of the tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use riverrun_log::Log;
use riverrun_log::conformance::{Features, OpenedLog, run};
use riverrun_log_kafka::{KafkaLog, Options};
use tempfile::TempDir;

struct Opened {
    directory: TempDir,
    log: KafkaLog,
    options: Options,
}

impl OpenedLog for Opened {
    fn log(&self) -> &dyn Log {
        &self.log
    }

    fn reopen(self: Box<Self>) -> Box<dyn OpenedLog> {
        let Self { directory, log, options } = *self;
        drop(log);
        Box::new(Self { directory, log: KafkaLog::connect(options.clone()).unwrap(), options })
    }
}

static OPENED: AtomicU64 = AtomicU64::new(0);

#[test]
fn the_log_on_kafka_keeps_the_contract() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else {
        panic!(
            "RIVERRUN_TEST_KAFKA names no broker; `cargo xtask test` starts one, and so does `cargo xtask services start kafka`"
        )
    };
    let run_id = std::process::id();
    let open = || {
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(brokers.clone(), "one", directory.path().join("state"));
        options.prefix = format!("t{run_id}-{number}.");
        options.replication = Some(1);
        (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(2));
        Box::new(Opened { directory, log: KafkaLog::connect(options.clone()).unwrap(), options }) as Box<dyn OpenedLog>
    };
    run(&open, Features { dense_offsets: false, deduplicates: false, reopens: true, compacts: false });
}
