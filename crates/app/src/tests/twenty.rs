//! A file with 20 mistakes gives 20 messages, rendered as tests/twenty.txt shows.

use super::load;
use crate::diagnostic::Severity;
use crate::render::Color;

pub(super) const FILE: &str = include_str!("twenty.yaml");

#[test]
fn twenty_mistakes_give_twenty_messages() {
    let all = load(FILE).unwrap_err();
    let errors = all.iter().filter(|item| item.severity == Severity::Error).count();
    assert_eq!(errors, 20, "{all}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/twenty.txt");
    super::documents::check_file(path, &all.render(Color::Never));
}
