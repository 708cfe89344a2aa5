//! Two readers of a consumer of their own, by hand: one stays away with events in its hand until the other has its partitions. Then
//! it must not be able to commit; nor may anybody, after a restart of the server, what was handed out before.

use std::net::SocketAddr;
use std::time::Duration;

use riverrun_torture::failure::{Failure, OrEnvironment};
use riverrun_torture::http::{Connection, Request, Response};
use serde_json::{Value, json};

use crate::score::Score;

/// Longer than a read waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The code of a commit that comes too late.
const LOST: &str = "RR0187";

/// The consumer and what its second reader has in hand.
pub(super) struct Fence {
    connection: Connection,
    cursor: String,
}

impl Fence {
    /// One reader loses its partitions to another, and its commit is refused.
    pub(super) fn build(address: SocketAddr, score: &mut Score) -> Result<Self, Failure> {
        let mut fence = Self { connection: Connection::new(address, ANSWER_TIMEOUT), cursor: String::new() };
        let (late, events) = fence.read("late", 1)?;
        score.check(!events.is_empty(), || "the first reader was given nothing".to_owned());
        // Waits until the first one's session of a second has ended.
        let (cursor, again) = fence.read("heir", 30)?;
        score.check(again == events, || "what was not committed did not come again, first of all".to_owned());
        fence.cursor = cursor;
        fence.refused(&late, "after another reader had the partitions", score)?;
        let sum = fence.committed()?;
        score.check(sum == 0, || format!("a commit that was refused moved positions by {sum}"));
        Ok(fence)
    }

    /// After a restart: the cursor from before counts no more, and the events behind the committed position come again.
    pub(super) fn outlives_the_server(&mut self, score: &mut Score) -> Result<(), Failure> {
        let before = std::mem::take(&mut self.cursor);
        self.refused(&before, "after a restart of the server", score)?;
        let (cursor, events) = self.read("heir", 30)?;
        let answer = self.commit(&cursor)?;
        score.check(answer.status == 204, || format!("a fresh cursor was refused: {}", answer.excerpt()));
        let sum = self.committed()?;
        score.check(sum == events.len() as u64, || {
            format!("{} events committed, positions moved by {sum}", events.len())
        });
        Ok(())
    }

    /// A page of a reader: its cursor and the positions of its events.
    fn read(&mut self, reader: &str, session: u64) -> Result<(String, Vec<String>), Failure> {
        let path = format!("/consumers/fence/events?topic=jobs&reader={reader}&session={session}&wait=30&limit=7");
        let mut request = Request::get(path);
        request.headers.push(("Accept".to_owned(), "application/json".to_owned()));
        let page = json(&self.send(&request)?)?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let events = page.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok((text(&page, "cursor"), events.iter().map(|event| text(event, "rrposition")).collect()))
    }

    fn commit(&mut self, cursor: &str) -> Result<Response, Failure> {
        let body = json!({ "cursor": cursor }).to_string();
        self.send(&Request::post("/consumers/fence/commit", "application/json", body))
    }

    fn refused(&mut self, cursor: &str, when: &str, score: &mut Score) -> Result<(), Failure> {
        let answer = self.commit(cursor)?;
        let code = serde_json::from_slice::<Value>(&answer.body).ok();
        let code = code.as_ref().and_then(|problem| problem.get("code")).and_then(Value::as_str);
        let is_refused = answer.status == 409 && code == Some(LOST);
        score.check(is_refused, || format!("{cursor} {when}: {} {}", answer.status, answer.excerpt()));
        Ok(())
    }

    /// All committed positions together.
    fn committed(&mut self) -> Result<u64, Failure> {
        let report = json(&self.send(&Request::get("/consumers/fence"))?)?;
        let partitions = report.get("partitions").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(partitions.iter().filter_map(|held| held.get("committed")?.as_u64()).sum())
    }

    fn send(&mut self, request: &Request) -> Result<Response, Failure> {
        // A connection of before the restart is gone with its server; nothing asked here does harm twice.
        let answer = self.connection.send(request).or_else(|_| self.connection.send(request));
        answer.map_err(|error| Failure::broken(format!("{}: {error:?}", request.path)))
    }
}

fn json(answer: &Response) -> Result<Value, Failure> {
    if answer.status != 200 {
        return Err(Failure::broken(format!("{}: {}", answer.status, answer.excerpt())));
    }
    serde_json::from_slice(&answer.body).or_environment("cannot read an answer")
}
