//! A Java runtime that is new enough: the one at hand, or Debian's.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, packages};

/// Kafka 4 brokers do not run on less.
const VERSION_MIN: u32 = 17;
/// The first that Debian offers is taken; a release has one version of its own, and that is 17 or newer since Debian 12.
const PACKAGES: [&str; 2] = ["openjdk-17-jre-headless", "default-jre-headless"];
/// Where Debian keeps its runtimes, the ones that are not on the path included.
const DEBIAN_RUNTIMES: &str = "/usr/lib/jvm";

/// The program `java` of a runtime that is new enough. Installs one where there is none.
///
/// # Errors
/// None can be installed; the message says which are there and what to do.
pub(crate) fn find_or_install() -> Result<PathBuf, Failure> {
    if let Some(java) = find() {
        return Ok(java);
    }
    let installed = packages::debian_first_of(&PACKAGES);
    match (find(), installed) {
        (Some(java), _) => Ok(java),
        (None, Err(failure)) => Err(missing(&failure.to_string()).into()),
        (None, Ok(())) => Err(missing("what Debian installed is older").into()),
    }
}

fn missing(why: &str) -> String {
    let older: Vec<String> = candidates()
        .iter()
        .filter_map(|java| version(java).map(|version| format!("{} is version {version}", java.display())))
        .collect();
    let older = if older.is_empty() { "none is here".to_owned() } else { older.join(", ") };
    format!(
        "no Java runtime of version {VERSION_MIN} or newer, which Kafka's broker runs on ({older}), and none could be installed: {why}\n\
         Install one (Debian: {}) so that `java` is on the PATH, or set JAVA_HOME to it.",
        PACKAGES.join(" or ")
    )
}

fn find() -> Option<PathBuf> {
    candidates().into_iter().find(|java| version(java).is_some_and(|version| version >= VERSION_MIN))
}

fn candidates() -> Vec<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let debian = std::fs::read_dir(DEBIAN_RUNTIMES).into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin/java")).collect();
    debian.sort();
    home.into_iter().chain([PathBuf::from("java")]).chain(debian).collect()
}

fn version(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").output().ok()?;
    major(&String::from_utf8_lossy(&output.stderr))
}

/// The version in what `java -version` says: `openjdk version "17.0.15" 2025-04-15`, and `"1.8.0_452"` for 8.
fn major(text: &str) -> Option<u32> {
    let (_, quoted) = text.split_once("version \"")?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        version => Some(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let check = |text: &str, version| assert_eq!(major(text), version, "{text}");
        check("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17));
        check("openjdk version \"25\" 2025-09-16", Some(25));
        check("openjdk version \"26-ea\" 2026-03-17", Some(26));
        check("java version \"1.8.0_452\"", Some(8));
        check("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"21.0.8\" 2025-07-15", Some(21));
        check("The operation couldn't be completed. Unable to locate a Java Runtime.", None);
        check("version \"\"", None);
    }
}
