//! Long files and functions: past the limits they fail, unless `xtask/ratchet.txt` lists them, and then only if they grew.
//!
//! A line of the list is `file PATH LINES` or `function PATH NAME LINES`. It may only shrink: who splits a file takes its line
//! out.

use std::collections::BTreeMap;
use std::fs;

use super::finding::Finding;
use super::rust_text::RustText;
use crate::tree::TextFile;
use crate::{Failure, tree};

const LIST: &str = "xtask/ratchet.txt";
/// Past this a file holds more than one idea.
const FILE_LINES_MAX: usize = 600;
/// A function longer than a screen cannot be seen whole.
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn check(sources: &[TextFile]) -> Result<Vec<Finding>, Failure> {
    let path = tree::root().join(LIST);
    let list = fs::read_to_string(&path).map_err(|error| format!("{LIST}: {error}"))?;
    let (allowed, mut findings) = parse(&list);
    let mut held = allowed.clone();
    for source in sources {
        for size in sizes(source) {
            held.remove(&size.name);
            findings.extend(compare(&source.path, &size, allowed.get(&size.name).copied()));
        }
    }
    let gone =
        held.keys().map(|name| Finding::new(LIST, 1, format!("{name} does not exist any more; remove its line")));
    findings.extend(gone);
    Ok(findings)
}

struct Size {
    /// As the list names it: `file PATH` or `function PATH NAME`.
    name: String,
    line: usize,
    lines: usize,
    lines_max: usize,
}

fn sizes(source: &TextFile) -> Vec<Size> {
    let file = Size {
        name: format!("file {}", source.path),
        line: 1,
        lines: source.text.lines().count(),
        lines_max: FILE_LINES_MAX,
    };
    let functions = RustText::parse(&source.text).functions().into_iter().map(|function| Size {
        name: format!("function {} {}", source.path, function.name),
        line: function.line,
        lines: function.lines,
        lines_max: FUNCTION_LINES_MAX,
    });
    std::iter::once(file).chain(functions).collect()
}

fn compare(path: &str, size: &Size, allowed: Option<usize>) -> Option<Finding> {
    if size.lines <= allowed.unwrap_or(size.lines_max).max(size.lines_max) {
        return None;
    }
    let message = match allowed {
        None => format!("{} has {} lines; split it by idea below {}", size.name, size.lines, size.lines_max),
        Some(before) => format!("{} grew from {before} to {} lines; it may only shrink", size.name, size.lines),
    };
    Some(Finding::new(path, size.line, message))
}

fn parse(list: &str) -> (BTreeMap<String, usize>, Vec<Finding>) {
    let mut allowed = BTreeMap::new();
    let mut findings = Vec::new();
    for (index, line) in list.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line.rsplit_once(' ').map(|(name, lines)| (name.trim(), lines.parse())) {
            Some((name, Ok(lines))) => {
                allowed.insert(name.to_owned(), lines);
            }
            _ => findings.push(Finding::new(LIST, index + 1, "not `file PATH LINES` or `function PATH NAME LINES`")),
        }
    }
    (allowed, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: usize, allowed: Option<usize>) -> bool {
        let size = Size { name: "file a.rs".to_owned(), line: 1, lines, lines_max: 600 };
        compare("a.rs", &size, allowed).is_none()
    }

    #[test]
    fn only_growth_past_the_limit_fails() {
        assert!(check(600, None));
        assert!(!check(601, None));
        assert!(check(700, Some(700)));
        assert!(check(650, Some(700)));
        assert!(!check(701, Some(700)));
        assert!(check(500, Some(400)));
    }

    #[test]
    fn the_list_is_read() {
        let (allowed, findings) = parse("# why\n\nfile a/b.rs 650\nfunction a/b.rs run 90\nfile c.rs\n");
        assert_eq!(allowed.get("function a/b.rs run"), Some(&90));
        assert_eq!(findings.len(), 1);
    }
}
