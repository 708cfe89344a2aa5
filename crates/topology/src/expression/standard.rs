//! Functions of CEL's standard library and of its strings extension that are left to the cel crate: times in time zones,
//! durations, and what is done with text.
//!
//! Whole numbers are handed over as CEL's `int`, which these functions take as positions and counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr};
use cel::{Context, Env, IdedExpr, Value};

use super::number::whole;
use super::operand::Operand;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // It only fails when a function is declared twice, and then those of the standard library are still there.
    let _declared = cel::extensions::strings(&mut environment);
    Arc::new(environment)
});

/// Calls `name`, on the first argument when `receiver`.
pub(super) fn call<'a>(name: &str, receiver: bool, arguments: &[Operand<'a>]) -> Result<Operand<'a>, String> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    let mut names = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        let variable = format!("argument{index}");
        context.add_variable_from_value(variable.clone(), to_cel(argument));
        names.push(IdedExpr { id: 0, expr: Expr::Ident(variable) });
    }
    let target = receiver.then(|| Box::new(names.remove(0)));
    let call = Expr::Call(CallExpr { func_name: name.to_owned(), target, args: names });
    match context.resolve(&IdedExpr { id: 0, expr: call }) {
        Ok(value) => from_cel(value).ok_or_else(|| format!("{name}() gives what JSON cannot hold")),
        Err(cel::ExecutionError::NoSuchOverload(_)) => {
            let kinds: Vec<_> = arguments.iter().map(Operand::kind).collect();
            Err(format!("{name}() cannot be applied to {}", kinds.join(", ")))
        }
        Err(cel::ExecutionError::FunctionError { message, .. }) => Err(format!("{name}(): {message}")),
        Err(error) => Err(format!("{name}(): {error}")),
    }
}

fn to_cel(operand: &Operand<'_>) -> Value {
    match operand {
        Operand::Null => Value::Null,
        Operand::Bool(truth) => Value::Bool(*truth),
        Operand::Number(_) | Operand::Token(_) => {
            let number = operand.number().unwrap_or(f64::NAN);
            whole(number).map_or(Value::Float(number), Value::Int)
        }
        Operand::Text(text) => Value::String(Arc::new(text.to_string())),
        Operand::Time(time) => Value::Timestamp(*time),
        Operand::Duration(duration) => Value::Duration(*duration),
        Operand::Json(_) | Operand::List(_) | Operand::Object(_) if operand.is_object() => {
            let names = operand.elements().unwrap_or_default();
            let pair = |name: Operand<'_>| {
                let name = name.text()?.to_owned();
                let value = to_cel(&operand.member(&name)?);
                Some((name, value))
            };
            Value::from(names.into_iter().filter_map(pair).collect::<HashMap<_, _>>())
        }
        Operand::Json(_) | Operand::List(_) | Operand::Object(_) => {
            Value::List(Arc::new(operand.elements().unwrap_or_default().iter().map(to_cel).collect()))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "these functions give positions, counts and parts of times")]
fn from_cel<'a>(value: Value) -> Option<Operand<'a>> {
    Some(match value {
        Value::Null => Operand::Null,
        Value::Bool(truth) => Operand::Bool(truth),
        Value::Int(number) => Operand::Number(number as f64),
        Value::UInt(number) => Operand::Number(number as f64),
        Value::Float(number) => Operand::Number(number),
        Value::String(text) => Operand::Text(Cow::Owned(text.to_string())),
        Value::Timestamp(time) => Operand::Time(time),
        Value::Duration(duration) => Operand::Duration(duration),
        Value::List(list) => Operand::List(Arc::new(list.iter().cloned().map(from_cel).collect::<Option<_>>()?)),
        _ => return None,
    })
}
