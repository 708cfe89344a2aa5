//! The example's Kubernetes manifests, checked against the schemas of Kubernetes; and the app file in them, checked as any.

use std::process::Command;

use crate::{Failure, packages, process, tree};

/// Checks the manifests. The command line is built already.
///
/// # Errors
/// The checker cannot be installed, or something is wrong; it has said what.
pub(crate) fn check() -> Result<(), Failure> {
    packages::debian(&packages::PYTHON)?;
    let folder = tree::root().join("examples/kubernetes");
    let python = packages::python("manifests/python", &folder.join("requirements.txt"))?;
    let manifests = folder.join("shop.yaml");
    let mut schemas = Command::new(python.with_file_name("kubernetes-validate"));
    schemas.args(["--strict", "--quiet"]).arg(&manifests);
    process::run(schemas)?;

    let app_file = tree::target_dir().join("manifests/riverrun.yaml");
    std::fs::write(&app_file, embedded(&std::fs::read_to_string(&manifests)?))?;
    let mut command_line = Command::new(tree::test_program("riverrun"));
    command_line.arg("--file").arg(app_file).arg("check");
    command_line.envs([
        ("KAFKA_BROKERS", "broker:9092"),
        ("POD_NAME", "shop-0"),
        ("SENDER_TOKEN", "long-enough-to-pass"),
    ]);
    process::run(command_line)
}

/// The text of the block `riverrun.yaml: |`.
fn embedded(manifests: &str) -> String {
    const BEGIN: &str = "  riverrun.yaml: |\n";
    const INDENT: &str = "    ";
    let block = manifests.split_once(BEGIN).map_or("", |(_, block)| block);
    let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with(INDENT));
    lines.map(|line| format!("{}\n", line.strip_prefix(INDENT).unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_file_is_taken_out_of_its_block() {
        let manifests = "data:\n  riverrun.yaml: |\n    app: a\n\n    topics:\n      b: {}\n---\nkind: Service\n";
        assert_eq!(embedded(manifests), "app: a\n\ntopics:\n  b: {}\n");
    }
}
