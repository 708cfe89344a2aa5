//! The tree under a document: parts still as received, and objects that were opened to reach into them.
//!
//! Spans address one line of bytes: the received ones first, then what was written since. Every span within a tree
//! was scanned, so opening it again cannot fail.

use bytes::Bytes;

use crate::json::{DEPTH_MAX, JsonError, Scanner};

use super::members::Members;
use super::name::{Fingerprint, Name};
use super::text::unescape;

/// Bytes of the sources, from `start` up to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What spans point into.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) received: Bytes,
    written: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A value nobody looked into.
    Raw(Span),
    /// An object that was opened; boxed, since it is rare and every member pays for the larger variant.
    Object(Box<Object>),
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The whole object as text; `None` since a change within.
    text: Option<Span>,
    members: Members,
}

/// A member as it stands between `{` or `,` and the next `,` or `}`: lead, value, trail.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Whitespace, name and colon.
    lead: Span,
    /// The name without quotes.
    name: Span,
    /// Of the name; `None` where it has escapes, so that its bytes are not its text.
    fingerprint: Option<Fingerprint>,
    value: Node,
    trail: Span,
}

impl Span {
    fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl Sources {
    pub(super) fn new(received: Bytes) -> Self {
        Self { received, written: Vec::new() }
    }

    pub(super) fn text(&self, span: Span) -> &[u8] {
        let received = self.received.len();
        let text = if span.start < received {
            self.received.get(span.start..span.end)
        } else {
            self.written.get(span.start - received..span.end - received)
        };
        text.unwrap_or_default()
    }

    /// The bytes of a span, shared with what was received where they come from there.
    pub(super) fn bytes(&self, span: Span) -> Bytes {
        if span.start < span.end && span.end <= self.received.len() {
            self.received.slice(span.start..span.end)
        } else {
            Bytes::copy_from_slice(self.text(span))
        }
    }

    /// Appends what `write` writes.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.received.len() + self.written.len();
        write(&mut self.written);
        Span { start, end: self.received.len() + self.written.len() }
    }
}

impl Node {
    /// The object this is, opened; `None` when it is none.
    pub(super) fn open(&mut self, sources: &Sources) -> Option<&mut Object> {
        if let Self::Raw(span) = *self {
            let mut scanner = Scanner::new(sources.text(span));
            if scanner.peek() != Some(b'{') {
                return None;
            }
            *self = Self::Object(Box::new(Object::scan(&mut scanner, span.start).ok()?));
        }
        match self {
            Self::Object(object) => Some(object),
            Self::Raw(_) => None,
        }
    }

    /// The value as one text; a changed object is rendered for it.
    pub(super) fn span(&mut self, sources: &mut Sources) -> Span {
        match self {
            Self::Raw(span) => *span,
            Self::Object(object) => {
                if object.text.is_none() {
                    let mut text = Vec::new();
                    object.render(sources, &mut text);
                    object.text = Some(sources.write(|written| written.extend_from_slice(&text)));
                }
                object.text.unwrap_or_default()
            }
        }
    }

    pub(super) fn render(&self, sources: &Sources, out: &mut Vec<u8>) {
        match self {
            Self::Raw(span) => out.extend_from_slice(sources.text(*span)),
            Self::Object(object) => object.render(sources, out),
        }
    }
}

impl Object {
    /// An object that was written as `text`, with these members.
    pub(super) fn written(text: Span, members: Members) -> Self {
        Self { text: Some(text), members }
    }

