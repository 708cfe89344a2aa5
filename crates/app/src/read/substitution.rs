//! `${env:NAME}`, `${env:NAME:-default}` and `${file:path}` within a text; `$${` stands for `${`. Done after YAML is parsed,
//! so a value from outside can never change the structure of the file.

use std::path::Path;

use crate::environment::Environment;

/// A text with everything filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) text: String,
    /// Whether something came from outside; then the text is not to be printed.
    pub(super) from_outside: bool,
}

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) help: String,
    /// Where in the text.
    pub(super) offset: usize,
}

pub(super) fn fill(text: &str, environment: &dyn Environment) -> Result<Filled, Refused> {
    let mut filled = Filled { text: String::with_capacity(text.len()), from_outside: false };
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let (before, from_dollar) = rest.split_at(dollar);
        if let Some(kept) = before.strip_suffix('$') {
            filled.text.push_str(kept);
            filled.text.push_str("${");
            rest = from_dollar.get(2..).unwrap_or_default();
            continue;
        }
        filled.text.push_str(before);
        let offset = text.len() - from_dollar.len();
        let refused = |message: String, help: String| Refused { message, help, offset };
        let Some(end) = from_dollar.find('}') else {
            return Err(refused(
                "`${` is not closed".to_owned(),
                "close it with `}`, or write `$${` for the text `${`".to_owned(),
            ));
        };
        let inner = from_dollar.get(2..end).unwrap_or_default();
        filled.text.push_str(&value(inner, environment).map_err(|(message, help)| refused(message, help))?);
        filled.from_outside = true;
        rest = from_dollar.get(end + 1..).unwrap_or_default();
    }
    filled.text.push_str(rest);
    Ok(filled)
}

fn value(inner: &str, environment: &dyn Environment) -> Result<String, (String, String)> {
    if let Some(variable) = inner.strip_prefix("env:") {
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        // As in a shell, `:-` also covers a variable that is set to nothing.
        let found = environment.variable(name).filter(|value| default.is_none() || !value.is_empty());
        return found.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            let help = format!("set it, or give a default: ${{env:{name}:-value}}");
            (format!("the environment variable `{name}` is not set"), help)
        });
    }
    if let Some(path) = inner.strip_prefix("file:") {
        return environment.file(Path::new(path)).map_err(|reason| {
            (format!("the file `{path}` cannot be read: {reason}"), "paths are relative to the app file".to_owned())
        });
    }
    Err((
        format!("`${{{inner}}}` is no substitution"),
        "write ${env:NAME}, ${env:NAME:-default} or ${file:path}".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::glob::Pattern;
    use crate::source::Source;

    struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "HOME").then(|| "/home/me".to_owned()).or_else(|| (name == "EMPTY").then(String::new))
        }

        fn file(&self, path: &Path) -> Result<String, String> {
            if path == Path::new("/run/x") { Ok("secret".to_owned()) } else { Err("no such file".to_owned()) }
        }

        fn matching(&self, _: &Pattern) -> Result<Vec<PathBuf>, String> {
            Ok(Vec::new())
        }

        fn source(&self, _: &Path) -> Result<Source, String> {
            Err("no such file".to_owned())
        }
    }

    fn check(text: &str, expected: Result<(&str, bool), &str>) {
        let filled = fill(text, &Fixed);
        match (&filled, expected) {
            (Ok(filled), Ok((text, outside))) => assert_eq!((&*filled.text, filled.from_outside), (text, outside)),
            (Err(refused), Err(message)) => assert_eq!(refused.message, message),
            _ => panic!("{text}: {filled:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn values_are_filled_in() {
        check("plain $ text", Ok(("plain $ text", false)));
        check("${env:HOME}/data", Ok(("/home/me/data", true)));
        check("${env:NONE:-a:-b}", Ok(("a:-b", true)));
        check("${env:EMPTY:-other}", Ok(("other", true)));
        check("${env:EMPTY}", Ok(("", true)));
        check("x${file:/run/x}y${env:HOME}", Ok(("xsecrety/home/me", true)));
        check("$${env:HOME}", Ok(("${env:HOME}", false)));
        check("${env:NONE}", Err("the environment variable `NONE` is not set"));
        check("${file:/etc/no}", Err("the file `/etc/no` cannot be read: no such file"));
        check("${HOME}", Err("`${HOME}` is no substitution"));
        check("${env:HOME", Err("`${` is not closed"));
    }
}
