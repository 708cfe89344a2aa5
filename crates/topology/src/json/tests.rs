//! What the scanner takes and where it faults the rest; serde_json is the judge.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

#[test]
fn depth_is_counted_from_the_value() {
    let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert_eq!(check(&nested(64), 64), Ok(()));
    assert_eq!(check(&nested(65), 64), Err(JsonError::TooDeep { offset: 64, depth_max: 64 }));
    assert_eq!(check(br#"{"a":{"b":[]}}"#, 3), Ok(()));
    assert_eq!(check(br#"{"a":{"b":[]}}"#, 2), Err(JsonError::TooDeep { offset: 10, depth_max: 2 }));
}

#[test]
fn faults_name_the_place() {
    assert_eq!(check(b"\"a\xff\"", 9), Err(JsonError::Utf8 { offset: 2 }));
    assert_eq!(check(b"[1,]", 9), Err(JsonError::Syntax { offset: 3, expected: "a JSON value" }));
    assert_eq!(check(b"{} x", 9), Err(JsonError::Syntax { offset: 3, expected: "the end of the text" }));
    assert_eq!(check(b"", 9), Err(JsonError::Syntax { offset: 0, expected: "a JSON value" }));
}

/// serde_json, which others wrote, is the judge.
fn check_against_serde_json(text: &str) {
    let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert_eq!(check(text.as_bytes(), usize::MAX).is_ok(), expected, "{text:?}");
}

#[test]
fn the_grammar_is_rfc_8259() {
    for text in [
        "0",
        "-0",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1E-7",
        "1e999",
        "123456789012345678901234567890",
        "+1",
        "tru",
        "null",
        "nulll",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\t\"",
        "\"",
        "{\"a\"}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "[",
        "]",
        "[1 2]",
        " [ 1 , { \"a\" : [ ] } ] ",
        "{\"a\":1 \"b\":2}",
        "\u{feff}1",
        "[}",
        "{]",
        "/**/1",
        "NaN",
        "\"\u{7f}\"",
    ] {
        check_against_serde_json(text);
    }
}

#[test]
fn strings_end_at_whatever_byte_they_do() {
    for length in 0..40 {
        for at in 0..=length {
            // Bytes beside those that end a run, and beyond ASCII: none of them may be taken for one.
            let text: String = "!#[]\u{1f0}~".chars().cycle().take(length).collect();
            let place = text.char_indices().map(|(place, _)| place).nth(at).unwrap_or(text.len());
            let (before, after) = text.split_at(place);
            check_against_serde_json(&format!("\"{before}\\n{after}\""));
            check_against_serde_json(&format!("\"{before}\u{1f}{after}\""));
            check_against_serde_json(&format!("[\"{before}\",\"{after}\"]"));
        }
    }
}

#[test]
fn no_more_than_what_can_be_read_back_is_allowed() {
    let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert_eq!(check(&nested(DEPTH_MAX), usize::MAX), Ok(()));
    let refused = JsonError::TooDeep { offset: DEPTH_MAX, depth_max: DEPTH_MAX };
    assert_eq!(check(&nested(DEPTH_MAX + 1), usize::MAX), Err(refused));
}

/// The scanner alone, which must get along with bytes that are no UTF-8.
fn accepts(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value(DEPTH_MAX).is_ok() && scanner.end().is_ok()
}

#[test]
fn accepts_what_json_is() {
    for good in ["0", "-0", "1.5e-7", " [ ] ", "{}", r#"{"a":[1,{"b":null}],"c":"\u00e9\n"}"#, "[[],[]]", "true"] {
        assert!(accepts(good.as_bytes()), "{good}");
    }
    for bad in
        ["", "01", "1.", "-", "1e", "[1,]", "{,}", "{a:1}", r#"{"a"}"#, "[1 2]", "tru", "\"a", "\"\\x\"", "}", "[}"]
    {
        assert!(!accepts(bad.as_bytes()), "{bad}");
    }
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(accepts(nested(128).as_bytes()));
    assert!(!accepts(nested(129).as_bytes()));
    assert!(!accepts("[".repeat(1_000_000).as_bytes()));
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in r#"[\[\]{}",:0-9a-e.\\ tnu+-]{0,12}"#) {
        // Strict where serde_json checks nothing either (lone surrogates), so compare by IgnoredAny.
        let expected = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(accepts(text.as_bytes()), expected, "{}", text);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        accepts(&bytes);
    }

    #[test]
    fn every_text_is_judged_as_serde_json_does(text in r#"[\[\]{}:,"\\ \n0-9eE+\-.truefalsn/bué]{0,24}"#) {
        check_against_serde_json(&text);
    }
}
