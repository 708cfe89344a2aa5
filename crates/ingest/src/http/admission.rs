//! How much the HTTP door holds at once: bytes of request bodies, and readers. What goes beyond is refused, never queued, so
//! memory stays flat however many callers there are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of bodies in flight: enough for a thousand clients with small events, small against any server's memory.
const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The budget fits at least this many bodies of the largest allowed size, compressed and decompressed.
const LARGEST_BODIES: usize = 4;
/// Readers at once. Each holds up to one page of events, so all together hold about as much as the bodies may.
pub const READERS_MAX: usize = 512;
/// WebSockets at once: as many as there may be readers, and as many that only wait.
pub const SOCKETS_MAX: usize = 2 * READERS_MAX;

/// The budgets of one server.
#[derive(Debug)]
pub struct Admission {
    bodies: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

/// Bytes a request has been granted; given back when dropped.
#[derive(Debug)]
pub struct Room {
    bodies: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Admission {
    /// Budgets for bodies of at most `body_bytes_max` bytes.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        let bytes = BODIES_BYTES_MAX.max(body_bytes_max.saturating_mul(LARGEST_BODIES));
        Self {
            bodies: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
        }
    }

    /// Room for nothing yet.
    #[must_use]
    pub fn room(&self) -> Room {
        Room { bodies: Arc::clone(&self.bodies), permit: None }
    }

    /// A WebSocket's place; given back when dropped.
    pub(crate) fn socket(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.sockets).try_acquire_owned().ok()
    }

    /// A reader's place; given back when dropped.
    pub(super) fn reader(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.readers).try_acquire_owned().ok()
    }
}

impl Room {
    /// Asks for `more` bytes of room.
    ///
    /// # Errors
    /// [`NoRoom`] as for [`Self::grow_to`].
    pub fn grow_by(&mut self, more: usize) -> Result<(), NoRoom> {
        let granted = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        self.grow_to(granted.saturating_add(more))
    }

    /// Asks for more room, until it is `bytes`.
    ///
    /// # Errors
    /// [`NoRoom`] when the budget does not hold that much now; what was granted before stays.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let granted = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = bytes.checked_sub(granted).filter(|more| *more > 0) else { return Ok(()) };
        let more = u32::try_from(more).map_err(|_| NoRoom)?;
        let further = Arc::clone(&self.bodies).try_acquire_many_owned(more).map_err(|_| NoRoom)?;
        match &mut self.permit {
            Some(permit) => permit.merge(further),
            None => self.permit = Some(further),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let admission = Admission::new(BODIES_BYTES_MAX / LARGEST_BODIES);
        let mut first = admission.room();
        assert_eq!(first.grow_to(10), Ok(()));
        assert_eq!(first.grow_to(BODIES_BYTES_MAX), Ok(()));
        let mut second = admission.room();
        assert_eq!(second.grow_to(1), Err(NoRoom));
        drop(first);
        assert_eq!(second.grow_to(1), Ok(()));
    }
}
