//! Lines for the person who runs this, on standard output.

use std::io::Write;

/// Prints one line at once. Where nobody reads it, the run goes on.
pub fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}
