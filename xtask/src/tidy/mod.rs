//! `cargo xtask tidy`: the rules of the tree that neither the compiler nor clippy knows.
//!
//! Each rule is a file with a function that gives findings; this one runs them all and prints every finding, however many
//! there are. Tidy changes nothing, except the index of error pages with `--index`.

mod crate_table;
mod dependencies;
mod error_pages;
mod finding;
mod links;
mod metadata;
mod ratchet;
mod rust_text;
mod sources;

use crate::{Failure, tree};
use finding::Finding;

/// Runs every rule.
///
/// # Errors
/// An argument is unknown, the tree could not be read, or there are findings (they have been printed by then).
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => {}
        [option] if option == "--index" => return error_pages::write_index(&tree::files(".md")?),
        _ => return Err("the only option is --index".into()),
    }
    let sources = tree::files(".rs")?;
    let documents = tree::files(".md")?;
    let metadata = metadata::load()?;

    let rules: [(&str, Vec<Finding>); 6] = [
        ("crate table", crate_table::check(&documents, &metadata)),
        ("dependencies", dependencies::check(&metadata)),
        ("sizes", ratchet::check(&sources)?),
        ("sources", sources::check(&sources)),
        ("error pages", error_pages::check(&sources, &documents)),
        ("links", links::check(&documents, &tree::root())),
    ];
    let mut count = 0;
    for (rule, findings) in &rules {
        for finding in findings {
            println!("{finding} [{rule}]");
        }
        count += findings.len();
    }
    println!("tidy: {} source files, {} documents, {count} findings", sources.len(), documents.len());
    if count == 0 { Ok(()) } else { Err(format!("{count} findings, listed above").into()) }
}
