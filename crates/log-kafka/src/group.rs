//! A member of a consumer group, by Kafka's classic protocol: it joins, is told its tasks, and says that it is alive.
//!
//! Membership is static (KIP-345): a member that comes back in time has its tasks at once, and fences the one before it. Tasks move
//! cooperatively: a member goes on with what stays its own, and joins again once it has given up what does not.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use riverrun_log::TaskId;
use tokio::sync::mpsc;

use crate::assign::{Seat, round_robin};
use crate::wire::Wire;

const PROTOCOL: &str = "riverrun.round-robin";
/// How often a member says that it is alive; a change of the group is heard of no later.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long an answer may take that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(10);
/// The wait after a connection was lost.
const RECONNECT: Duration = Duration::from_millis(200);

// Error codes of the protocol.
const COORDINATOR_LOADING: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;
const FENCED_INSTANCE: i16 = 82;

/// Who joins what.
pub(crate) struct Joining {
    pub(crate) brokers: String,
    pub(crate) group: String,
    /// The static name: no two members have the same at a time.
    pub(crate) member: String,
    pub(crate) seat: Seat,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    /// All tasks of the group.
    pub(crate) tasks: Vec<TaskId>,
    /// The topics of its inputs, for tools that show a group.
    pub(crate) topics: Vec<String>,
}

/// A member's place in one generation of its group; commits carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) number: i32,
    pub(crate) member_id: String,
}

/// What a member is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// Its tasks from now on; those it had and that are not among them are to be given up, which [`Given`] answers.
    Tasks { generation: Generation, tasks: BTreeSet<TaskId> },
    /// Others may have its tasks by now.
    Lost(String),
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
    /// Something that does not pass.
    Refused(i16),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

