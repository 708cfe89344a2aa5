//! What the trigger that wakes a relay costs those who write: transactions a second with and without it, in pairs.

use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use riverrun_bare::figures::print_line;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

use super::relay::Relay;
use super::stage::{self, Stage, Store};
use super::watch::Watcher;
use super::{Setting, as_float};

/// What a business writes besides.
const BUSINESS: &str =
    "create table if not exists bench_orders (id bigint primary key, customer text not null, total bigint not null)";
/// Before each measurement, with the trigger: a relay that has just fallen asleep would not be told of what comes without it.
const AWAKE_SECONDS: f64 = 0.3;
/// Numbers of one writer; those of the next begin behind them.
const NUMBERS: u64 = 1_000_000_000;

/// Who writes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: Setting,
    #[arg(long, default_value_t = 8)]
    writers: u64,
    /// Of one measurement; a pair has two
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, default_value_t = 10)]
    pairs: u64,
}

/// One connection, and the number of its next transaction.
struct Writer {
    client: Client,
    order: Statement,
    store: Store,
    next: u64,
}

/// Measures the pairs, beside a relay where one is given, and prints the medians.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let Arguments { setting, writers, seconds, pairs } = arguments;
    let stage = Stage::open(setting).await?;
    stage.client.batch_execute(&format!("{BUSINESS}; truncate bench_orders")).await?;
    let relay = if setting.program.is_empty() {
        None
    } else {
        let watcher = Watcher::open(&stage.kafka, &setting.topic).await?;
        Some(Relay::start_and_wait(setting, &stage, &watcher).await?)
    };
    let mut all = Vec::new();
    for number in 0..*writers {
        all.push(Writer::connect(setting, 1 + number * NUMBERS).await?);
    }
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..*pairs {
        let mut rates = [0.0; 2];
        let [first, second] = &mut rates;
        for (rate, has_trigger) in [(first, pair % 2 == 0), (second, pair % 2 != 0)] {
            if relay.is_none() {
                // Nobody takes the rows away, and each measurement begins with none.
                stage.client.batch_execute("truncate riverrun_outbox").await?;
            }
            switch(&stage.client, true).await?;
            all = write(all, AWAKE_SECONDS).await?.0;
            switch(&stage.client, has_trigger).await?;
            (all, *rate) = write(all, *seconds).await?;
        }
        let [first, second] = rates;
        let (on, off) = if pair % 2 == 0 { (first, second) } else { (second, first) };
        with.push(on);
        without.push(off);
        ratios.push(on / off);
    }
    switch(&stage.client, true).await?;
    drop((relay, all));
    stage.close().await?;
    let (lowest, highest) = ratios.iter().fold((f64::MAX, f64::MIN), |(low, high), r| (low.min(*r), high.max(*r)));
    print_line(&json!({
        "with_trigger": median(with),
        "without_trigger": median(without),
        "ratio": median(ratios),
        "ratio_min": lowest,
        "ratio_max": highest,
    }))
}

async fn switch(client: &Client, has_trigger: bool) -> Outcome<()> {
    let switch = if has_trigger { "enable" } else { "disable" };
    let sql = format!("alter table riverrun_outbox {switch} trigger riverrun_outbox_wake");
    Ok(client.batch_execute(&sql).await?)
}

/// All writers write for so long; gives them back with how many transactions a second there were.
async fn write(writers: Vec<Writer>, seconds: f64) -> Outcome<(Vec<Writer>, f64)> {
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for mut writer in writers {
        tasks.spawn(async move {
            let first = writer.next;
            while Instant::now() < end {
                writer.transaction().await?;
            }
            let written = writer.next - first;
            Outcome::Ok((writer, written))
        });
    }
    let (mut writers, mut written) = (Vec::new(), 0);
    while let Some(ended) = tasks.join_next().await {
        let (writer, by_it) = ended??;
        writers.push(writer);
        written += by_it;
    }
    Ok((writers, as_float(written) / began.elapsed().as_secs_f64()))
}

impl Writer {
    async fn connect(setting: &Setting, next: u64) -> Outcome<Self> {
        let client = stage::connect(&setting.database).await?;
        let order = client.prepare("insert into bench_orders values ($1, $2, $3)").await?;
        let store = Store::prepare(&client, setting).await?;
        Ok(Self { client, order, store, next })
    }

    async fn transaction(&mut self) -> Outcome<()> {
        let number = self.next;
        let (id, customer) = (i64::try_from(number)?, format!("customer-{}", number % 5_000));
        let transaction = self.client.transaction().await?;
        transaction.execute(&self.order, &[&id, &customer, &(id % 100_000)]).await?;
        self.store.rows(&transaction, number, number).await?;
        transaction.commit().await?;
        self.next += 1;
        Ok(())
    }
}

/// The middle one, of an even count between the two in the middle.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle).copied().unwrap_or_default();
    let lower = if numbers.len().is_multiple_of(2) { numbers.get(middle.saturating_sub(1)).copied() } else { None };
    lower.map_or(upper, |lower| f64::midpoint(lower, upper))
}
