//! GraphQL: the audits of npm `graphql-http` and the client of npm `graphql-ws`, unchanged.

use riverrun_torture::failure::Failure;

use crate::programs::{self, Programs};
use crate::score::Score;
use crate::served::Served;

const APP: &str = "\
app: graphql
topics:
  departures: { partitions: 1 }
";

pub(crate) fn run(programs: &Programs) -> Result<Score, Failure> {
    let served = Served::start(programs, APP)?;
    let mut peer = programs.node("graphql.mjs")?;
    peer.arg(served.url());
    let mut score = programs::score(peer)?;
    let ended = served.end(programs);
    score.check(ended.is_ok(), || format!("the server did not stay up: {ended:?}"));
    Ok(score)
}
