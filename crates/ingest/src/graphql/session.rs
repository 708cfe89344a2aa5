//! What a request's resolvers may use: the doors, who calls, and the room its bytes take.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;
use axum::http::HeaderMap;
use tokio::sync::MutexGuard;

use super::GraphqlError;
use crate::http::Shared;
use crate::http::admission::Room;
use crate::http::caller::Caller;
use crate::http::problem::DoorError;

/// One request on its way.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Caller,
    /// The request's headers, for its trace; none where it came over a WebSocket.
    pub(super) headers: HeaderMap,
    room: Mutex<Room>,
    turn: tokio::sync::Mutex<()>,
}

impl Session {
    /// A request that has `room` for what was received of it.
    pub(super) fn new(shared: Arc<Shared>, caller: Caller, headers: HeaderMap, room: Room) -> Arc<Self> {
        Arc::new(Self { shared, caller, headers, room: Mutex::new(room), turn: tokio::sync::Mutex::default() })
    }

    /// The session of a resolver.
    pub(super) fn of<'a>(context: &'a Context<'_>) -> Result<&'a Arc<Self>, DoorError> {
        let missing = |_| DoorError::from(GraphqlError::Document("the request has no session".to_owned()));
        context.data::<Arc<Self>>().map_err(missing)
    }

    /// Waits until the fields that stand before are done: answers come in the order asked for, and one request reads one
    /// topic at a time.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Takes room for `bytes` more of the answer; it is given back when the answer was sent.
    pub(super) fn take_room(&self, bytes: usize) -> Result<(), GraphqlError> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        room.grow_by(bytes).map_err(|_| GraphqlError::NoRoom)
    }
}