/// Keeps a membership alive until nobody listens any more, or another takes its name.
pub(crate) async fn run(mut joining: Joining, words: mpsc::Sender<Word>, mut given: mpsc::Receiver<Given>) {
    let mut member_id = String::new();
    loop {
        let trouble = match attend(&mut joining, &mut member_id, &words, &mut given).await {
            Ok(()) => return,
            Err(trouble) => trouble,
        };
        match trouble {
            Trouble::Rebalance => continue,
            Trouble::Connection(reason) => {
                tracing::warn!(
                    group = joining.group,
                    reason,
                    "the coordinator of the group is not reached; trying again"
                );
            }
            Trouble::Forgotten => {
                member_id.clear();
                joining.seat.owned.clear();
                if words.send(Word::Lost("the group has gone on without this member".to_owned())).await.is_err() {
                    return;
                }
            }
            Trouble::Fenced => {
                drop(words.send(Word::Lost("another member has this one's name".to_owned())).await);
                return;
            }
            Trouble::Refused(code) => {
                drop(words.send(Word::Lost(format!("the group refuses this member: error {code}"))).await);
                return;
            }
        }
        if words.is_closed() {
            return;
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Joins and stays until something happens.
async fn attend(
    joining: &mut Joining,
    member_id: &mut String,
    words: &mpsc::Sender<Word>,
    given: &mut mpsc::Receiver<Given>,
) -> Result<(), Trouble> {
    let mut wire = coordinator(joining).await?;
    loop {
        let joined = join(&mut wire, joining, member_id).await?;
        let (generation, tasks) = sync(&mut wire, joining, member_id, &joined).await?;
        joining.seat.owned.extend(tasks.iter().copied());
        let word = Word::Tasks { generation: Generation { number: generation, member_id: member_id.clone() }, tasks };
        if words.send(word).await.is_err() {
            return Ok(());
        }
        match stay(&mut wire, joining, member_id, generation, words, given).await {
            Err(Trouble::Rebalance) => {}
            other => return other,
        }
    }
}

/// Heartbeats until the group changes or tasks were given up; both ask for joining again.
async fn stay(
    wire: &mut Wire,
    joining: &mut Joining,
    member_id: &str,
    generation: i32,
    words: &mpsc::Sender<Word>,
    given: &mut mpsc::Receiver<Given>,
) -> Result<(), Trouble> {
    loop {
        tokio::select! {
            () = words.closed() => return Ok(()),
            left = given.recv() => match left {
                Some(Given(owned)) => {
                    joining.seat.owned = owned;
                    return Err(Trouble::Rebalance);
                }
                None => return Ok(()),
            },
            () = tokio::time::sleep(HEARTBEAT) => {
                let request = HeartbeatRequest::default()
                    .with_group_id(group_of(joining))
                    .with_generation_id(generation)
                    .with_member_id(text(member_id))
                    .with_group_instance_id(Some(text(&joining.member)));
                check(wire.call(4, &request, PATIENCE).await?.error_code)?;
            }
        }
    }
}

async fn coordinator(joining: &Joining) -> Result<Wire, Trouble> {
    let mut reason = "there are no brokers".to_owned();
    for broker in joining.brokers.split(',') {
        let mut wire = match Wire::open(broker.trim()).await {
            Ok(wire) => wire,
            Err(error) => {
                reason = error.to_string();
                continue;
            }
        };
        let request =
            FindCoordinatorRequest::default().with_key_type(0).with_coordinator_keys(vec![text(&joining.group)]);
        let answer = wire.call(4, &request, PATIENCE).await?;
        let Some(found) = answer.coordinators.first() else { continue };
        check(found.error_code)?;
        return Ok(Wire::open(&format!("{}:{}", found.host, found.port)).await?);
    }
    Err(Trouble::Connection(reason))
}

async fn join(wire: &mut Wire, joining: &Joining, member_id: &mut String) -> Result<JoinGroupResponse, Trouble> {
    loop {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(PROTOCOL))
            .with_metadata(subscription(joining).map_err(io::Error::other)?);
        let request = JoinGroupRequest::default()
            .with_group_id(group_of(joining))
            .with_session_timeout_ms(milliseconds(joining.session))
            .with_rebalance_timeout_ms(milliseconds(joining.rebalance))
            .with_member_id(text(member_id))
            .with_group_instance_id(Some(text(&joining.member)))
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        // Waits for the other members.
        let joined = wire.call(9, &request, PATIENCE + joining.rebalance).await?;
        *member_id = joined.member_id.to_string();
        match joined.error_code {
            MEMBER_ID_REQUIRED => {}
            code => return check(code).map(|()| joined),
        }
    }
}

/// The generation and this member's tasks; who leads the group says all members theirs.
async fn sync(
    wire: &mut Wire,
    joining: &Joining,
    member_id: &str,
    joined: &JoinGroupResponse,
) -> Result<(i32, BTreeSet<TaskId>), Trouble> {
    let assignments = if joined.leader == joined.member_id { assignments(joining, joined) } else { Vec::new() };
    let request = SyncGroupRequest::default()
        .with_group_id(group_of(joining))
        .with_generation_id(joined.generation_id)
        .with_member_id(text(member_id))
        .with_group_instance_id(Some(text(&joining.member)))
        .with_protocol_type(Some(StrBytes::from_static_str("consumer")))
        .with_protocol_name(Some(StrBytes::from_static_str(PROTOCOL)))
        .with_assignments(assignments);
    let synced = wire.call(5, &request, PATIENCE + joining.rebalance).await?;
    check(synced.error_code)?;
    let text = std::str::from_utf8(&synced.assignment).unwrap_or_default();
    let tasks = text.split(',').filter_map(|task| task.parse().ok().map(TaskId)).collect();
    Ok((joined.generation_id, tasks))
}

fn assignments(joining: &Joining, joined: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
    let seat = |metadata: &Bytes| {
        let mut metadata = metadata.clone();
        let version = metadata.try_get_i16().ok()?;
        let subscription = ConsumerProtocolSubscription::decode(&mut metadata, version).ok()?;
        Seat::parse(std::str::from_utf8(&subscription.user_data?).ok()?)
    };
    let seats: BTreeMap<String, Seat> = joined
        .members
        .iter()
        .filter_map(|member| Some((member.member_id.to_string(), seat(&member.metadata)?)))
        .collect();
    let assignment = |(member, tasks): (String, BTreeSet<TaskId>)| {
        let tasks: Vec<String> = tasks.iter().map(ToString::to_string).collect();
        SyncGroupRequestAssignment::default().with_member_id(text(&member)).with_assignment(tasks.join(",").into())
    };
    round_robin(&seats, &joining.tasks).into_iter().map(assignment).collect()
}

fn subscription(joining: &Joining) -> Result<Bytes, String> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    let topics = joining.topics.iter().map(|topic| text(topic)).collect();
    let subscription = ConsumerProtocolSubscription::default()
        .with_topics(topics)
        .with_user_data(Some(joining.seat.to_text().into_bytes().into()));
    subscription.encode(&mut bytes, 1).map_err(|error| error.to_string())?;
    Ok(bytes.freeze())
}

fn check(code: i16) -> Result<(), Trouble> {
    match code {
        0 => Ok(()),
        COORDINATOR_LOADING | COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR => {
            Err(Trouble::Connection(format!("the coordinator is not there yet (error {code})")))
        }
        ILLEGAL_GENERATION | UNKNOWN_MEMBER => Err(Trouble::Forgotten),
        REBALANCE_IN_PROGRESS => Err(Trouble::Rebalance),
        FENCED_INSTANCE => Err(Trouble::Fenced),
        code => Err(Trouble::Refused(code)),
    }
}

fn group_of(joining: &Joining) -> GroupId {
    GroupId(text(&joining.group))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
