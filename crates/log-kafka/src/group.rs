//! A member of a consumer group, by Kafka's classic protocol: it joins, is told its tasks, and says that it is alive.
//!
//! Membership is static (KIP-345): a member that comes back in time has its tasks at once, and fences the one before it. Tasks move
//! cooperatively: a member goes on with what stays its own, and joins again once it has given up what does not.

mod requests;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::protocol::StrBytes;
use riverrun_log::{GroupName, Membership, NamedAssignor, TaskId};
use tokio::sync::mpsc;

use self::requests::{coordinator, heartbeat, join, leave, meaning, seats, sync};
use crate::assign::{Leader, Owners, Seat, Share, copies};
use crate::cluster::Cluster;
use crate::owners::Lease;
use crate::refusals::ASK_AGAIN;
use crate::security::Security;
use crate::wire::{Wire, text};

/// What the names of our protocols begin with; the rest says which assignor, so that members with different ones do not mix.
const PROTOCOLS: &str = "riverrun.";
/// How often a member says that it is alive; a change of the group is heard of no later.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// The wait after a connection was lost.
const RECONNECT: Duration = Duration::from_millis(200);
/// A day: nobody minds a round more than is wanted that seldom, and no clock overflows.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Who joins what.
pub(crate) struct Joining {
    pub(crate) brokers: String,
    pub(crate) security: Option<Security>,
    /// The group's name on the cluster.
    pub(crate) group: String,
    /// Its name in the app, which assignors go by.
    pub(crate) name: GroupName,
    /// The static name: no two members have the same at a time.
    pub(crate) member: String,
    pub(crate) seat: Seat,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    /// All tasks of the group.
    pub(crate) tasks: Vec<TaskId>,
    /// The topics of its inputs, for tools that show a group.
    pub(crate) topics: Vec<String>,
    pub(crate) assignor: NamedAssignor,
    /// Whether the group is told when nobody listens any more. Otherwise it waits for a session, and a member that returns within it
    /// finds its tasks as it left them.
    pub(crate) leaves: bool,
    /// How many other instances keep a copy of each task's state.
    pub(crate) standbys: u32,
    /// Until when nobody else can have this member's tasks.
    pub(crate) lease: Arc<Lease>,
}

impl Joining {
    /// A member of this instance.
    pub(crate) fn new(cluster: &Cluster, membership: &Membership, member: &str) -> Self {
        let Membership { group, seat, seats, tasks, takes_over } = membership;
        let options = &cluster.options;
        let topics: BTreeSet<String> =
            tasks.iter().flat_map(|task| &task.inputs).map(|input| cluster.topic(&input.topic)).collect();
        Self {
            brokers: options.brokers.clone(),
            security: options.security.clone(),
            group: cluster.group(group),
            name: group.clone(),
            member: member.to_owned(),
            seat: Seat {
                instance: options.instance.clone(),
                seat: *seat,
                seats: *seats,
                owned: BTreeSet::new(),
                copies: BTreeSet::new(),
                labels: options.labels.clone(),
                address: options.address.clone(),
            },
            session: options.session,
            rebalance: options.rebalance,
            tasks: tasks.iter().map(|task| task.task).collect(),
            topics: topics.into_iter().collect(),
            // One member has it all, wherever it is; and the next is not to wait until this one is missed.
            assignor: if *takes_over { NamedAssignor::round_robin() } else { options.assignor.clone() },
            leaves: *takes_over,
            standbys: if *takes_over { 0 } else { options.standbys },
            // Whoever does not join again in time is out as well.
            lease: Arc::new(Lease::new(options.session.min(options.rebalance))),
        }
    }

    fn protocol(&self) -> StrBytes {
        text(&format!("{PROTOCOLS}{}", self.assignor.name()))
    }
}

/// A member's place in one generation of its group; commits carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) number: i32,
    pub(crate) member_id: String,
}

impl Generation {
    /// That of commits made by no member.
    pub(crate) fn nobodys() -> Self {
        Self { number: -1, member_id: String::new() }
    }
}

