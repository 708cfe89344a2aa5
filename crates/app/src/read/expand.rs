//! From what a pipeline says to its steps: fragments are put where they are used, and every step gets its name.
//!
//! The graph knows no fragments, so each step's place in it is noted with its place in the file, for what is found wrong later.

use std::collections::{BTreeMap, HashMap};

use riverrun_event::{ModelName, NameError, OperatorName, TopicName};
use riverrun_topology::operators::branch::{Arm, Branch};
use riverrun_topology::operators::merge::Merge;
use riverrun_topology::{Operator, Sink, Step, StepNames};

use super::At;
use super::fragment::{FRAGMENT_DEPTH_MAX, Fragments};
use super::reader::Reader;
use super::sink::SinkPart;
use super::step::{Does, StepPart, WayPart};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Most steps of one pipeline; fragments that use fragments would otherwise multiply without bound.
const STEPS_MAX: usize = 1_000;

/// The steps of a pipeline, and what they name.
#[derive(Default)]
pub(crate) struct Expanded {
    pub(crate) steps: Vec<Step>,
    pub(crate) models: Vec<At<ModelName>>,
    pub(crate) transformers: Vec<At<String>>,
    /// Topics that come in later: by `merge`, or to an operator that reads several.
    pub(crate) merged: Vec<At<TopicName>>,
    /// Topics that ways of branches and operators write.
    pub(crate) outputs: Vec<At<TopicName>>,
    /// For each step and way: its path in the graph, and in the file.
    pub(crate) places: BTreeMap<String, String>,
    /// Whether everything could be put in its place.
    pub(crate) is_whole: bool,
}

/// Names within one pipeline, or one use of a fragment.
#[derive(Default)]
struct Names {
    steps: StepNames,
    uses: BTreeMap<OperatorName, usize>,
}

struct Expansion<'r, 's, 'f> {
    reader: &'r mut Reader<'s>,
    fragments: &'f Fragments,
    /// Names that the file states.
    stated: HashMap<OperatorName, Span>,
    count: usize,
    /// The fragments that are being put in.
    within: Vec<OperatorName>,
    out: Expanded,
}

impl Reader<'_> {
    /// Expands the steps of a pipeline that stand at `place` of the graph.
    pub(super) fn expand(&mut self, parts: &[StepPart], fragments: &Fragments, place: &str) -> Expanded {
        let out = Expanded { is_whole: true, ..Expanded::default() };
        let mut expansion =
            Expansion { reader: self, fragments, stated: HashMap::new(), count: 0, within: Vec::new(), out };
        let mut steps = Vec::new();
        expansion.steps(parts, place, &mut Names::default(), &mut steps);
        Expanded { steps, ..expansion.out }
    }
}

