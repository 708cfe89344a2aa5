//! A compiled expression: a tree in which every name is settled, made once and shared by all events.

use super::functions::Call;
use super::operand::Operand;

/// A node. Fields of the data are numbers in the program's list of paths, so that all of them are fetched at once.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Operand<'static>),
    Field(usize),
    HasField(usize),
    Data,
    Header(HeaderField),
    Attributes,
    Attribute(Box<str>),
    HasAttribute(Box<str>),
    /// A variable of an enclosing macro, by its depth.
    Local {
        depth: usize,
        name: Box<str>,
    },
    Select(Box<Self>, Box<str>),
    HasSelect(Box<Self>, Box<str>),
    Index(Box<[Self; 2]>),
    Not(Box<Self>),
    Negate(Box<Self>),
    /// `||` when `or`, else `&&`.
    Logic {
        or: bool,
        sides: Box<[Self; 2]>,
    },
    Conditional(Box<[Self; 3]>),
    Binary(Binary, Box<[Self; 2]>),
    List(Vec<Self>),
    Object(Vec<(Self, Self)>),
    Each(Box<Each>),
    Call(Box<Call>),
}

/// What an event has besides attributes and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderField {
    Id,
    Source,
    Type,
    Subject,
    Time,
    Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A macro over a list: `data.legs.exists(leg, leg.late)`.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) kind: EachKind,
    pub(super) range: Node,
    /// The condition; always true for a `map` of two arguments.
    pub(super) condition: Option<Node>,
    /// What `map` gives for an element.
    pub(super) transform: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EachKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl HeaderField {
    pub(super) const ALL: [Self; 6] = [Self::Id, Self::Source, Self::Type, Self::Subject, Self::Time, Self::Key];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Subject => "subject",
            Self::Time => "time",
            Self::Key => "key",
        }
    }
}

impl Binary {
    const ALL: [Self; 12] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];

    /// The operator of a call in CEL's syntax tree (`_+_`, `@in`).
    pub(super) fn from_call(name: &str) -> Option<Self> {
        let word = name.strip_prefix('@').or_else(|| name.strip_prefix('_')?.strip_suffix('_'))?;
        Self::ALL.into_iter().find(|binary| binary.word() == word)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl EachKind {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::All, Self::Exists, Self::ExistsOne, Self::Filter, Self::Map].into_iter().find(|kind| kind.word() == name)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }
}
