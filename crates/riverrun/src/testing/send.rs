//! From a given event of a test file to what a door would have received: CloudEvents in structured mode, or plain JSON.

use bytes::Bytes;
use riverrun_accept::Received;
use riverrun_app::{Given, GivenData};
use riverrun_ingest::cloudevents::structured;
use riverrun_ingest::http::problem::DoorError;
use riverrun_log::Logged;
use serde_json::{Map, Value};

use super::driver::Driver;

/// The source of CloudEvents whose test names none.
const SOURCE: &str = "/test";
/// Deeper data is refused by the acceptor, which has the app's own limit; the decoder only has to let it through.
const DEPTH_MAX: usize = 128;

/// Sends an event as the test gives it.
pub(super) fn send(driver: &mut Driver, given: &Given) -> Result<Logged, DoorError> {
    let named = |name: &str| given.attributes.iter().any(|(known, _)| known == name);
    let bare = given.data.is_some() && !named("source") && !named("type");
    let mut envelope = Map::new();
    envelope.insert("specversion".to_owned(), "1.0".into());
    let takes_id = bare && driver.topic(&given.topic).is_some_and(|topic| topic.id.is_some());
    if !takes_id {
        envelope.insert("id".to_owned(), driver.next_id().into());
    }
    if !bare {
        envelope.insert("source".to_owned(), SOURCE.into());
        envelope.insert("type".to_owned(), given.topic.as_str().into());
    }
    envelope.extend(given.attributes.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    let body = Bytes::from(Value::Object(envelope).to_string());
    let decoded = structured::decode(&body, DEPTH_MAX).map_err(|error| DoorError::Decode { index: None, error })?;
    let mut received = Received { bare, data_checked: false, ..decoded };
    received.event.data = given.data.as_ref().map(|data| match data {
        GivenData::Json(text) | GivenData::Raw(text) => Bytes::copy_from_slice(text.as_bytes()),
    });
    driver.send(given.topic.as_str(), received)
}
