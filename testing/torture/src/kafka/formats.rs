//! Records come in a format that nobody knows, as a damaged disk or a broker of the future may give them out: it is said, nothing is taken for
//! what it is not, and the reader goes on where it stood once they are readable.

use std::time::{Duration, Instant};

use super::Plan;
use super::delays::behind_a_proxy;
use super::faults::on_a_fold;
use super::proxy::Proxy;
use crate::failure::{Failure, Interruption};
use crate::instances::Instances;

pub(super) const NAME: &str = "unknown formats";
/// What the log of an instance has to say.
const SAID: &str = "unsupported record batch magic";
/// How long the load may take until there are such batches.
const COME_WITHIN: Duration = Duration::from_secs(30);

/// Runs the scenario on a broker of its own; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<bool, Failure> {
    let rounds = if plan.is_full { 20 } else { 3 };
    behind_a_proxy(plan, NAME, &[], interruption, |site, proxy, passed| {
        on_a_fold(site, &["a"], |instances| {
            for _ in 0..rounds {
                instances.pass(Duration::from_secs(1))?;
                give_out(proxy, instances)?;
                *passed += 1;
            }
            if instances.have_said(SAID)? {
                return Ok(());
            }
            Err(Failure::broken(format!("nobody has said {SAID:?}")))
        })
    })
}

fn give_out(proxy: &Proxy, instances: &mut Instances) -> Result<(), Failure> {
    proxy.make_unknown(3);
    let end = Instant::now() + COME_WITHIN;
    while proxy.left_to_make_unknown() > 0 {
        if Instant::now() > end {
            return Err(Failure::broken(format!("under load nobody has read records within {COME_WITHIN:?}")));
        }
        instances.pass(Duration::from_millis(50))?;
    }
    Ok(())
}
