//! TLS, and that certificates are verified whatever the mode is called.

use riverrun_outbox::{Database, DatabaseError};

use crate::fresh::server;

async fn is_encrypted(query: &str) -> Result<bool, String> {
    let server = server();
    let database = Database::new(&format!("{}?{query}", server.split('?').next().unwrap())).unwrap();
    let client = database.connect().await.map_err(|error| error.to_string())?;
    let row = client.query_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]).await.unwrap();
    Ok(row.get(0))
}

fn authority() -> String {
    match std::env::var("RIVERRUN_TEST_POSTGRES_CA") {
        Ok(path) if !path.is_empty() => path,
        _ => panic!(
            "RIVERRUN_TEST_POSTGRES_CA names no file with the authority of the server's certificate; `cargo xtask test` sets it, and \
             `cargo xtask services start postgres` prints it"
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_where_the_certificate_is_vouched_for() {
    let authority = authority();
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        assert_eq!(is_encrypted(&format!("sslmode={mode}&sslrootcert={authority}")).await, Ok(true), "{mode}");
    }
    assert_eq!(is_encrypted(&format!("sslrootcert={authority}")).await, Ok(true));
    assert_eq!(is_encrypted("sslmode=disable").await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let said = is_encrypted(&format!("sslmode={mode}")).await.unwrap_err();
        assert!(said.contains("cannot be reached") && said.contains("certificate"), "{mode}: {said}");
    }
}

#[test]
fn a_file_without_certificates_is_refused() {
    let error = Database::new("postgres://shop@db/orders?sslrootcert=/dev/null").unwrap_err();
    assert!(matches!(error, DatabaseError::Certificates { .. }), "{error}");
}
