//! From CEL's syntax tree to a [`Node`] tree: names are settled, field paths collected, literals made doubles, calls checked.

use std::borrow::Cow;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, MapExpr, SelectExpr, operators};

use crate::document::Path;

use super::ExpressionError;
use super::functions::Call;
use super::names::{VARIABLES, unknown_among, unknown_name};
use super::node::{Binary, Each, EachKind, HeaderField, Node};
use super::number::whole;
use super::operand::Operand;
use super::syntax::Syntax;

/// Deepest tree; evaluation recurses once for each level.
const DEPTH_MAX: usize = 200;

/// What a compilation gives.
pub(super) struct Compiled {
    pub(super) root: Node,
    pub(super) paths: Vec<Path>,
    /// Whether the data is named as a whole.
    pub(super) whole_data: bool,
}

/// A compilation in progress.
struct Compiler<'s> {
    syntax: &'s Syntax,
    /// Whether there is an event whose attributes and data can be named.
    event: bool,
    paths: Vec<Path>,
    /// The variables of the macros around, outermost first.
    locals: Vec<String>,
    whole_data: bool,
    depth: usize,
}

type Compilation = Result<Node, ExpressionError>;

/// The names an expression knows.
pub(super) struct Names<'n> {
    /// Values it is given; they are the outermost locals.
    pub(super) given: &'n [&'n str],
    /// Whether there is an event besides.
    pub(super) event: bool,
}

/// Compiles an expression.
pub(super) fn compile(source: &str, names: &Names<'_>) -> Result<Compiled, ExpressionError> {
    let syntax = Syntax::parse(source)?;
    let locals = names.given.iter().map(ToString::to_string).collect();
    let (paths, event) = (Vec::new(), names.event);
    let mut compiler = Compiler { syntax: &syntax, event, paths, locals, whole_data: false, depth: 0 };
    let root = compiler.node(&syntax.root)?;
    Ok(Compiled { root, paths: compiler.paths, whole_data: compiler.whole_data })
}

