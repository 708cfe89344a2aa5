//! One connection: what comes in, what runs, and what goes out, each in its turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response;
use axum::extract::ws::{Message, WebSocket};
use axum::http::HeaderMap;
use futures_util::StreamExt as _;
use futures_util::future::AbortHandle;
use futures_util::stream::{BoxStream, SelectAll, abortable, once};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::message::{End, Incoming, text};
use crate::graphql::answer::{Answer, refusal};
use crate::graphql::request::Asked;
use crate::graphql::session::Session;
use crate::graphql::{Door, GraphqlError, scan};
use crate::http::caller::Caller;
use crate::http::problem::DoorError;
use crate::http::server::closed;

/// How long a client may take to send `connection_init`.
const INIT_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a silent client is asked for a sign of life: below the minute after which proxies give up.
const PING: Duration = Duration::from_secs(15);
/// After so long without any sign the client is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a client may leave a message untaken.
const STALL_MAX: Duration = Duration::from_secs(60);
/// How long the last word may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// Operations of one connection at once.
const OPERATIONS_MAX: usize = 32;
/// Longest id of an operation, in bytes; clients use UUIDs or counts.
const ID_BYTES_MAX: usize = 256;

/// What an operation gives: its answers, then none for its end.
type Given = (String, Option<Response>);

struct Connection {
    socket: WebSocket,
    door: Arc<Door>,
    caller: Option<Caller>,
    acknowledged: bool,
    running: SelectAll<BoxStream<'static, Given>>,
    operations: HashMap<String, AbortHandle>,
    closing: watch::Receiver<bool>,
    opened: Instant,
    heard: Instant,
    pinged: Instant,
}

/// Serves a connection until it ends.
pub(super) async fn serve(socket: WebSocket, door: Arc<Door>, caller: Option<Caller>) {
    let now = Instant::now();
    let mut connection = Connection {
        socket,
        closing: door.shared.doors.closing.clone(),
        door,
        caller,
        acknowledged: false,
        running: SelectAll::new(),
        operations: HashMap::new(),
        opened: now,
        heard: now,
        pinged: now,
    };
    let end = loop {
        if let Err(end) = connection.turn().await {
            break end;
        }
    };
    tracing::debug!(code = end.0, reason = end.1, "a WebSocket ends");
    if let Some(frame) = end.frame() {
        // The client may be gone already.
        let _last_word = timeout(CLOSE_TIME_MAX, connection.socket.send(frame)).await;
    }
}

impl Connection {
    /// Does what comes next.
    async fn turn(&mut self) -> Result<(), End> {
        let look = if self.acknowledged { self.pinged + PING } else { self.opened + INIT_TIME_MAX };
        tokio::select! {
            biased;
            () = closed(&mut self.closing) => Err(End::going_away()),
            message = self.socket.recv() => match message {
                Some(Ok(message)) => self.take(message).await,
                Some(Err(_)) | None => Err(End::silent()),
            },
            Some((id, answer)) = self.running.next(), if !self.running.is_empty() => self.give(&id, answer).await,
            () = sleep_until(look) => self.look_after().await,
        }
    }

    /// Sees whether the client is still there.
    async fn look_after(&mut self) -> Result<(), End> {
        if !self.acknowledged {
            return Err(End::new(4408, "Connection initialisation timeout"));
        }
        if self.heard.elapsed() > SILENCE_MAX {
            return Err(End::silent());
        }
        self.pinged = Instant::now();
        self.send(Message::Ping(Default::default())).await
    }

    async fn take(&mut self, message: Message) -> Result<(), End> {
        self.heard = Instant::now();
        let said = match message {
            Message::Text(said) => said,
            Message::Binary(_) => return Err(End::new(4400, "Messages are text")),
            // Pings are answered by the WebSocket itself.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::silent()),
        };
        // The error would repeat what was said, and that may be a token.
        let incoming = serde_json::from_str(&said).map_err(|_| End::new(4400, "No message of graphql-transport-ws"))?;
        match incoming {
            Incoming::ConnectionInit { payload } => self.initialise(payload.as_ref()).await,
            Incoming::Ping {} => self.send(text("pong", None, None)).await,
            Incoming::Pong {} => Ok(()),
            Incoming::Subscribe { id, payload } => self.start(id, payload, said.as_bytes()).await,
            Incoming::Complete { id } => {
                self.stop(&id);
                Ok(())
            }
        }
    }

