//! Relative links of Markdown files lead to files that exist, and so do the paths that documents name in backticks.
//!
//! A path in backticks is checked when it begins with a top-level folder of the project and has no placeholder in it.
//! Links to other sites are not followed.

use std::path::Path;

use super::finding::Finding;
use crate::tree::TextFile;

/// A word in backticks that begins so is a path.
const FOLDERS: [&str; 8] = ["crates/", "docs/", "testing/", "bench/", "examples/", "xtask/", ".ci/", ".cargo/"];

pub(crate) fn check(documents: &[TextFile], root: &Path) -> Vec<Finding> {
    documents.iter().flat_map(|document| check_document(document, root)).collect()
}

fn check_document(document: &TextFile, root: &Path) -> Vec<Finding> {
    let path = root.join(&document.path);
    let folder = path.parent().unwrap_or(root);
    let mut findings = Vec::new();
    let mut fenced = false;
    for (line, text) in document.lines() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in links(text).filter(|target| !folder.join(target).exists()) {
            findings.push(Finding::new(&document.path, line, format!("the link to {target} leads nowhere")));
        }
        for named in paths(text).filter(|named| !root.join(named).exists()) {
            findings.push(Finding::new(&document.path, line, format!("`{named}` does not exist")));
        }
    }
    findings
}

/// Targets of `[text](target)` that are files, without their anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(move |(start, _)| {
        let target = line.get(start + 2..)?.split(')').next()?;
        let file = target.split(['#', ' ']).next()?;
        (!file.is_empty() && !file.contains("://") && !file.starts_with("mailto:")).then_some(file)
    })
}

/// Paths between backticks; a crate-table name such as `bench/bare` is one too.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        FOLDERS.iter().any(|folder| word.starts_with(folder))
            && !word.contains(['*', '<', '{', ' '])
            && !word.contains("nnnn")
    };
    line.split('`').skip(1).step_by(2).filter(is_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_of_a_line() {
        let line = "See [map](ARCHITECTURE.md#crates), [site](https://a.b/c.md), [here](#top), `crates/log/src/lib.rs` and `docs/errors/RRnnnn.md`.";
        assert_eq!(links(line).collect::<Vec<_>>(), ["ARCHITECTURE.md"]);
        assert_eq!(paths(line).collect::<Vec<_>>(), ["crates/log/src/lib.rs"]);
    }

    #[test]
    fn what_leads_nowhere_is_found() {
        let document = TextFile { path: "a.md".to_owned(), text: "[b](none.md)\n```\n[c](none.md)\n```\n".to_owned() };
        let findings = check_document(&document, Path::new(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(findings, [Finding::new("a.md", 1, "the link to none.md leads nowhere")]);
    }
}
