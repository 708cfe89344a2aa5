//! The section of bench/RESULTS.md: what is asked for and what came out, then the medians.

use std::fmt::Write;

use super::sides::Side;
use super::{Measured, Medians, Run, SECTION, of};
use crate::Failure;
use crate::bench::goals::{self, Aim, Goal};
use crate::bench::{Plan, report};

/// The section as Markdown, with the empty line before it.
pub(super) fn render(plan: &Plan, measured: &Measured) -> Result<String, Failure> {
    let mut text = format!("\n## {SECTION}\n\n{}\n", report::circumstances(plan));
    goals::render(&mut text, "what | found", &aims(measured)?);
    drained(&mut text, &measured.drain)?;
    late(&mut text, &measured.latency)?;
    idle(&mut text, &measured.idle)?;
    rest(&mut text, measured)?;
    Ok(text)
}

fn aims(measured: &Measured) -> Result<Vec<Aim>, Failure> {
    let of_debezium = |what: &str, medians: &Medians, name: &str, goal| {
        let figure = of(medians, Side::Riverrun)?.figure(name)? / of(medians, Side::Debezium)?.figure(name)?;
        Ok::<_, Failure>(Aim { what: format!("{what}, divided by Debezium's"), figure, goal })
    };
    let alone = |what: &str, run: &Run, name: &str, goal| {
        Ok::<_, Failure>(Aim { what: what.to_owned(), figure: run.figure(name)?, goal })
    };
    let Measured { drain, latency, idle, writers: [busy, quiet], steady } = measured;
    let asleep = of(idle, Side::Riverrun)?;
    Ok(vec![
        of_debezium("draining: rows per second", drain, "rows_per_second", Goal::AtLeast(1.5))?,
        of_debezium("draining: CPU seconds", drain, "cpu_seconds", Goal::AtMost(0.3))?,
        of_debezium("draining: memory", drain, "peak_mb", Goal::AtMost(0.15))?,
        of_debezium("500 events/s: p99 from commit to consumer", latency, "p99_ms", Goal::AtMost(0.2))?,
        alone("8 writers, relay busy: with the trigger, divided by without", busy, "ratio", Goal::AtLeast(0.95))?,
        alone("8 writers, no relay: with the trigger, divided by without", quiet, "ratio", Goal::AtLeast(0.95))?,
        alone("idle: statements a second", asleep, "statements_per_second", Goal::AtMost(1.0))?,
        alone("idle for 10 s: CPU seconds", asleep, "cpu_seconds", Goal::AtMost(0.01))?,
        alone("3,000 events/s: largest size divided by smallest", steady, "ratio", Goal::AtMost(1.25))?,
    ])
}

fn drained(text: &mut String, medians: &Medians) -> Result<(), Failure> {
    text.push_str(
        "\n| draining | rows/s | from the first on | start to first, ms | CPU s | peak MB | CPU s of PostgreSQL |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (side, run) in medians {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.2} | {:.0} | {:.2} |",
            side.name(),
            report::thousands(run.figure("rows_per_second")?),
            report::thousands(run.figure("rows_per_second_from_first")?),
            run.figure("first_ms")?,
            run.figure("cpu_seconds")?,
            run.figure("peak_mb")?,
            run.figure("postgres_cpu_seconds")?,
        );
    }
    Ok(())
}

fn late(text: &mut String, medians: &Medians) -> Result<(), Failure> {
    text.push_str(
        "\n| 500 events/s | p50 ms | p99 ms | longest ms | events/s reached | cores | cores of PostgreSQL |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (side, run) in medians {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {:.0} | {:.2} | {:.2} |",
            side.name(),
            run.figure("p50_ms")?,
            run.figure("p99_ms")?,
            run.figure("max_ms")?,
            run.figure("rows_per_second")?,
            run.figure("cores")?,
            run.figure("postgres_cores")?,
        );
    }
    Ok(())
}

fn idle(text: &mut String, medians: &Medians) -> Result<(), Failure> {
    text.push_str("\n| idle for 10 s | statements | CPU s | CPU s of PostgreSQL |\n|---|--:|--:|--:|\n");
    for (side, run) in medians {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {:.2} |",
            side.name(),
            run.figure("statements")?,
            run.figure("cpu_seconds")?,
            run.figure("postgres_cpu_seconds")?,
        );
    }
    Ok(())
}

fn rest(text: &mut String, measured: &Measured) -> Result<(), Failure> {
    let Measured { writers: [busy, quiet], steady, .. } = measured;
    text.push_str(
        "\n| 8 writers | transactions/s with the trigger | without | ratios of the pairs |\n|---|--:|--:|--:|\n",
    );
    for (what, run) in [("relay busy", busy), ("no relay", quiet)] {
        let _ = writeln!(
            text,
            "| {what} | {} | {} | {:.2} to {:.2} |",
            report::thousands(run.figure("with_trigger")?),
            report::thousands(run.figure("without_trigger")?),
            run.figure("ratio_min")?,
            run.figure("ratio_max")?,
        );
    }
    let _ = writeln!(
        text,
        "\n| 3,000 events/s | events/s reached | MB of the outbox | rows waiting at the end | cores | cores of PostgreSQL |\n\
         |---|--:|--:|--:|--:|--:|\n| Riverrun | {} | {:.1} to {:.1} | {:.0} | {:.2} | {:.2} |",
        report::thousands(steady.figure("rows_per_second")?),
        steady.figure("mb_min")?,
        steady.figure("mb_max")?,
        steady.figure("waiting")?,
        steady.figure("cores")?,
        steady.figure("postgres_cores")?,
    );
    Ok(())
}
