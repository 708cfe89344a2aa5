//! A pipeline's tree of steps made ready to run: laid out flat, with each step knowing what comes after it, so that stepping an
//! event walks no tree and allocates nothing for the way it takes.

use riverrun_event::limits::FAN_OUT_EVENTS_MAX;
use riverrun_event::{OperatorName, TopicName};
use riverrun_topology::operators::flat_map::flood;
use riverrun_topology::{Draft, Flow, Operator, Pipeline, Sink, Step, StepContext, StepError};

/// The steps of a pipeline and the places where events leave it.
pub(crate) struct Program {
    nodes: Vec<Node>,
    exits: Vec<Exit>,
    start: Target,
    /// Where the events of topics come in that a merge lets in.
    merges: Vec<(TopicName, Target)>,
}

/// A place where events leave the pipeline.
pub(crate) struct Exit {
    /// Names it in ids and errors.
    pub(crate) name: OperatorName,
    pub(crate) sink: Sink,
}

/// An event that has come to an exit.
pub(crate) struct Finished {
    /// Which exit, by its place in [`Program::exits`].
    pub(crate) exit: usize,
    pub(crate) draft: Draft,
}

struct Node {
    step: Step,
    next: Target,
    /// Where the ways of a branch begin.
    ways: Vec<Target>,
}

#[derive(Clone, Copy)]
enum Target {
    Node(usize),
    Exit(usize),
    /// Where no event comes, as the check of the topology has found.
    Nowhere,
}

/// Said when the topology was never checked.
const NOWHERE: &str = "an event came to a place of the pipeline that leads nowhere";

impl Program {
    pub(crate) fn new(pipeline: &Pipeline) -> Self {
        let mut program = Self { nodes: Vec::new(), exits: Vec::new(), start: Target::Nowhere, merges: Vec::new() };
        let last = program.exit(None, pipeline.to.as_ref()).unwrap_or(Target::Nowhere);
        program.start = program.lay_out(&pipeline.steps, last);
        program
    }

    pub(crate) fn exits(&self) -> &[Exit] {
        &self.exits
    }

    fn exit(&mut self, way: Option<&OperatorName>, sink: Option<&Sink>) -> Option<Target> {
        let sink = sink?.clone();
        self.exits.push(Exit { name: OperatorName::of_sink(way), sink });
        Some(Target::Exit(self.exits.len() - 1))
    }

    /// Lays out steps, the last first, so that each finds what comes after it; gives where they begin.
    fn lay_out(&mut self, steps: &[Step], after: Target) -> Target {
        let mut next = after;
        for step in steps.iter().rev() {
            if let Operator::Merge(merge) = &step.operator {
                let entry = self.lay_out(&merge.steps, next);
                self.merges.push((merge.from.clone(), entry));
                continue;
            }
            let mut ways = Vec::new();
            for arm in step.operator.arms() {
                let last = self.exit(Some(&arm.name), arm.to.as_ref()).unwrap_or(next);
                ways.push(self.lay_out(&arm.steps, last));
            }
            self.nodes.push(Node { step: step.clone(), next, ways });
            next = Target::Node(self.nodes.len() - 1);
        }
        next
    }

    /// Runs an event of `topic` through the steps.
    pub(crate) fn run(
        &self,
        topic: &TopicName,
        draft: Draft,
        context: &mut StepContext<'_>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), StepError> {
        let entry = self.merges.iter().find(|(merged, _)| merged == topic).map_or(self.start, |(_, entry)| *entry);
        self.run_from(entry, draft, context, finished)
    }

    fn run_from(
        &self,
        mut target: Target,
        mut draft: Draft,
        context: &mut StepContext<'_>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), StepError> {
        loop {
            let index = match target {
                Target::Node(index) => index,
                Target::Exit(exit) => return self.finish(Finished { exit, draft }, finished),
                Target::Nowhere => break,
            };
            let Some(node) = self.nodes.get(index) else { break };
            target = match node.step.operator.apply(&node.step.name, &mut draft, context)? {
                Flow::Pass => node.next,
                Flow::Enter(way) => node.ways.get(way).copied().unwrap_or(node.next),
                Flow::Drop => return Ok(()),
                Flow::Replace(drafts) => {
                    return drafts.into_iter().try_for_each(|draft| self.run_from(node.next, draft, context, finished));
                }
            };
        }
        Err(StepError::Fatal(NOWHERE.to_owned()))
    }

    fn finish(&self, event: Finished, finished: &mut Vec<Finished>) -> Result<(), StepError> {
        if finished.len() >= FAN_OUT_EVENTS_MAX {
            let exit = self.exits.get(event.exit);
            return Err(exit.map_or(StepError::Fatal(NOWHERE.to_owned()), |exit| flood(&exit.name)));
        }
        finished.push(event);
        Ok(())
    }
}
