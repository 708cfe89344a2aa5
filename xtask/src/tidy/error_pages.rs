//! Every error code a user can meet has a page in docs/errors, and no page stands for a code that does not exist.
//!
//! A code is `RR` and four digits inside a string literal of a crate, its unit tests left out; the page is `docs/errors/RRnnnn.md`, its title begins
//! with the code, and the index has its line. `cargo xtask tidy --index` writes those lines anew.

use std::collections::BTreeMap;
use std::fs;

use super::finding::Finding;
use super::rust_text::RustText;
use crate::tree::TextFile;
use crate::{Failure, tree};

const INDEX: &str = "docs/errors/README.md";
/// In the index, what follows is written by `tidy --index`.
const LINES_BEGIN: &str = "<!-- Written by `cargo xtask tidy --index` from the pages' titles. -->";

pub(crate) fn check(sources: &[TextFile], documents: &[TextFile]) -> Vec<Finding> {
    let used = used_codes(sources);
    let pages: BTreeMap<&str, &TextFile> = documents.iter().filter_map(page).collect();
    let index = documents.iter().find(|document| document.path == INDEX);
    let mut findings = Vec::new();
    for (code, (path, line)) in used.iter().filter(|(code, _)| !pages.contains_key(code.as_str())) {
        findings.push(Finding::new(path, *line, format!("{code} has no page; write docs/errors/{code}.md")));
    }
    for (code, page) in pages {
        if !used.contains_key(code) {
            findings.push(Finding::new(&page.path, 1, format!("no crate uses {code}; remove the page")));
        }
        if !page.text.starts_with(&format!("# {code}: ")) {
            findings.push(Finding::new(&page.path, 1, format!("the page's title must begin with `# {code}: `")));
        }
        if !index.is_some_and(|index| index.text.contains(&index_line(code, page))) {
            let message = format!("the index has no line for {code} with its title; run cargo xtask tidy --index");
            findings.push(Finding::new(INDEX, 1, message));
        }
    }
    findings
}

/// Writes the index's lines anew from the titles of the pages.
///
/// # Errors
/// The index is missing, has no place for the lines, or cannot be written.
pub(crate) fn write_index(documents: &[TextFile]) -> Result<(), Failure> {
    let index = documents.iter().find(|document| document.path == INDEX).ok_or_else(|| format!("no {INDEX}"))?;
    let (head, _) = index.text.split_once(LINES_BEGIN).ok_or_else(|| format!("no line {LINES_BEGIN} in {INDEX}"))?;
    let pages: BTreeMap<&str, &TextFile> = documents.iter().filter_map(page).collect();
    let lines: String = pages.into_iter().map(|(code, page)| index_line(code, page)).collect();
    fs::write(tree::root().join(INDEX), format!("{head}{LINES_BEGIN}\n\n{lines}"))?;
    Ok(())
}

/// A page's line in the index, with its line break.
fn index_line(code: &str, page: &TextFile) -> String {
    let title = page.text.lines().next().unwrap_or_default();
    let title = title.split_once(": ").map_or("", |(_, title)| title);
    format!("- [{code}]({code}.md) {title}\n")
}

/// The code a document is the page of.
fn page(document: &TextFile) -> Option<(&str, &TextFile)> {
    let name = document.path.strip_prefix("docs/errors/")?.strip_suffix(".md")?;
    (codes(name).next() == Some(name)).then_some((name, document))
}

/// Codes in string literals of the crates, each with the first place that names it.
fn used_codes(sources: &[TextFile]) -> BTreeMap<String, (String, usize)> {
    let mut used = BTreeMap::new();
    let of_crates = sources.iter().filter(|source| {
        source.path.starts_with("crates/") && source.path.contains("/src/") && !source.path.ends_with("/tests.rs")
    });
    for source in of_crates {
        let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (line, literal) in RustText::parse(code).strings {
            for code in codes(&literal) {
                used.entry(code.to_owned()).or_insert_with(|| (source.path.clone(), line));
            }
        }
    }
    used
}

fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("RR").filter_map(move |(start, _)| {
        let code = text.get(start..start + 6)?;
        let whole = !text.get(start + 6..)?.starts_with(|next: char| next.is_ascii_digit());
        (whole && code.bytes().skip(2).all(|byte| byte.is_ascii_digit())).then_some(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn codes_and_pages_must_match() {
        let source = file(
            "crates/a/src/lib.rs",
            "//! RR0009 is no use of it.\nconst A: &str = \"RR0001\";\nconst B: &str = \"RR0002\";\n",
        );
        let pages = [
            file("docs/errors/RR0001.md", "# RR0001: a\n"),
            file("docs/errors/RR0003.md", "# b\n"),
            file(INDEX, "- [RR0001](RR0001.md) a\n"),
        ];
        let findings: Vec<String> = check(&[source], &pages).iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "crates/a/src/lib.rs:3: RR0002 has no page; write docs/errors/RR0002.md",
                "docs/errors/RR0003.md:1: no crate uses RR0003; remove the page",
                "docs/errors/RR0003.md:1: the page's title must begin with `# RR0003: `",
                "docs/errors/README.md:1: the index has no line for RR0003 with its title; run cargo xtask tidy --index",
            ]
        );
    }
}
