//! What a run cost, as one line of JSON: rate, CPU, peak memory, latencies.
//!
//! CPU and memory are those of this process, from /proc, so they fit what a benchmark reads of another process there.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::Outcome;

/// Clock ticks a second in /proc/PID/stat: 100 on every Linux architecture Rust supports (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// This process.
const SELF: &str = "/proc/self";

/// A running measurement.
#[derive(Debug)]
pub struct Measurement {
    began: Instant,
    cpu_seconds: f64,
}

impl Measurement {
    /// Starts now.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn begin() -> Outcome<Self> {
        Ok(Self { began: Instant::now(), cpu_seconds: cpu_seconds(SELF)? })
    }

    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Prints what `events` took in `elapsed`, with `more` figures behind. `title` is the first field: what was measured.
    ///
    /// # Errors
    /// When /proc cannot be read or standard output cannot be written.
    pub fn report(&self, title: (&str, &str), events: u64, elapsed: Duration, more: &[(&str, Value)]) -> Outcome<()> {
        let seconds = elapsed.as_secs_f64();
        let cpu_seconds = cpu_seconds(SELF)? - self.cpu_seconds;
        let millions = as_float(events) / 1e6;
        let mut line = Map::new();
        line.insert(title.0.into(), json!(title.1));
        line.insert("events".into(), json!(events));
        line.insert("seconds".into(), json!(rounded(seconds)));
        line.insert("events_per_second".into(), json!((as_float(events) / seconds).round()));
        line.insert("cpu_seconds_per_million".into(), json!(rounded(cpu_seconds / millions.max(1e-9))));
        line.insert("peak_rss_mb".into(), json!(rounded(peak_rss_mb(SELF)?)));
        line.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        print_line(&Value::Object(line))
    }
}

/// The latency below which this part of all (0.5, 0.99) lies, in milliseconds; `latencies` must be sorted.
#[must_use]
pub fn percentile_ms(latencies: &[Duration], part: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the list")]
    let index = (as_float(latencies.len() as u64) * part) as usize;
    let index = index.min(latencies.len().saturating_sub(1));
    latencies.get(index).map_or(0.0, |latency| rounded(latency.as_secs_f64() * 1e3))
}

/// Prints one line of JSON to standard output, at once.
///
/// # Errors
/// When it cannot be written.
pub fn print_line(line: &Value) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Prints an error of `program` to standard error; there is nowhere to go if that fails.
pub fn complain(program: &str, error: &dyn Error) {
    let _ = writeln!(std::io::stderr(), "{program}: {error}");
}

/// What a process has cost so far.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU time, user and system.
    pub cpu_seconds: f64,
    /// The most memory it had resident, in MB of 10^6 bytes.
    pub peak_mb: f64,
}

impl Cost {
    /// Of the process with this id.
    ///
    /// # Errors
    /// When /proc cannot be read, since the process has ended for instance.
    pub fn of(process: u32) -> Outcome<Self> {
        let folder = format!("/proc/{process}");
        Ok(Self { cpu_seconds: cpu_seconds(&folder)?, peak_mb: peak_rss_mb(&folder)? })
    }
}

/// CPU time of a process, of its children, and of those that have ended, user and system: that of a server with a process for each
/// connection.
///
/// # Errors
/// When /proc cannot be read.
pub fn family_cpu_seconds(process: u32) -> Outcome<f64> {
    // Behind utime and stime are those of the children that were waited for.
    let mut ticks = ticks(&stat(&format!("/proc/{process}"))?, 4)?;
    let parent = process.to_string();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let is_process = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        // One that ends meanwhile is counted with its parent the next time.
        let Some(stat) = is_process.then(|| stat(&entry.path().to_string_lossy()).ok()).flatten() else { continue };
        if stat.split_whitespace().nth(1) == Some(&parent) {
            ticks += self::ticks(&stat, 2)?;
        }
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// CPU time of a process so far, user and system.
fn cpu_seconds(folder: &str) -> Outcome<f64> {
    Ok(ticks(&stat(folder)?, 2)? / TICKS_PER_SECOND)
}

/// What stands behind the command in a process's `stat`; in its parentheses may be spaces.
fn stat(folder: &str) -> Outcome<String> {
    let stat = std::fs::read_to_string(format!("{folder}/stat"))?;
    Ok(stat.rsplit(')').next().unwrap_or_default().to_owned())
}

/// So many times of those from `utime` on, the 12th field.
fn ticks(stat: &str, times: usize) -> Outcome<f64> {
    Ok(stat.split_whitespace().skip(11).take(times).map(str::parse::<f64>).sum::<Result<f64, _>>()?)
}

/// The most memory a process had resident, in MB of 10^6 bytes.
fn peak_rss_mb(folder: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("{folder}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
    let kibibytes: f64 = line.split_whitespace().next().ok_or("empty VmHWM")?.parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
