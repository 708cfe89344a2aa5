//! The schema: its three roots, and its text.

use super::publish::Mutation;
use super::read::Query;
use super::subscribe::Subscription;

/// The schema of the door.
pub(super) type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// How far the library may recurse into a document; [`super::limits`] has refused what is deeper before.
const RECURSION_MAX: usize = 64;

pub(super) fn build() -> Schema {
    Schema::build(Query, Mutation, Subscription).limit_recursive_depth(RECURSION_MAX).finish()
}

/// The schema in GraphQL's own language, as docs/schema.graphql has it.
#[must_use]
pub fn sdl() -> String {
    build().sdl()
}
