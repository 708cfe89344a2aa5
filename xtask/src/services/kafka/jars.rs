//! The jars a broker is made of, copied by Maven as testing/kafka/pom.xml names them, once for each version of that file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::{Failure, packages, process, tree};

const POM: &str = "testing/kafka/pom.xml";

/// Kafka's jars.
pub(super) struct Jars {
    /// Kafka's version.
    pub(super) version: String,
    /// The folder with the jars and nothing else.
    pub(super) folder: PathBuf,
}

impl Jars {
    /// The jars, copied before or now.
    ///
    /// # Errors
    /// The pom names no version, or Maven cannot be installed or failed.
    pub(super) fn find_or_copy() -> Result<Self, Failure> {
        let pom = fs::read_to_string(tree::root().join(POM)).map_err(|error| format!("cannot read {POM}: {error}"))?;
        let version = version(&pom).ok_or_else(|| {
            format!("{POM} has no line <kafka.version>VERSION</kafka.version>; it says which Kafka the tests use")
        })?;
        let place = std::path::absolute(tree::target_dir().join("kafka").join(version))?;
        fs::create_dir_all(&place)?;
        // Two commands may start at once; the second then finds what the first has copied.
        let lock = File::create(place.join("copying.lock"))?;
        lock.lock()?;

        let jars = Self { version: version.to_owned(), folder: place.join("lib") };
        let copied = place.join("copied.xml");
        if fs::read_to_string(&copied).is_ok_and(|before| before == pom) {
            return Ok(jars);
        }
        eprintln!("kafka: copying the jars of version {version}");
        if jars.folder.exists() {
            fs::remove_dir_all(&jars.folder)?;
        }
        fs::write(place.join("pom.xml"), &pom)?;
        copy(&jars)?;
        // Last, so that what was interrupted is copied again.
        fs::write(copied, pom)?;
        Ok(jars)
    }

    /// What `java -cp` takes.
    pub(super) fn class_path(&self) -> PathBuf {
        self.folder.join("*")
    }
}

fn copy(jars: &Jars) -> Result<(), Failure> {
    packages::debian(&packages::MAVEN).map_err(|failure| {
        format!("no Maven, which copies Kafka's jars, and none could be installed: {failure}\nInstall it (Debian: maven) so that `mvn` is on the PATH.")
    })?;
    let mut maven = Command::new("mvn");
    maven.args(["-B", "-q", "-Dstyle.color=never", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", jars.folder.display()));
    // Standard output is for what the command itself has to say.
    maven.stdout(std::io::stderr());
    maven.current_dir(jars.folder.parent().unwrap_or(&jars.folder));
    process::run(maven).map_err(|failure| {
        format!("{failure}\nMaven says above what went wrong. It needs its registry, but only until the jars of {POM} have been copied once.").into()
    })
}

fn version(pom: &str) -> Option<&str> {
    let (_, rest) = pom.split_once("<kafka.version>")?;
    let (version, _) = rest.split_once("</kafka.version>")?;
    // It becomes the name of a folder.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(is_plain);
    is_version.then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        assert_eq!(version("<a>1</a>\n<kafka.version>4.3.1</kafka.version>\n"), Some("4.3.1"));
        assert_eq!(version("<kafka.version>4.4.0-rc1</kafka.version>"), Some("4.4.0-rc1"));
        assert_eq!(version("<kafka.version>../..</kafka.version>"), None);
        assert_eq!(version("<kafka.version></kafka.version>"), None);
        assert_eq!(version("<version>4.3.1</version>"), None);
    }

    #[test]
    fn the_pom_names_a_version() {
        let pom = fs::read_to_string(tree::root().join(POM)).unwrap();
        assert!(version(&pom).is_some());
    }
}
