//! What cargo knows of the workspace: its own crates with whom they use, and every package of the lock file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{Failure, process, tree};

/// The answer of `cargo metadata`, as far as the rules need it.
pub(crate) struct Metadata {
    /// The workspace's crates by the name the crate table gives them (`event`, `testing/torture`).
    pub(crate) members: BTreeMap<String, Uses>,
    /// Every package of the lock file that some build of the workspace uses.
    pub(crate) packages: Vec<Package>,
}

/// Which crates of the workspace a crate uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// In its code and build script.
    pub(crate) code: BTreeSet<String>,
    /// In its tests, and not in its code.
    pub(crate) tests: BTreeSet<String>,
}

/// A package from outside or of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression of its manifest.
    pub(crate) license: Option<String>,
}

/// Asks cargo. The lock file is taken as it is: one that does not fit the manifests is an error.
pub(crate) fn load() -> Result<Metadata, Failure> {
    let output = process::cargo(&["metadata", "--format-version", "1", "--locked", "--quiet"]).output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let parsed: Value = serde_json::from_slice(&output.stdout)?;
    let packages = parsed.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
    let names: BTreeMap<String, String> = packages.iter().filter_map(internal_name).collect();
    let members = packages
        .iter()
        .filter_map(|package| internal_name(package).map(|(_, name)| (name, uses(package, &names))))
        .collect();
    Ok(Metadata { members, packages: packages.iter().map(package).collect() })
}

/// The package's name and what the crate table calls it, when it belongs to the workspace.
fn internal_name(package: &Value) -> Option<(String, String)> {
    if !package.get("source")?.is_null() {
        return None;
    }
    let root = format!("{}/", tree::root().display());
    let folder = text(package, "manifest_path").strip_prefix(&root)?.strip_suffix("/Cargo.toml")?.to_owned();
    Some((text(package, "name").to_owned(), folder.strip_prefix("crates/").unwrap_or(&folder).to_owned()))
}

fn uses(package: &Value, names: &BTreeMap<String, String>) -> Uses {
    let mut uses = Uses::default();
    for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = names.get(text(dependency, "name")).filter(|_| dependency.get("path").is_some()) else {
            continue;
        };
        match text(dependency, "kind") {
            // A crate may name itself, to turn on a feature of its own for its tests.
            _ if text(dependency, "name") == text(package, "name") => false,
            "dev" => uses.tests.insert(name.clone()),
            _ => uses.code.insert(name.clone()),
        };
    }
    uses.tests.retain(|name| !uses.code.contains(name));
    uses
}

fn package(value: &Value) -> Package {
    Package {
        name: text(value, "name").to_owned(),
        version: text(value, "version").to_owned(),
        license: value.get("license").and_then(Value::as_str).map(str::to_owned),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
