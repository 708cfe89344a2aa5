//! Builds the tree from the parser's events, and reports what YAML allows but an app file does not: duplicate keys, keys
//! that are no text, tags, several documents, aliases that go nowhere or grow without measure.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, options};

use super::node::{Entry, Node, Scalar, Value};
use super::syntax;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};

/// Most bytes of an app file; the largest sensible ones have a few thousand lines.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most nodes after aliases are resolved, so that a few lines of aliases cannot fill the memory.
const NODES_MAX: usize = 100_000;
/// Most bytes of text that aliases may copy.
const ALIAS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting of lists and mappings; the tree is built and read recursively.
const DEPTH_MAX: usize = 32;

/// Parses a file. Without a tree there is a diagnostic that says why; with one there may be some as well.
pub(crate) fn parse(source: &Source) -> (Option<Node>, Vec<Diagnostic>) {
    if source.text().len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are taken", source.text().len());
        return (None, vec![Diagnostic::error(codes::TOO_LARGE, source.span(0, 0), message)]);
    }
    let mut options = options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    options.set_emit_comments(false);
    let mut builder = Builder {
        source,
        events: Parser::new_from_str_with_options(source.text(), options),
        diagnostics: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        alias_bytes: 0,
        depth: 0,
        tag_span: None,
    };
    match builder.documents() {
        Ok(node) => (Some(node), builder.diagnostics),
        Err(stopped) => {
            builder.diagnostics.push(*stopped);
            (None, builder.diagnostics)
        }
    }
}

/// What makes going on pointless.
type Stopped = Box<Diagnostic>;

struct Builder<'s, I: Iterator> {
    source: &'s Source,
    events: I,
    diagnostics: Vec<Diagnostic>,
    /// Anchored nodes with the number of nodes in them; `None` while the node is being built.
    anchors: HashMap<usize, Option<(Node, usize)>>,
    nodes: usize,
    alias_bytes: usize,
    depth: usize,
    /// Where the tag of the event read last stands.
    tag_span: Option<Span>,
}

