//! The tier `storm`: callers that hold connections open, do not read, or send more than the server takes. Meanwhile ordinary
//! events are published. The server has to answer right, keep its memory flat, and lose and double nothing it acknowledged.
//!
//! Bounds are in memory, not in time: how fast the machine is makes no difference to what is wrong.

mod flood;
mod memory;
mod publisher;

use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::report::say;
use crate::server::{Launch, Server};
use flood::Flood;
use memory::Memory;
use publisher::Publisher;

/// Idle connections; more than twice as many as the server has places for.
const IDLE: usize = 10_000;
/// Readers that ask for a topic of 32 MB and take nothing of it.
const SLOW_READERS: usize = 40;
/// Events of the topic the slow readers ask for, 64 KiB each.
const LARGE_EVENTS: usize = 512;
/// Acknowledged events that have to come after each fault has begun.
const GOES_ON: usize = 30;
/// How much more memory the server may hold at any moment than before the storm: its budget for bodies (64 MiB), one page for
/// each slow reader, 4,096 connections with their buffers, and what the store keeps of 32 MB of events.
const GROWTH_MAX_KIB: u64 = 256 * 1024;

/// Runs the tier and prints its line; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run(program: &Path, directory: &Path, interruption: &Interruption) -> Result<bool, Failure> {
    let work = tempfile::Builder::new().prefix("riverrun-storm-").tempdir_in(directory);
    let work = work.or_environment("cannot make a directory for the storm")?;
    let app_path = work.path().join("riverrun.yaml");
    let launch = Launch {
        program: program.to_owned(),
        arguments: vec![app_path.clone().into()],
        data_directory: work.path().join("data"),
        log: work.path().join("server.log"),
        sabotage: None,
    };
    std::fs::write(&app_path, app_file(&launch.data_directory)).or_environment("cannot write the app file")?;
    let mut passed = 0;
    match storm(&launch, interruption, &mut passed) {
        Ok(()) => {
            say(format!("storm: {passed} passed, 0 failed"));
            Ok(true)
        }
        Err(Failure::Broken(places)) => {
            places.iter().for_each(|place| say(format!("  wrong: {place}")));
            say(format!("storm: {passed} passed, 1 failed"));
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

fn app_file(data_directory: &Path) -> String {
    // JSON strings are YAML strings, whatever the path has in it.
    let data_directory = serde_json::Value::from(data_directory.to_string_lossy());
    format!(
        "app: storm\ndata_dir: {data_directory}\nlisten: 127.0.0.1:0\nlimits: {{ body: 4MiB }}\n\
         topics:\n  orders: {{ partitions: 2 }}\n  large: {{ partitions: 1 }}\n"
    )
}

fn storm(launch: &Launch, interruption: &Interruption, passed: &mut u32) -> Result<(), Failure> {
    let mut server = Server::spawn(launch)?;
    let address = server.wait_ready(interruption)?;
    let publisher = Publisher::start(address);
    publisher.goes_on(GOES_ON, interruption)?;
    let memory = Memory::watch(server.process())?;
    let mut flood = Flood::new(address);

    let mut step = |name: &str, outcome: Result<String, Failure>| -> Result<(), Failure> {
        let told = outcome.and_then(|told| publisher.goes_on(GOES_ON, interruption).map(|()| told))?;
        memory.check(GROWTH_MAX_KIB, name)?;
        server.check_running()?;
        say(format!("  {name}: {told}; the server holds {} MiB more", memory.growth_kib() / 1024));
        *passed += 1;
        Ok(())
    };
    step("slow readers", flood.slow_readers(LARGE_EVENTS, SLOW_READERS))?;
    step("idle connections", flood.idle(IDLE, interruption))?;
    step("bodies that are too large", flood.too_large())?;
    step("more bodies than there is room for", flood.too_many())?;
    drop(flood);

    let acknowledged = publisher.end()?;
    let stored = publisher::stored(address, Duration::from_secs(30))?;
    publisher::compare(&acknowledged, &stored)?;
    server.end(interruption)?;
    say(format!("  every one of {} acknowledged events is there once", acknowledged.len()));
    *passed += 1;
    Ok(())
}
