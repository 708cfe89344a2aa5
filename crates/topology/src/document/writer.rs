//! Writes an object so that nobody has to read it again.

use super::Document;
use super::members::Members;
use super::name::Name;
use super::node::{Member, Node, Object, Sources, Span};

/// An object that is written member by member, and then is a document whose members are known.
pub(crate) struct ObjectWriter {
    text: Vec<u8>,
    members: Members,
}

impl ObjectWriter {
    /// An empty object with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), members: Members::default() }
    }

    /// Adds a member of a name that no other has; `write` writes its value, which is JSON without whitespace around it.
    ///
    /// # Errors
    /// What `write` gives; then the object is of no use.
    pub(crate) fn member<E>(
        &mut self,
        name: &Name,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.text.push(if self.members.is_empty() { b'{' } else { b',' });
        let start = self.text.len();
        self.text.extend_from_slice(name.lead());
        let value = self.text.len();
        write(&mut self.text)?;
        let end = self.text.len();
        let lead = Span { start, end: value };
        let value = Node::Raw(Span { start: value, end });
        self.members.push(Member::written(name, lead, value, Span { start: end, end }));
        Ok(())
    }

    /// The document of what was written.
    pub(crate) fn finish(mut self) -> Document {
        self.text.extend_from_slice(if self.members.is_empty() { b"{}" } else { b"}" });
        let whole = Span { start: 0, end: self.text.len() };
        let after = Span { start: whole.end, end: whole.end };
        let root = Node::Object(Box::new(Object::written(whole, self.members)));
        Document { sources: Sources::new(self.text.into()), before: Span::default(), after, root, changed: false }
    }
}
