//! Rules for each source file: it opens by saying what it owns, leaves nothing unfinished, and has a name that means something.

use super::finding::Finding;
use crate::tree::TextFile;

/// What marks unfinished work. Written in halves, so that this file does not find itself.
const UNFINISHED: [&str; 4] =
    [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore"), concat!("FIX", "ME")];

/// Names that say nothing about what is inside, and so collect everything.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "shared", "misc", "stuff"];

pub(crate) fn check(sources: &[TextFile]) -> Vec<Finding> {
    sources.iter().flat_map(|source| [opening(source), unfinished(source), names(source)]).flatten().collect()
}

fn opening(source: &TextFile) -> Vec<Finding> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![Finding::new(
        &source.path,
        1,
        "does not open with `//!`: what the file owns, its invariants, what it does not do",
    )]
}

fn unfinished(source: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in source.lines() {
        for word in UNFINISHED.iter().filter(|word| text.contains(**word)) {
            findings.push(Finding::new(&source.path, line, format!("`{word}`: finish it or leave it out")));
        }
    }
    findings
}

fn names(source: &TextFile) -> Vec<Finding> {
    let bad = source.path.split('/').find(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")));
    let message = |part| format!("`{part}` says nothing about what is inside; name the idea");
    bad.map(|part| Finding::new(&source.path, 1, message(part))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let source = TextFile { path: path.to_owned(), text: text.to_owned() };
        super::check(&[source]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules_of_one_file() {
        assert!(check("crates/log/src/lib.rs", "//! The log.\n").is_empty());
        assert_eq!(check("crates/log/src/lib.rs", "pub fn a() {}\n").len(), 1);
        assert_eq!(check("crates/utils/src/lib.rs", "//! All sorts.\n").len(), 1);
        let text = format!("//! The log.\nfn a() {{ {}) }}\n", UNFINISHED[0]);
        assert!(check("a.rs", &text)[0].starts_with("a.rs:2: "));
    }
}
