//! The app that is tortured: orders, accounts as a model, a pipeline with a snapshot and a running count per key, and one behind it
//! that looks up, deals out anew and counts in windows.

use std::path::Path;

/// The topic the pipeline reads.
pub const ORDERS: &str = "orders";
/// The topic that feeds the model.
pub const ACCOUNTS: &str = "accounts";
/// The pipeline, and the topic it writes.
pub const SCORED: &str = "scored";
/// The pipeline behind, and the topic it writes.
pub const TOTALS: &str = "totals";
/// An order's shard is its amount modulo this; the service has the same number.
pub const SHARDS: i64 = 7;
/// How long the windows of the totals are.
pub const WINDOW_SECONDS: u64 = 600;
/// The app's name; outputs have `/<app>/<pipeline>` as their source.
pub const APP: &str = "torture";
/// Partitions of the orders and so tasks of the pipeline.
pub const ORDER_PARTITIONS: u32 = 4;
/// Partitions of the accounts.
pub const ACCOUNT_PARTITIONS: u32 = 2;

/// The app file. Port 0 takes a free port, which the server tells in its data directory.
#[must_use]
pub fn app_file(data_directory: &Path) -> String {
    // JSON strings are YAML strings, whatever the path has in it.
    let data_directory = serde_json::Value::from(data_directory.to_string_lossy());
    format!(
        "app: {APP}
log: local
data_dir: {data_directory}
listen: 127.0.0.1:0

topics:
  {ORDERS}: {{ partitions: {ORDER_PARTITIONS}, key: data.account }}
  {ACCOUNTS}: {{ partitions: {ACCOUNT_PARTITIONS}, key: data.account }}
  {SCORED}: {{ partitions: {ORDER_PARTITIONS} }}
  {TOTALS}: {{ partitions: {ORDER_PARTITIONS} }}

models:
  account: {{ from: {ACCOUNTS}, history: 400d }}

pipelines:
  {SCORED}:
    from: {ORDERS}
    steps:
      - snapshot:
          account: {{ key: data.account }}
      - transform: count
    to: {SCORED}
    on_error: dead_letter
  {TOTALS}:
    from: {SCORED}
    steps:
      - lookup: {{ call: shard, with: data.amount, as: data.shard, attempts: 10 }}
      - select_key: data.shard
      - aggregate:
          fields: {{ seen: count(), sum: sum(data.amount) }}
          # The load's times go up and down within an hour, so that nothing is late.
          window: {{ tumbling: {WINDOW_SECONDS}s, grace: 2h }}
    to: {TOTALS}
    on_error: dead_letter
"
    )
}
