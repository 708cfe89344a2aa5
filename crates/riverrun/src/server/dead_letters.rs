//! `GET /dead-letters` and `GET /dead-letters/{position}`: what failed and why, as NDJSON.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use riverrun_event::{Offset, Partition, PipelineName, Position, Record, TopicName, TopicPartition};
use riverrun_ingest::cloudevents::encode;
use riverrun_log::ReadError;
use serde::Deserialize;

use super::Parts;
use super::problem::RouteError;

/// Most dead letters of one answer where the question does not say.
const LIMIT_DEFAULT: usize = 100;
/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
pub(super) struct Which {
    pipeline: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(State(parts): State<Arc<Parts>>, Query(which): Query<Which>) -> Result<Response, RouteError> {
    let topics = topics(&parts, which.pipeline.as_deref())?;
    let mut partitions = VecDeque::new();
    for topic in topics {
        let offsets = parts.log.describe(&topic)?.offsets;
        let numbered = (0..).map(Partition).zip(offsets);
        partitions.extend(numbered.map(|(number, offsets)| (TopicPartition::new(topic.clone(), number), offsets)));
    }
    let listing = Listing { parts, partitions, remaining: which.limit.unwrap_or(LIMIT_DEFAULT) };
    let pages = stream::unfold(Some(listing), |listing| async {
        let mut listing = listing?;
        let read = blocking(move || listing.next_page().map(|page| page.map(|page| (page, listing))));
        match read.await {
            Ok(page) => page.map(|(page, listing)| (Ok(page), Some(listing))),
            // The answer has begun; breaking it off is the only way left to say that it is not whole.
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response())
}

/// What is left of a list: read and sent page by page, so that its length costs no memory.
struct Listing {
    parts: Arc<Parts>,
    partitions: VecDeque<(TopicPartition, Range<Offset>)>,
    remaining: usize,
}

impl Listing {
    fn next_page(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.remaining > 0 {
            let Some((partition, offsets)) = self.partitions.front_mut() else { return Ok(None) };
            let read = match offsets.is_empty() {
                true => Vec::new(),
                false => self.parts.log.read(&partition.at(offsets.start), READ_BYTES)?,
            };
            let Some(last) = read.last() else {
                self.partitions.pop_front();
                continue;
            };
            offsets.start = last.position.offset.next();
            let mut page = Vec::new();
            read.iter().take(self.remaining).for_each(|record| encode::line(record, &mut page));
            self.remaining = self.remaining.saturating_sub(read.len());
            return Ok(Some(page.into()));
        }
        Ok(None)
    }
}

pub(super) async fn show(
    State(parts): State<Arc<Parts>>,
    Path(position): Path<String>,
) -> Result<Response, RouteError> {
    let position: Position = position.parse()?;
    if !topics(&parts, None)?.contains(&position.topic) {
        return Err(RouteError::NoDeadLetter(position.to_string()));
    }
    let asked = position.clone();
    let found = blocking(move || {
        let partitions = parts.log.describe(&asked.topic)?.offsets.len();
        // A partition that is not there has no dead letters either.
        let exists = usize::try_from(asked.partition.0).is_ok_and(|number| number < partitions);
        if exists { parts.log.read(&asked, 1) } else { Ok(Vec::new()) }
    });
    let found = found.await?;
    let found = found.into_iter().find(|record| record.position == position);
    found.map(|record| lines(&[record])).ok_or_else(|| RouteError::NoDeadLetter(position.to_string()))
}

/// The topics that keep the dead letters of one pipeline or, without a name, of all pipelines, models and doors.
fn topics(parts: &Parts, pipeline: Option<&str>) -> Result<Vec<TopicName>, RouteError> {
    let topology = &parts.topology;
    let Some(asked) = pipeline else { return Ok(all(parts)) };
    let known = PipelineName::new(asked).ok().filter(|name| topology.pipelines.contains_key(name));
    match known {
        Some(name) => Ok(vec![TopicName::dead_letters_of(&name)]),
        None => {
            let known = topology.pipelines.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Err(RouteError::UnknownPipeline { asked: asked.to_owned(), known })
        }
    }
}

/// The topics that keep the dead letters of all pipelines, models and doors.
pub(super) fn all(parts: &Parts) -> Vec<TopicName> {
    let topology = &parts.topology;
    let of_pipelines = topology.pipelines.keys().map(TopicName::dead_letters_of);
    let of_models = topology.models.keys().map(TopicName::dead_letters_of_model);
    let of_doors = topology.topics.keys().map(TopicName::dead_letters_of_door);
    let of_doors = of_doors.filter(|_| parts.runtime.has_entrances());
    of_pipelines.chain(of_models).chain(of_doors).collect()
}

fn lines(records: &[Record]) -> Response {
    let mut body = Vec::new();
    records.iter().for_each(|record| encode::line(record, &mut body));
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, RouteError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => Ok(read?),
        Err(error) => Err(ReadError::Failed(error.to_string()).into()),
    }
}