    /// Scans an object; the scanner stands at its `{`, which is byte `base` of the sources less the scanner's position.
    pub(super) fn scan(scanner: &mut Scanner<'_>, base: usize) -> Result<Self, JsonError> {
        let start = base + scanner.at();
        scanner.eat(b'{');
        let mut members = Members::default();
        let mut lead = base + scanner.at();
        scanner.space();
        if !scanner.eat(b'}') {
            loop {
                scanner.space();
                let name = scanner.name()?;
                scanner.space();
                let value = base + scanner.at();
                scanner.value(DEPTH_MAX)?;
                let trail = base + scanner.at();
                scanner.space();
                let end = base + scanner.at();
                members.push(Member {
                    lead: Span { start: lead, end: value },
                    name: Span { start: base + name.start, end: base + name.end },
                    fingerprint: (!name.escaped).then(|| Fingerprint::of(scanner.token(name))),
                    value: Node::Raw(Span { start: value, end: trail }),
                    trail: Span { start: trail, end },
                });
                if !scanner.eat(b',') {
                    break;
                }
                lead = base + scanner.at();
            }
            scanner.expect(b'}', "',' or '}'")?;
        }
        Ok(Self { text: Some(Span { start, end: base + scanner.at() }), members })
    }

    /// The member `name`; where a name is stated twice the last one counts.
    pub(super) fn member(&mut self, name: &Name, sources: &Sources) -> Option<&mut Node> {
        let index = self.members.iter().rposition(|member| member.is_named(name, sources))?;
        self.members.get_mut(index).map(|member| &mut member.value)
    }

    /// The member `name` to be changed: earlier ones of that name are dropped, so that no reader can take them instead.
    pub(super) fn member_to_change(&mut self, name: &Name, sources: &Sources) -> Option<&mut Node> {
        let last = self.members.iter().rposition(|member| member.is_named(name, sources))?;
        self.text = None;
        let mut index = 0;
        self.members.retain(|member| {
            index += 1;
            index > last || !member.is_named(name, sources)
        });
        self.member(name, sources)
    }

    /// Adds a member behind the others; there is none of that name yet.
    pub(super) fn add(&mut self, name: &Name, value: Node, sources: &mut Sources) -> Option<&mut Node> {
        self.text = None;
        let lead = sources.write(|written| written.extend_from_slice(name.lead()));
        // The whitespace before the closing brace stays there.
        let trail = self.members.last_mut().map(|last| std::mem::take(&mut last.trail)).unwrap_or_default();
        self.members.push(Member::written(name, lead, value, trail));
        self.members.last_mut().map(|member| &mut member.value)
    }

    /// Removes every member `name`; gives the one that counted.
    pub(super) fn remove(&mut self, name: &Name, sources: &Sources) -> Option<Node> {
        let mut removed = None;
        while let Some(index) = self.members.iter().rposition(|member| member.is_named(name, sources)) {
            self.text = None;
            let was_last = index + 1 == self.members.len();
            let member = self.members.remove(index);
            if was_last
                && let Some(last) = self.members.last_mut()
                && last.trail.is_empty()
            {
                last.trail = member.trail;
            }
            removed.get_or_insert(member.value);
        }
        removed
    }

    fn render(&self, sources: &Sources, out: &mut Vec<u8>) {
        if let Some(text) = self.text {
            out.extend_from_slice(sources.text(text));
            return;
        }
        out.push(b'{');
        for (index, member) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(sources.text(member.lead));
            member.value.render(sources, out);
            out.extend_from_slice(sources.text(member.trail));
        }
        out.push(b'}');
    }
}

impl Member {
    /// A member whose lead was written from its name.
    pub(super) fn written(name: &Name, lead: Span, value: Node, trail: Span) -> Self {
        let token = Span { start: lead.start + 1, end: lead.end - 2 };
        Self { lead, name: token, fingerprint: name.is_plain().then_some(name.fingerprint), value, trail }
    }

    fn is_named(&self, name: &Name, sources: &Sources) -> bool {
        match self.fingerprint {
            Some(fingerprint) => fingerprint == name.fingerprint && sources.text(self.name) == name.text.as_bytes(),
            None => std::str::from_utf8(sources.text(self.name)).is_ok_and(|token| unescape(token) == *name.text),
        }
    }
}
