//! A peer in Java under bench/peers: built by Maven, run as a program.

use std::path::PathBuf;
use std::process::Command;

use crate::services::java;
use crate::{Failure, packages, process, tree};

/// What every peer begins in.
const MAIN: &str = "riverrun.bench.Main";

/// A peer that is built.
pub(super) struct JavaPeer {
    name: &'static str,
    java: PathBuf,
    /// Where Maven has built.
    built: PathBuf,
}

impl JavaPeer {
    /// Builds the peer of this folder, which is what it is called in its pom, too.
    ///
    /// # Errors
    /// Java or Maven cannot be had, or Maven does not succeed.
    pub(super) fn build(name: &'static str) -> Result<Self, Failure> {
        let java = java::find_or_install()?;
        packages::debian(&packages::JAVA_COMPILER)?;
        packages::debian(&packages::MAVEN)?;
        let built = std::path::absolute(tree::target_dir().join(name))?;
        let pom = tree::root().join("bench/peers").join(name).join("pom.xml");
        let mut maven = Command::new("mvn");
        maven.args(["-B", "-q", "-Dstyle.color=never", "-f"]).arg(pom);
        maven.arg(format!("-Dbuilt={}", built.display())).arg("package");
        process::run(maven)?;
        Ok(Self { name, java, built })
    }

    /// Runs it in a Java with these options; its own arguments follow.
    pub(super) fn command(&self, options: &[&str]) -> Command {
        let (jar, libraries) = (self.built.join(format!("{}-1.jar", self.name)), self.built.join("lib/*"));
        let mut command = Command::new(&self.java);
        command.args(options).arg("-cp").arg(format!("{}:{}", jar.display(), libraries.display())).arg(MAIN);
        command
    }
}
