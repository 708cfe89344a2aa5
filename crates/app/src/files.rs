//! The files of an app: the app file, what it includes, and the file of the environment it is loaded for. They are joined
//! as trees before anything is read from them, so that every name counts in all of them and every node keeps its place.
//!
//! Included files hold what an app does, the environment's file where it runs; what stands in the wrong one is a mistake.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::fields;
use crate::glob::{self, Pattern};
use crate::source::{Source, Sources};
use crate::spelling;
use crate::yaml::{self, Entry, Node, Value};

/// Most files that one app includes.
const INCLUDED_MAX: usize = 500;

/// The joined tree, and everything that was found on the way.
pub(crate) struct Joined {
    pub(crate) root: Option<Node>,
    pub(crate) sources: Sources,
    /// Each file's own tree, as it was before it was joined; secrets are looked for in all of them.
    pub(crate) trees: Vec<Node>,
    pub(crate) found: Vec<Diagnostic>,
}

/// Parses the app file and everything that belongs to it. `overlay` is the file of the environment.
pub(crate) fn join(app_file: &Source, overlay: Option<Source>, environment: &dyn Environment) -> Joined {
    let sources = Sources::new(app_file.clone());
    let mut joined = Joined { root: None, sources, trees: Vec::new(), found: Vec::new() };
    let Some(mut root) = joined.parse(app_file) else { return joined };
    for included in joined.included(&root, environment) {
        let included = joined.sources.add(included);
        if let Some(tree) = joined.parse(&included) {
            include(&mut root, tree, &mut joined.found);
        }
    }
    if let Some(overlay) = overlay {
        let overlay = joined.sources.add(overlay);
        if let Some(tree) = joined.parse(&overlay) {
            lay_over(&mut root, tree, &mut joined.found);
        }
    }
    joined.root = Some(root);
    joined
}

impl Joined {
    fn parse(&mut self, source: &Source) -> Option<Node> {
        let (tree, found) = yaml::parse(source);
        self.found.extend(found);
        self.trees.extend(tree.clone());
        tree
    }

    /// The files that the patterns of `include` name, each once, in the order of the patterns and then of their names.
    fn included(&mut self, root: &Node, environment: &dyn Environment) -> Vec<Source> {
        let Some(entry) = root.entries().iter().find(|entry| entry.name == "include") else { return Vec::new() };
        let mut taken: Vec<Source> = Vec::new();
        for item in entry.node.one_or_many() {
            // What is no text at all is the reader's to report.
            let Value::Scalar(scalar) = &item.value else { continue };
            match sources(&scalar.text, environment) {
                Ok(sources) => {
                    for source in sources {
                        if taken.iter().all(|earlier| earlier.path() != source.path()) {
                            taken.push(source);
                        }
                    }
                }
                Err((message, help)) => {
                    let diagnostic = Diagnostic::error(codes::INCLUDE, item.span, message).note("this pattern");
                    self.found.push(diagnostic.help(help));
                }
            }
            if taken.len() > INCLUDED_MAX {
                let message = format!("more than {INCLUDED_MAX} files are included");
                self.found.push(Diagnostic::error(codes::TOO_LARGE, item.span, message).note("with this pattern"));
                return Vec::new();
            }
        }
        taken
    }
}

/// The files of one pattern; else what is wrong with it, and what to do.
fn sources(pattern: &str, environment: &dyn Environment) -> Result<Vec<Source>, (String, String)> {
    let parsed = Pattern::parse(pattern).map_err(|reason| (reason, glob::HELP.to_owned()))?;
    let unreadable = |reason: String| (reason, "make it readable, or leave it out".to_owned());
    let paths = environment.matching(&parsed).map_err(unreadable)?;
    if paths.is_empty() {
        let message = format!("no file matches `{pattern}`");
        return Err((message, "patterns are relative to the app file; correct it, or leave it out".to_owned()));
    }
    paths.iter().map(|path| environment.source(path)).collect::<Result<_, _>>().map_err(unreadable)
}

