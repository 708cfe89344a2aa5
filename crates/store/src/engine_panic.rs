//! The engine's assertions as errors: fjall asserts on some kinds of damage instead of answering them.
//!
//! Such a panic is caught, and its text kept for the error instead of being printed with a backtrace, which would read like a fault of
//! this program. Panics of other threads, and of this one at other times, go to whatever hook there was.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// While the engine is being asked: what it said when it gave up.
    static GIVEN_UP: RefCell<Option<String>> = const { RefCell::new(None) };
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `ask`; what the engine said if it gave up.
///
/// # Errors
/// The text of the panic and where it was.
pub(crate) fn caught<T>(ask: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if IS_ASKED.get() {
                GIVEN_UP.set(Some(described(panic)));
            } else {
                before(panic);
            }
        }));
    });
    IS_ASKED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(ask));
    IS_ASKED.set(false);
    outcome.map_err(|_| GIVEN_UP.take().unwrap_or_else(|| "it gives no reason".to_owned()))
}

/// Its message and where it was, on one line.
fn described(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("no reason given").split_whitespace().collect::<Vec<_>>().join(" ");
    // Within the crate only: the rest of the path is that of the machine which built this program.
    let file = |location: &Location<'_>| {
        let path = location.file();
        path.rsplit_once("/src/").map_or(path, |(_, file)| file).to_owned()
    };
    match panic.location() {
        Some(location) => format!("{message} ({}:{})", file(location), location.line()),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(caught(|| 5), Ok(5));
        let said = caught(|| assert_eq!(1 + 1, 3, "the checksum")).unwrap_err();
        assert!(said.contains("the checksum") && said.contains("engine_panic.rs"), "{said}");
    }
}
