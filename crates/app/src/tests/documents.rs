//! Files in the repository that are printed from code: they have to be up to date.

use crate::reference::reference;

/// Compares a committed file with what it should be; with RIVERRUN_BLESS=1 writes it instead.
pub(super) fn check_file(path: &str, expected: &str) {
    if std::env::var_os("RIVERRUN_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == expected, "{path} is out of date; run the test with RIVERRUN_BLESS=1\n{expected}");
}

#[test]
fn the_reference_is_up_to_date() {
    check_file(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/app-file.md"), &reference());
}
