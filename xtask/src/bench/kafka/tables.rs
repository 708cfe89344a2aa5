//! The section of bench/RESULTS.md: what is asked for and what came out, then the medians.

use std::fmt::Write;

use super::{Medians, Part, Run, SECTION};
use crate::bench::goals::{self, Aim, Goal};
use crate::bench::{Plan, report};

/// The section as Markdown, with the empty line before it.
pub(super) fn render(plan: &Plan, parts: &[Medians]) -> String {
    let mut text = format!("\n## {SECTION}\n\n{}\n", report::circumstances(plan));
    let aims: Vec<Aim> = parts.iter().flat_map(ratios).collect();
    goals::render(&mut text, "the product divided by | ratio", &aims);
    text.push_str(
        "\n| medians | events/s | CPU s per million | peak MB | start to first output, ms |\n|---|--:|--:|--:|--:|\n",
    );
    for medians in parts {
        let sides = [("Riverrun", &medians.product), ("Kafka Streams", &medians.streams), ("bare loop", &medians.bare)];
        for (side, Run { figures, first_output_ms, .. }) in sides {
            let _ = writeln!(
                text,
                "| {}, {side} | {} | {:.2} | {:.0} | {first_output_ms:.0} |",
                medians.part.name(),
                report::thousands(figures.events_per_second),
                figures.cpu_seconds_per_million,
                figures.peak_memory_mb
            );
        }
    }
    text
}

fn ratios(medians: &Medians) -> Vec<Aim> {
    let Medians { part, product, streams, bare } = medians;
    let part_name = part.name();
    let rate = |run: &Run| run.figures.events_per_second;
    let cpu = |run: &Run| run.figures.cpu_seconds_per_million;
    let memory = |run: &Run| run.figures.peak_memory_mb;
    let of = |what: &str, figure: fn(&Run) -> f64, other: &Run, goal: Goal| Aim {
        what: format!("{part_name}: {what}"),
        figure: figure(product) / figure(other),
        goal,
    };
    let mut ratios = match part {
        Part::Snapshot => vec![
            of("events per second of Kafka Streams", rate, streams, Goal::AtLeast(3.0)),
            of("CPU seconds of Kafka Streams", cpu, streams, Goal::AtMost(0.35)),
            of("memory of Kafka Streams", memory, streams, Goal::AtMost(0.3)),
            of("start to first output of Kafka Streams", |run| run.first_output_ms, streams, Goal::AtMost(0.2)),
        ],
        Part::Count => vec![
            of("events per second of Kafka Streams", rate, streams, Goal::AtLeast(2.0)),
            of("CPU seconds of Kafka Streams", cpu, streams, Goal::AtMost(0.5)),
        ],
    };
    ratios.push(of("events per second of the bare loop", rate, bare, Goal::AtLeast(0.6)));
    ratios
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    #[test]
    fn a_ratio_stands_beside_what_was_asked_for() {
        let run = |rate, cpu| Run {
            figures: Figures { events_per_second: rate, cpu_seconds_per_million: cpu, ..Figures::default() },
            ..Run::default()
        };
        let part =
            Medians { part: Part::Count, product: run(50.0, 3.0), streams: run(20.0, 5.0), bare: run(100.0, 1.0) };
        let found: Vec<String> =
            ratios(&part).iter().map(|ratio| format!("{} {:.2}", ratio.what, ratio.figure)).collect();
        let expected = [
            "count: events per second of Kafka Streams 2.50",
            "count: CPU seconds of Kafka Streams 0.60",
            "count: events per second of the bare loop 0.50",
        ];
        assert_eq!(found, expected);
    }
}
