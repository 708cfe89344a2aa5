//! Evaluates a [`Node`] tree over one event.
//!
//! What null does: in a condition it counts as false; a question about it (`<`, `in`, `exists`, `startsWith`, ...) is
//! answered with false; `==` tells it from everything else; computing with it is an error that names the field.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use chrono::DateTime;

use crate::document::Path;
use crate::draft::Draft;

use super::arithmetic::compute;
use super::functions::Call;
use super::node::{Binary, Each, EachKind, HeaderField, Node};
use super::number::whole;
use super::operand::Operand;

/// One evaluation.
pub(super) struct Evaluation<'a> {
    pub(super) paths: &'a [Path],
    /// The whole data.
    pub(super) data: Option<&'a str>,
    /// The event, with the fields of the paths fetched.
    pub(super) draft: &'a Draft,
    /// What the variables of the macros around stand for, outermost first.
    pub(super) locals: Vec<Operand<'a>>,
}

/// A value, or what went wrong.
type Evaluated<'a> = Result<Operand<'a>, String>;

impl<'a> Evaluation<'a> {
    pub(super) fn evaluate(&mut self, node: &'a Node) -> Evaluated<'a> {
        match node {
            Node::Literal(operand) => Ok(operand.borrowed()),
            Node::Field(index) => Ok(self.field(*index).map_or(Operand::Null, Operand::from_json)),
            Node::HasField(index) => Ok(Operand::Bool(self.field(*index).is_some())),
            Node::Data => Ok(self.data.map_or(Operand::Null, Operand::from_json)),
            Node::Header(field) => self.header(*field),
            Node::Attributes => Ok(self.attributes()),
            Node::Attribute(name) => {
                Ok(self.attribute(name).map_or(Operand::Null, |value| Operand::Text(Cow::Borrowed(value))))
            }
            Node::HasAttribute(name) => Ok(Operand::Bool(self.attribute(name).is_some())),
            Node::Local { depth, .. } => Ok(self.locals.get(*depth).cloned().unwrap_or(Operand::Null)),
            Node::Select(operand, name) => Ok(self.evaluate(operand)?.member(name).unwrap_or(Operand::Null)),
            Node::HasSelect(operand, name) => Ok(Operand::Bool(self.evaluate(operand)?.member(name).is_some())),
            Node::Index(sides) => self.index(sides),
            Node::Not(_) | Node::Logic { .. } => self.truth(node).map(Operand::Bool),
            Node::Negate(operand) => self.negate(operand),
            Node::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                if self.truth(condition)? { self.evaluate(yes) } else { self.evaluate(no) }
            }
            Node::Binary(binary, sides) => self.binary(*binary, sides),
            Node::List(elements) => {
                let list = elements.iter().map(|element| self.evaluate(element)).collect::<Result<_, _>>()?;
                Ok(Operand::List(Arc::new(list)))
            }
            Node::Object(entries) => self.object(entries),
            Node::Each(each) => self.each(each),
            Node::Call(call) => self.call(call),
        }
    }

    /// A condition; null counts as false.
    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, String> {
        match node {
            Node::Not(operand) => return self.truth(operand).map(|truth| !truth),
            Node::Logic { or, sides } => return self.logic(*or, sides),
            _ => {}
        }
        match self.evaluate(node)? {
            Operand::Bool(truth) => Ok(truth),
            Operand::Null => Ok(false),
            other => Err(format!("{} is {}; a condition is true or false", self.name_of(node), other.kind())),
        }
    }