impl Compiler<'_> {
    fn node(&mut self, expression: &IdedExpr) -> Compilation {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self
                .refuse(expression, "the expression is nested too deeply; split it into several steps".to_owned());
        }
        let node = self.node_within(expression);
        self.depth -= 1;
        node
    }

    fn node_within(&mut self, expression: &IdedExpr) -> Compilation {
        if let Some(path) = self.data_path(expression) {
            return Ok(Node::Field(self.field(path)));
        }
        match &expression.expr {
            Expr::Ident(name) => self.name(expression, name),
            Expr::Literal(literal) => self.literal(expression, literal),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => {
                list.elements.iter().map(|element| self.node(element)).collect::<Result<_, _>>().map(Node::List)
            }
            Expr::Map(map) => self.object(expression, map),
            Expr::Struct(made) => self.refuse(
                expression,
                format!("`{}{{...}}` makes a message type; write an object: {{'name': value}}", made.type_name),
            ),
            Expr::Unspecified | Expr::Comprehension(_) => {
                self.refuse(expression, "this is not supported in an expression".to_owned())
            }
        }
    }

    fn refuse<T>(&self, at: &IdedExpr, message: String) -> Result<T, ExpressionError> {
        Err(self.syntax.error(at, message))
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|local| local == name)
    }

    /// The path of a chain of fields on `data`.
    fn data_path(&self, expression: &IdedExpr) -> Option<Path> {
        fn segments<'e>(expression: &'e Expr, chain: &mut Vec<&'e str>) -> bool {
            match expression {
                Expr::Ident(name) => name == "data",
                Expr::Select(select) if !select.test => {
                    segments(&select.operand.expr, chain) && {
                        chain.push(&select.field);
                        true
                    }
                }
                Expr::Call(call) => match indexed_by_text(call) {
                    Some((operand, name)) => {
                        segments(&operand.expr, chain) && {
                            chain.push(name);
                            true
                        }
                    }
                    None => false,
                },
                _ => false,
            }
        }
        let mut chain = Vec::new();
        if !self.event || self.is_local("data") || !segments(&expression.expr, &mut chain) {
            return None;
        }
        Path::from_segments(chain.into_iter().map(Into::into).collect())
    }

    fn field(&mut self, path: Path) -> usize {
        self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        })
    }

    fn name(&mut self, expression: &IdedExpr, name: &str) -> Compilation {
        if let Some(depth) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Node::Local { depth, name: name.into() });
        }
        if !self.event {
            return self.refuse(expression, unknown_among(name, &self.locals));
        }
        if let Some(field) = HeaderField::ALL.into_iter().find(|field| field.word() == name) {
            return Ok(Node::Header(field));
        }
        match name {
            "data" => {
                self.whole_data = true;
                Ok(Node::Data)
            }
            "attributes" => Ok(Node::Attributes),
            _ => {
                let known = VARIABLES.iter().copied().chain(self.locals.iter().map(String::as_str));
                self.refuse(expression, unknown_name(name, known))
            }
        }
    }

    fn literal(&self, expression: &IdedExpr, literal: &LiteralValue) -> Compilation {
        #[expect(clippy::cast_precision_loss, reason = "integers a double cannot hold exactly stay tokens")]
        let integer = |integer: i128| match whole(integer as f64) {
            Some(_) => Operand::Number(integer as f64),
            None => Operand::Token(Cow::Owned(integer.to_string())),
        };
        Ok(Node::Literal(match literal {
            LiteralValue::Boolean(truth) => Operand::Bool(*truth.inner()),
            LiteralValue::Double(number) => Operand::Number(*number.inner()),
            LiteralValue::Int(number) => integer(i128::from(*number.inner())),
            LiteralValue::UInt(number) => integer(i128::from(*number.inner())),
            LiteralValue::Null => Operand::Null,
            LiteralValue::String(text) => Operand::Text(Cow::Owned(text.inner().to_owned())),
            LiteralValue::Bytes(_) => {
                return self.refuse(expression, "bytes (b'...') are not supported; JSON has only text".to_owned());
            }
        }))
    }

    fn select(&mut self, expression: &IdedExpr, select: &SelectExpr) -> Compilation {
        self.member(expression, &select.operand, &select.field)
    }

    /// The member `name` of what `operand` gives.
    fn member(&mut self, expression: &IdedExpr, operand: &IdedExpr, name: &str) -> Compilation {
        match self.node(operand)? {
            Node::Attributes => Ok(Node::Attribute(name.into())),
            Node::Header(field) => self.refuse(
                expression,
                format!("`{}` has no fields; did you mean data.{name} or attributes.{name}?", field.word()),
            ),
            operand => Ok(Node::Select(Box::new(operand), name.into())),
        }
    }

    fn object(&mut self, expression: &IdedExpr, map: &MapExpr) -> Compilation {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return self.refuse(expression, "an object is written {'name': value}".to_owned());
            };
            entries.push((self.node(&entry.key)?, self.node(&entry.value)?));
        }
        Ok(Node::Object(entries))
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr) -> Compilation {
        if let Some((operand, name)) = indexed_by_text(call) {
            return self.member(expression, operand, name);
        }
        let arguments = call.args.as_slice();
        match (call.func_name.as_str(), arguments, &call.target) {
            (operators::CONDITIONAL, [condition, yes, no], None) => {
                Ok(Node::Conditional(Box::new([self.node(condition)?, self.node(yes)?, self.node(no)?])))
            }
            (name @ (operators::LOGICAL_AND | operators::LOGICAL_OR), [left, right], None) => {
                let sides = Box::new([self.node(left)?, self.node(right)?]);
                Ok(Node::Logic { or: name == operators::LOGICAL_OR, sides })
            }
            (operators::LOGICAL_NOT, [operand], None) => Ok(Node::Not(Box::new(self.node(operand)?))),
            (operators::NEGATE, [operand], None) => Ok(match self.node(operand)? {
                Node::Literal(Operand::Number(number)) => Node::Literal(Operand::Number(-number)),
                operand => Node::Negate(Box::new(operand)),
            }),
            (operators::INDEX, [operand, index], None) => {
                Ok(Node::Index(Box::new([self.node(operand)?, self.node(index)?])))
            }
            ("has", arguments, None) => self.has(expression, arguments),
            (name, arguments, Some(range)) if EachKind::from_name(name).is_some() => {
                self.each(expression, name, range, arguments)
            }
            (name, [left, right], None) if Binary::from_call(name).is_some() => {
                let sides = Box::new([self.node(left)?, self.node(right)?]);
                Ok(Binary::from_call(name).map_or(Node::Literal(Operand::Null), |binary| Node::Binary(binary, sides)))
            }
            (name, arguments, target) => self.function(expression, name, target.as_deref(), arguments),
        }
    }

    fn has(&mut self, expression: &IdedExpr, arguments: &[IdedExpr]) -> Compilation {
        let [argument] = arguments else {
            return self.refuse(expression, "has() takes one field, for example has(data.name)".to_owned());
        };
        match self.node(argument)? {
            Node::Field(index) => Ok(Node::HasField(index)),
            Node::Attribute(name) => Ok(Node::HasAttribute(name)),
            Node::Select(operand, name) => Ok(Node::HasSelect(operand, name)),
            _ => self.refuse(expression, "has() takes a field, for example has(data.name)".to_owned()),
        }
    }

    fn each(&mut self, expression: &IdedExpr, name: &str, range: &IdedExpr, arguments: &[IdedExpr]) -> Compilation {
        let range = self.node(range)?;
        let (Some(kind), Some((variable, rest))) = (EachKind::from_name(name), arguments.split_first()) else {
            return self
                .refuse(expression, format!("{name}() needs a variable and a condition: list.{name}(x, x > 1)"));
        };
        let Expr::Ident(variable_name) = &variable.expr else {
            return self.refuse(
                variable,
                format!("the first argument of {name}() is a new name for the elements, for example x"),
            );
        };
        self.locals.push(variable_name.clone());
        let compiled = rest.iter().map(|argument| self.node(argument)).collect::<Result<Vec<_>, _>>();
        self.locals.pop();
        let mut compiled = compiled?.into_iter();
        let (condition, transform) = match (kind, compiled.len()) {
            (EachKind::Map, 1) => (None, compiled.next()),
            (EachKind::Map, 2) => (compiled.next(), compiled.next()),
            (EachKind::Map, _) => {
                return self.refuse(
                    expression,
                    "map() takes a variable, perhaps a condition, and a value: list.map(x, x * 2)".to_owned(),
                );
            }
            (_, 1) => (compiled.next(), None),
            _ => {
                return self
                    .refuse(expression, format!("{name}() takes a variable and a condition: list.{name}(x, x > 1)"));
            }
        };
        Ok(Node::Each(Box::new(Each { kind, range, condition, transform })))
    }

    fn function(
        &mut self,
        expression: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        arguments: &[IdedExpr],
    ) -> Compilation {
        // `math.round(x)` parses as a call on `math`, which is a namespace, not a value.
        let namespaced = target
            .is_some_and(|target| matches!(&target.expr, Expr::Ident(name) if name == "math" && !self.is_local(name)));
        let name = if namespaced { Cow::Owned(format!("math.{name}")) } else { Cow::Borrowed(name) };
        let receiver = target.filter(|_| !namespaced);
        let mut compiled = Vec::with_capacity(arguments.len() + 1);
        for argument in receiver.into_iter().chain(arguments) {
            compiled.push(self.node(argument)?);
        }
        let call = Call::resolve(&name, receiver.is_some(), compiled);
        call.map(|call| Node::Call(Box::new(call))).map_err(|message| self.syntax.error(expression, message))
    }
}

/// The operand and name of `operand["name"]`.
fn indexed_by_text(call: &CallExpr) -> Option<(&IdedExpr, &str)> {
    let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] = call.args.as_slice() else {
        return None;
    };
    (call.func_name == operators::INDEX).then(|| (operand, name.inner()))
}