impl Expansion<'_, '_, '_> {
    fn steps(&mut self, parts: &[StepPart], place: &str, names: &mut Names, into: &mut Vec<Step>) {
        for part in parts {
            if self.count > STEPS_MAX {
                return;
            }
            // Uses count too: fragments without steps would otherwise multiply unseen.
            self.count += 1;
            if self.count > STEPS_MAX {
                let message = format!("the pipeline has more than {STEPS_MAX} steps");
                return self
                    .refuse(Diagnostic::error(codes::TOO_LARGE, part.span, message).note("too many from here on"));
            }
            if let Some(Does::Use(fragment)) = &part.does {
                self.fragment(part, fragment, place, names, into);
                continue;
            }
            let place = format!("{place}[{}]", into.len());
            self.out.places.insert(place.clone(), part.place.clone());
            match self.step(part, &place, names) {
                Some(step) => into.push(step),
                None => self.out.is_whole = false,
            }
        }
    }

    fn step(&mut self, part: &StepPart, place: &str, names: &mut Names) -> Option<Step> {
        self.out.models.extend(part.models.iter().cloned());
        self.out.transformers.extend(part.transformer.clone());
        self.out.merged.extend(part.inputs.iter().cloned());
        self.out.outputs.extend(part.outputs.iter().cloned());
        let does = part.does.as_ref()?;
        let (verb, own_name) = match does {
            Does::Operator(operator) => (operator.verb(), operator.own_name()),
            Does::Branch(_) => ("branch", None),
            Does::Merge { .. } => ("merge", None),
            Does::Use(_) => return None,
        };
        let stated = part.name.as_ref().map(|name| name.value.as_str());
        let name = self.named(names.steps.next(verb, stated.or(own_name)), part.span)?;
        self.state(part.name.as_ref(), &name);
        let operator = match does {
            Does::Operator(operator) => operator.clone(),
            Does::Branch(ways) => {
                let arms = ways.iter().filter_map(|way| self.way(way, part, &name, place, names));
                Operator::Branch(Branch { arms: arms.collect() })
            }
            Does::Merge { from, steps } => {
                self.out.merged.push(from.clone());
                let mut own = Vec::new();
                self.steps(steps, &format!("{place}.merge.steps"), names, &mut own);
                Operator::Merge(Merge { from: from.value.clone(), steps: own })
            }
            Does::Use(_) => return None,
        };
        Some(Step { name, operator })
    }

    fn way(
        &mut self,
        way: &WayPart,
        part: &StepPart,
        branch: &OperatorName,
        place: &str,
        names: &mut Names,
    ) -> Option<Arm> {
        let name = match &way.name {
            Some(stated) => names.steps.qualified(stated.value.as_str()),
            None => OperatorName::new(&Arm::default_of(branch)),
        };
        let name = self.named(name, way.name.as_ref().map_or(part.span, |name| name.span))?;
        self.state(way.name.as_ref(), &name);
        let place = format!("{place}.branch.{name}");
        self.out.places.insert(place.clone(), way.place.clone());
        let mut steps = Vec::new();
        self.steps(&way.steps, &format!("{place}.steps"), names, &mut steps);
        let to = way.to.as_ref().map(|to| self.sink(to));
        Some(Arm { name, when: way.when.clone(), steps, to })
    }

    fn sink(&mut self, part: &SinkPart) -> Sink {
        self.out.outputs.extend(part.topics.iter().cloned());
        part.sink.clone()
    }

    /// Puts the steps of a fragment in the place of its use.
    fn fragment(
        &mut self,
        part: &StepPart,
        used: &At<OperatorName>,
        place: &str,
        names: &mut Names,
        into: &mut Vec<Step>,
    ) {
        let fragments = self.fragments;
        let Some(fragment) = self.reader.used_fragment(used, fragments) else {
            self.out.is_whole = false;
            return;
        };
        fragment.is_used.set(true);
        self.out.is_whole &= fragment.is_whole;
        let count = names.uses.entry(used.value.clone()).or_default();
        *count += 1;
        let default = if *count == 1 { used.value.to_string() } else { format!("{}-{count}", used.value) };
        let stated = part.name.as_ref().map_or(default.as_str(), |name| name.value.as_str());
        let Some(owner) = self.named(names.steps.qualified(stated), used.span) else { return };
        self.state(part.name.as_ref(), &owner);
        // A fragment within itself was reported where it is declared.
        if self.within.contains(&used.value) {
            self.out.is_whole = false;
            return;
        }
        if self.within.len() >= FRAGMENT_DEPTH_MAX {
            let message = format!("fragments use one another more than {FRAGMENT_DEPTH_MAX} deep");
            return self.refuse(Diagnostic::error(codes::TOO_LARGE, used.span, message).note("too deep"));
        }
        self.within.push(used.value.clone());
        let mut inner = Names { steps: StepNames::within(&owner), uses: BTreeMap::new() };
        self.steps(&fragment.steps, place, &mut inner, into);
        self.within.pop();
    }

    /// Two steps must not state the same name.
    fn state(&mut self, stated: Option<&At<OperatorName>>, name: &OperatorName) {
        let Some(stated) = stated else { return };
        if let Some(first) = self.stated.insert(name.clone(), stated.span) {
            self.refuse(
                Diagnostic::error(codes::DUPLICATE, stated.span, format!("two steps are named `{name}`"))
                    .note("the second one")
                    .label(first, "the first one")
                    .help("a step's name owns its state, and a way's names what leaves there; give each its own"),
            );
        }
    }

    fn named(&mut self, name: Result<OperatorName, NameError>, span: Span) -> Option<OperatorName> {
        match name {
            Ok(name) => Some(name),
            Err(error) => {
                let message = format!("the step cannot be named: {error}");
                let diagnostic = Diagnostic::error(codes::NAME, span, message).note("with what stands before it");
                self.refuse(diagnostic.help("shorten its name, or that of the fragment or branch it is in"));
                None
            }
        }
    }

    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.out.is_whole = false;
        self.reader.report(diagnostic);
    }
}
