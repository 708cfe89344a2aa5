//! NATS JetStream beside the product: one event a request, 64 in flight, each synced before it is answered.
//!
//! Its server and sender are a Go program in bench/nats, built when Go is there; without Go the part is left out, and says so.

use std::path::PathBuf;
use std::process::Command;

use super::door::Load;
use super::rounds::{self, Row};
use super::server::Side;
use super::{Place, Plan};
use crate::{Failure, process, tree};

/// The program, built.
pub(crate) fn program() -> PathBuf {
    tree::target_dir().join("nats/nats")
}

/// The product and NATS in turns; nothing without Go.
pub(crate) fn nats(plan: &Plan, place: &Place) -> Result<Vec<Row>, Failure> {
    if Command::new("go").arg("version").output().is_err() {
        println!("\n== NATS JetStream: left out, since there is no Go to build it with");
        return Ok(Vec::new());
    }
    let mut build = Command::new("go");
    build.args(["build", "-mod=readonly", "-o"]).arg(program()).arg(".").current_dir(tree::root().join("bench/nats"));
    process::run(build)?;
    let load = Load { events: plan.events(100_000), batch: 1 };
    let run = |side| load.run(side, place);
    let what = "one event a request, 64 in flight";
    Ok(vec![rounds::alternate(what, plan.rounds(), || run(Side::Product), || run(Side::Nats))?])
}
