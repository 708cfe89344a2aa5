//! The crate table of ARCHITECTURE.md says exactly what the manifests say, so the drawing cannot lie.
//!
//! A row is ``| `crate` | what it is | `uses`, ... | `tests also use`, ... |``, `-` for none. The table is the one whose
//! header begins with `| crate |`.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::metadata::{Metadata, Uses};
use crate::tree::TextFile;

const PATH: &str = "ARCHITECTURE.md";

pub(crate) fn check(documents: &[TextFile], metadata: &Metadata) -> Vec<Finding> {
    let Some(document) = documents.iter().find(|document| document.path == PATH) else {
        return vec![Finding::new(PATH, 1, "the file is missing; it holds the crate table")];
    };
    compare(document, &metadata.members)
}

fn compare(document: &TextFile, members: &BTreeMap<String, Uses>) -> Vec<Finding> {
    let rows = rows(document);
    if rows.is_empty() {
        return vec![Finding::new(PATH, 1, "there is no crate table; its header begins with `| crate |`")];
    }
    let mut findings = Vec::new();
    for row in &rows {
        match members.get(&row.name) {
            None => {
                findings.push(Finding::new(PATH, row.line, format!("there is no crate `{}`; remove the row", row.name)))
            }
            Some(uses) => {
                compare_cell(row, "uses", &row.uses.code, &uses.code, &mut findings);
                compare_cell(row, "tests also use", &row.uses.tests, &uses.tests, &mut findings);
            }
        }
    }
    for name in members.keys().filter(|name| !rows.iter().any(|row| row.name == **name)) {
        findings.push(Finding::new(PATH, 1, format!("the crate table has no row for `{name}`")));
    }
    findings
}

fn compare_cell(
    row: &Row,
    cell: &str,
    drawn: &BTreeSet<String>,
    actual: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) {
    for name in actual.difference(drawn) {
        let message = format!("`{}` depends on `{name}`, which its cell `{cell}` does not allow", row.name);
        findings.push(Finding::new(PATH, row.line, message));
    }
    for name in drawn.difference(actual) {
        let message = format!("`{}` does not depend on `{name}`; take it out of its cell `{cell}`", row.name);
        findings.push(Finding::new(PATH, row.line, message));
    }
}

struct Row {
    line: usize,
    name: String,
    uses: Uses,
}

fn rows(document: &TextFile) -> Vec<Row> {
    document
        .lines()
        .skip_while(|(_, line)| !line.starts_with("| crate |"))
        .skip(2)
        .take_while(|(_, line)| line.starts_with('|'))
        .map(|(line, text)| row(line, text))
        .collect()
}

fn row(line: usize, text: &str) -> Row {
    let mut cells = text.trim_matches('|').split('|');
    let name = quoted(cells.next()).into_iter().next().unwrap_or_default();
    let uses = Uses { code: quoted(cells.nth(1)), tests: quoted(cells.next()) };
    Row { line, name, uses }
}

/// The words between backticks.
fn quoted(cell: Option<&str>) -> BTreeSet<String> {
    cell.unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(row: &str, code: &[&str], tests: &[&str]) -> Vec<String> {
        let text = format!("# Map\n\n| crate | what | uses | tests also use |\n|---|---|---|---|\n{row}\n\nend\n");
        let document = TextFile { path: PATH.to_owned(), text };
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let members = BTreeMap::from([("store".to_owned(), Uses { code: set(code), tests: set(tests) })]);
        compare(&document, &members).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_true_table_has_no_findings() {
        assert!(check("| `store` | rows | `event`, `log` | - |", &["event", "log"], &[]).is_empty());
        assert!(check("| `store` | rows | - | `event` |", &[], &["event"]).is_empty());
    }

    #[test]
    fn every_difference_is_found() {
        assert_eq!(
            check("| `store` | rows | `event` | - |", &["log"], &[]),
            [
                "ARCHITECTURE.md:5: `store` depends on `log`, which its cell `uses` does not allow",
                "ARCHITECTURE.md:5: `store` does not depend on `event`; take it out of its cell `uses`",
            ]
        );
        assert_eq!(
            check("| `shop` | rows | - | - |", &[], &[]),
            [
                "ARCHITECTURE.md:5: there is no crate `shop`; remove the row",
                "ARCHITECTURE.md:1: the crate table has no row for `store`",
            ]
        );
    }
}
