//! The mutation `publish`: events become records in the log as at the HTTP door, a list whole or not at all.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riverrun_event::{Time, Verb};
use riverrun_log::{Health, Logged, NewRecord};

use super::session::Session;
use crate::cloudevents::{DecodeError, FromWire as _, Received};
use crate::http::problem::DoorError;
use crate::http::write::{append, keep_trace};
use riverrun_accept::{AcceptError, Target};

/// The root of mutations.
pub(super) struct Mutation;

/// What can be done.
#[Object]
impl Mutation {
    /// Stores events: all of them or, when one is refused, none. They are durable when this is answered. After an error with code
    /// RR0151, or no answer at all, nobody knows whether they were stored: send them again with the same ids, and those that were
    /// are recognised. A single event need not be put into a list.
    async fn publish(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The events, at most 1000.")] events: Vec<PublishInput>,
    ) -> Option<Result<Vec<Published>, DoorError>> {
        // Of a result alone, the library would leave a field that fails out instead of making it null.
        Some(publish(context, events).await)
    }
}

async fn publish(context: &Context<'_>, events: Vec<PublishInput>) -> Result<Vec<Published>, DoorError> {
    let session = Session::of(context)?;
    if let Health::Stopped { reason } = session.shared.doors.log.health() {
        return Err(DoorError::Stopped(reason));
    }
    let records = accept(session, events)?;
    let logged = append(&session.shared, records).await?;
    Ok(logged.iter().map(Published::from).collect())
}

/// What became of an event.
#[derive(SimpleObject)]
struct Published {
    /// Where it is.
    position: String,
    /// Whether an event with the same topic, source and id was there already; it was not stored again.
    duplicate: bool,
}

impl From<&Logged> for Published {
    fn from(logged: &Logged) -> Self {
        Self { position: logged.position().to_string(), duplicate: logged.is_duplicate() }
    }
}

/// An event to be stored. With a topic, what it lacks of id, source and type is filled in as for plain JSON; without one, all
/// three are needed, and the type leads to the topic.
#[derive(InputObject)]
struct PublishInput {
    /// The topic it goes to. Without it, the one topic that accepts its type.
    topic: Option<String>,
    /// Unique within the source: sent again with the same id, the event is recognised. Without it, the topic's `id:`
    /// expression, else a new id each time.
    id: Option<String>,
    /// Where the event comes from, a URI reference. Without it "/http".
    source: Option<String>,
    /// What kind of fact it is. Without it the topic's name.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// What the fact is about, within the source.
    subject: Option<String>,
    /// When it happened, in RFC 3339.
    time: Option<String>,
    /// What makes it related to others, where the topic takes no key from the data.
    key: Option<String>,
    /// Extension attributes.
    #[graphql(default)]
    attributes: Vec<AttributeInput>,
    /// Media type of the data; without one the data is JSON.
    data_content_type: Option<String>,
    /// The schema of the data, a URI.
    data_schema: Option<String>,
    /// The data as text: JSON text where it is JSON, kept as it stands, else its characters. An event without data deletes what
    /// it is about.
    data: Option<String>,
    /// The data in base64, instead of data.
    data_base64: Option<String>,
}

/// An extension attribute.
#[derive(InputObject)]
struct AttributeInput {
    /// Its name, of a-z and 0-9.
    name: String,
    /// Its value.
    value: String,
}

/// Accepts the events, all or none: each for a topic its caller may publish to.
fn accept(session: &Session, events: Vec<PublishInput>) -> Result<Vec<NewRecord>, DoorError> {
    let doors = &session.shared.doors;
    let events_max = doors.limits.batch_events_max;
    if events.len() > events_max {
        return Err(DoorError::Decode { index: None, error: DecodeError::TooMany(events_max) });
    }
    let (now, is_batch) = (Time::now(), events.len() > 1);
    let one = |(index, event): (usize, PublishInput)| {
        let index = is_batch.then_some(index);
        let refused = |error: AcceptError| DoorError::Accept { index, error };
        let permit = |name: &str| {
            session.caller.permit_named(Verb::Publish, name).map_err(|error| DoorError::Access { index, error })
        };
        // Asked for before it is looked up: which topics there are is nothing for those who may not touch them.
        event.topic.as_deref().map(permit).transpose()?;
        let topic = event.topic.as_deref().map(|name| doors.acceptor.topic(name)).transpose().map_err(refused)?;
        let mut received = received(event).map_err(|error| DoorError::Decode { index, error })?;
        keep_trace(&session.headers, &mut received);
        let target = topic.map_or(Target::ByType, Target::Topic);
        let topic = doors.acceptor.resolve(target, &received).map_err(refused)?;
        permit(topic.name.as_str())?;
        doors.acceptor.accept(Target::Topic(topic), received, now).map_err(refused)
    };
    events.into_iter().enumerate().map(one).collect()
}

/// The event as every door hands it on.
fn received(input: PublishInput) -> Result<Received, DecodeError> {
    let lacks_something = input.id.is_none() || input.source.is_none() || input.kind.is_none();
    let mut received = Received { bare: input.topic.is_some() && lacks_something, ..Received::new() };
    let context = [
        ("id", input.id),
        ("source", input.source),
        ("type", input.kind),
        ("subject", input.subject),
        ("time", input.time),
        ("datacontenttype", input.data_content_type),
        ("dataschema", input.data_schema),
    ];
    for (name, value) in context {
        if let Some(value) = value {
            received.context(name, &value)?;
        }
    }
    if let Some(key) = input.key {
        received.extension(crate::cloudevents::PARTITION_KEY, &key)?;
    }
    for AttributeInput { name, value } in input.attributes {
        received.extension(&name, &value)?;
    }
    received.event.data = match (input.data, input.data_base64) {
        (Some(_), Some(_)) => {
            return Err(DecodeError::invalid("dataBase64", "send either data or dataBase64, not both"));
        }
        (Some(text), None) => Some(text.into()),
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text.as_bytes());
            Some(bytes.map_err(|error| DecodeError::invalid("dataBase64", format!("no base64: {error}")))?.into())
        }
        (None, None) => None,
    };
    Ok(received)
}
