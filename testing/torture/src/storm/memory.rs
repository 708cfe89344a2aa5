//! How much memory a process holds, looked at all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::failure::{Failure, OrEnvironment};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Watches a process until dropped.
pub(super) struct Memory {
    before_kib: u64,
    most_kib: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Memory {
    /// Watches from now on; what the process holds now is what growth is counted from.
    pub(super) fn watch(process: u32) -> Result<Self, Failure> {
        let before_kib = resident_kib(process).or_environment("cannot look at the server's memory")?;
        let most_kib = Arc::new(AtomicU64::new(before_kib));
        let is_over = Arc::new(AtomicBool::new(false));
        let (most, over) = (Arc::clone(&most_kib), Arc::clone(&is_over));
        let watcher = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Ok(now) = resident_kib(process) {
                    most.fetch_max(now, Ordering::Relaxed);
                }
                thread::sleep(INTERVAL);
            }
        });
        Ok(Self { before_kib, most_kib, is_over, watcher: Some(watcher) })
    }

    /// The most it ever held beyond what it began with.
    pub(super) fn growth_kib(&self) -> u64 {
        self.most_kib.load(Ordering::Relaxed).saturating_sub(self.before_kib)
    }

    /// Goes on only if it never held more than that.
    pub(super) fn check(&self, growth_max_kib: u64, when: &str) -> Result<(), Failure> {
        let growth = self.growth_kib();
        if growth <= growth_max_kib {
            return Ok(());
        }
        let (grown, allowed) = (growth / 1024, growth_max_kib / 1024);
        Err(Failure::broken(format!("{when}: the server's memory grew by {grown} MiB; {allowed} MiB are allowed")))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

fn resident_kib(process: u32) -> std::io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    number.ok_or_else(|| std::io::Error::other("no VmRSS"))
}
