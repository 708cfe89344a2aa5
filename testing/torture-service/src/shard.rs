//! `shard`: says which shard an amount belongs to, after a while, and now and then not at the first try.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use riverrun::lookup::AskError;

/// How many shards there are; the tester has the same number.
const SHARDS: i64 = 7;
/// Every so manieth call is refused for now.
const BUSY_EVERY: u64 = 37;

static CALLS: AtomicU64 = AtomicU64::new(1);

/// The shard of an amount, as JSON.
pub(crate) async fn of(amount: Bytes) -> Result<Bytes, AskError> {
    let refused = || AskError::Refused(format!("{amount:?} is no amount"));
    let number: i64 = std::str::from_utf8(&amount).ok().and_then(|text| text.parse().ok()).ok_or_else(refused)?;
    // Later questions may be answered sooner.
    tokio::time::sleep(Duration::from_micros(number.unsigned_abs() % 2_000)).await;
    if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(BUSY_EVERY) {
        return Err(AskError::Retry("busy".to_owned()));
    }
    Ok((number % SHARDS).to_string().into())
}
