//! The CloudEvents SDKs of three languages as senders and readers: what one sent in any mode, all of them read alike.

use riverrun_torture::failure::Failure;

use crate::programs::{self, Programs};
use crate::score::Score;
use crate::served::Served;

const APP: &str = "\
app: sdks
topics:
  javascript: { partitions: 2 }
  python: { partitions: 2 }
  rust: { partitions: 2 }
";

pub(crate) fn run(programs: &Programs) -> Result<Score, Failure> {
    let served = Served::start(programs, APP)?;
    let url = served.url();
    let mut score = Score::default();
    // Everybody sends first, so that everybody reads what the others sent.
    for task in ["send", "read"] {
        for mut peer in [programs.node("cloudevents.mjs")?, programs.python("cloudevents_sdk.py"), programs.rust()] {
            peer.args([task, &url]);
            score = score.and(programs::score(peer)?);
        }
    }
    let ended = served.end(programs);
    score.check(ended.is_ok(), || format!("the server did not stay up: {ended:?}"));
    Ok(score)
}
