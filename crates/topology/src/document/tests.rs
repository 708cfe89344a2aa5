//! The document against a plain model: the same edits on a tree of (name, value) lists give the same text.

use proptest::prelude::*;

use super::{Document, DocumentError, Name, ObjectWriter, Path};

/// A tree that keeps the order of members, as the reference.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(String),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Leaf(json) => json.clone(),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| {
                    format!("{}:{}", serde_json::to_string(name).unwrap(), value.text())
                };
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }

    fn get(&self, path: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let Self::Object(members) = self else { return None };
        members.iter().find(|(name, _)| name == first)?.1.get(rest)
    }

    /// False when a parent is no object.
    fn set(&mut self, path: &[&str], json: &str) -> bool {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::Leaf(json.to_owned());
            return true;
        };
        let Self::Object(members) = self else { return false };
        if let Some((_, value)) = members.iter_mut().find(|(name, _)| name == first) {
            return value.set(rest, json);
        }
        members.push(((*first).to_owned(), Self::Object(Vec::new())));
        members.last_mut().unwrap().1.set(rest, json)
    }

    fn remove(&mut self, path: &[&str]) -> bool {
        let Self::Object(members) = self else { return false };
        match path {
            [name] => {
                let before = members.len();
                members.retain(|(known, _)| known != name);
                members.len() != before
            }
            [first, rest @ ..] => {
                members.iter_mut().find(|(name, _)| name == first).is_some_and(|(_, v)| v.remove(rest))
            }
            [] => false,
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just("null"),
        Just("12345678901234567890"),
        Just("1.50"),
        Just("[1,{\"a\":2}]"),
        Just("\"x\\u00e9\""),
        Just("true"),
    ];
    leaf.prop_map(|json| Tree::Leaf(json.to_owned())).prop_recursive(3, 24, 4, |inner| {
        proptest::collection::btree_map("[abcé\"]{1,2}", inner, 0..4)
            .prop_map(|members| Tree::Object(members.into_iter().collect()))
    })
}

