//! The codes of this crate, one page each in docs/errors. A code never changes its meaning.

/// The file is no valid YAML.
pub(crate) const SYNTAX: &str = "RR0001";
/// The file is too large, too deep, or grows too much through aliases.
pub(crate) const TOO_LARGE: &str = "RR0002";
/// A field that does not exist.
pub(crate) const UNKNOWN_FIELD: &str = "RR0003";
/// The same field or name twice.
pub(crate) const DUPLICATE: &str = "RR0004";
/// A field that has to be there is not.
pub(crate) const MISSING_FIELD: &str = "RR0005";
/// A list where a text is expected, and the like.
pub(crate) const WRONG_KIND: &str = "RR0006";
/// A name with characters names do not have.
pub(crate) const NAME: &str = "RR0007";
/// A value that is not what the field takes.
pub(crate) const VALUE: &str = "RR0008";
/// An expression that does not parse.
pub(crate) const EXPRESSION: &str = "RR0009";
/// A field path that is none.
pub(crate) const PATH: &str = "RR0010";
/// A topic or model is named that is not declared.
pub(crate) const REFERENCE: &str = "RR0011";
/// A `${env:...}` or `${file:...}` that cannot be filled in.
pub(crate) const SUBSTITUTION: &str = "RR0012";
/// A step that says nothing, or several things.
pub(crate) const STEP: &str = "RR0013";
/// The graph as a whole cannot run.
pub(crate) const TOPOLOGY: &str = "RR0014";
/// A log that this build does not have.
pub(crate) const LOG: &str = "RR0015";
/// A transformer that is not compiled in.
pub(crate) const TRANSFORMER: &str = "RR0016";
/// The file cannot be read; printed without a snippet.
pub(crate) const UNREADABLE: &str = "RR0017";
/// A YAML alias or tag that means nothing here.
pub(crate) const YAML_FEATURE: &str = "RR0018";
/// Fragments that use one another in a circle.
pub(crate) const FRAGMENT_CYCLE: &str = "RR0030";
/// A fragment that no pipeline uses.
pub(crate) const UNUSED_FRAGMENT: &str = "RR0031";
/// A join that would wait for ever.
pub(crate) const UNBOUNDED: &str = "RR0035";
/// Fields of a step that do not go together.
pub(crate) const STEP_FIELDS: &str = "RR0036";
/// A window of no kind, or of several.
pub(crate) const WINDOW: &str = "RR0032";

/// An `include` that names no files.
pub(crate) const INCLUDE: &str = "RR0019";
/// A field in a file of the app that is not the one it belongs into.
pub(crate) const MISPLACED: &str = "RR0020";
/// An environment without a file; printed without a snippet.
pub(crate) const ENVIRONMENT: &str = "RR0021";
/// A test file that cannot be read; printed without a snippet.
pub(crate) const TEST_UNREADABLE: &str = "RR0040";
/// Fields of a test that do not go together.
pub(crate) const TEST_FIELDS: &str = "RR0041";
/// A test that cannot fail.
pub(crate) const TEST_EMPTY: &str = "RR0042";
/// Answers for lookups that the app does not make.
pub(crate) const TEST_LOOKUPS: &str = "RR0043";

/// A topic that nothing reads or writes.
pub(crate) const UNUSED_TOPIC: &str = "RR0050";
/// A model that no snapshot takes.
pub(crate) const UNUSED_MODEL: &str = "RR0051";
/// An address others can reach, without tokens.
pub(crate) const OPEN_ADDRESS: &str = "RR0052";
/// A secret written into the file.
pub(crate) const PLAIN_SECRET: &str = "RR0053";
