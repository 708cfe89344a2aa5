//! Every app file in the repository is described as a graph that Graphviz can draw: well-formed, with every node of an edge
//! declared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use riverrun_topology::DescribeFormat;

use crate::app::App;

const REFERENCE: &str = include_str!("../steps.md");
const GUIDE: &str = include_str!("../../../../docs/operators.md");

/// What a line of the dot language says.
#[derive(Debug, PartialEq)]
enum Statement {
    Node(String),
    Edge(String, String),
}

/// Reads a quoted text; what it holds, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut is_escaped = false;
    for (at, character) in inner.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some((inner[..at].to_owned(), &inner[at + 1..])),
            '\n' => return None,
            _ => {}
        }
    }
    None
}

/// `name=value` pairs in brackets, up to the end of the line.
fn is_list_of_attributes(text: &str) -> bool {
    let Some(mut rest) = text.strip_prefix(" [") else { return text == ";" };
    loop {
        let Some((name, value)) = rest.split_once('=') else { return false };
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphabetic());
        let behind = match quoted(value) {
            Some((_, behind)) => behind,
            None => {
                let end = value.find([',', ']']).unwrap_or(value.len());
                if !is_word(&value[..end]) {
                    return false;
                }
                &value[end..]
            }
        };
        match (is_word(name), behind) {
            (true, "];") => return true,
            (true, behind) if behind.starts_with(", ") => rest = &behind[2..],
            _ => return false,
        }
    }
}

fn statement(line: &str) -> Option<Statement> {
    let (first, behind) = quoted(line.strip_prefix("  ")?)?;
    match behind.strip_prefix(" -> ") {
        None => is_list_of_attributes(behind).then_some(Statement::Node(first)),
        Some(behind) => {
            let (second, behind) = quoted(behind)?;
            is_list_of_attributes(behind).then_some(Statement::Edge(first, second))
        }
    }
}

/// What is wrong with a graph; none where it can be drawn.
fn mistakes(graph: &str) -> Vec<String> {
    let Some(body) = graph.strip_prefix("digraph ").and_then(quoted).and_then(|(_, rest)| rest.strip_prefix(" {\n"))
    else {
        return vec!["it does not begin as a graph".to_owned()];
    };
    let Some(body) = body.strip_suffix("\n}\n") else { return vec!["it is not closed".to_owned()] };
    let (mut nodes, mut edges, mut wrong) = (BTreeSet::new(), Vec::new(), Vec::new());
    for line in body.lines().skip(1) {
        match statement(line) {
            Some(Statement::Node(name)) if nodes.insert(name.clone()) => {}
            Some(Statement::Node(name)) => wrong.push(format!("{name} is there twice")),
            Some(Statement::Edge(from, to)) => edges.push((from, to)),
            None => wrong.push(format!("not a statement: {line}")),
        }
    }
    let loose = edges.into_iter().flat_map(|(from, to)| [from, to]).filter(|name| !nodes.contains(name));
    wrong.extend(loose.map(|name| format!("no such node: {name}")));
    wrong
}

fn check(place: &str, app: &App) {
    let graph = app.topology.describe(DescribeFormat::Dot);
    assert_eq!(mistakes(&graph), Vec::<String>::new(), "{place}\n{graph}");
    // An app without pipelines is its topics.
    assert!(app.topology.pipelines.is_empty() || graph.contains(" -> "), "{place}\n{graph}");
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let in_folder = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.collect()
    };
    let files = in_folder(&folder).into_iter().filter(|path| path.is_dir()).flat_map(|path| in_folder(&path));
    let is_app = |path: &PathBuf| {
        let text = if path.extension().is_some_and(|end| end == "yaml") {
            std::fs::read_to_string(path).unwrap()
        } else {
            String::new()
        };
        text.lines().any(|line| line.starts_with("app: "))
    };
    let mut files: Vec<PathBuf> = files.filter(is_app).collect();
    files.sort();
    files
}

#[test]
fn every_example_can_be_drawn() {
    let files = examples();
    assert!(files.len() >= 12, "{files:?}");
    files.iter().for_each(|file| check(&file.display().to_string(), &App::load(file).unwrap()));
}

#[test]
fn every_step_of_the_reference_can_be_drawn() {
    for page in [REFERENCE, GUIDE] {
        let files: Vec<&str> = page.split("```yaml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
        let apps: Vec<&&str> = files.iter().filter(|file| file.contains("app: ")).collect();
        assert!(apps.len() >= 3, "{apps:?}");
        apps.iter().for_each(|file| check(file, &App::parse(file, "riverrun.yaml").unwrap()));
    }
}

#[test]
fn what_cannot_be_drawn_is_found() {
    let graph = |body: &str| format!("digraph \"a\" {{\n  rankdir=LR;\n{body}\n}}\n");
    for (body, expected) in [
        ("  \"x\" [shape=box, label=\"say \\\"x\\\"\\l\"];\n  \"x\" -> \"x\" [label=\"}\"];\n  \"x\" -> \"x\";", None),
        ("  \"x\" [shape=box];\n  \"x\" -> \"y\";", Some("no such node: y")),
        ("  \"x\" [shape=box];\n  \"x\" [shape=box];", Some("x is there twice")),
        ("  \"x\" [label=\"a \"b\"];", Some("not a statement")),
        ("  \"x\" [label=\"a];", Some("not a statement")),
        ("  \"x\" [label=\"a\" shape=box];", Some("not a statement")),
    ] {
        let found = mistakes(&graph(body));
        assert_eq!(found.len(), usize::from(expected.is_some()), "{body}: {found:?}");
        assert!(found.iter().zip(expected).all(|(found, part)| found.contains(part)), "{body}: {found:?}");
    }
    assert_eq!(mistakes("digraph \"a\" {\n").len(), 1);
}
