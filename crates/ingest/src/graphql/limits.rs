//! How deep and how costly an operation is, counted on the parsed document before it is validated and run.
//!
//! Fragments count wherever they are spread, and counting stops at the first limit passed, so that fragments within fragments
//! cost no time either. Every field and fragment costs 1, a root field that goes to the log [`ROOT_COST`]. Below `__schema` and
//! `__type` more depth is allowed, as the usual introspection query needs it, but lists of fields and types may not be nested
//! again and again: each level would multiply the answer.

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use riverrun_event::limits::{GRAPHQL_ALIASES_MAX, GRAPHQL_COMPLEXITY_MAX, GRAPHQL_DEPTH_MAX};

use super::GraphqlError;

/// What a root field costs that reads or writes the log: with the complexity allowed, nine of them fit a request.
const ROOT_COST: usize = 100;
/// Levels of an introspection: those of the usual query (15, with types wrapped nine times) and some more.
const INTROSPECTION_DEPTH_MAX: usize = 20;
/// Lists within lists of an introspection; the usual query needs two (`fields` and their `args`).
const INTROSPECTION_LISTS_MAX: usize = 3;

/// Refuses an operation beyond the limits; `name` selects it, `None` is the only one.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), GraphqlError> {
    document.operations.iter().try_for_each(|(_, operation)| operation_within(document, &operation.node))
}

fn operation_within(document: &ExecutableDocument, operation: &OperationDefinition) -> Result<(), GraphqlError> {
    let mut count = Count { document, cost: 0, aliases: 0 };
    count.selections(&operation.selection_set.node, Place { depth: 1, introspection: false, lists: 0 })
}

/// What was counted of one operation.
struct Count<'a> {
    document: &'a ExecutableDocument,
    cost: usize,
    aliases: usize,
}

/// Where a selection stands.
#[derive(Clone, Copy)]
struct Place {
    /// 1 at the root.
    depth: usize,
    introspection: bool,
    /// Lists of an introspection around it.
    lists: usize,
}

impl Count<'_> {
    fn selections(&mut self, selections: &SelectionSet, place: Place) -> Result<(), GraphqlError> {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, place)?,
                Selection::InlineFragment(inline) => {
                    self.pay(1)?;
                    self.selections(&inline.node.selection_set.node, place)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.pay(1)?;
                    // A fragment that spreads itself runs out of complexity; one that is missing, validation names.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.selections(&fragment.node.selection_set.node, place)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, place: Place) -> Result<(), GraphqlError> {
        let name = field.name.node.as_str();
        let is_meta = name.starts_with("__");
        self.pay(if place.depth == 1 && !is_meta { ROOT_COST } else { 1 })?;
        self.aliases += usize::from(field.alias.is_some());
        within("too many aliases", self.aliases, GRAPHQL_ALIASES_MAX)?;
        let introspection = place.introspection || (place.depth == 1 && matches!(name, "__schema" | "__type"));
        let depth_max = if introspection { INTROSPECTION_DEPTH_MAX } else { GRAPHQL_DEPTH_MAX };
        within("fields within too many fields", place.depth, depth_max)?;
        let is_list =
            introspection && matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes" | "args");
        let lists = place.lists + usize::from(is_list);
        within("lists within too many lists of an introspection", lists, INTROSPECTION_LISTS_MAX)?;
        let inner = Place { depth: place.depth + 1, introspection, lists };
        self.selections(&field.selection_set.node, inner)
    }

    fn pay(&mut self, cost: usize) -> Result<(), GraphqlError> {
        self.cost += cost;
        within("too much complexity", self.cost, GRAPHQL_COMPLEXITY_MAX)
    }
}

fn within(what: &'static str, count: usize, most: usize) -> Result<(), GraphqlError> {
    if count > most { Err(GraphqlError::Limit { what, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn check_limit(document: &str, expected: Option<&str>) {
        let parsed = parse_query(document).unwrap_or_else(|error| panic!("{error}: {document}"));
        let refused = check(&parsed).err().map(|error| error.to_string());
        let fits = match (&refused, expected) {
            (Some(refused), Some(expected)) => refused.contains(expected),
            (None, None) => true,
            _ => false,
        };
        assert!(fits, "{refused:?}, not {expected:?}: {document}");
    }

    fn nested(levels: usize) -> String {
        format!("{{{}x{}}}", "a{".repeat(levels - 1), "}".repeat(levels - 1))
    }

    #[test]
    fn depth_complexity_and_aliases_are_bounded() {
        check_limit(&nested(GRAPHQL_DEPTH_MAX), None);
        check_limit(&nested(GRAPHQL_DEPTH_MAX + 1), Some("fields within"));
        let aliased = |count: usize| format!("{{a{{{}}}}}", (0..count).map(|n| format!("x{n}:b ")).collect::<String>());
        check_limit(&aliased(GRAPHQL_ALIASES_MAX), None);
        check_limit(&aliased(GRAPHQL_ALIASES_MAX + 1), Some("aliases"));
        check_limit(&format!("{{a{{{}}}}}", "b ".repeat(900)), None);
        check_limit(&format!("{{a{{{}}}}}", "b ".repeat(901)), Some("complexity"));
        check_limit(&format!("{{{}}}", "a ".repeat(10)), None);
        check_limit(&format!("{{{}}}", "a ".repeat(11)), Some("complexity"));
    }

    #[test]
    fn fragments_count_wherever_they_are_spread() {
        let fragments: String = (0..30).map(|n| format!("fragment f{n} on T{{...f{} ...f{}}}", n + 1, n + 1)).collect();
        check_limit(&format!("{{a{{...f0}}}} {fragments}fragment f30 on T{{x}}"), Some("complexity"));
        check_limit("{a{...f}} fragment f on T{...f}", Some("complexity"));
        check_limit("{a{...f}} fragment f on T{b{...f}}", Some("fields within"));
    }

    #[test]
    fn an_introspection_goes_deeper_but_not_round_in_circles() {
        let of_type = |levels: usize| format!("{}name{}", "ofType{".repeat(levels), "}".repeat(levels));
        let usual = |levels| format!("{{__schema{{types{{fields{{args{{type{{{}}}}}}}}}}}}}", of_type(levels));
        check_limit(&usual(9), None);
        check_limit(&usual(15), Some("fields within"));
        let circle = "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}";
        check_limit(circle, Some("lists within"));
        // The names mean nothing elsewhere.
        check_limit("{a{__schema{b{c{d{e{f{g{h{i{j{k{l}}}}}}}}}}}}}", Some("fields within"));
    }
}
