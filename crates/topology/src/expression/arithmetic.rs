//! `+ - * / %` on values that are not null.

use std::borrow::Cow;
use std::sync::Arc;

use super::node::Binary;
use super::operand::Operand;

/// Applies an operator; `None` when the kinds do not go together.
///
/// # Errors
/// A message, when a time leaves the range that can be written.
pub(super) fn compute<'a>(
    binary: Binary,
    left: &Operand<'a>,
    right: &Operand<'a>,
) -> Result<Option<Operand<'a>>, String> {
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        return Ok(numbers(binary, left, right).map(Operand::Number));
    }
    let out_of_range = || "the time is out of range".to_owned();
    Ok(Some(match (binary, left, right) {
        (Binary::Add, Operand::Text(left), Operand::Text(right)) => {
            Operand::Text(Cow::Owned([&**left, &**right].concat()))
        }
        (Binary::Add, left, right) if left.is_list() && right.is_list() => {
            let mut elements = left.elements().unwrap_or_default();
            elements.extend(right.elements().unwrap_or_default());
            Operand::List(Arc::new(elements))
        }
        (Binary::Add, Operand::Time(time), Operand::Duration(duration))
        | (Binary::Add, Operand::Duration(duration), Operand::Time(time)) => {
            Operand::Time(time.checked_add_signed(*duration).ok_or_else(out_of_range)?)
        }
        (Binary::Subtract, Operand::Time(time), Operand::Duration(duration)) => {
            Operand::Time(time.checked_sub_signed(*duration).ok_or_else(out_of_range)?)
        }
        (Binary::Subtract, Operand::Time(left), Operand::Time(right)) => {
            Operand::Duration(left.signed_duration_since(right))
        }
        (Binary::Add, Operand::Duration(left), Operand::Duration(right)) => {
            Operand::Duration(left.checked_add(right).ok_or_else(out_of_range)?)
        }
        (Binary::Subtract, Operand::Duration(left), Operand::Duration(right)) => {
            Operand::Duration(left.checked_sub(right).ok_or_else(out_of_range)?)
        }
        _ => return Ok(None),
    }))
}

fn numbers(binary: Binary, left: f64, right: f64) -> Option<f64> {
    Some(match binary {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        Binary::Remainder => left % right,
        _ => return None,
    })
}
