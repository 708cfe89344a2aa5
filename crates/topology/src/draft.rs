//! An event on its way through a pipeline: read by expressions, changed by operators, rendered once at the end.

use bytes::Bytes;
use riverrun_event::{Event, Position, Record, Text, Time};

use crate::document::{Document, DocumentError, Path, Span};

/// An event that is being transformed. Its data is parsed when first asked for, once.
#[derive(Clone, Debug)]
pub struct Draft {
    event: Event,
    accepted: Time,
    document: Option<Document>,
    /// Where the fields of the expression being evaluated are; kept between expressions for its memory.
    fetched: Vec<Option<Span>>,
    /// What it was made from, where that is not the record that is stepped.
    cause: Option<Box<Cause>>,
}

/// The record an event was made from, as its attributes will name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Where the record is.
    pub position: Position,
    /// The id of its event.
    pub id: Text,
    /// The source of its event.
    pub source: Text,
}

impl Cause {
    /// A record as a cause.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { position: record.position.clone(), id: record.event.id.clone(), source: record.event.source.clone() }
    }
}

/// Why the data of an event could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The event has none.
    #[error("the event has no data (it is a deletion), so nothing can be set in it")]
    Absent,
    /// The content type is not JSON.
    #[error("the data is {0}, not JSON; only JSON data has fields")]
    NotJson(String),
    /// It says it is JSON but is not, or cannot be changed so.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl Draft {
    /// Starts from an event and the time it was accepted (which counts as its time where it has none).
    #[must_use]
    pub fn new(event: Event, accepted: Time) -> Self {
        Self { event, accepted, document: None, fetched: Vec::new(), cause: None }
    }

    /// Another event of the same attributes and cause, with JSON data of its own.
    #[must_use]
    pub fn derived(&self, json: Bytes) -> Self {
        let mut derived = self.another(Event { data: None, ..self.event.clone() });
        derived.replace_data(json);
        derived
    }

    /// Another event of the same cause.
    #[must_use]
    pub fn another(&self, event: Event) -> Self {
        Self { cause: self.cause.clone(), ..Self::new(event, self.accepted) }
    }

    /// The event with what it was made from, where that is not the record that is stepped: one that waited in an operator's
    /// state, for example.
    #[must_use]
    pub fn caused_by(mut self, cause: Cause) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// What it was made from, where that is not the record that is stepped.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// The event's own time, else the accept time.
    #[must_use]
    pub fn event_time(&self) -> Time {
        self.event.time.unwrap_or(self.accepted)
    }

    /// When the event it started from was accepted.
    #[must_use]
    pub fn accepted(&self) -> Time {
        self.accepted
    }

    /// The attributes of the event; its `data` may be stale until [`Self::into_event`].
    #[must_use]
    pub fn header(&self) -> &Event {
        &self.event
    }

    /// The attributes of the event, to change; not its `data`.
    pub fn header_mut(&mut self) -> &mut Event {
        &mut self.event
    }

    /// The data as a document; `None` when the event has no data.
    ///
    /// # Errors
    /// [`DataError`] when the data is not JSON.
    pub fn document(&mut self) -> Result<Option<&mut Document>, DataError> {
        if self.document.is_none() {
            let Some(data) = &self.event.data else { return Ok(None) };
            if !self.event.is_json() {
                let content_type = self.event.content_type.as_deref().unwrap_or_default();
                return Err(DataError::NotJson(content_type.to_owned()));
            }
            self.document = Some(Document::parse(data.clone())?);
        }
        Ok(self.document.as_mut())
    }

    /// Finds fields of the data all at once; [`Self::fetched`] reads them.
    ///
    /// # Errors
    /// [`DataError`] when there are fields to find and the data is not JSON.
    pub(crate) fn fetch(&mut self, paths: &[Path]) -> Result<(), DataError> {
        let mut fetched = std::mem::take(&mut self.fetched);
        fetched.clear();
        if !paths.is_empty()
            && let Some(document) = self.document()?
        {
            fetched.extend(paths.iter().map(|path| document.find(path)));
        }
        self.fetched = fetched;
        Ok(())
    }

    /// The JSON text of the field that was fetched as number `index`; `None` when it is not there.
    pub(crate) fn fetched(&self, index: usize) -> Option<&str> {
        let span = self.fetched.get(index).copied().flatten()?;
        self.document.as_ref().map(|document| document.text(span))
    }

    /// Puts JSON data in the place of what the event had.
    pub fn replace_data(&mut self, json: Bytes) {
        if !self.event.is_json() {
            self.event.content_type = Some("application/json".into());
        }
        self.event.data = Some(json);
        self.document = None;
    }

    /// Puts a document in the place of the data that the event had.
    pub(crate) fn replace_document(&mut self, document: Document) {
        self.replace_data(document.render());
        self.document = Some(document);
    }

    /// The document, if it was asked for before.
    pub(crate) fn opened(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// The event as it is now, its data rendered.
    pub fn rendered(&mut self) -> &Event {
        if let Some(document) = self.document.take_if(|document| document.is_changed()) {
            self.event.data = Some(document.render());
        }
        &self.event
    }

    /// The event with all changes, its data rendered.
    #[must_use]
    pub fn into_event(mut self) -> Event {
        self.rendered();
        self.event
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::document::Path;

    fn draft(content_type: Option<&str>, data: Option<&'static str>) -> Draft {
        let mut event = Event::new("1", "/test", "test");
        event.content_type = content_type.map(Into::into);
        event.data = data.map(Bytes::from);
        Draft::new(event, Time::from_unix(7, 0))
    }

    #[test]
    fn data_is_rendered_at_the_end() {
        let mut changed = draft(None, Some("{\"a\": 1}"));
        changed.document().unwrap().unwrap().set(&Path::parse("data.b").unwrap(), b"2").unwrap();
        assert_eq!(changed.header().data.as_deref(), Some(&b"{\"a\": 1}"[..]));
        assert_eq!(changed.rendered().data.as_deref(), Some(&b"{\"a\": 1,\"b\":2}"[..]));
        assert_eq!(changed.into_event().data.as_deref(), Some(&b"{\"a\": 1,\"b\":2}"[..]));
    }

    #[test]
    fn new_data_is_json_and_has_fields() {
        let mut changed = draft(Some("text/csv"), Some("a;b"));
        changed.replace_data(Bytes::from_static(b"{\"a\":1}"));
        changed.document().unwrap().unwrap().set(&Path::parse("data.b").unwrap(), b"2").unwrap();
        changed.replace_data(Bytes::from_static(b"[1]"));
        let event = changed.into_event();
        assert_eq!((event.data.as_deref(), event.is_json()), (Some(&b"[1]"[..]), true));
    }

    #[test]
    fn other_data_is_refused_by_name() {
        assert!(draft(None, None).document().unwrap().is_none());
        assert_eq!(
            draft(Some("text/csv"), Some("a;b")).document().unwrap_err().to_string(),
            "the data is text/csv, not JSON; only JSON data has fields"
        );
        assert!(matches!(draft(None, Some("{")).document(), Err(DataError::Document(_))));
        assert_eq!(draft(None, None).event_time(), Time::from_unix(7, 0));
    }
}
