//! A relay that has nothing to do: its CPU time, and what PostgreSQL is asked.
//!
//! Statements are counted where PostgreSQL writes them down: its log, found as the standard error of its first process, with
//! `log_statement` on for the role of the relay. The own questions are asked by another role, or before and after.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use riverrun_bare::Outcome;
use riverrun_bare::figures::print_line;
use serde_json::json;

use super::relay::Relay;
use super::stage::Stage;
use super::watch::Watcher;
use super::{Setting, as_float};

/// How lines of the log begin what was asked, behind time and process.
const MARKS: [&str; 2] = [" LOG:  statement: ", " LOG:  execute "];
/// Of a statement, so much is shown.
const SHOWN: usize = 100;

/// How long.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: Setting,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Before that, from the first record on: what falls asleep has fallen asleep
    #[arg(long, default_value_t = 3)]
    settle_seconds: u64,
}

/// Runs the relay and prints the figures.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let Arguments { setting, seconds, settle_seconds } = arguments;
    let stage = Stage::open(setting).await?;
    let role: String = stage.client.query_one("select quote_ident(current_user)", &[]).await?.try_get(0)?;
    let watcher = Watcher::open(&stage.kafka, &setting.topic).await?;
    stage.admin.batch_execute(&format!("alter role {role} set log_statement = 'all'")).await?;
    let relay = Relay::start_and_wait(setting, &stage, &watcher).await?;
    drop(watcher);
    tokio::time::sleep(Duration::from_secs(*settle_seconds)).await;
    let log = PathBuf::from(format!("/proc/{}/fd/2", setting.postmaster));
    let (from, before) = (File::open(&log)?.metadata()?.len(), relay.spent()?);
    tokio::time::sleep(Duration::from_secs(*seconds)).await;
    let after = relay.spent()?;
    let mut text = String::new();
    let mut file = File::open(&log)?;
    file.seek(SeekFrom::Start(from))?;
    file.read_to_string(&mut text)?;
    drop(relay);
    stage.admin.batch_execute(&format!("alter role {role} reset log_statement")).await?;
    stage.close().await?;
    let statements = statements(&text);
    let mut kinds = statements.clone();
    kinds.sort();
    kinds.dedup();
    print_line(&json!({
        "seconds": seconds,
        "statements": statements.len(),
        "statements_per_second": as_float(statements.len() as u64) / as_float(*seconds),
        "kinds": kinds,
        "cpu_seconds": after.cpu_seconds - before.cpu_seconds,
        "postgres_cpu_seconds": after.postgres_cpu_seconds - before.postgres_cpu_seconds,
    }))
}

/// What was asked, the beginning of each.
fn statements(log: &str) -> Vec<String> {
    let asked = |line: &str| MARKS.iter().find_map(|mark| line.split_once(mark).map(|(_, asked)| asked.to_owned()));
    log.lines().filter_map(asked).map(|asked| asked.chars().take(SHOWN).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found() {
        let log = "2026-11-22 10:00:00.000 UTC [7] LOG:  statement: select 1\n\
                   2026-11-22 10:00:00.001 UTC [7] LOG:  execute s0: select $1\n\
                   2026-11-22 10:00:00.001 UTC [7] DETAIL:  parameters: $1 = '1'\n\
                   2026-11-22 10:00:00.002 UTC [1] LOG:  checkpoint starting: time\n";
        assert_eq!(statements(log), ["select 1", "s0: select $1"]);
    }
}
