//! Rows stored at an even rate, each in a transaction of its own.

use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use tokio::task::JoinSet;
use tokio::time::{self, MissedTickBehavior};

use super::Setting;
use super::stage::{self, Store};

/// Time to connect, before the first row.
const CONNECT: Duration = Duration::from_millis(500);

/// Which numbers, how fast, and by how many connections in turns: each waits for the disk at its commits.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) first: u64,
    pub(super) rows: u64,
    pub(super) per_second: u64,
    pub(super) connections: u64,
}

impl Pace {
    /// Stores all; gives when each number's COMMIT had returned.
    pub(super) async fn run(self, setting: &Setting) -> Outcome<Vec<(u64, Instant)>> {
        let mut writers = JoinSet::new();
        let (begin, apart) = (time::Instant::now() + CONNECT, Duration::from_secs(1) / u32::try_from(self.per_second)?);
        for connection in 0..self.connections {
            let client = stage::connect(&setting.database).await?;
            let store = Store::prepare(&client, setting).await?;
            writers.spawn(async move {
                let turns =
                    (self.first + connection..self.first + self.rows).step_by(usize::try_from(self.connections)?);
                let mut ticks = time::interval_at(
                    begin + apart * u32::try_from(connection)?,
                    apart * u32::try_from(self.connections)?,
                );
                // Who is late hurries: the rate is what is asked for.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut committed = Vec::new();
                for number in turns {
                    ticks.tick().await;
                    store.rows(&client, number, number).await?;
                    committed.push((number, Instant::now()));
                }
                Outcome::Ok(committed)
            });
        }
        let mut all = Vec::new();
        while let Some(committed) = writers.join_next().await {
            all.extend(committed??);
        }
        Ok(all)
    }
}