impl<'s, I> Builder<'s, I>
where
    I: Iterator<Item = Result<(Event<'s>, granit_parser::Span), granit_parser::ScanError>>,
{
    fn documents(&mut self) -> Result<Node, Stopped> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "the file holds more than one YAML document";
                    return Err(Box::new(
                        Diagnostic::error(codes::YAML_FEATURE, span, message).note("the second one starts here").help(
                            "an app is one document; remove this line, or move what follows to a file of its own",
                        ),
                    ));
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span)?),
            }
        }
        Ok(root.unwrap_or(Node { span: self.source.span(0, 0), value: Value::Null }))
    }

    fn next(&mut self) -> Result<Option<(Event<'s>, Span)>, Stopped> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                let tag = span.tag_span().and_then(|tag| tag.byte_range());
                self.tag_span = tag.map(|tag| self.source.span(tag.start, tag.end));
                Ok(Some((event, self.source.span(range.start, range.end))))
            }
            Some(Err(error)) => Err(Box::new(syntax::diagnostic(self.source, &error))),
        }
    }

    fn node(&mut self, event: Event<'s>, span: Span) -> Result<Node, Stopped> {
        self.count(1, span)?;
        self.depth += 1;
        let tagged = self.refuse_tag(&event, span);
        let before = self.nodes;
        let (anchor, mut node) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style, span)),
            Event::SequenceStart(_, anchor, _) => {
                self.anchors.insert(anchor, None);
                (anchor, self.list(span)?)
            }
            Event::MappingStart(_, anchor, _) => {
                self.anchors.insert(anchor, None);
                (anchor, self.mapping(span)?)
            }
            Event::Alias(id) => (0, self.alias(id, span)?),
            Event::UnresolvedAlias(name) => (0, self.unresolved(&name, span)),
            _ => (0, Node { span, value: Value::Broken }),
        };
        self.depth -= 1;
        if tagged {
            node.value = Value::Broken;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Some((node.clone(), self.nodes - before + 1)));
        }
        Ok(node)
    }

    fn list(&mut self, start: Span) -> Result<Node, Stopped> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            match self.next()? {
                None => return Ok(Node { span: start, value: Value::List(items) }),
                Some((Event::SequenceEnd, end)) => {
                    let span = collection_span(start, items.last().map(|item| item.span), end);
                    return Ok(Node { span, value: Value::List(items) });
                }
                Some((event, span)) => {
                    let item = self.node(event, span)?;
                    items.push(item);
                }
            }
        }
    }

    fn mapping(&mut self, start: Span) -> Result<Node, Stopped> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        loop {
            match self.next()? {
                None => return Ok(Node { span: start, value: Value::Mapping(entries) }),
                Some((Event::MappingEnd, end)) => {
                    let span = collection_span(start, entries.last().map(|entry| entry.node.span), end);
                    return Ok(Node { span, value: Value::Mapping(entries) });
                }
                Some((event, span)) => {
                    let key = self.node(event, span)?;
                    let Some((event, span)) = self.next()? else { continue };
                    let node = self.node(event, span)?;
                    if let Some(name) = self.key(key.clone(), &mut places) {
                        entries.push(Entry { name, name_span: key.span, node });
                    }
                }
            }
        }
    }

    fn key(&mut self, key: Node, places: &mut HashMap<String, Span>) -> Option<String> {
        let name = match key.value {
            Value::Scalar(scalar) => scalar.text,
            Value::Broken => return None,
            _ => {
                let message = format!("a field's name has to be a text, not {}", key.kind());
                self.diagnostics.push(
                    Diagnostic::error(codes::WRONG_KIND, key.span, message)
                        .note("expected a name")
                        .help("a text that begins with `{` or `[` has to be put in quotes"),
                );
                return None;
            }
        };
        if let Some(first) = places.get(&name) {
            self.diagnostics.push(
                Diagnostic::error(codes::DUPLICATE, key.span, format!("`{name}` is given twice"))
                    .note("the second one")
                    .label(*first, "the first one")
                    .help("keep one of them"),
            );
            return None;
        }
        places.insert(name.clone(), key.span);
        Some(name)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Stopped> {
        match self.anchors.get(&id) {
            Some(Some((node, nodes))) => {
                // Copied as a tree: the budget is checked before the copy is made.
                let (node, nodes) = (node.clone(), *nodes);
                self.count(nodes, span)?;
                self.alias_bytes += text_bytes(&node);
                if self.alias_bytes > ALIAS_BYTES_MAX {
                    return Err(too_large(span));
                }
                Ok(node)
            }
            _ => {
                let name = self.source.slice(span).to_owned();
                self.diagnostics.push(
                    Diagnostic::error(codes::YAML_FEATURE, span, format!("`{name}` stands within what it refers to"))
                        .help("write the value out"),
                );
                Ok(Node { span, value: Value::Broken })
            }
        }
    }

    fn unresolved(&mut self, name: &str, span: Span) -> Node {
        self.diagnostics.push(
            Diagnostic::error(codes::YAML_FEATURE, span, format!("there is no anchor `&{name}` before this alias"))
                .note("an alias")
                .help(format!("if it is meant as text, put it in quotes: '*{name}'")),
        );
        Node { span, value: Value::Broken }
    }

    fn refuse_tag(&mut self, event: &Event<'s>, span: Span) -> bool {
        let Some(tag) = event.tag().filter(|tag| tag.core_suffix().is_none()) else { return false };
        let tag = tag.to_string();
        let span = self.tag_span.unwrap_or(span);
        self.diagnostics.push(
            Diagnostic::error(
                codes::YAML_FEATURE,
                span,
                format!("`{tag}` is read as a YAML tag, which app files do not use"),
            )
            .note("tagged")
            .help(format!("an expression that begins with `!` has to be put in quotes: '{tag} ...'")),
        );
        true
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stopped> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX || self.depth > DEPTH_MAX { Err(too_large(span)) } else { Ok(()) }
    }
}

fn too_large(span: Span) -> Stopped {
    let message = format!(
        "the file grows too large: more than {NODES_MAX} values, {ALIAS_BYTES_MAX} bytes of aliases or {DEPTH_MAX} levels"
    );
    Box::new(
        Diagnostic::error(codes::TOO_LARGE, span, message)
            .note("with this")
            .help("use fewer aliases (`*name`), or put what they share into `defaults`"),
    )
}

fn scalar(text: &str, style: ScalarStyle, span: Span) -> Node {
    let nothing = style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
    let value = if nothing { Value::Null } else { Value::Scalar(Scalar { text: text.to_owned(), style }) };
    Node { span, value }
}

/// A flow collection ends at its bracket; a block ends with its last entry, not where the next thing begins.
fn collection_span(start: Span, last: Option<Span>, end: Span) -> Span {
    let block = start.start == start.end;
    match last {
        Some(last) if block => start.to(last),
        None if block => start,
        _ => start.to(end),
    }
}

fn text_bytes(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.len(),
        Value::List(items) => items.iter().map(text_bytes).sum(),
        Value::Mapping(entries) => entries.iter().map(|entry| entry.name.len() + text_bytes(&entry.node)).sum(),
        Value::Null | Value::Broken => 0,
    }
}
