//! What views show against what was expected: the rows that a test names, and no others.

use riverrun_app::{ExpectedRow, RowIs};
use riverrun_event::Time;
use serde_json::{Value, json};

use super::difference::{Difference, Extent, differences};
use super::finding::{Finding, Origins};
use crate::view::{Row, View};

/// More windows of a key than this are not listed where one was not found.
const WINDOWS_MAX: usize = 5;

/// What is wrong with a row that is expected of a view; `None` where nothing is.
pub(super) fn compare(name: &str, view: &View, expected: &ExpectedRow, origins: &Origins<'_>) -> Option<Finding> {
    let of_key = |what: &str| origins.finding(expected.span, format!("{name}, key {}: {what}", expected.key));
    let rows = match view.windows::<Value>(&expected.key) {
        Ok(rows) => rows,
        Err(error) => return Some(of_key(&error.to_string())),
    };
    // Without a window the newest one is meant.
    match (rows.iter().rev().find(|row| is_meant(expected, row)), &expected.is) {
        (None, RowIs::Gone) => None,
        (None, _) => Some(of_key(&missing(&rows))),
        (Some(row), RowIs::Gone) => {
            Some(Finding { row: Some(text(row)), ..of_key("there is a row that the test does not expect") })
        }
        (Some(row), is) => {
            let differences = differences_of(expected, is, row);
            let first = differences.first()?.path.clone();
            Some(Finding { differences, row: Some(text(row)), ..of_key(&format!("{first} is not as expected")) })
        }
    }
}

/// A window is found by its start, where that is said; its end is then compared.
fn is_meant(expected: &ExpectedRow, row: &Row<Value>) -> bool {
    let is = |wanted: Option<Time>, there: Option<Time>| wanted.is_none() || wanted == there;
    match expected.window_start {
        Some(start) => row.window.is_some_and(|(there, _)| there == start),
        None => is(expected.window_end, row.window.map(|(_, end)| end)),
    }
}

fn differences_of(expected: &ExpectedRow, is: &RowIs, row: &Row<Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    let end = row.window.map(|(_, end)| end);
    if let Some(wanted) = expected.window_end.filter(|wanted| Some(*wanted) != end) {
        found.push(Difference {
            path: "window.end".to_owned(),
            expected: Some(wanted.to_string().into()),
            actual: end.map(|end| end.to_string().into()),
        });
    }
    match is {
        RowIs::Data(data) => differences("data", data, &row.data, Extent::Whole, &mut found),
        RowIs::Containing(part) => differences("data", part, &row.data, Extent::Part, &mut found),
        RowIs::There | RowIs::Gone => {}
    }
    found
}

fn missing(rows: &[Row<Value>]) -> String {
    let windows: Vec<String> = rows
        .iter()
        .filter_map(|row| row.window)
        .take(WINDOWS_MAX)
        .map(|(start, end)| format!("{start} to {end}"))
        .collect();
    match (rows.is_empty(), windows.is_empty()) {
        (true, _) => "there is no such row".to_owned(),
        (false, true) => "there is no such row; the view has no windows".to_owned(),
        (false, false) => format!("there is no such row; the windows of the key: {}", windows.join(", ")),
    }
}

/// As `GET /views` shows it.
fn text(row: &Row<Value>) -> String {
    match row.window {
        Some((start, end)) => {
            let window = json!({ "start": start.to_string(), "end": end.to_string() });
            json!({ "key": row.key, "window": window, "data": row.data }).to_string()
        }
        None => json!({ "key": row.key, "data": row.data }).to_string(),
    }
}