/// Joins an included file into the app file's tree.
fn include(root: &mut Node, included: Node, found: &mut Vec<Diagnostic>) {
    let allowed = &fields::INCLUDABLE;
    for entry in own_fields(included, "an included file", allowed, "declares", found) {
        if !matches!(entry.node.value, Value::Mapping(_) | Value::Null | Value::Broken) {
            let message = format!("`{}` takes a mapping of names, found {}", entry.name, entry.node.kind());
            found.push(Diagnostic::error(codes::WRONG_KIND, entry.node.span, message).note("not a mapping"));
            continue;
        }
        let Some(section) = section_of(root, &entry) else { continue };
        for named in entry.node.into_entries() {
            if let Some(first) = section.iter().find(|earlier| earlier.name == named.name) {
                let kind = entry.name.trim_end_matches('s');
                let message = format!("the {kind} `{}` is declared in two files", named.name);
                found.push(
                    Diagnostic::error(codes::DUPLICATE, named.name_span, message)
                        .note("declared again here")
                        .label(first.name_span, "declared here")
                        .help("names count in all files of an app: rename one of the two, or remove it"),
                );
                continue;
            }
            section.push(named);
        }
    }
}

/// Lays the file of an environment over the app file's tree: mappings field by field, everything else as a whole.
fn lay_over(root: &mut Node, overlay: Node, found: &mut Vec<Diagnostic>) {
    let entries = own_fields(overlay, "the file of an environment", &fields::OVERLAYABLE, "changes", found);
    merge(root, entries);
}

fn merge(node: &mut Node, entries: Vec<Entry>) {
    if matches!(node.value, Value::Null) {
        node.value = Value::Mapping(Vec::new());
    }
    let Value::Mapping(known) = &mut node.value else { return };
    for entry in entries {
        match known.iter_mut().find(|earlier| earlier.name == entry.name) {
            Some(earlier) if both_mappings(&earlier.node, &entry.node) => {
                merge(&mut earlier.node, entry.node.into_entries());
            }
            Some(earlier) => *earlier = entry,
            None => known.push(entry),
        }
    }
}

fn both_mappings(one: &Node, other: &Node) -> bool {
    matches!((&one.value, &other.value), (Value::Mapping(_), Value::Mapping(_)))
}

/// The fields of a file that belong into it; the others are reported.
fn own_fields(tree: Node, what: &str, allowed: &[&'static str], does: &str, found: &mut Vec<Diagnostic>) -> Vec<Entry> {
    match &tree.value {
        Value::Mapping(_) | Value::Null | Value::Broken => {}
        _ => {
            let message = format!("{what} is a mapping, found {}", tree.kind());
            found.push(Diagnostic::error(codes::WRONG_KIND, tree.span, message).note("not a mapping"));
        }
    }
    let names = allowed.iter().filter(|name| fields::APP.names().any(|known| known == **name));
    let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let (own, strange): (Vec<_>, Vec<_>) =
        tree.into_entries().into_iter().partition(|entry| allowed.contains(&entry.name.as_str()));
    for entry in strange {
        let name = &entry.name;
        let diagnostic = if fields::APP.names().any(|known| known == name) {
            Diagnostic::error(codes::MISPLACED, entry.name_span, format!("`{name}` does not belong into {what}"))
                .note("not here")
                .help(format!("write it into the app file; {what} {does} only {names}"))
        } else {
            let help = match spelling::nearest(name, allowed.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{what} {does} only {names}"),
            };
            Diagnostic::error(codes::UNKNOWN_FIELD, entry.name_span, format!("`{name}` is no field of {what}"))
                .note("unknown")
                .help(help)
        };
        found.push(diagnostic);
    }
    own
}

/// The entries of the app file's section of the same name; made where the app file has none.
fn section_of<'r>(root: &'r mut Node, included: &Entry) -> Option<&'r mut Vec<Entry>> {
    let Value::Mapping(sections) = &mut root.value else { return None };
    let at = sections.iter().position(|section| section.name == included.name).unwrap_or_else(|| {
        let node = Node { span: included.node.span, value: Value::Null };
        sections.push(Entry { name: included.name.clone(), name_span: included.name_span, node });
        sections.len() - 1
    });
    let section = &mut sections.get_mut(at)?.node;
    if matches!(section.value, Value::Null) {
        section.value = Value::Mapping(Vec::new());
    }
    match &mut section.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    }
}
