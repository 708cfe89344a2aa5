//! A proxy in front of PostgreSQL that does something to the first COMMIT that passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use riverrun_outbox::Database;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the first COMMIT. Everything else passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It reaches PostgreSQL, and the answer is lost.
    AnswerLost,
    /// It never reaches PostgreSQL.
    CommitLost,
    /// It reaches PostgreSQL, and the answer is that of a pooler that lost its server.
    AnswerReplaced,
}

/// COMMIT as the simple protocol has it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// `FATAL 08P01: server conn crashed?`, what PgBouncer says when its connection to the server ends in the middle of a statement.
const CRASHED: &[u8] = b"SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0";

/// Listens until the test ends, and gives the database as it is seen through the proxy.
pub(crate) async fn database_through(url: &str, fate: Fate) -> Database {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (start, rest) = url.split_once('@').unwrap();
    let (server, path) = rest.split_once('/').unwrap();
    let server = server.to_owned();
    let is_armed = Arc::new(AtomicBool::new(true));
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server, fate, Arc::clone(&is_armed)));
        }
    });
    Database::new(&format!("{start}@127.0.0.1:{port}/{path}")).unwrap()
}

async fn pass(client: TcpStream, server: TcpStream, fate: Fate, is_armed: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Arc::clone(&is_cut);
    let back = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            if cut.load(Ordering::SeqCst) {
                break;
            }
            if to_client.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
        to_client
    });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        let sent = &bytes[..count];
        let is_commit = sent.windows(COMMIT.len()).any(|window| window == COMMIT);
        if !is_commit || !is_armed.swap(false, Ordering::SeqCst) {
            to_server.write_all(sent).await.unwrap();
            continue;
        }
        is_cut.store(true, Ordering::SeqCst);
        if fate == Fate::CommitLost {
            // The server's end of the connection is closed first: its session ends, and the client hears of it then.
            drop(to_server);
        } else {
            to_server.write_all(sent).await.unwrap();
        }
        let mut to_client = back.await.unwrap();
        if fate == Fate::AnswerReplaced {
            let length = u32::try_from(CRASHED.len() + 4).unwrap().to_be_bytes();
            to_client.write_all(&[b"E", &length[..], CRASHED].concat()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        return;
    }
}
