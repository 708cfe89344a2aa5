//! `fragments`: named lists of steps, and where they use one another.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::OperatorName;

use super::At;
use super::reader::Reader;
use super::step::{Does, StepPart};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::spelling;
use crate::yaml::{Entry, Node};

/// Deepest use of fragments within fragments; nobody could follow more.
pub(super) const FRAGMENT_DEPTH_MAX: usize = 32;

/// The fragments of a file.
#[derive(Default)]
pub(crate) struct Fragments(BTreeMap<OperatorName, FragmentPart>);

/// One of them. What could not be read is left out, and `is_whole` is false then.
pub(crate) struct FragmentPart {
    pub(crate) name: At<OperatorName>,
    pub(super) steps: Vec<StepPart>,
    pub(super) is_whole: bool,
    /// Whether anything uses it.
    pub(crate) is_used: Cell<bool>,
}

impl Fragments {
    pub(super) fn find(&self, name: &OperatorName) -> Option<&FragmentPart> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &FragmentPart> {
        self.0.values()
    }
}

impl Reader<'_> {
    pub(super) fn fragments(&mut self, node: &Node) -> Fragments {
        let entries = self.named(node, "lists of steps by name, such as `clean: [{ remove: data.card }]`");
        let read = entries.iter().filter_map(|entry| self.fragment(entry));
        let fragments = Fragments(read.map(|fragment| (fragment.name.value.clone(), fragment)).collect());
        let mut done = BTreeSet::new();
        for fragment in fragments.iter() {
            self.cycles(fragment, &fragments, &mut Vec::new(), &mut done);
        }
        fragments
    }

    fn fragment(&mut self, entry: &Entry) -> Option<FragmentPart> {
        let before = self.diagnostics.len();
        let name = self.key_name(&entry.name, entry.name_span, "a fragment", OperatorName::new)?;
        let steps = self.steps(&entry.node, &format!("fragments.{}", entry.name));
        let is_whole = self.diagnostics.len() == before;
        Some(FragmentPart { name, steps, is_whole, is_used: Cell::new(false) })
    }

    /// Follows the uses of a fragment; each cycle is reported once, at the use that closes it.
    fn cycles<'f>(
        &mut self,
        fragment: &'f FragmentPart,
        fragments: &'f Fragments,
        way: &mut Vec<&'f FragmentPart>,
        done: &mut BTreeSet<&'f OperatorName>,
    ) {
        // Deeper ones are refused where they are used.
        if done.contains(&fragment.name.value) || way.len() > FRAGMENT_DEPTH_MAX {
            return;
        }
        way.push(fragment);
        for used in uses(&fragment.steps) {
            if let Some(start) = way.iter().position(|earlier| earlier.name.value == used.value) {
                self.cycle(way.get(start..).unwrap_or_default(), used);
            } else if let Some(next) = fragments.find(&used.value) {
                self.cycles(next, fragments, way, done);
            }
        }
        way.pop();
        done.insert(&fragment.name.value);
    }

    fn cycle(&mut self, around: &[&FragmentPart], closing: &At<OperatorName>) {
        let names: Vec<&str> = around.iter().map(|fragment| fragment.name.value.as_str()).collect();
        let message =
            format!("the fragment `{}` uses itself: {} -> {}", closing.value, names.join(" -> "), closing.value);
        let mut diagnostic = Diagnostic::error(codes::FRAGMENT_CYCLE, closing.span, message).note("leads back to it");
        for (fragment, next) in around.iter().zip(around.iter().skip(1)) {
            if let Some(used) = uses(&fragment.steps).into_iter().find(|used| used.value == next.name.value) {
                diagnostic = diagnostic.label(used.span, format!("`{}` uses it here", fragment.name.value));
            }
        }
        self.report(diagnostic.help("steps cannot hold themselves; take one of these uses out"));
    }

    /// The fragment a step uses; reports when there is none of the name.
    pub(super) fn used_fragment<'f>(
        &mut self,
        name: &At<OperatorName>,
        fragments: &'f Fragments,
    ) -> Option<&'f FragmentPart> {
        let found = fragments.find(&name.value);
        if found.is_none() {
            let known = fragments.0.keys().map(OperatorName::as_str);
            let help = match spelling::nearest(name.value.as_str(), known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it: `fragments: {{ {}: [...] }}`", name.value),
            };
            let message = format!("there is no fragment `{}`", name.value);
            self.report(Diagnostic::error(codes::REFERENCE, name.span, message).note("unknown").help(help));
        }
        found
    }
}

/// The fragments that steps use, those within them too.
fn uses(steps: &[StepPart]) -> Vec<&At<OperatorName>> {
    let mut used = Vec::new();
    for step in steps {
        match &step.does {
            Some(Does::Use(name)) => used.push(name),
            Some(Does::Branch(ways)) => used.extend(ways.iter().flat_map(|way| uses(&way.steps))),
            Some(Does::Merge { steps, .. }) => used.extend(uses(steps)),
            Some(Does::Operator(_)) | None => {}
        }
    }
    used
}
