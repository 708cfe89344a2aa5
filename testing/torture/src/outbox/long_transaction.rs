//! A transaction that has published stays open, and one elsewhere that did nothing but draw its number, while thousands of others commit:
//! nobody waits for them, and what was published first arrives when it is committed.

use std::time::{Duration, Instant};

use super::Plan;
use super::site::{Log, Site};
use super::transaction::TOPIC;
use crate::failure::{Failure, Interruption};
use crate::report::say;

/// Of which four fifths commit.
const TRANSACTIONS: usize = 2_500;
/// From the last commit on; a tenth of a second where nobody else is at work.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// Drawn by no writer.
const NUMBER: i64 = 1_000_000;
/// No writer's either, so none waits for its lock.
const AGGREGATE: &str = "free-long";

pub(super) fn run(plan: &Plan, interruption: &Interruption, passed: &mut u32) -> Result<(), Failure> {
    let mut site = Site::start(plan, Log::Embedded, &["a"], interruption)?;
    let outcome = disturb(&mut site, interruption);
    site.judge(outcome)?;
    site.check(0)?;
    *passed += 1;
    Ok(())
}

fn disturb(site: &mut Site<'_>, interruption: &Interruption) -> Result<(), Failure> {
    let (own, elsewhere) = (site.database.client()?, site.database.client_elsewhere()?);
    site.database.execute(&elsewhere, "begin; select pg_current_xact_id()")?;
    let data = format!(r#"{{"number": {NUMBER}, "aggregate": "{AGGREGATE}", "sequence": null}}"#);
    let publish = format!(
        "begin; select riverrun_publish('{TOPIC}', '{AGGREGATE}', 'order.changed', '{data}'::json); \
         insert into ledger values ({NUMBER}, '{AGGREGATE}', nextval('moment'), nextval('moment'))"
    );
    site.database.execute(&own, &publish)?;

    site.writers.let_go(TRANSACTIONS);
    site.writers.wait(interruption)?;
    let committed: Vec<i64> = site.database.ledger()?.iter().map(|entry| entry.number).collect();
    let (begun, mut topic) = (Instant::now(), site.topic()?);
    let missing = topic.wait(&committed, ARRIVES_WITHIN, interruption)?;
    if let Some(first) = missing.first() {
        let (missing, many) = (missing.len(), committed.len());
        return Err(Failure::broken(format!(
            "{missing} of {many} events, {first} among them, did not arrive within {ARRIVES_WITHIN:?} while another transaction was open"
        )));
    }
    if topic.read()?.iter().any(|event| event.number == NUMBER) {
        return Err(Failure::broken("an event was in the topic before its transaction was committed"));
    }
    let (many, seconds) = (committed.len(), begun.elapsed().as_secs_f64());
    say(format!("  {many} events of other transactions had arrived {seconds:.1} s after the last commit"));

    site.database.execute(&own, "commit")?;
    let begun = Instant::now();
    if !topic.wait(&[NUMBER], ARRIVES_WITHIN, interruption)?.is_empty() {
        return Err(Failure::broken(format!(
            "the event of the transaction that was open did not arrive within {ARRIVES_WITHIN:?} of its commit"
        )));
    }
    say(format!("  the event of the open one had arrived {:.1} s after its commit", begun.elapsed().as_secs_f64()));
    site.database.execute(&elsewhere, "commit")
}
