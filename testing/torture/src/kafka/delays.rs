//! One instance behind a proxy that holds answers for longer than its requests may take. What the broker did meanwhile counts, and
//! is not done again.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::brokers::Brokers;
use super::faults::on_a_fold;
use super::instances::Instances;
use super::proxy::{Held, Proxy};
use super::{Plan, report, site};
use crate::failure::{Failure, Interruption, OrEnvironment};

pub(super) const NAME: &str = "held answers";
/// Longer than a request of the product may take, 10 s.
const HOLD: Duration = Duration::from_secs(11);
/// How long the load may take until there is such a request.
const COMES_WITHIN: Duration = Duration::from_secs(30);
const HELD: [Held; 3] = [Held::EndTxn, Held::TxnOffsetCommit, Held::Produce];

/// Runs the scenario on a broker of its own, which says that it is where the proxy listens; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<bool, Failure> {
    let rounds = if plan.is_full { 5 } else { 1 };
    let listen = free_port()?;
    let proxy = Proxy::listen(listen, HOLD).or_environment("the proxy cannot listen")?;
    let options = ["--proxy".to_owned(), format!("{}:{}", listen.port(), proxy.address().port())];
    let brokers = Brokers::start(&plan.services, 1, &options)?;
    let mut site = site(plan, NAME, brokers.address(), 1, interruption);
    // The other client has nothing to do with the proxy.
    site.instance_brokers = Some(proxy.address().to_string());
    report(NAME, |passed| {
        on_a_fold(&site, &["a"], |instances| {
            for held in (0..rounds).flat_map(|_| HELD) {
                instances.pass(Duration::from_secs(2))?;
                hold(&proxy, held, instances)?;
                instances.pass(HOLD)?;
                *passed += 1;
            }
            Ok(())
        })
    })
}

fn hold(proxy: &Proxy, request: Held, instances: &mut Instances) -> Result<(), Failure> {
    let before = proxy.held();
    proxy.hold_next(request);
    let end = Instant::now() + COMES_WITHIN;
    while proxy.held() == before {
        if Instant::now() > end {
            return Err(Failure::broken(format!("under load there was no {request:?} within {COMES_WITHIN:?}")));
        }
        instances.pass(Duration::from_millis(50))?;
    }
    Ok(())
}

fn free_port() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").or_environment("there is no free port")?;
    listener.local_addr().or_environment("there is no free port")
}