#[derive(Clone, Debug)]
enum Edit {
    Set(Vec<String>, &'static str),
    Remove(Vec<String>),
    Take(Vec<String>),
    Get(Vec<String>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let path = || proptest::collection::vec("[abcé\"]{1,2}", 1..4);
    prop_oneof![
        (path(), prop_oneof![Just("1"), Just("\"new\""), Just("[]")]).prop_map(|(path, json)| Edit::Set(path, json)),
        path().prop_map(Edit::Remove),
        path().prop_map(Edit::Take),
        path().prop_map(Edit::Get),
    ]
}

fn apply(edit: &Edit, document: &mut Document, model: &mut Tree) {
    let names = match edit {
        Edit::Set(names, _) | Edit::Remove(names) | Edit::Take(names) | Edit::Get(names) => names,
    };
    let path = Path::from_segments(names.iter().map(|name| name.as_str().into()).collect()).unwrap();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let held = model.get(&names).map(Tree::text);
    match edit {
        Edit::Set(_, json) => {
            let mut changed = model.clone();
            let possible = changed.set(&names, json);
            assert_eq!(document.set(&path, json.as_bytes()).is_ok(), possible);
            if possible {
                *model = changed;
            }
        }
        Edit::Remove(_) => assert_eq!(document.remove(&path), model.remove(&names)),
        Edit::Take(_) => {
            let is_held = held.is_some();
            assert_eq!(document.get(&path).map(str::to_owned), held);
            assert_eq!(document.remove(&path), is_held);
            model.remove(&names);
        }
        Edit::Get(_) => assert_eq!(document.get(&path).map(str::to_owned), held),
    }
    assert_eq!(document.render(), model.text());
}

proptest! {
    #[test]
    fn edits_give_what_the_model_gives(tree in tree(), edits in proptest::collection::vec(edit(), 0..8)) {
        let mut model = tree;
        let mut document = Document::parse(model.text()).unwrap();
        for edit in &edits {
            apply(edit, &mut document, &mut model);
            let as_serde = serde_json::from_slice::<serde_json::Value>(&document.render());
            prop_assert_eq!(as_serde.unwrap(), serde_json::from_str::<serde_json::Value>(&model.text()).unwrap());
        }
    }

    #[test]
    fn unchanged_text_stays_the_same_bytes(tree in tree(), spaced in any::<bool>(), path in proptest::collection::vec("[abc]", 1..4)) {
        let value: serde_json::Value = serde_json::from_str(&tree.text()).unwrap();
        let text = if spaced { format!(" {}\n", serde_json::to_string_pretty(&value).unwrap()) } else { tree.text() };
        let mut document = Document::parse(text.clone()).unwrap();
        document.find(&Path::from_segments(path.iter().map(|name| name.as_str().into()).collect()).unwrap());
        prop_assert_eq!(document.render(), text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let valid = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
        prop_assert!(!valid || Document::parse(bytes).is_ok());
    }
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[track_caller]
fn check(before: &'static str, edit: impl FnOnce(&mut Document), after: &str) {
    let mut document = Document::parse(before).unwrap();
    edit(&mut document);
    assert_eq!(document.render(), after);
}

#[test]
fn what_is_not_changed_keeps_its_spelling() {
    check(
        "{ \"a\" : 1.0 ,\n \"b\": [ 1 ] }",
        |d| d.set(&path("data.a"), b"2").unwrap(),
        "{ \"a\" : 2 ,\n \"b\": [ 1 ] }",
    );
    check("{\n  \"a\": 1\n}", |d| d.set(&path("data.b"), b" 2 ").unwrap(), "{\n  \"a\": 1,\"b\":2\n}");
    check("{\n  \"a\": 1,\n  \"b\": 2\n}", |d| assert!(d.remove(&path("data.b"))), "{\n  \"a\": 1\n}");
    check("{ }", |d| d.set(&path("data.a.b"), b"null").unwrap(), "{\"a\":{\"b\":null}}");
    check(" {\"a\":1} ", |d| assert!(d.remove(&path("data.a"))), " {} ");
    check("{\"a\": {\"b\" : 1 }}", |d| assert!(!d.remove(&path("data.a.x"))), "{\"a\": {\"b\" : 1 }}");
}

#[test]
fn the_last_of_a_name_counts_and_changes_drop_the_others() {
    let twice = r#"{"a":1,"b":2,"a":3}"#;
    assert_eq!(Document::parse(twice).unwrap().get(&path("data.a")), Some("3"));
    check(twice, |d| d.set(&path("data.a"), b"4").unwrap(), r#"{"b":2,"a":4}"#);
    check(twice, |d| assert!(d.remove(&path("data.a"))), r#"{"b":2}"#);
    check(
        r#"{"p":{"secret":1},"p":{"secret":2,"x":3}}"#,
        |d| assert!(d.remove(&path("data.p.secret"))),
        r#"{"p":{"x":3}}"#,
    );
    check(r#"{"\u0061":1}"#, |d| d.set(&path("data.a"), b"2").unwrap(), r#"{"\u0061":2}"#);
}

#[test]
fn a_parent_that_is_no_object_is_refused_and_nothing_changes() {
    let mut document = Document::parse(r#"{ "a": { "b": [1] } }"#).unwrap();
    let error = document.set(&path("data.a.b.c"), b"1").unwrap_err();
    assert_eq!(error.to_string(), "data.a.b.c cannot be set: data.a.b is a list, not an object");
    assert_eq!(document.render(), r#"{ "a": { "b": [1] } }"#);
    let error = Document::parse("[1]").unwrap().set(&path("data.a"), b"1").unwrap_err();
    assert_eq!(error.to_string(), "data.a cannot be set: data is a list, not an object");
    assert!(matches!(document.set(&path("data.x"), b"1 2"), Err(DocumentError::Invalid { .. })));
}

#[test]
fn invalid_data_is_named_with_its_place() {
    for (bad, expected) in [
        ("{\"a\":1", "the data is not valid JSON: expected ',' or '}' at byte 6"),
        ("{\"a\":1}x", "the data is not valid JSON: expected the end of the text at byte 7"),
        ("", "the data is not valid JSON: expected a JSON value at byte 0"),
    ] {
        assert_eq!(Document::parse(bad).unwrap_err().to_string(), expected, "{bad}");
    }
    let error = Document::parse(&b"{\"a\":\"\xff\"}"[..]).unwrap_err();
    assert_eq!(error, DocumentError::Encoding { offset: 6 });
}

#[test]
fn what_is_written_is_what_would_be_read() {
    let names = ["a", "b\"c", "deep", "naïve"].map(Name::new);
    let values = ["1", "\"x\"", "{\"e\": [2]}", "null"];
    let mut writer = ObjectWriter::with_capacity(8);
    for (name, value) in names.iter().zip(values) {
        let written: Result<(), ()> = writer.member(name, |out| {
            out.extend_from_slice(value.as_bytes());
            Ok(())
        });
        assert_eq!(written, Ok(()));
    }
    let written = writer.finish();
    let text = r#"{"a":1,"b\"c":"x","deep":{"e": [2]},"naïve":null}"#;
    assert_eq!((written.render(), written.is_changed()), (text.into(), false));
    let edited = |mut document: Document| {
        let path = |text: &str| Path::parse(text).unwrap();
        assert_eq!(document.get(&path("data.deep.e")), Some("[2]"));
        assert_eq!(document.get(&path("data.b\"c")), Some("\"x\""));
        assert_eq!(document.rename(&path("data.a"), &path("data.deep.f")), Ok(true));
        assert_eq!(document.rename(&path("data.a"), &path("data.g")), Ok(false));
        document.set(&path("data.naïve"), b"true").unwrap();
        assert!(document.remove(&path("data.b\"c")));
        document.render()
    };
    assert_eq!(edited(written), edited(Document::parse(text).unwrap()));
    assert_eq!(ObjectWriter::with_capacity(0).finish().render(), "{}");
}
