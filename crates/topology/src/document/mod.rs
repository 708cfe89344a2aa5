//! JSON data as received, read and edited in place: only what is asked for is parsed, only what is changed is rewritten.
//!
//! A [`Document`] is checked whole once, when it is parsed; that pass also finds the members of the outermost object.
//! Inner objects are opened when a path leads into them. Rendering copies everything that was not changed byte for
//! byte, whitespace and spelling of numbers included; an unchanged document renders to the very bytes it was made of.
//!
//! Where a name is stated twice, the last one counts; a change along such a name drops the earlier ones. Names compare
//! by what they mean, not by how they are escaped. Paths do not lead into arrays.

mod checked;
mod members;
mod name;
mod node;
mod parts;
mod path;
mod text;
mod writer;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use checked::Json;
pub use path::{Path, PathError};

pub(crate) use name::Name;
pub(crate) use node::Span;
pub(crate) use parts::{elements, members};
pub(crate) use text::{unescape, write_string};
pub(crate) use writer::ObjectWriter;

use crate::json::{DEPTH_MAX, JsonError, Scanner, utf8};

use checked::checked;
use node::{Node, Object, Sources};

/// JSON data that can be read by path and edited.
#[derive(Clone, Debug)]
pub struct Document {
    sources: Sources,
    /// Whitespace around the outermost value.
    before: Span,
    after: Span,
    root: Node,
    changed: bool,
}

