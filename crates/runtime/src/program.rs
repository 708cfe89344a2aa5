//! A pipeline's tree of steps made ready to run: laid out flat, with each step knowing what comes after it, so that stepping an
//! event walks no tree and allocates nothing for the way it takes.

use riverrun_event::limits::FAN_OUT_EVENTS_MAX;
use riverrun_event::{OperatorName, PipelineName, TopicName};
use riverrun_topology::operators::flat_map::flood;
use riverrun_topology::{Draft, Flow, Operator, Partitioner, Pipeline, Sink, Step, StepContext, StepError, Timer};

/// The steps of a pipeline and the places where events leave it.
pub(crate) struct Program {
    nodes: Vec<Node>,
    exits: Vec<Exit>,
    start: Target,
    /// Where the events of topics come in that enter later: by a merge, as a further input of a step, or from where events
    /// meet that were dealt out anew.
    entries: Vec<(TopicName, Target)>,
    pipeline: PipelineName,
    /// The topics whose events begin with the first step.
    from: Vec<TopicName>,
}

/// A place where events leave the pipeline.
pub(crate) struct Exit {
    /// Names it in ids and errors.
    pub(crate) name: OperatorName,
    pub(crate) sink: Sink,
    /// Where events are dealt out anew: how.
    pub(crate) repartition: Option<Partitioner>,
}

/// What a timer gave.
pub(crate) struct Fired {
    pub(crate) drafts: Vec<Draft>,
    /// Where they go on.
    pub(crate) next: Target,
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
    /// Where the ways of a branch begin, or the one of what comes too late.
    ways: Vec<Target>,
}

/// Where an event goes on.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// A step, at one of its inputs.
    Node {
        index: usize,
        port: usize,
    },
    Exit(usize),
    /// Where no event comes, as the check of the topology has found.
    Nowhere,
}

/// Said when the topology was never checked.
const NOWHERE: &str = "an event came to a place of the pipeline that leads nowhere";

impl Program {
    pub(crate) fn new(pipeline: &Pipeline) -> Self {
        let mut program = Self {
            nodes: Vec::new(),
            exits: Vec::new(),
            start: Target::Nowhere,
            entries: Vec::new(),
            pipeline: pipeline.name.clone(),
            from: pipeline.from.clone(),
        };
        let last = program.exit(None, pipeline.to.as_ref()).unwrap_or(Target::Nowhere);
        program.start = program.lay_out(&pipeline.steps, last);
        program
    }

    pub(crate) fn exits(&self) -> &[Exit] {
        &self.exits
    }

    fn exit(&mut self, way: Option<&OperatorName>, sink: Option<&Sink>) -> Option<Target> {
        let exit = Exit { name: OperatorName::of_sink(way), sink: sink?.clone(), repartition: None };
        Some(self.leave(exit))
    }

    fn leave(&mut self, exit: Exit) -> Target {
        self.exits.push(exit);
        Target::Exit(self.exits.len() - 1)
    }

    /// Lays out steps, the last first, so that each finds what comes after it; gives where they begin.
    fn lay_out(&mut self, steps: &[Step], after: Target) -> Target {
        let mut next = after;
        for step in steps.iter().rev() {
            if let Operator::Merge(merge) = &step.operator {
                let entry = self.lay_out(&merge.steps, next);
                self.entries.push((merge.from.clone(), entry));
                continue;
            }
            if let Operator::Repartition(repartition) = &step.operator {
                next = self.meeting(step, &repartition.partitioner, next);
            }
            let mut ways = Vec::new();
            for arm in step.operator.arms() {
                let last = self.exit(Some(&arm.name), arm.to.as_ref()).unwrap_or(next);
                ways.push(self.lay_out(&arm.steps, last));
            }
            if let Some(late) = step.operator.late() {
                let name = OperatorName::of_late(&step.name);
                ways.push(self.leave(Exit { name, sink: late.clone(), repartition: None }));
            }
            self.nodes.push(Node { step: step.clone(), next, ways });
            let index = self.nodes.len() - 1;
            for (port, topic) in (1..).zip(step.operator.further_inputs()) {
                self.entries.push((topic.clone(), Target::Node { index, port }));
            }
            next = Target::Node { index, port: 0 };
        }
        next
    }

    /// Lets events leave for the topic in which they meet, and come in from there where they would have gone on.
    fn meeting(&mut self, step: &Step, partitioner: &Partitioner, next: Target) -> Target {
        let meeting = TopicName::meeting_of(&self.pipeline, &step.name);
        self.entries.push((meeting.clone(), next));
        let (name, repartition) = (step.name.clone(), Some(partitioner.clone()));
        self.leave(Exit { name, sink: Sink::Topic(meeting), repartition })
    }

    /// Runs an event of `topic` through the steps.
    pub(crate) fn run(
        &self,
        topic: &TopicName,
        draft: Draft,
        context: &mut StepContext<'_>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), StepError> {
        match self.entry(topic) {
            Some(entry) => self.run_from(entry, draft, context, finished),
            None => Ok(()),
        }
    }

    /// Where the events of a topic come in; none for a topic that only feeds models.
    pub(crate) fn entry(&self, topic: &TopicName) -> Option<Target> {
        let later = self.entries.iter().find(|(entering, _)| entering == topic).map(|(_, entry)| *entry);
        later.or_else(|| self.from.contains(topic).then_some(self.start))
    }

    /// What a timer's step makes of it, and where that goes on. None when there is no such step any more.
    pub(crate) fn fire(&self, timer: &Timer, context: &mut StepContext<'_>) -> Result<Option<Fired>, StepError> {
        let Some(index) = self.nodes.iter().position(|node| node.step.name == timer.operator) else { return Ok(None) };
        let Some(node) = self.nodes.get(index) else { return Ok(None) };
        context.port = 0;
        let drafts = node.step.operator.fire(&node.step.name, timer, context)?;
        Ok(Some(Fired { drafts, next: node.next }))
    }

    /// Runs an event that a timer gave through the steps behind.
    pub(crate) fn run_fired(
        &self,
        next: Target,
        draft: Draft,
        context: &mut StepContext<'_>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), StepError> {
        self.run_from(next, draft, context, finished)
    }

    fn run_from(
        &self,
        mut target: Target,
        mut draft: Draft,
        context: &mut StepContext<'_>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), StepError> {
        loop {
            let (index, port) = match target {
                Target::Node { index, port } => (index, port),
                Target::Exit(exit) => return self.finish(Finished { exit, draft }, finished),
                Target::Nowhere => break,
            };
            let Some(node) = self.nodes.get(index) else { break };
            context.port = port;
            let flow = node.step.operator.apply(&node.step.name, &mut draft, context)?;
            if !context.late.is_empty() {
                self.set_late_aside(node, context, finished)?;
            }
            target = match flow {
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

    /// What came too late leaves where the step says, or not at all; it is counted in both cases.
    fn set_late_aside(
        &self,
        node: &Node,
        context: &mut StepContext<'_>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), StepError> {
        let late = std::mem::take(context.late);
        context.late_count += late.len() as u64;
        let Some(Target::Exit(exit)) = node.ways.first() else { return Ok(()) };
        late.into_iter().try_for_each(|draft| self.finish(Finished { exit: *exit, draft }, finished))
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
