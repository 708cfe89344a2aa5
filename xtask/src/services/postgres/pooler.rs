//! What PgBouncer is told: a connection of the server belongs to a client for one transaction only.

use std::path::Path;

use super::{ROLE, SUPERUSER};

/// Who may connect; nobody has a password.
pub(super) fn users() -> String {
    format!("\"{ROLE}\" \"\"\n\"{SUPERUSER}\" \"\"\n")
}

/// The settings of a pooler on `port` in front of the server on `server`.
pub(super) fn settings(port: u16, server: u16, users: &Path, certificate: &Path, key: &Path) -> String {
    let (users, certificate, key) = (users.display(), certificate.display(), key.display());
    // A server that restarts is tried again soon, not after 15 s. More clients than connections are what a pooler is for.
    format!(
        "[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = trust
auth_file = {users}
max_client_conn = 1000
server_login_retry = 1
client_tls_sslmode = allow
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
"
    )
}