/// Why data could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON.
    #[error("the data is not valid JSON: expected {expected} at byte {offset}")]
    Invalid {
        /// What was expected.
        expected: &'static str,
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// Not UTF-8.
    #[error("the data is not valid UTF-8 at byte {offset}; JSON is always UTF-8")]
    Encoding {
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// A field cannot be put where its parent is no object.
    #[error("{path} cannot be set: {parent} is {found}, not an object")]
    NoObject {
        /// The field that was to be set.
        path: String,
        /// The parent.
        parent: String,
        /// What the parent is.
        found: &'static str,
    },
}

impl Document {
    /// Checks JSON text and takes it as a document.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] or [`DocumentError::Encoding`] with the place.
    ///
    /// # Examples
    /// ```
    /// use riverrun_topology::document::{Document, Path};
    ///
    /// let mut document = Document::parse(r#"{"flight": 15450, "tail" : "N14228"}"#)?;
    /// document.set(&Path::parse("data.carrier")?, b"\"UA\"")?;
    /// assert_eq!(document.render(), r#"{"flight": 15450, "tail" : "N14228","carrier":"UA"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(data: impl Into<Bytes>) -> Result<Self, DocumentError> {
        let data = data.into();
        utf8(&data)?;
        let mut scanner = Scanner::new(&data);
        scanner.space();
        let start = scanner.at();
        let root = if scanner.peek() == Some(b'{') {
            Node::Object(Box::new(Object::scan(&mut scanner, 0)?))
        } else {
            scanner.value(DEPTH_MAX)?;
            Node::Raw(Span { start, end: scanner.at() })
        };
        let end = scanner.at();
        scanner.end()?;
        let after = Span { start: end, end: scanner.at() };
        Ok(Self { sources: Sources::new(data), before: Span { start: 0, end: start }, after, root, changed: false })
    }

    /// The JSON text of a field; `None` when it is not there.
    pub fn get(&mut self, path: &Path) -> Option<&str> {
        let span = self.find(path)?;
        Some(self.text(span))
    }

    /// Where the text of a field is; valid until the document is changed.
    pub(crate) fn find(&mut self, path: &Path) -> Option<Span> {
        let mut node = &mut self.root;
        for segment in path.names() {
            node = node.open(&self.sources)?.member(segment, &self.sources)?;
        }
        Some(node.span(&mut self.sources))
    }

    /// The whole value without the whitespace around it.
    pub(crate) fn whole(&mut self) -> Span {
        self.root.span(&mut self.sources)
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        // Spans begin and end at tokens of text that was checked.
        std::str::from_utf8(self.sources.text(span)).unwrap_or_default()
    }

    /// The bytes of a span, shared with the received ones where possible.
    pub(crate) fn bytes(&self, span: Span) -> Bytes {
        self.sources.bytes(span)
    }

    /// Sets a field to JSON text, creating it and the objects on the way where they are not there.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when `json` is not JSON, [`DocumentError::NoObject`] when a parent is something else; the
    /// document is as before then.
    pub fn set(&mut self, path: &Path, json: &[u8]) -> Result<(), DocumentError> {
        self.set_checked(path, checked(json)?)
    }

    /// Sets a field to JSON that was checked before.
    ///
    /// # Errors
    /// [`DocumentError::NoObject`] when a parent is something else; the document is as before then.
    pub fn set_json(&mut self, path: &Path, json: &Json) -> Result<(), DocumentError> {
        self.set_checked(path, json.as_bytes())
    }

    fn set_checked(&mut self, path: &Path, json: &[u8]) -> Result<(), DocumentError> {
        self.refuse_other_parents(path)?;
        let value = Node::Raw(self.sources.write(|written| written.extend_from_slice(json)));
        self.attach(path, value);
        Ok(())
    }

    /// Puts a value at a place whose parents are objects or not there yet.
    fn attach(&mut self, path: &Path, value: Node) {
        let Some((parents, name)) = path.split() else { return };
        self.changed = true;
        let mut node = &mut self.root;
        for segment in parents {
            let Some(object) = node.open(&self.sources) else { return };
            let known = object.member_to_change(segment, &self.sources).is_some();
            let next = if known {
                object.member(segment, &self.sources)
            } else {
                let empty = Node::Raw(self.sources.write(|written| written.extend_from_slice(b"{}")));
                object.add(segment, empty, &mut self.sources)
            };
            let Some(next) = next else { return };
            node = next;
        }
        if let Some(object) = node.open(&self.sources) {
            match object.member_to_change(name, &self.sources) {
                Some(held) => *held = value,
                None => drop(object.add(name, value, &mut self.sources)),
            }
        }
    }

    fn refuse_other_parents(&mut self, path: &Path) -> Result<(), DocumentError> {
        let Some((parents, _)) = path.split() else { return Ok(()) };
        let mut node = &mut self.root;
        for depth in 0..=parents.len() {
            // In two steps, since the node is still needed where it is no object.
            if node.open(&self.sources).is_none() {
                let span = node.span(&mut self.sources);
                return Err(DocumentError::NoObject {
                    path: path.to_string(),
                    parent: path.prefix(depth),
                    found: kind_of(self.sources.text(span)),
                });
            }
            let next = parents.get(depth).and_then(|segment| node.open(&self.sources)?.member(segment, &self.sources));
            match next {
                Some(next) => node = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Removes a field; false when it was not there.
    pub fn remove(&mut self, path: &Path) -> bool {
        self.detach(path).is_some()
    }

    /// Moves a field to another place; false when it was not there.
    ///
    /// # Errors
    /// [`DocumentError::NoObject`] when the new place cannot be; the field is gone then.
    pub fn rename(&mut self, from: &Path, to: &Path) -> Result<bool, DocumentError> {
        let Some(value) = self.detach(from) else { return Ok(false) };
        self.refuse_other_parents(to)?;
        self.attach(to, value);
        Ok(true)
    }

    fn detach(&mut self, path: &Path) -> Option<Node> {
        self.find(path)?;
        self.changed = true;
        let (parents, name) = path.split()?;
        let mut node = &mut self.root;
        for segment in parents {
            node = node.open(&self.sources)?.member_to_change(segment, &self.sources)?;
        }
        node.open(&self.sources)?.remove(name, &self.sources)
    }

    /// Whether anything was changed since it was parsed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The document as JSON text.
    #[must_use]
    pub fn render(&self) -> Bytes {
        if !self.changed {
            return self.sources.received.clone();
        }
        // Room for what edits usually add.
        let mut out = Vec::with_capacity(self.sources.received.len() + 64);
        out.extend_from_slice(self.sources.text(self.before));
        self.root.render(&self.sources, &mut out);
        out.extend_from_slice(self.sources.text(self.after));
        out.into()
    }
}

impl From<JsonError> for DocumentError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Utf8 { offset } => Self::Encoding { offset },
            JsonError::Syntax { offset, expected } => Self::Invalid { expected, offset },
            JsonError::TooDeep { offset, .. } => {
                Self::Invalid { expected: "less nesting; at most 128 levels are read", offset }
            }
        }
    }
}

/// What a JSON text is, by its first byte, for messages.
pub(crate) fn kind_of(text: &[u8]) -> &'static str {
    match text.first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') | None => "null",
        Some(_) => "a number",
    }
}
