//! No text makes the reader or the printer panic.

use proptest::prelude::*;

use super::found;

/// Text that looks enough like an app file to get past the parser.
fn fragment() -> impl Strategy<Value = String> {
    let pieces = [
        "app: a\n",
        "topics:\n",
        "models:\n",
        "pipelines:\n",
        "  t: ",
        "  p:\n",
        "    from: t\n",
        "    to: u\n",
        "    steps:\n",
        "      - filter: ",
        "data.x",
        " == ",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "\n",
        "    ",
        "|\n",
        ">-\n",
        "- ",
        "&a ",
        "*a",
        "!",
        "#",
        "${env:PORT}",
        "${",
        "\\u00e9",
        "é",
        "\u{2028}",
        "\t",
        "secret: x",
        "snapshot: { m: { key: data.k } }",
        "fragments: { f: [use: f] }\n",
        "branch: { b: { when: data.x, to: v } }",
        "merge: t",
        "7d",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// A good file with a piece cut out and another put in.
fn damaged() -> impl Strategy<Value = String> {
    let good = include_str!("../../../../examples/flights/riverrun.yaml");
    (0..good.len(), 0..40_usize, fragment()).prop_map(move |(start, length, put)| {
        let start = good.floor_char_boundary(start);
        let end = good.floor_char_boundary((start + length).min(good.len()));
        format!("{}{put}{}", &good[..start], &good[end..])
    })
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        found(&text);
    }

    #[test]
    fn fragments_never_panic(text in fragment()) {
        found(&text);
    }

    #[test]
    fn damaged_files_never_panic(text in damaged()) {
        found(&text);
    }
}
