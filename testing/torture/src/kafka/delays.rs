//! Instances behind a proxy that holds answers for longer than their requests may take. What the broker did meanwhile counts, and
//! is not done again: with the transactions that a cluster has today, and with those of clusters before Kafka 4.0.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::faults::{kill_some, on_a_fold};
use super::proxy::{Held, Proxy};
use super::{Plan, Site, site};
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::instances::Instances;
use crate::random::Random;
use crate::report::conclude;
use crate::services::Brokers;

pub(super) const NAME: &str = "held answers";
pub(super) const NAME_OLDER: &str = "older transactions";
/// Longer than a request of the product may take, 10 s.
const HOLD: Duration = Duration::from_secs(11);
/// How long the load may take until there is such a request.
const COMES_WITHIN: Duration = Duration::from_secs(30);
const HELD: [Held; 3] = [Held::EndTxn, Held::TxnOffsetCommit, Held::Produce];

/// One instance on a broker as it is today.
///
/// # Errors
/// As [`behind_a_proxy`].
pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<bool, Failure> {
    behind_a_proxy(plan, NAME, &[], interruption, |site, proxy, passed| {
        on_a_fold(site, &["a"], |instances| hold_all(site, proxy, instances, passed, |_| Ok(())))
    })
}

/// Two instances, which are killed besides, on a broker with the first version of transactions.
///
/// # Errors
/// As [`behind_a_proxy`].
pub(super) fn run_older(plan: &Plan, interruption: &Interruption) -> Result<bool, Failure> {
    const KILLS: u32 = 4;
    behind_a_proxy(plan, NAME_OLDER, &["--transactions", "1"], interruption, |site, proxy, passed| {
        let mut random = Random::part(site.plan.seed, 1);
        on_a_fold(site, &["a", "b"], |instances| {
            hold_all(site, proxy, instances, passed, |instances| kill_some(instances, KILLS, &mut random))
        })
    })
}

/// Runs a scenario on a broker of its own, which says that it is where the proxy listens; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub(super) fn behind_a_proxy(
    plan: &Plan,
    name: &str,
    options: &[&str],
    interruption: &Interruption,
    scenario: impl FnOnce(&Site<'_>, &Proxy, &mut u32) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let listen = free_port()?;
    let proxy = Proxy::listen(listen, HOLD).or_environment("the proxy cannot listen")?;
    let ports = format!("{}:{}", listen.port(), proxy.address().port());
    let options: Vec<&str> = ["--proxy", &ports].iter().chain(options).copied().collect();
    let brokers = Brokers::start(&plan.services, 1, &options)?;
    let mut site = site(plan, name, brokers.address(), 1, interruption);
    // The other client has nothing to do with the proxy.
    site.instance_brokers = Some(proxy.address().to_string());
    conclude(name, |passed| scenario(&site, &proxy, passed))
}

/// Holds each kind of answer in turn, with `between` before each.
fn hold_all(
    site: &Site<'_>,
    proxy: &Proxy,
    instances: &mut Instances,
    passed: &mut u32,
    mut between: impl FnMut(&mut Instances) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let rounds = if site.plan.is_full { 5 } else { 1 };
    for held in (0..rounds).flat_map(|_| HELD) {
        between(instances)?;
        instances.pass(Duration::from_secs(2))?;
        hold(proxy, held, instances)?;
        instances.pass(HOLD)?;
        *passed += 1;
    }
    Ok(())
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
