//! Patterns of file names, as `include` takes them: `pipelines/*.yaml`. A `*` stands for any characters within one name.
//!
//! A pattern stays in the app file's folder and below: an app is a folder that can be moved as a whole.

/// A pattern, segment by segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<String>,
}

/// How a pattern is written, for messages.
pub(crate) const HELP: &str =
    "name a file in the app file's folder or below it, such as `topics.yaml`, or a pattern such as `pipelines/*.yaml`";

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refused = |reason: &str| Err(format!("`{text}` {reason}"));
        if text.contains("${") {
            return refused("is not filled in: which files an app has can be read in its file");
        }
        if text.starts_with('/') || text.contains(['\\', '\0']) {
            return refused("is no path below the app file's folder");
        }
        let segments: Vec<String> = text.split('/').filter(|segment| *segment != ".").map(str::to_owned).collect();
        if segments.iter().any(|segment| segment == "..") {
            return refused("leads out of the app file's folder");
        }
        if segments.iter().any(String::is_empty) || segments.is_empty() {
            return refused("names no file");
        }
        if text.contains("**") {
            return refused(
                "has a `**`; a `*` stands for any characters within one name, and each folder is written out",
            );
        }
        Ok(Self { segments })
    }

    /// Its segments: the folders on the way, and the file.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }
}

/// Whether a segment of a pattern is one particular name.
pub(crate) fn is_literal(segment: &str) -> bool {
    !segment.contains('*')
}

/// Whether a segment of a pattern fits a name. As in a shell, hidden names are to be asked for.
pub(crate) fn fits(segment: &str, name: &str) -> bool {
    if name.starts_with('.') && !segment.starts_with('.') {
        return false;
    }
    let mut parts = segment.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_of_a_name() {
        for (segment, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", false),
            (".*", ".yaml", true),
            ("*.yaml", "a.yml", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(segment, name), expected, "{segment} {name}");
        }
    }

    #[test]
    fn patterns_stay_below_the_folder() {
        for bad in ["", "/etc/x", "../x", "a/../x", "a//b", "**/x", "a\\b", "${env:X}.yaml", "."] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Pattern::parse("./a/*.yaml").unwrap().segments(), ["a", "*.yaml"]);
    }
}
