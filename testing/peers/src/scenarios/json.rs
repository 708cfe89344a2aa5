//! JSONTestSuite: what is not JSON is refused, what is JSON is taken and given back byte for byte, and nothing brings the server down.

use riverrun_torture::failure::Failure;

use crate::programs::{self, Programs};
use crate::score::Score;
use crate::served::Served;

const APP: &str = "\
app: json
topics:
  plain: { partitions: 1 }
  structured: { partitions: 1 }
  # An expression over the data has every case scanned once more.
  keyed: { partitions: 1, key: 'has(data.a) ? \"a\" : \"none\"' }
limits: { json_depth: 128 }
";

pub(crate) fn run(programs: &Programs) -> Result<Score, Failure> {
    let served = Served::start(programs, APP)?;
    let mut command = programs.node("json.mjs")?;
    command.arg(served.url());
    let mut score = programs::score(command)?;
    let ended = served.end(programs);
    score.check(ended.is_ok(), || format!("the server did not stay up: {ended:?}"));
    Ok(score)
}
