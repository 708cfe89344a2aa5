//! The queries: `events`, `topics`, `deadLetters`. They read on the readers of the HTTP door, each at most
//! [`READ_BYTES`] of stored bytes, and take room for what they answer.

use async_graphql::{Context, InputValueError, InputValueResult, Object, Scalar, ScalarType, SimpleObject, Value};
use riverrun_event::{PipelineName, Record, TopicName, Verb};
use riverrun_topology::Topic;

use super::GraphqlError;
use super::event::{DeadLetter, Event};
use super::session::Session;
use crate::http::cursor::{From, QueryError};
use crate::http::pages::{Page, Places};
use crate::http::problem::DoorError;
use crate::http::reader::{Reader, Reading, readable};

/// Most events of one page.
const LIMIT_MAX: i32 = 1_000;
/// Stored bytes after which a page ends, however many events were asked for.
const READ_BYTES: usize = 512 * 1024;
/// Room for a page: as stored, as values, and as text with its escapes.
const ROOM_BYTES: usize = 4 * READ_BYTES;

/// The root of queries.
pub(super) struct Query;

/// What can be asked.
// Fields give an option of a result: of a result alone, the library leaves a field that fails out instead of making it null.
#[Object]
impl Query {
    /// A page of a topic's events, in order per partition. Riverrun's own topics, such as "_dead-letters.departures", can be read
    /// too. A page ends early after 512 KiB; an empty one is the end.
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The topic's name.")] topic: String,
        #[graphql(
            default = "beginning",
            desc = "Where to start: \"beginning\", \"latest\", a cursor such as \"0@12,1@7\", or a time in RFC 3339."
        )]
        from: String,
        #[graphql(default = 100, desc = "How many events at most, 1 to 1000.")] limit: i32,
    ) -> Option<Result<EventPage, DoorError>> {
        Some(events(context, &topic, &from, limit).await)
    }

    /// The declared topics that the caller may read.
    async fn topics(&self, context: &Context<'_>) -> Option<Result<Vec<TopicInfo>, DoorError>> {
        Some(topics(context).await)
    }

    /// Events that failed and were set aside, oldest first: those of one pipeline, or of all pipelines and models. All of them can be
    /// paged through as events of the topic "_dead-letters." and the pipeline's name.
    async fn dead_letters(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The pipeline's name.")] pipeline: Option<String>,
        #[graphql(default = 100, desc = "How many at most, 1 to 1000.")] limit: i32,
    ) -> Option<Result<Vec<DeadLetter>, DoorError>> {
        Some(dead_letters(context, pipeline.as_deref(), limit).await)
    }
}

/// A page of events.
#[derive(SimpleObject)]
struct EventPage {
    /// The events; none at the end.
    events: Vec<Event>,
    /// From here the next page goes on.
    cursor: String,
}

/// A declared topic.
#[derive(SimpleObject)]
#[graphql(name = "Topic")]
struct TopicInfo {
    /// Its name.
    name: String,
    /// Its partitions, in order.
    partitions: Vec<PartitionInfo>,
    /// The types of events that are put here when their sender names no topic.
    accept: Vec<String>,
    /// The expression that the key of its events is taken from.
    key: Option<String>,
}

/// A partition of a topic.
#[derive(SimpleObject)]
#[graphql(name = "Partition")]
struct PartitionInfo {
    /// Its number, from 0.
    partition: u32,
    /// The offset of the first event kept.
    first: Long,
    /// The offset that the next event will get.
    next: Long,
}

/// A whole number of up to 64 bits.
struct Long(u64);

/// A whole number of up to 64 bits.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_u64().map(Self).ok_or_else(|| InputValueError::expected_type(value)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

async fn events(context: &Context<'_>, topic: &str, from: &str, limit: i32) -> Result<EventPage, DoorError> {
    let session = Session::of(context)?;
    let _turn = session.turn().await;
    session.caller.permit_named(Verb::Read, topic)?;
    let topic = readable(&session.shared, topic)?;
    let (limit, from) = (checked(limit)?, From::parse(from)?);
    let (records, cursor) = page(session, topic, from, limit).await?;
    Ok(EventPage { events: records.into_iter().map(Event).collect(), cursor })
}

