//! Signals: the first SIGINT or SIGTERM asks for a clean end, the second ends the process at once.

use tokio::sync::watch;

/// Resolves when the process was asked to end.
#[derive(Clone, Debug)]
pub(crate) struct EndSignal(watch::Receiver<bool>);

impl EndSignal {
    /// Starts listening. Must be called within a tokio runtime.
    pub(crate) fn listen() -> Self {
        let (asked, receiver) = watch::channel(false);
        tokio::spawn(async move {
            next_signal().await;
            asked.send_replace(true);
            next_signal().await;
            // 130: what a shell reports for a process that SIGINT ended. Everything acknowledged is on disk already.
            std::process::exit(130);
        });
        Self(receiver)
    }

    /// Waits for the first signal.
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // The listener is gone only when the runtime ends; until then nobody asks.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
async fn next_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt() => {}
        () = terminate => {}
    }
}

#[cfg(not(unix))]
async fn next_signal() {
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