/// What a member is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// Its tasks from now on; those it had and that are not among them are to be given up, which [`Given`] answers.
    Tasks {
        generation: Generation,
        tasks: BTreeSet<TaskId>,
        /// Who has which of all the group's tasks.
        owners: Owners,
        /// Those whose state its instance keeps a copy of.
        copies: BTreeSet<TaskId>,
    },
    /// Others may have its tasks by now.
    Lost(String),
    /// The same, and it will not change by itself.
    Refused(String),
}

/// The tasks that a member still has, said after some were given up.
pub(crate) struct Given(pub(crate) BTreeSet<TaskId>);

/// Why a membership ends or starts anew.
enum Trouble {
    /// The connection, or the coordinator is another one.
    Connection(String),
    /// The group has gone on without it.
    Forgotten,
    /// Another has its name.
    Fenced,
    /// The group asks everybody to join again.
    Rebalance,
    /// The other members use another assignor.
    Disagreement,
    /// Something that does not pass.
    Refused(i16),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

/// What a membership is kept by from one round to the next.
#[derive(Default)]
struct Standing {
    member_id: String,
    /// Whether the group has ever given this member its share. Before that, an attempt of its own to join may have been taken in
    /// without its learning so, as when the coordinator moves meanwhile: then the other member of its name is itself.
    is_settled: bool,
    /// The last generation this member has its tasks from. It is part of what a member says when it joins: a broker lets nobody else join
    /// again for one that says what it said before.
    generation: Option<i32>,
    /// While this member leads the group.
    leader: Option<Leader>,
}

/// Keeps a membership alive until nobody listens any more, or another takes its name.
pub(crate) async fn run(mut joining: Joining, words: mpsc::Sender<Word>, mut given: mpsc::Receiver<Given>) {
    let mut standing = Standing::default();
    loop {
        let trouble = match attend(&mut joining, &mut standing, &words, &mut given).await {
            Ok(()) => break,
            Err(trouble) => trouble,
        };
        let wait = match overcome(trouble, &mut joining, &mut standing, &words).await {
            Some(wait) => wait,
            None => return,
        };
        if words.is_closed() {
            break;
        }
        tokio::time::sleep(wait).await;
    }
    if joining.leaves && !standing.member_id.is_empty() {
        leave(&joining, &standing.member_id).await;
    }
}

/// What follows from trouble: how long to wait before the member joins again; `None` when it is over.
async fn overcome(
    trouble: Trouble,
    joining: &mut Joining,
    standing: &mut Standing,
    words: &mpsc::Sender<Word>,
) -> Option<Duration> {
    let group = &joining.group;
    let (word, wait) = match trouble {
        Trouble::Rebalance => return Some(Duration::ZERO),
        Trouble::Connection(reason) => {
            tracing::warn!(group, reason, "the coordinator of the group is not reached; trying again");
            return Some(RECONNECT);
        }
        Trouble::Forgotten => {
            standing.member_id.clear();
            (Word::Lost("the group has gone on without this member".to_owned()), Some(RECONNECT))
        }
        Trouble::Disagreement => (
            Word::Refused(format!(
                "the other members of the group do not use the assignor {}; the assignor of a group changes only when all \
                 instances have been stopped",
                joining.assignor.name()
            )),
            Some(ASK_AGAIN),
        ),
        Trouble::Fenced if !standing.is_settled => {
            tracing::warn!(group, member = joining.member, "a member of this name is there; taking its place");
            standing.member_id.clear();
            return Some(RECONNECT);
        }
        Trouble::Fenced => {
            let name = &joining.seat.instance;
            (Word::Refused(format!("another instance has the name {name} as well; each needs its own")), None)
        }
        Trouble::Refused(code) => (Word::Refused(meaning(code, group)), Some(ASK_AGAIN)),
    };
    (standing.leader, standing.generation) = (None, None);
    joining.seat.owned.clear();
    joining.lease.lose();
    words.send(word).await.ok().and(wait)
}

/// Joins and stays until something happens.
async fn attend(
    joining: &mut Joining,
    standing: &mut Standing,
    words: &mpsc::Sender<Word>,
    given: &mut mpsc::Receiver<Given>,
) -> Result<(), Trouble> {
    let wire = coordinator(joining).await?;
    loop {
        let joined = join(&wire, joining, standing).await?;
        let (shares, mut again_after) = lead(joining, standing, &joined);
        let asked = Instant::now();
        let share = sync(&wire, joining, &joined, shares).await?;
        joining.lease.renew(asked);
        if standing.generation.is_none() && is_waited_for(joining, &share) {
            again_after = Some(Duration::ZERO);
        }
        standing.is_settled = true;
        standing.generation = Some(joined.generation_id);
        joining.seat.owned.extend(share.tasks.iter().copied());
        let seat = &mut joining.seat;
        seat.copies = copies(&seat.instance, &share, joining.standbys, &seat.copies);
        let generation = Generation { number: joined.generation_id, member_id: standing.member_id.clone() };
        let Share { tasks, owners, .. } = share;
        let word = Word::Tasks { generation: generation.clone(), tasks, owners, copies: seat.copies.clone() };
        if words.send(word).await.is_err() {
            return Ok(());
        }
        let again = again_after.map_or(FAR, |after| after.min(FAR));
        match stay(&wire, joining, &generation, again, words, given).await {
            Err(Trouble::Rebalance) => {}
            other => return other,
        }
    }
}

/// Whether the others may wait for this member to give up tasks that it does not know of. A static member that comes back is told its
/// share as it was: the one before it may have been about to give something up. Then nobody has that until all have joined again.
fn is_waited_for(joining: &Joining, share: &Share) -> bool {
    share.owners.iter().any(|(task, owner)| owner.instance == joining.seat.instance && !share.tasks.contains(task))
}

/// Heartbeats until the group changes, tasks were given up or the leader wants another round; all ask for joining again.
async fn stay(
    wire: &Wire,
    joining: &mut Joining,
    generation: &Generation,
    again_after: Duration,
    words: &mpsc::Sender<Word>,
    given: &mut mpsc::Receiver<Given>,
) -> Result<(), Trouble> {
    let again = tokio::time::Instant::now() + again_after;
    loop {
        tokio::select! {
            () = words.closed() => return Ok(()),
            // A leader that joins again begins a new round.
            () = tokio::time::sleep_until(again) => return Err(Trouble::Rebalance),
            left = given.recv() => match left {
                Some(Given(owned)) => {
                    joining.seat.owned = owned;
                    return Err(Trouble::Rebalance);
                }
                None => return Ok(()),
            },
            () = tokio::time::sleep(HEARTBEAT) => {
                let asked = Instant::now();
                heartbeat(wire, joining, generation).await?;
                joining.lease.renew(asked);
            }
        }
    }
}

/// What the leader of the group says to all members; nothing from others. Also after which time it wants another round.
fn lead(
    joining: &Joining,
    standing: &mut Standing,
    joined: &JoinGroupResponse,
) -> (Vec<SyncGroupRequestAssignment>, Option<Duration>) {
    if joined.leader != joined.member_id {
        standing.leader = None;
        return (Vec::new(), None);
    }
    let now = Instant::now();
    let leader = standing.leader.get_or_insert_with(|| Leader::new(now));
    let orders = leader.lead(&joining.assignor, &joining.name, &seats(joined), &joining.tasks, now);
    let share = |(member, share): (String, Share)| {
        SyncGroupRequestAssignment::default().with_member_id(text(&member)).with_assignment(share.to_bytes())
    };
    // A leader that came back in time finds everything as it was, and is told not to deal anew.
    let shares = if joined.skip_assignment { Vec::new() } else { orders.shares.into_iter().map(share).collect() };
    (shares, orders.again_after)
}

#[cfg(test)]
mod tests;
