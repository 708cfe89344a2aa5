//! Fuzz target: no text makes the reader of app files panic, and a text that is refused is refused for a reason.
//!
//! A short run is part of the tests; `cargo bolero test -p riverrun-app app_file` goes on for as long as one likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use riverrun_app::{App, Color, LoadError};

/// How long a run within the tests takes.
const SHORT: Duration = Duration::from_secs(1);
/// What app files are made of; a byte of the input picks a piece.
const PIECES: &[&str] = &[
    "app: a\n",
    "topics:\n",
    "models:\n",
    "pipelines:\n",
    "defaults:\n",
    "access:\n",
    "limits:\n",
    "fragments:\n",
    "  t: ",
    "  t: {}\n",
    "  p:\n",
    "    from: t\n",
    "    to: u\n",
    "    steps:\n",
    "      - ",
    "filter: ",
    "set: ",
    "map: ",
    "branch: ",
    "merge: ",
    "use: ",
    "snapshot: ",
    "remove: ",
    "rename: ",
    "transform: ",
    "select_key: ",
    "flat_map: ",
    "partitions: 4",
    "key: ",
    "data.x",
    "data.a.b",
    "type == 'x'",
    "has(data.x) ? 1 : null",
    "name: ",
    "retention: ",
    "age: 7d",
    "size: 1GiB",
    "accept: [a.*]",
    "secret: ",
    "${env:HOME}",
    "${env:",
    "${file:x}",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "\n",
    " ",
    "  ",
    "    ",
    "- ",
    "|\n",
    ">-\n",
    "&a ",
    "*a",
    "!t ",
    "#",
    "\t",
    "\r",
    "\u{0}",
    "é",
    "\u{2028}",
    "0",
    "-1",
    "1e999",
    "true",
    "null",
    "~",
    "?",
    "%",
    "---\n",
    "...\n",
];

#[test]
fn app_file() {
    bolero::check!().with_max_len(64).with_test_time(SHORT).for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect();
        for text in [text.as_str(), &String::from_utf8_lossy(bytes)] {
            if let Err(LoadError::Invalid(found)) = App::parse(text, "/nowhere/riverrun.yaml") {
                assert!(found.has_errors(), "refused without a reason: {text:?}");
                assert!(!found.render(Color::Never).is_empty());
            }
        }
    });
}
