//! What a member of a group and its coordinator say to each other, and what the error codes among it mean.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use krafka::error::ErrorCode;

use super::{Generation, Joining, Standing, Trouble};
use crate::assign::{Seat, Share};
use crate::refusals::lacks_right;
use crate::wire::{Wire, text};

/// How long an answer may take that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(10);
/// The version of what a member says when it joins: the first with a generation.
const SUBSCRIPTION: i16 = 2;

// Error codes of the protocol.
const COORDINATOR_LOADING: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const ILLEGAL_GENERATION: i16 = 22;
const INCONSISTENT_PROTOCOL: i16 = 23;
const UNKNOWN_MEMBER: i16 = 25;
const INVALID_SESSION_TIMEOUT: i16 = 26;
const REBALANCE_IN_PROGRESS: i16 = 27;
const NOT_AUTHORIZED: i16 = 30;
const MEMBER_ID_REQUIRED: i16 = 79;
const GROUP_FULL: i16 = 81;
const FENCED_INSTANCE: i16 = 82;

pub(super) async fn coordinator(joining: &Joining) -> Result<Wire, Trouble> {
    let (security, group) = (joining.security.as_ref(), &joining.group);
    match Wire::to_group(&joining.brokers, security, group).await? {
        Ok(wire) => Ok(wire),
        Err(code) => {
            Err(check(code).err().unwrap_or_else(|| Trouble::Connection("there is no coordinator".to_owned())))
        }
    }
}

/// Joins the group, and learns who else is in it if this member leads.
pub(super) async fn join(
    wire: &Wire,
    joining: &Joining,
    standing: &mut Standing,
) -> Result<JoinGroupResponse, Trouble> {
    loop {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(joining.protocol())
            .with_metadata(subscription(joining, standing.generation).map_err(io::Error::other)?);
        let request = JoinGroupRequest::default()
            .with_group_id(group_of(joining))
            .with_session_timeout_ms(milliseconds(joining.session))
            .with_rebalance_timeout_ms(milliseconds(joining.rebalance))
            .with_member_id(text(&standing.member_id))
            .with_group_instance_id(Some(text(&joining.member)))
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        // Waits for the other members.
        let joined = wire.call(9, &request, PATIENCE + joining.rebalance).await?;
        standing.member_id = joined.member_id.to_string();
        match joined.error_code {
            MEMBER_ID_REQUIRED => {}
            code => return check(code).map(|()| joined),
        }
    }
}

/// Where the members of a group are, as they said when they joined.
pub(super) fn seats(joined: &JoinGroupResponse) -> BTreeMap<String, Seat> {
    let seat = |metadata: &Bytes| {
        let mut metadata = metadata.clone();
        let version = metadata.try_get_i16().ok()?;
        let subscription = ConsumerProtocolSubscription::decode(&mut metadata, version).ok()?;
        Seat::parse(&subscription.user_data?)
    };
    let members = joined.members.iter();
    members.filter_map(|member| Some((member.member_id.to_string(), seat(&member.metadata)?))).collect()
}

/// This member's tasks, and who has the others.
pub(super) async fn sync(
    wire: &Wire,
    joining: &Joining,
    joined: &JoinGroupResponse,
    shares: Vec<SyncGroupRequestAssignment>,
) -> Result<Share, Trouble> {
    let request = SyncGroupRequest::default()
        .with_group_id(group_of(joining))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(Some(text(&joining.member)))
        .with_protocol_type(Some(StrBytes::from_static_str("consumer")))
        .with_protocol_name(Some(joining.protocol()))
        .with_assignments(shares);
    let synced = wire.call(5, &request, PATIENCE + joining.rebalance).await?;
    check(synced.error_code)?;
    Ok(Share::parse(&synced.assignment).unwrap_or_else(|| {
        tracing::warn!(
            group = joining.group,
            "the leader of the group is of another version of this program; no tasks until it is gone"
        );
        Share::default()
    }))
}

/// Says that a member is alive.
pub(super) async fn heartbeat(wire: &Wire, joining: &Joining, generation: &Generation) -> Result<(), Trouble> {
    let request = HeartbeatRequest::default()
        .with_group_id(group_of(joining))
        .with_generation_id(generation.number)
        .with_member_id(text(&generation.member_id))
        .with_group_instance_id(Some(text(&joining.member)));
    check(wire.call(4, &request, PATIENCE).await?.error_code)
}

/// Tells the group that a member is gone for good; whoever cannot be told finds out after a session.
pub(super) async fn leave(joining: &Joining, member_id: &str) {
    let member = MemberIdentity::default()
        .with_member_id(text(member_id))
        .with_group_instance_id(Some(text(&joining.member)))
        .with_reason(Some(StrBytes::from_static_str("closed")));
    let request = LeaveGroupRequest::default().with_group_id(group_of(joining)).with_members(vec![member]);
    let left = async {
        let answer = coordinator(joining).await?.call(5, &request, PATIENCE).await?;
        check(answer.error_code)?;
        answer.members.iter().try_for_each(|member| check(member.error_code))
    };
    if left.await.is_err() {
        tracing::debug!(
            group = joining.group,
            member = joining.member,
            "the group could not be told that a member leaves"
        );
    }
}

fn subscription(joining: &Joining, generation: Option<i32>) -> Result<Bytes, String> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(SUBSCRIPTION);
    let topics = joining.topics.iter().map(|topic| text(topic)).collect();
    let subscription =
        ConsumerProtocolSubscription::default().with_topics(topics).with_user_data(Some(joining.seat.to_bytes()));
    let subscription = subscription.with_generation_id(generation.unwrap_or(-1));
    subscription.encode(&mut bytes, SUBSCRIPTION).map_err(|error| error.to_string())?;
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
        INCONSISTENT_PROTOCOL => Err(Trouble::Disagreement),
        FENCED_INSTANCE => Err(Trouble::Fenced),
        code => Err(Trouble::Refused(code)),
    }
}

/// What a refusal means to whoever can do something about it.
pub(super) fn meaning(code: i16, group: &str) -> String {
    match code {
        INVALID_SESSION_TIMEOUT => "the cluster does not allow a session of this length".to_owned(),
        NOT_AUTHORIZED => {
            lacks_right(&format!("the group {group}"), ErrorCode::GroupAuthorizationFailed) + "; it needs Read"
        }
        GROUP_FULL => "the group has as many members as the cluster allows".to_owned(),
        code => format!("the group refuses this member with error {code}"),
    }
}

fn group_of(joining: &Joining) -> GroupId {
    GroupId(text(&joining.group))
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
