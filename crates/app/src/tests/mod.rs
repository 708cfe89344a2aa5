//! App files as data: each case is a file and the places of what is wrong with it.

mod arbitrary;
mod described;
mod documents;
mod files;
mod joins;
mod loads;
mod mistakes;
mod rendering;
mod schema;
mod test_files;
mod twenty;
mod warnings;

use std::path::{Path, PathBuf};

use crate::app::App;
use crate::diagnostic::Diagnostics;
use crate::environment::Environment;
use crate::glob::{self, Pattern};
use crate::source::Source;

/// An outside with two variables, a file, and files of the app.
pub(crate) struct Fixed(pub(crate) &'static [(&'static str, &'static str)]);

/// A file that the examples include.
pub(crate) const RETURNS: (&str, &str) = (
    "pipelines/returns.yaml",
    "topics:\n  returned: { key: data.order }\npipelines:\n  returns: { from: returned, to: returns }\n",
);

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "PORT" => Some("9000".to_owned()),
            "HIDDEN" => Some("hunter2-from-outside".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        if path.starts_with("/run/secrets") { Ok("swordfish".to_owned()) } else { Err("no such file".to_owned()) }
    }

    fn matching(&self, pattern: &Pattern) -> Result<Vec<PathBuf>, String> {
        let fits = |path: &&str| {
            let names: Vec<&str> = path.split('/').collect();
            let segments = pattern.segments();
            names.len() == segments.len() && segments.iter().zip(names).all(|(segment, name)| glob::fits(segment, name))
        };
        Ok(self.0.iter().map(|(path, _)| *path).filter(fits).map(PathBuf::from).collect())
    }

    fn source(&self, path: &Path) -> Result<Source, String> {
        let found = self.0.iter().find(|(known, _)| Path::new(known) == path);
        found.map(|(path, text)| Source::new(*path, text)).ok_or_else(|| "no such file".to_owned())
    }
}

pub(crate) fn load(text: &str) -> Result<App, Diagnostics> {
    App::parse_in(&Source::new("riverrun.yaml", text), None, &Fixed(&[RETURNS]))
}

/// Everything found in a file, as `line:column code message`, and that it can be printed in every form.
pub(crate) fn found(text: &str) -> Vec<String> {
    let diagnostics = match load(text) {
        Ok(app) => app.warnings,
        Err(diagnostics) => {
            assert!(diagnostics.has_errors());
            diagnostics
        }
    };
    assert_eq!(diagnostics.json_lines().lines().count(), diagnostics.len());
    assert_eq!(diagnostics.render(crate::Color::Never).is_empty(), diagnostics.is_empty());
    diagnostics
        .iter()
        .map(|item| {
            let source = diagnostics.sources().of(item.span);
            let place = source.place(item.span.start);
            // The app file goes without saying.
            let file =
                if source == diagnostics.source() { String::new() } else { format!("{}:", source.path().display()) };
            format!("{file}{}:{} {} {}", place.line, place.column, item.code, item.message)
        })
        .collect()
}

/// Checks what is found in a file. An expectation is `line:column code` and a part of the message, and of the help behind ` => `.
pub(crate) fn check(text: &str, expected: &[&str]) {
    let found = found(text);
    let helps: Vec<String> = match load(text) {
        Ok(app) => app.warnings.iter().map(|item| item.help.clone().unwrap_or_default()).collect(),
        Err(all) => all.iter().map(|item| item.help.clone().unwrap_or_default()).collect(),
    };
    assert_eq!(found.len(), expected.len(), "{text}\nfound {found:#?}");
    for ((found, help), expected) in found.iter().zip(&helps).zip(expected) {
        let (message, expected_help) = expected.split_once(" => ").unwrap_or((expected, ""));
        let (place_and_code, part) =
            message.split_at(message.match_indices(' ').nth(1).map_or(message.len(), |(at, _)| at));
        assert!(found.starts_with(place_and_code), "{text}\nfound    {found}\nexpected {expected}");
        assert!(found.contains(part.trim()), "{text}\nfound    {found}\nexpected {expected}");
        assert!(help.contains(expected_help), "{text}\nfound    {found} => {help}\nexpected {expected}");
    }
}
