//! Rows and pages as they are sent.

use bytes::Bytes;
use riverrun_runtime::views::ViewPage;
use riverrun_topology::view::ViewRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::problem::RouteError;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Row {
    /// Where the row stands among all, for whoever puts several answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// `null` for a row that is gone.
    data: Option<Box<RawValue>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Window {
    start: String,
    end: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Page {
    rows: Vec<Row>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Rows in the order of their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) entries: Vec<Entry>,
    /// Where to go on, where there are more.
    pub(super) next: Option<Bytes>,
}

/// A row and its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) place: Bytes,
    pub(super) row: Row,
}

impl Answer {
    /// The first rows of several answers to one question, each of which has as many as were asked for, where it has them.
    pub(super) fn merged(answers: Vec<Self>, limit: usize) -> Self {
        let mut merged = Self::default();
        let mut has_more = false;
        for answer in answers {
            has_more |= answer.next.is_some();
            merged.entries.extend(answer.entries);
        }
        merged.entries.sort_by(|one, other| one.place.cmp(&other.place));
        has_more |= merged.entries.len() > limit;
        merged.entries.truncate(limit);
        merged.next = merged.entries.last().filter(|_| has_more).map(|entry| entry.place.clone());
        merged
    }
}

impl From<ViewPage> for Answer {
    fn from(page: ViewPage) -> Self {
        let entry =
            |entry: riverrun_runtime::views::ViewEntry| Entry { row: Row::from(&entry.row), place: entry.place };
        Self { entries: page.entries.into_iter().map(entry).collect(), next: page.next }
    }
}

impl From<Answer> for Page {
    fn from(answer: Answer) -> Self {
        let rows = answer.entries.into_iter().map(|entry| entry.row).collect();
        Self { rows, next: answer.next.map(|place| hex(&place)) }
    }
}

impl Page {
    /// With the places of its rows.
    pub(super) fn of_part(answer: Answer) -> Self {
        let row = |Entry { place, row }: Entry| Row { place: Some(hex(&place)), ..row };
        Self { rows: answer.entries.into_iter().map(row).collect(), next: answer.next.map(|place| hex(&place)) }
    }

    /// What [`Self::of_part`] was made of.
    pub(super) fn into_answer(self) -> Result<Answer, RouteError> {
        let entry = |mut row: Row| {
            let place = unhex(&row.place.take().unwrap_or_default())?;
            Ok(Entry { place, row })
        };
        let entries = self.rows.into_iter().map(entry).collect::<Result<_, RouteError>>()?;
        Ok(Answer { entries, next: self.next.as_deref().map(unhex).transpose()? })
    }
}

impl Row {
    /// A row that is gone.
    pub(super) fn gone(key: &[u8]) -> Self {
        Self { place: None, key: text_of(key), window: None, data: None }
    }

    pub(super) fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// The row as JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        // Rows hold texts and JSON that was checked, which always can be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl From<&ViewRow> for Row {
    fn from(row: &ViewRow) -> Self {
        let text = String::from_utf8_lossy(&row.data).into_owned();
        let window = row.window.map(|(start, end)| Window { start: start.to_string(), end: end.to_string() });
        Self { place: None, key: text_of(&row.key), window, data: RawValue::from_string(text).ok() }
    }
}

/// Keys are text nearly always; what is none is shown as far as it is.
fn text_of(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Result<Bytes, RouteError> {
    let refused = || RouteError::ViewQuery("`after` is not what an answer gave as `next`".to_owned());
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect::<Option<Vec<u8>>>().map(Into::into).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(places: &str, has_more: bool) -> Answer {
        let entry = |place: char| Entry {
            place: place.to_string().into_bytes().into(),
            row: Row::gone(place.to_string().as_bytes()),
        };
        let entries: Vec<Entry> = places.chars().map(entry).collect();
        let next = entries.last().filter(|_| has_more).map(|entry| entry.place.clone());
        Answer { entries, next }
    }

    #[track_caller]
    fn check(parts: &[(&str, bool)], limit: usize, expected: &str, next: Option<&str>) {
        // By way of the wire, as the answers of others come.
        let parts = parts.iter().map(|(places, has_more)| {
            let sent = serde_json::to_vec(&Page::of_part(answer(places, *has_more))).unwrap();
            serde_json::from_slice::<Page>(&sent).unwrap().into_answer().unwrap()
        });
        let merged = Answer::merged(parts.collect(), limit);
        assert!(merged.entries.iter().all(|entry| entry.place == entry.row.key.as_bytes()));
        let places: String = merged.entries.iter().map(|entry| entry.row.key.as_str()).collect();
        assert_eq!((places.as_str(), merged.next.as_deref()), (expected, next.map(str::as_bytes)));
    }

    #[test]
    fn pages_are_merged_by_key_and_go_on_where_they_end() {
        check(&[], 3, "", None);
        check(&[("", false), ("b", false)], 3, "b", None);
        check(&[("ace", false), ("bd", false)], 9, "abcde", None);
        check(&[("ace", false), ("bd", false)], 5, "abcde", None);
        check(&[("ace", false), ("bd", false)], 3, "abc", Some("c"));
        // Each part has as many as were asked for: what comes behind them comes behind the page as well.
        check(&[("abc", true), ("xyz", true)], 3, "abc", Some("c"));
        check(&[("abc", true), ("", false)], 3, "abc", Some("c"));
        check(&[("ac", false), ("b", false)], 3, "abc", None);
    }

    #[test]
    fn places_are_sent_to_instances_only() {
        let page = |answer: Answer| serde_json::to_string(&Page::from(answer)).unwrap();
        assert_eq!(page(answer("a", true)), r#"{"rows":[{"key":"a","data":null}],"next":"61"}"#);
    }
}
