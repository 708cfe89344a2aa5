//! The subscription `events`: a topic's events as they come, read only as fast as they are taken.

use std::collections::VecDeque;

use async_graphql::{Context, Subscription as Root};
use futures_util::stream::{Stream, unfold};
use riverrun_event::{Record, Verb};

use super::event::{Delivery, Event};
use super::session::Session;
use crate::http::cursor::From;
use crate::http::pages::{Page, Places};
use crate::http::problem::DoorError;
use crate::http::reader::{Reader, Reading, readable};

/// The root of subscriptions.
pub(super) struct Subscription;

/// What can be followed.
#[Root]
impl Subscription {
    /// A topic's events, each with the cursor after it, in order per partition: those from where it starts, then further ones as
    /// they are stored. To go on after a connection was lost, subscribe from the last cursor.
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The topic's name.")] topic: String,
        #[graphql(
            default = "latest",
            desc = "Where to start: \"beginning\", \"latest\", a cursor such as \"0@12,1@7\", or a time in RFC 3339."
        )]
        from: String,
        #[graphql(desc = "Only events with this key.")] key: Option<String>,
    ) -> Result<impl Stream<Item = Result<Delivery, DoorError>> + use<>, DoorError> {
        let session = Session::of(context)?;
        session.caller.permit_named(Verb::Read, &topic)?;
        let topic = readable(&session.shared, &topic)?;
        let reading = Reading { from: From::parse(&from)?, limit: None, follow: true };
        let reader = Reader::open(&session.shared, topic, reading).await?;
        let feed = Feed { reader, read: VecDeque::new(), key };
        Ok(unfold(Some(feed), |feed| async {
            let mut feed = feed?;
            match feed.next().await {
                Ok(delivery) => delivery.map(|delivery| (Ok(delivery), Some(feed))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// A reader, and what it has read and not given out yet: at most a page.
struct Feed {
    reader: Reader,
    read: VecDeque<Delivery>,
    key: Option<String>,
}

impl Feed {
    /// The next event; waits for it, and gives none when the log will not grow any more.
    async fn next(&mut self) -> Result<Option<Delivery>, DoorError> {
        loop {
            while let Some(delivery) = self.read.pop_front() {
                if self.is_wanted(&delivery) {
                    return Ok(Some(delivery));
                }
            }
            let (page, read) = self.reader.page(std::mem::take(&mut self.read), keep).await?;
            self.read = read;
            if page == Page::CaughtUp && !self.reader.grown().await {
                return Ok(None);
            }
        }
    }

    fn is_wanted(&self, delivery: &Delivery) -> bool {
        let key = delivery.event.0.event.key.as_ref().and_then(|key| key.as_str());
        self.key.as_deref().is_none_or(|wanted| key == Some(wanted))
    }
}

fn keep(record: &Record, places: &Places, read: &mut VecDeque<Delivery>) {
    read.push_back(Delivery { event: Event(record.clone()), cursor: places.cursor() });
}
