//! Pipelines that feed each other in a circle: what goes round once goes round for ever.

use std::collections::BTreeSet;

use riverrun_event::PipelineName;

use crate::pipeline::Pipeline;

use super::Findings;

impl Findings<'_> {
    /// Refuses every circle of pipelines, once each. One that feeds itself is told so where it writes.
    pub(super) fn cycles(&mut self) {
        let mut told: BTreeSet<PipelineName> = BTreeSet::new();
        let pipelines: Vec<&Pipeline> = self.topology.pipelines.values().collect();
        for first in &pipelines {
            if told.contains(&first.name) {
                continue;
            }
            let Some(circle) = circle_from(first, &pipelines) else { continue };
            let names: Vec<&str> = circle.iter().chain([first]).map(|pipeline| pipeline.name.as_str()).collect();
            told.extend(circle.iter().map(|pipeline| pipeline.name.clone()));
            let message = format!(
                "the pipelines {} feed each other in a circle, so an event would go round without end; let one of them write a topic \
                 that the others do not read",
                names.join(" -> ")
            );
            self.refuse(format!("pipelines.{}.from", first.name), message);
        }
    }
}

/// The pipelines on a way from one back to itself, itself first; none where there is no such way over others.
fn circle_from<'p>(first: &'p Pipeline, pipelines: &[&'p Pipeline]) -> Option<Vec<&'p Pipeline>> {
    let mut seen: BTreeSet<&PipelineName> = BTreeSet::from([&first.name]);
    let mut ways: Vec<Vec<&Pipeline>> = vec![vec![first]];
    while let Some(way) = ways.pop() {
        let Some(last) = way.last() else { continue };
        let written = last.outputs();
        let fed = pipelines.iter().filter(|pipeline| pipeline.inputs().iter().any(|input| written.contains(input)));
        for next in fed {
            if next.name == first.name && way.len() > 1 {
                return Some(way);
            }
            if seen.insert(&next.name) {
                ways.push(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}
