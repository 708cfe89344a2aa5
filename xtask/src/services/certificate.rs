//! Certificates for services on the loopback address, made by OpenSSL for one start.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Failure, packages};

/// Everything a certificate says comes from the command line. It signs nothing but itself: a client takes no authority for a server.
const REQUEST: &str = "[req]\ndistinguished_name=name\n[name]\n";

/// Makes a certificate that is its own authority, and its key, which only the owner of the file may read. OpenSSL is installed first
/// where it is missing.
///
/// # Errors
/// The tool cannot be had, or failed.
pub(super) fn make(name: &str, key: &Path, certificate: &Path) -> Result<(), Failure> {
    packages::debian(&packages::CERTIFICATES)?;
    let request = key.with_extension("cnf");
    fs::write(&request, REQUEST)?;
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
    make.args(["-subj", &format!("/{name}"), "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]);
    make.arg("-config").arg(request).arg("-keyout").arg(key).arg("-out").arg(certificate);
    let output = make.stdin(Stdio::null()).output().map_err(|error| format!("cannot start openssl: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("openssl could not make a certificate ({}): {}", output.status, said.trim()).into())
}
