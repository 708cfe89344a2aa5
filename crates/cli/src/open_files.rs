//! How many files the process may have open. A server needs one for each connection beside those of its log, and many systems
//! start programs with 1,024 although they would allow many more.

/// Allows as many as the system lets a program ask for. Where it does not, the server takes fewer connections.
#[cfg(unix)]
pub(crate) fn allow_most() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn allow_most() {}