async fn topics(context: &Context<'_>) -> Result<Vec<TopicInfo>, DoorError> {
    let session = Session::of(context)?;
    let _turn = session.turn().await;
    let may_read = |topic: &&Topic| session.caller.permit(Verb::Read, &topic.name).is_ok();
    session.shared.doors.acceptor.topics().filter(may_read).map(|topic| info(session, topic)).collect()
}

async fn dead_letters(context: &Context<'_>, pipeline: Option<&str>, limit: i32) -> Result<Vec<DeadLetter>, DoorError> {
    let session = Session::of(context)?;
    let _turn = session.turn().await;
    session.caller.permit_verb(Verb::Operate)?;
    let (mut left, mut found) = (checked(limit)?, Vec::new());
    for topic in dead_letter_topics(session, pipeline)? {
        let (records, _) = page(session, topic, From::Beginning, left).await?;
        left = left.saturating_sub(records.len() as u64);
        found.extend(records.into_iter().map(DeadLetter));
        if left == 0 {
            break;
        }
    }
    Ok(found)
}

fn checked(limit: i32) -> Result<u64, DoorError> {
    let within = u64::try_from(limit).ok().filter(|_| (1..=LIMIT_MAX).contains(&limit));
    within.ok_or_else(|| QueryError::new("limit", format!("expected 1 to {LIMIT_MAX}")).into())
}

fn info(session: &Session, topic: &Topic) -> Result<TopicInfo, DoorError> {
    let described = session.shared.doors.log.describe(&topic.name)?;
    let partition = |(partition, offsets): (u32, &std::ops::Range<riverrun_event::Offset>)| PartitionInfo {
        partition,
        first: Long(offsets.start.0),
        next: Long(offsets.end.0),
    };
    Ok(TopicInfo {
        name: topic.name.to_string(),
        partitions: (0..).zip(&described.offsets).map(partition).collect(),
        accept: topic.accept.iter().map(|pattern| pattern.0.clone()).collect(),
        key: topic.key.as_ref().map(|key| key.source().to_owned()),
    })
}

/// The topics that keep the dead letters of one pipeline, or all of them.
fn dead_letter_topics(session: &Session, pipeline: Option<&str>) -> Result<Vec<TopicName>, DoorError> {
    let all = &session.shared.doors.dead_letters;
    let Some(asked) = pipeline else { return Ok(all.to_vec()) };
    let unknown = || GraphqlError::UnknownPipeline(asked.chars().take(200).collect());
    let topic = PipelineName::new(asked).map(|name| TopicName::dead_letters_of(&name)).map_err(|_| unknown())?;
    if all.contains(&topic) { Ok(vec![topic]) } else { Err(unknown().into()) }
}

/// Records of a page and their bytes.
#[derive(Default)]
struct Taken {
    records: Vec<Record>,
    bytes: usize,
}

/// At most `limit` records of a topic and the cursor after them.
async fn page(session: &Session, topic: TopicName, from: From, limit: u64) -> Result<(Vec<Record>, String), DoorError> {
    session.caller.permit(Verb::Read, &topic)?;
    session.take_room(ROOM_BYTES)?;
    let reading = Reading { from, limit: Some(limit), follow: false };
    let mut reader = Reader::open(&session.shared, topic, reading).await?;
    let mut taken = Taken::default();
    loop {
        let (page, more) = reader.page(taken, keep).await?;
        taken = more;
        if page == Page::End || taken.bytes >= READ_BYTES {
            return Ok((taken.records, reader.cursor()));
        }
    }
}

fn keep(record: &Record, _: &Places, taken: &mut Taken) {
    taken.bytes += record.event.bytes();
    taken.records.push(record.clone());
}
