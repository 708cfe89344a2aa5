//! What the tests need besides Rust: Debian's packages, and the packages of Node and Python that the peers are made of.
//!
//! Nothing is installed that is there already; nothing is written outside `target/`, except by Debian's package manager.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process;
use crate::{Failure, tree};

/// A program and the Debian packages that bring it.
pub(crate) struct Needed {
    /// What is looked for, with arguments with which it succeeds.
    pub(crate) program: &'static [&'static str],
    /// What is installed when it is not there.
    pub(crate) packages: &'static [&'static str],
}

/// Node with its package manager.
pub(crate) const NODE: [Needed; 2] = [
    Needed { program: &["node", "--version"], packages: &["nodejs"] },
    Needed { program: &["npm", "--version"], packages: &["npm"] },
];
/// Python that can make virtual environments.
pub(crate) const PYTHON: [Needed; 1] =
    [Needed { program: &["python3", "-c", "import venv, ensurepip"], packages: &["python3", "python3-venv"] }];
/// What fetches jars.
pub(crate) const MAVEN: [Needed; 1] = [Needed { program: &["mvn", "--version"], packages: &["maven"] }];
/// What compiles Java.
pub(crate) const JAVA_COMPILER: [Needed; 1] =
    [Needed { program: &["javac", "-version"], packages: &["default-jdk-headless"] }];
/// What makes certificates.
pub(crate) const CERTIFICATES: [Needed; 1] = [Needed { program: &["openssl", "version"], packages: &["openssl"] }];
/// What makes system calls fail, and clocks jump.
pub(crate) const FAULTS: [Needed; 2] = [
    Needed { program: &["strace", "-V"], packages: &["strace"] },
    Needed { program: &["faketime", "--version"], packages: &["faketime"] },
];

/// Read when a server is installed; without it, the installation makes a cluster of its own and starts that.
const NO_CLUSTER_FOLDER: &str = "/etc/postgresql-common/createcluster.d";

/// Installs Debian packages for the programs that are missing.
///
/// # Errors
/// A package cannot be installed; neither root nor sudo is at hand.
pub(crate) fn debian(needed: &[Needed]) -> Result<(), Failure> {
    let missing = needed.iter().filter(|needed| !is_there(needed.program));
    let packages: Vec<&str> = missing.flat_map(|needed| needed.packages).copied().collect();
    if packages.is_empty() {
        return Ok(());
    }
    update()?;
    install(&packages)
}

/// Installs the first of these packages that this release of Debian has.
///
/// # Errors
/// It has none of them, or it cannot be installed; neither root nor sudo is at hand.
pub(crate) fn debian_first_of(packages: &[&str]) -> Result<(), Failure> {
    update()?;
    let is_offered = |package: &&&str| is_there(&["apt-get", "install", "--simulate", "-qq", **package]);
    match packages.iter().find(is_offered) {
        Some(package) => install(&[*package]),
        None => Err(format!("this release of Debian has none of the packages {}", packages.join(", ")).into()),
    }
}

/// Installs PostgreSQL's programs, without a server that the system runs.
///
/// # Errors
/// It cannot be installed; neither root nor sudo is at hand.
pub(crate) fn postgresql() -> Result<(), Failure> {
    update()?;
    let file = format!("{NO_CLUSTER_FOLDER}/riverrun.conf");
    let write = format!("mkdir -p {NO_CLUSTER_FOLDER} && echo 'create_main_cluster = false' >{file}");
    process::run(as_root(&["sh", "-c", &write]))?;
    let installed = install(&["postgresql"]);
    // Whoever installs another version later decides anew.
    process::run(as_root(&["rm", "-f", &file]))?;
    installed
}

/// A fresh machine has no lists of packages yet; old lists name versions that are gone.
fn update() -> Result<(), Failure> {
    process::run(as_root(&["apt-get", "update", "-qq"]))
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let mut install = as_root(&["apt-get", "install", "-y", "-qq", "--no-install-recommends"]);
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    process::run(install)
}

fn is_there(program: &[&str]) -> bool {
    quiet(program).is_some_and(|mut command| command.status().is_ok_and(|status| status.success()))
}

fn as_root(words: &[&str]) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(words);
    command
}

fn quiet(words: &[&str]) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command)
}

/// Installs what the `package-lock.json` in `folder` names; the folder that holds `node_modules` then.
///
/// # Errors
/// A file cannot be copied, or a package not be installed.
pub(crate) fn node(folder: &Path) -> Result<PathBuf, Failure> {
    let place = tree::target_dir().join("peers/node");
    let lock = fs::read(folder.join("package-lock.json"))?;
    let installed = place.join("installed.json");
    if fs::read(&installed).is_ok_and(|before| before == lock) {
        return Ok(place);
    }
    fs::create_dir_all(&place)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(folder.join(name), place.join(name))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&place);
    process::run(install)?;
    fs::write(installed, lock)?;
    Ok(place)
}

/// Makes a virtual environment in a folder of the target with what `requirements` names; its interpreter.
///
/// # Errors
/// A package cannot be installed.
pub(crate) fn python(folder: &str, requirements: &Path) -> Result<PathBuf, Failure> {
    let place = tree::target_dir().join(folder);
    let interpreter = place.join("bin/python");
    let wanted = fs::read(requirements)?;
    let installed = place.join("installed.txt");
    if fs::read(&installed).is_ok_and(|before| before == wanted) {
        return Ok(interpreter);
    }
    fs::create_dir_all(&place)?;
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&place);
    process::run(make)?;
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements);
    process::run(install)?;
    fs::write(installed, wanted)?;
    Ok(interpreter)
}