    fn field(&self, index: usize) -> Option<&'a str> {
        self.draft.fetched(index)
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.draft.header().attributes.get(name)
    }

    fn attributes(&self) -> Operand<'a> {
        let pair = |(name, value): (&'a str, &'a str)| (Cow::Borrowed(name), Operand::Text(Cow::Borrowed(value)));
        Operand::Object(Arc::new(self.draft.header().attributes.iter().map(pair).collect()))
    }

    fn header(&self, field: HeaderField) -> Evaluated<'a> {
        let event = self.draft.header();
        let text = match field {
            HeaderField::Id => Some(&*event.id),
            HeaderField::Source => Some(&*event.source),
            HeaderField::Type => Some(&*event.kind),
            HeaderField::Subject => event.subject.as_deref(),
            HeaderField::Key => match &event.key {
                Some(key) => {
                    Some(key.as_str().ok_or_else(|| "the event's key is not UTF-8, so it is no text".to_owned())?)
                }
                None => None,
            },
            HeaderField::Time => {
                let time = self.draft.event_time();
                let time = DateTime::from_timestamp(time.unix_seconds(), time.subsecond_nanoseconds());
                return Ok(time.map_or(Operand::Null, |time| Operand::Time(time.fixed_offset())));
            }
        };
        Ok(text.map_or(Operand::Null, |text| Operand::Text(Cow::Borrowed(text))))
    }

    /// `a[b]`: an element of a list, from 0, or a member of an object; null when there is none.
    fn index(&mut self, sides: &'a [Node; 2]) -> Evaluated<'a> {
        let [operand_node, index_node] = sides;
        let operand = self.evaluate(operand_node)?;
        let index = self.evaluate(index_node)?;
        if matches!(operand, Operand::Null) || matches!(index, Operand::Null) {
            return Ok(Operand::Null);
        }
        if operand.is_list()
            && let Some(index) = index.number()
        {
            let index = whole(index).and_then(|index| usize::try_from(index).ok());
            let index = index.ok_or_else(|| format!("{} is no position in a list", self.name_of(index_node)))?;
            return Ok(operand.element(index).unwrap_or(Operand::Null));
        }
        if operand.is_object()
            && let Some(name) = index.text()
        {
            return Ok(operand.member(name).unwrap_or(Operand::Null));
        }
        Err(format!(
            "{} is {}, which cannot be indexed by {}",
            self.name_of(operand_node),
            operand.kind(),
            index.kind()
        ))
    }

    fn negate(&mut self, node: &'a Node) -> Evaluated<'a> {
        match self.evaluate(node)? {
            Operand::Duration(duration) => Ok(Operand::Duration(-duration)),
            operand => match operand.number() {
                Some(number) => Ok(Operand::Number(-number)),
                None => Err(format!("{} is {}; - needs a number", self.name_of(node), operand.kind())),
            },
        }
    }

    /// `&&` and `||` as in CEL: one side alone can decide, even where the other fails.
    fn logic(&mut self, or: bool, sides: &'a [Node; 2]) -> Result<bool, String> {
        let [left, right] = sides;
        let left = self.truth(left);
        if left == Ok(or) {
            return Ok(or);
        }
        match (left, self.truth(right)) {
            (_, Ok(truth)) if truth == or => Ok(or),
            (Err(error), _) | (_, Err(error)) => Err(error),
            _ => Ok(!or),
        }
    }

    fn binary(&mut self, binary: Binary, sides: &'a [Node; 2]) -> Evaluated<'a> {
        let [left_node, right_node] = sides;
        if let (Node::Field(index), Node::Literal(Operand::Null)) = (left_node, right_node)
            && matches!(binary, Binary::Equal | Binary::NotEqual)
        {
            // The commonest question of a filter needs no value.
            let is_null = self.field(*index).is_none_or(|text| text == "null");
            return Ok(Operand::Bool(is_null == (binary == Binary::Equal)));
        }
        let left = self.evaluate(left_node)?;
        let right = self.evaluate(right_node)?;
        match binary {
            Binary::Equal => return Ok(Operand::Bool(left.equals(&right))),
            Binary::NotEqual => return Ok(Operand::Bool(!left.equals(&right))),
            Binary::In if matches!(right, Operand::Null) => return Ok(Operand::Bool(false)),
            Binary::In => return self.is_in(&left, &right, right_node),
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                return self.ordering(binary, &left, &right, sides);
            }
            _ => {}
        }
        for (operand, node) in [(&left, left_node), (&right, right_node)] {
            if matches!(operand, Operand::Null) {
                return Err(format!(
                    "{} is null or missing; {} cannot compute with it",
                    self.name_of(node),
                    binary.word()
                ));
            }
        }
        compute(binary, &left, &right)?.ok_or_else(|| {
            let (left_name, right_name) = (self.name_of(left_node), self.name_of(right_node));
            let (left, right) = (left.kind(), right.kind());
            format!("{} cannot compute with {left} ({left_name}) and {right} ({right_name})", binary.word())
        })
    }

    fn ordering(&self, binary: Binary, left: &Operand<'a>, right: &Operand<'a>, sides: &'a [Node; 2]) -> Evaluated<'a> {
        if matches!(left, Operand::Null) || matches!(right, Operand::Null) {
            return Ok(Operand::Bool(false));
        }
        let Some(ordering) = left.order(right) else {
            if left.number().is_some() && right.number().is_some() {
                return Ok(Operand::Bool(false));
            }
            let [left_name, right_name] = sides.each_ref().map(|node| self.name_of(node));
            let (word, left, right) = (binary.word(), left.kind(), right.kind());
            return Err(format!("{left_name} is {left} and {right_name} is {right}; {word} cannot compare them"));
        };
        Ok(Operand::Bool(match binary {
            Binary::Less => ordering == Ordering::Less,
            Binary::LessOrEqual => ordering != Ordering::Greater,
            Binary::Greater => ordering == Ordering::Greater,
            _ => ordering != Ordering::Less,
        }))
    }

    fn is_in(&self, element: &Operand<'a>, container: &Operand<'a>, node: &'a Node) -> Evaluated<'a> {
        let elements = container.elements();
        let elements = elements
            .ok_or_else(|| format!("{} is {}; in needs a list or an object", self.name_of(node), container.kind()))?;
        Ok(Operand::Bool(elements.iter().any(|known| known.equals(element))))
    }

    fn object(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<'a> {
        let mut object: Vec<(Cow<'a, str>, Operand<'a>)> = Vec::with_capacity(entries.len());
        for (name_node, value) in entries {
            let name = match self.evaluate(name_node)? {
                Operand::Text(name) => name,
                other => {
                    return Err(format!(
                        "{} is {}; the names of an object are text",
                        self.name_of(name_node),
                        other.kind()
                    ));
                }
            };
            if object.iter().any(|(known, _)| *known == name) {
                return Err(format!("the name {name:?} is given twice in one object"));
            }
            object.push((name, self.evaluate(value)?));
        }
        Ok(Operand::Object(Arc::new(object)))
    }

    fn each(&mut self, each: &'a Each) -> Evaluated<'a> {
        let range = self.evaluate(&each.range)?;
        if matches!(range, Operand::Null) && matches!(each.kind, EachKind::Exists | EachKind::ExistsOne) {
            return Ok(Operand::Bool(false));
        }
        let Some(elements) = range.elements() else {
            let (name, kind) = (self.name_of(&each.range), range.kind());
            return Err(format!("{name} is {kind}; {}() needs a list or an object", each.kind.word()));
        };
        match each.kind {
            EachKind::All => self.decide(each, elements, false),
            EachKind::Exists => self.decide(each, elements, true),
            EachKind::ExistsOne => self.select(each, elements).map(|found| Operand::Bool(found.len() == 1)),
            EachKind::Filter | EachKind::Map => self.select(each, elements).map(|found| Operand::List(Arc::new(found))),
        }
    }

    /// `exists` (decided by a true) and `all` (by a false); as with `||`, one that decides outweighs one that fails.
    fn decide(&mut self, each: &'a Each, elements: Vec<Operand<'a>>, decisive: bool) -> Evaluated<'a> {
        let mut failed = None;
        for element in elements {
            self.locals.push(element);
            let truth = each.condition.as_ref().map_or(Ok(true), |condition| self.truth(condition));
            self.locals.pop();
            match truth {
                Ok(truth) if truth == decisive => return Ok(Operand::Bool(decisive)),
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Operand::Bool(!decisive)), Err)
    }

    /// The elements that meet the condition, transformed where `map` says so.
    fn select(&mut self, each: &'a Each, elements: Vec<Operand<'a>>) -> Result<Vec<Operand<'a>>, String> {
        let mut found = Vec::new();
        for element in elements {
            self.locals.push(element);
            let selected = self.selected(each);
            let element = self.locals.pop();
            if let Some(transformed) = selected? {
                found.push(if each.transform.is_some() { transformed } else { element.unwrap_or(Operand::Null) });
            }
        }
        Ok(found)
    }

    fn selected(&mut self, each: &'a Each) -> Result<Option<Operand<'a>>, String> {
        if let Some(condition) = &each.condition
            && !self.truth(condition)?
        {
            return Ok(None);
        }
        each.transform.as_ref().map_or(Ok(Operand::Null), |transform| self.evaluate(transform)).map(Some)
    }

    fn call(&mut self, call: &'a Call) -> Evaluated<'a> {
        let arguments = call.arguments.iter().map(|argument| self.evaluate(argument)).collect::<Result<Vec<_>, _>>()?;
        let null = arguments.iter().zip(&call.arguments).find(|(argument, _)| matches!(argument, Operand::Null));
        match null {
            Some(_) if call.is_predicate() => Ok(Operand::Bool(false)),
            Some((_, node)) => Err(format!("{} is null or missing; {}() needs a value", self.name_of(node), call.name)),
            None => call.apply(arguments),
        }
    }

    /// What a node is called in messages.
    fn name_of(&self, node: &Node) -> String {
        match node {
            Node::Field(index) => self.paths.get(*index).map_or_else(String::new, ToString::to_string),
            Node::Header(field) => field.word().to_owned(),
            Node::Data => "data".to_owned(),
            Node::Attributes => "attributes".to_owned(),
            Node::Attribute(name) => format!("attributes.{name}"),
            Node::Local { name, .. } => name.to_string(),
            Node::Select(operand, name) => format!("{}.{name}", self.name_of(operand)),
            Node::Index(sides) => {
                let [operand, index] = sides.each_ref().map(|side| self.name_of(side));
                format!("{operand}[{index}]")
            }
            Node::Literal(operand) => {
                let mut text = Vec::new();
                let written = operand.write_json(&mut text);
                written.map_or_else(|error| error, |()| String::from_utf8_lossy(&text).into_owned())
            }
            Node::Call(call) => format!("the result of {}()", call.name),
            Node::Binary(binary, _) => format!("the result of {}", binary.word()),
            Node::Negate(_) => "the result of -".to_owned(),
            Node::Conditional(_) => "the result of ?:".to_owned(),
            Node::Each(each) => format!("the result of {}()", each.kind.word()),
            Node::Not(_) | Node::Logic { .. } | Node::HasField(_) | Node::HasAttribute(_) | Node::HasSelect(..) => {
                "the condition".to_owned()
            }
            Node::List(_) => "the list".to_owned(),
            Node::Object(_) => "the object".to_owned(),
        }
    }
}
