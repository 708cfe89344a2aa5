//! Fuzz target: no expression makes the parser or the evaluation panic, and the same expression over the same event gives the same.
//!
//! A short run is part of the tests; `cargo bolero test -p riverrun-topology expression` goes on for as long as one likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use riverrun_event::{Event, Time};
use riverrun_topology::{Draft, Expression};

/// How long a run within the tests takes.
const SHORT: Duration = Duration::from_secs(1);
/// What expressions are made of; a byte of the input picks a piece.
const PIECES: &[&str] = &[
    "data",
    "data.a",
    "data.list",
    "data.text",
    "data.deep.er",
    "data.nothing",
    "id",
    "type",
    "time",
    "key",
    "attributes",
    ".",
    "a",
    "[",
    "]",
    "0",
    "1",
    "-1",
    "1.5",
    "1e308",
    "9223372036854775807",
    "18446744073709551616u",
    "'text'",
    "\"t\"",
    "b'x'",
    "null",
    "true",
    "false",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " && ",
    " || ",
    "!",
    "-",
    " in ",
    " ? ",
    " : ",
    "(",
    ")",
    "{",
    "}",
    ", ",
    "has(",
    "size(",
    "string(",
    "int(",
    "double(",
    "timestamp(",
    "duration(",
    "'2026-01-01T00:00:00Z'",
    "'1h'",
    ".contains(",
    ".startsWith(",
    ".matches(",
    "'[a-z]+'",
    ".map(x, ",
    ".filter(x, ",
    ".all(x, ",
    ".exists(x, ",
    "x",
    "matches(",
    "min(",
    "max(",
    "é",
    "\u{0}",
    "\n",
    "//",
    "\\",
];

fn draft() -> Draft {
    let data =
        br#"{"a": 1, "list": [1, "two", {"three": 3}, null], "text": "t\u00e9xt", "deep": {"er": {"est": [[]]}}}"#;
    Draft::new(Event { data: Some(data.as_slice().into()), ..Event::new("1", "/fuzz", "t") }, Time::EPOCH)
}

#[test]
fn expression() {
    bolero::check!().with_max_len(64).with_test_time(SHORT).for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect();
        for text in [text.as_str(), &String::from_utf8_lossy(bytes)] {
            let Ok(expression) = Expression::parse(text) else { continue };
            let once = expression.evaluate_json(&mut draft());
            let again = expression.evaluate_json(&mut draft());
            assert_eq!(once, again, "{text:?} gives two answers");
        }
    });
}