    async fn initialise(&mut self, payload: Option<&Map<String, Value>>) -> Result<(), End> {
        if std::mem::replace(&mut self.acknowledged, true) {
            return Err(End::new(4429, "Too many initialisation requests"));
        }
        if self.caller.is_none() {
            let shown =
                payload.and_then(|payload| payload.get("authorization").or_else(|| payload.get("Authorization")));
            let shown = shown.and_then(Value::as_str).map(str::as_bytes);
            let known = self.door.shared.doors.access.known(shown);
            self.caller = Some(known.map_err(|_| End::new(4401, "Unauthorized"))?);
        }
        self.pinged = Instant::now();
        self.send(text("connection_ack", None, None)).await
    }

    async fn start(&mut self, id: String, asked: Asked, said: &[u8]) -> Result<(), End> {
        let Some(caller) = self.caller.clone().filter(|_| self.acknowledged) else {
            return Err(End::new(4401, "Unauthorized"));
        };
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(End::new(4400, "The id of an operation has 1 to 256 bytes"));
        }
        if self.operations.contains_key(&id) {
            return Err(End::new(4409, format!("Subscriber for {id} already exists")));
        }
        match self.open(asked, caller, said) {
            Ok(responses) => {
                let (given, ended) = (id.clone(), id.clone());
                let responses = responses.map(move |response| (given.clone(), Some(response)));
                // The end passes the same gate: what was stopped says nothing any more.
                let (given, stop) = abortable(responses.chain(once(async move { (ended, None) })));
                self.running.push(given.boxed());
                self.operations.insert(id, stop);
                Ok(())
            }
            Err(error) => {
                let answer = Answer::refused(error, &self.door.shared.doors.metrics);
                self.send(text("error", Some(&id), Some(&answer.errors_json()))).await
            }
        }
    }

    /// Sends what an operation gave.
    async fn give(&mut self, id: &str, response: Option<Response>) -> Result<(), End> {
        let Some(response) = response else {
            self.operations.remove(id);
            return self.send(text("complete", Some(id), None)).await;
        };
        let answer = Answer::new(response, &self.door.shared.doors.metrics);
        if answer.refused.is_none() {
            return self.send(text("next", Some(id), Some(&answer.json()))).await;
        }
        self.stop(id);
        self.send(text("error", Some(id), Some(&answer.errors_json()))).await
    }

    fn stop(&mut self, id: &str) {
        if let Some(stop) = self.operations.remove(id) {
            stop.abort();
        }
    }

    /// Sends, and waits until the socket has taken it.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        tokio::select! {
            sent = timeout(STALL_MAX, self.socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::silent()),
            },
            () = closed(&mut self.closing) => Err(End::going_away()),
        }
    }

    /// The answers of an operation, if it may run.
    fn open(
        &self,
        asked: Asked,
        caller: Caller,
        said: &[u8],
    ) -> Result<BoxStream<'static, Response>, async_graphql::ServerError> {
        if self.operations.len() >= OPERATIONS_MAX {
            return Err(refusal(DoorError::TooManyReaders(OPERATIONS_MAX)));
        }
        let mut room = self.door.shared.admission.room();
        let bytes = said.len() + scan::parsed_bytes(said).map_err(refusal)?;
        room.grow_to(bytes).map_err(|_| refusal(GraphqlError::NoRoom))?;
        let session = Session::new(Arc::clone(&self.door.shared), caller, HeaderMap::new(), room);
        Ok(self.door.schema.execute_stream(asked.prepare(|_| true)?.data(session)))
    }
}
