//! Progress bars on standard error. They appear on a terminal only; elsewhere nothing is drawn.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::Terminal;

/// A bar over work whose size is known in some unit (bytes, records), with a count of events and their rate.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// A bar named `label`; `total` in units of work, `None` where it is not known.
    pub(crate) fn new(label: &str, total: Option<u64>, terminal: &Terminal) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(12));
        let template = match (total.is_some(), terminal.error.is_colored()) {
            (true, true) => "{prefix:>10.bold} {bar:32.cyan/dim} {percent:>3}%  {msg}",
            (true, false) => "{prefix:>10} {bar:32} {percent:>3}%  {msg}",
            (false, true) => "{prefix:>10.bold} {spinner:.cyan}  {msg}",
            (false, false) => "{prefix:>10} {spinner}  {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸─"));
        bar.set_prefix(label.to_owned());
        Self { bar, started: Instant::now() }
    }

    /// A sign of life for work whose progress is not known. It turns by itself.
    pub(crate) fn waiting(label: &str, message: &str, terminal: &Terminal) -> Self {
        let progress = Self::new(label, None, terminal);
        progress.bar.set_message(message.to_owned());
        // Ten turns a second: alive, and not nervous.
        progress.bar.enable_steady_tick(Duration::from_millis(100));
        progress
    }

    /// Shows how far the work is and how many events are done.
    pub(crate) fn set(&self, done: u64, events: u64) {
        self.bar.set_position(done);
        self.bar.set_message(rate_text(events, self.started.elapsed()));
    }

    /// States the size of the work once it is known.
    pub(crate) fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// Writes a note above the bar.
    pub(crate) fn note(&self, terminal: &Terminal, text: &str) {
        self.bar.suspend(|| terminal.note(text));
    }

    /// Takes the bar away; what was done is then said in words.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Leaves the full bar where it is.
    pub(crate) fn finish(&self, events: u64) {
        if let Some(total) = self.bar.length() {
            self.bar.set_position(total);
        }
        self.bar.finish_with_message(rate_text(events, self.started.elapsed()));
    }
}

/// `27,004 events, 61,200/s`.
pub(crate) fn rate_text(events: u64, elapsed: Duration) -> String {
    format!("{} events, {}/s", count(events), count(rate(events, elapsed)))
}

/// Events per second, rounded down; 0 for no time at all.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate to look at"
)]
pub(crate) fn rate(events: u64, elapsed: Duration) -> u64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { (events as f64 / seconds) as u64 } else { 0 }
}

/// A count with separators: `27,004`.
pub(crate) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_readable() {
        assert_eq!(rate_text(27_004, Duration::from_millis(500)), "27,004 events, 54,008/s");
        assert_eq!(rate_text(0, Duration::ZERO), "0 events, 0/s");
    }
}
