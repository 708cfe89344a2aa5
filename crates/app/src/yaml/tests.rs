//! YAML as it is read: the tree with its places, and what is refused.

use super::*;
use crate::source::Source;

#[track_caller]
fn check(text: &str, expected_text: &str, byte: usize, expected: &str) {
    let source = Source::new("x", text);
    let (root, _) = parse(&source);
    let root = root.unwrap();
    let node = &root.entries().last().unwrap().node;
    let Value::Scalar(scalar) = &node.value else { panic!("{node:?}") };
    assert_eq!(scalar.text, expected_text, "{:?}", source.slice(node.span));
    assert_eq!(source.place(node.inside(&source, byte).start).to_string(), expected, "{:?}", source.slice(node.span));
}

#[test]
fn places_are_found_in_every_notation() {
    check("a: one two", "one two", 4, "1:8");
    check("a: 'o''e two'", "o'e two", 4, "1:10");
    check("a: \"o\\te\\u0041 two\"", "o\teA two", 5, "1:16");
    check("a: one\n  two three", "one two three", 8, "2:7");
    check("a: 'one\n\n  two'", "one\ntwo", 4, "3:3");
    check("a: |\n  one\n    two\n", "one\n  two\n", 6, "3:5");
    check("a: |-\n\n  one\n  two", "\none\ntwo", 5, "4:3");
    check("a: >\n  one\n  two\n\n  x\n", "one two\nx\n", 4, "3:3");
    check("a: >\n  one\n  two\n\n  x\n", "one two\nx\n", 8, "5:3");
    check("a: é ü", "é ü", 3, "1:6");
    check("a: one", "one", 99, "1:7");
}
