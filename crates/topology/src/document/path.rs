//! The place of a field in the data.

use super::name::Name;

/// The place of a field, written `data.snapshot.plane`: the segments after `data`, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(Vec<Name>);

/// The text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no field of the data; write data.name or data.part.name")]
pub struct PathError(pub String);

impl Path {
    /// Parses `data.a.b`.
    ///
    /// # Errors
    /// [`PathError`] when the text is no path below `data`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let refused = || PathError(text.to_owned());
        let rest = text.strip_prefix("data.").ok_or_else(refused)?;
        let bad = |segment: &str| segment.is_empty() || segment.contains(|c: char| c.is_whitespace() || c.is_control());
        if rest.split('.').any(bad) {
            return Err(refused());
        }
        Ok(Self(rest.split('.').map(Name::new).collect()))
    }

    /// A path of segments that may hold any text, dots too (`data["odd name"]` in an expression); `None` without segments.
    #[must_use]
    pub fn from_segments(segments: Vec<Box<str>>) -> Option<Self> {
        (!segments.is_empty()).then(|| Self(segments.iter().map(|segment| Name::new(segment)).collect()))
    }

    /// The path `data.<parent>.<name>`.
    pub(crate) fn below(parent: &str, name: &str) -> Self {
        Self(vec![Name::new(parent), Name::new(name)])
    }

    /// The segments after `data`.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|segment| &*segment.text)
    }

    /// The segments as names to look for.
    pub(super) fn names(&self) -> &[Name] {
        &self.0
    }

    /// The segments of the objects on the way, and the name of the field itself; a path has one.
    pub(super) fn split(&self) -> Option<(&[Name], &Name)> {
        self.0.split_last().map(|(name, parents)| (parents, name))
    }

    /// The path as written in the app file, of its first `count` segments.
    pub(super) fn prefix(&self, count: usize) -> String {
        self.0.iter().take(count).fold("data".to_owned(), |text, segment| text + "." + &segment.text)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("data")?;
        self.0.iter().try_for_each(|segment| write!(formatter, ".{}", segment.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_data() {
        for good in ["data.a", "data.a.b_c.d-e", "data.0"] {
            assert_eq!(Path::parse(good).map(|path| path.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "data", "data.", "a.b", "data..a", "data.a.", "data.a b", "data.a\n"] {
            assert_eq!(Path::parse(bad), Err(PathError(bad.to_owned())));
        }
    }
}
