//! The code, status and title of every error: the whole table. A code never changes its meaning.

use axum::http::StatusCode;
use riverrun_accept::AcceptError;
use riverrun_event::ContextError;
use riverrun_log::{AppendError, ReadError};

use super::DoorError;
use crate::cloudevents::DecodeError;
use crate::consumers::ConsumerError;
use crate::http::access::AccessError;
use crate::http::body::BodyError;
use crate::json::JsonError;

/// What an error is called, and how it is answered.
pub(super) struct Kind(pub(super) &'static str, pub(super) StatusCode, pub(super) &'static str);

impl DoorError {
    /// What this error is called.
    pub(super) fn kind(&self) -> Kind {
        use StatusCode as S;
        match self {
            Self::Access { error, .. } => access_kind(error),
            Self::NotAsked(_) => Kind("RR0198", S::INTERNAL_SERVER_ERROR, "The route did not ask who may use it"),
            Self::NotFound(_) => Kind("RR0103", S::NOT_FOUND, "No such route"),
            Self::Method(_) => Kind("RR0104", S::METHOD_NOT_ALLOWED, "No such method on this route"),
            Self::MediaType(_) => Kind("RR0113", S::UNSUPPORTED_MEDIA_TYPE, "The media type is not one of events"),
            Self::Body(error) => body_kind(error),
            Self::Decode { error, .. } => decode_kind(error),
            Self::Accept { error, .. } => accept_kind(error),
            Self::Append(error) => append_kind(error),
            Self::Stopped(_) => Kind("RR0152", S::SERVICE_UNAVAILABLE, "The log has stopped"),
            Self::Query(_) => Kind("RR0160", S::BAD_REQUEST, "A parameter of the read is wrong"),
            Self::Read(error) => read_kind(error),
            Self::Consumer(error) => consumer_kind(error),
            Self::Request { .. } => Kind("RR0193", S::BAD_REQUEST, "The request is not as expected"),
            Self::NotJson => Kind("RR0194", S::UNSUPPORTED_MEDIA_TYPE, "The request is not sent as JSON"),
            Self::Graphql(error) => {
                let (code, status, title) = error.kind();
                Kind(code, status, title)
            }
            Self::TooManyReaders(_) => Kind("RR0164", S::TOO_MANY_REQUESTS, "Too many readers"),
        }
    }
}

fn access_kind(error: &AccessError) -> Kind {
    use StatusCode as S;
    match error {
        AccessError::Token => Kind("RR0101", S::UNAUTHORIZED, "A valid token is needed"),
        AccessError::Host(_) => Kind("RR0102", S::FORBIDDEN, "This server is not known by that name"),
        AccessError::Verb { .. } => Kind("RR0196", S::FORBIDDEN, "The token has not the verb"),
        AccessError::Topic { .. } => Kind("RR0197", S::FORBIDDEN, "The token does not hold for the topic"),
    }
}

fn body_kind(error: &BodyError) -> Kind {
    use StatusCode as S;
    match error {
        BodyError::TooLarge { .. } => Kind("RR0110", S::PAYLOAD_TOO_LARGE, "The body is too large"),
        BodyError::Slow { .. } => Kind("RR0111", S::REQUEST_TIMEOUT, "The body came too slowly"),
        BodyError::Broken(_) => Kind("RR0112", S::BAD_REQUEST, "The body broke off"),
        BodyError::Coding(_) => Kind("RR0114", S::UNSUPPORTED_MEDIA_TYPE, "The content encoding is not supported"),
        BodyError::Compressed(_) => Kind("RR0115", S::BAD_REQUEST, "The compressed body is damaged"),
        BodyError::NoRoom => Kind("RR0116", S::TOO_MANY_REQUESTS, "Too many bodies at once"),
    }
}

fn json_kind(error: &JsonError) -> Kind {
    match error {
        JsonError::Syntax { .. } => Kind("RR0120", StatusCode::BAD_REQUEST, "No valid JSON"),
        JsonError::Utf8 { .. } => Kind("RR0121", StatusCode::BAD_REQUEST, "No valid UTF-8"),
        JsonError::TooDeep { .. } => Kind("RR0122", StatusCode::BAD_REQUEST, "JSON nested too deeply"),
    }
}

fn decode_kind(error: &DecodeError) -> Kind {
    use StatusCode as S;
    match error {
        DecodeError::Json(error) => json_kind(error),
        DecodeError::TooMany(_) => Kind("RR0123", S::PAYLOAD_TOO_LARGE, "Too many events in one batch"),
        DecodeError::Repeated(_) => Kind("RR0124", S::BAD_REQUEST, "An attribute is stated twice"),
        DecodeError::NoSpecVersion => MISSING,
        DecodeError::Attribute { .. } => INVALID,
        DecodeError::Extension(_) => Kind("RR0132", S::BAD_REQUEST, "An extension attribute breaks a rule"),
    }
}

const MISSING: Kind = Kind("RR0130", StatusCode::BAD_REQUEST, "A required attribute is missing");
const INVALID: Kind = Kind("RR0131", StatusCode::BAD_REQUEST, "An attribute has a value it cannot have");

fn accept_kind(error: &AcceptError) -> Kind {
    use StatusCode as S;
    match error {
        AcceptError::UnknownTopic { .. } => Kind("RR0140", S::NOT_FOUND, "No such topic"),
        AcceptError::NoRoute { .. } => Kind("RR0141", S::NOT_FOUND, "No topic for events of this type"),
        AcceptError::InternalTopic(_) => Kind("RR0143", S::FORBIDDEN, "The topic is Riverrun's own"),
        AcceptError::Context(ContextError::Missing(_)) => MISSING,
        AcceptError::Context(ContextError::Attribute { .. }) => INVALID,
        AcceptError::TimeAhead { .. } => Kind("RR0133", S::BAD_REQUEST, "The event is from the future"),
        AcceptError::Expression { .. } => {
            Kind("RR0134", S::BAD_REQUEST, "The topic's expression does not fit the event")
        }
        AcceptError::Data(error) => json_kind(error),
    }
}

fn append_kind(error: &AppendError) -> Kind {
    use StatusCode as S;
    match error {
        AppendError::Conflict { .. } => Kind("RR0142", S::CONFLICT, "The id was used for another event"),
        AppendError::Overloaded { .. } => Kind("RR0150", S::TOO_MANY_REQUESTS, "The log is busy"),
        AppendError::Unreachable { .. } => Kind("RR0159", S::SERVICE_UNAVAILABLE, "The log cannot be reached"),
        AppendError::TooLarge { .. } => Kind("RR0117", S::PAYLOAD_TOO_LARGE, "The log takes no event of this size"),
        AppendError::UnknownTopic { .. } => Kind("RR0140", S::NOT_FOUND, "No such topic"),
        AppendError::Failed(_) => Kind("RR0151", S::INTERNAL_SERVER_ERROR, "Whether the events were stored is unknown"),
    }
}

fn read_kind(error: &ReadError) -> Kind {
    use StatusCode as S;
    match error {
        ReadError::UnknownTopic(_) => Kind("RR0140", S::NOT_FOUND, "No such topic"),
        ReadError::UnknownPartition(_) => Kind("RR0160", S::BAD_REQUEST, "A parameter of the read is wrong"),
        ReadError::BelowStart { .. } => Kind("RR0161", S::GONE, "Retention has removed these records"),
        ReadError::Damaged { .. } => Kind("RR0162", S::INTERNAL_SERVER_ERROR, "The log is damaged"),
        ReadError::Failed(_) => Kind("RR0163", S::INTERNAL_SERVER_ERROR, "The log cannot be read"),
    }
}

fn consumer_kind(error: &ConsumerError) -> Kind {
    use StatusCode as S;
    match error {
        ConsumerError::Lost(_) => Kind("RR0187", S::CONFLICT, "The reader no longer owns the partition"),
        ConsumerError::Cursor(_) | ConsumerError::NotHandedOut(_) => {
            Kind("RR0188", S::BAD_REQUEST, "The cursor was not handed out")
        }
        ConsumerError::Removed { .. } => Kind("RR0189", S::GONE, "Retention has removed what the consumer was to read"),
        ConsumerError::Unknown(_) => Kind("RR0190", S::NOT_FOUND, "No such consumer"),
        ConsumerError::TooMany(_) => Kind("RR0191", S::TOO_MANY_REQUESTS, "Too many consumers, readers or topics"),
        ConsumerError::Read(error) => read_kind(error),
        ConsumerError::Log(_) => Kind("RR0192", S::INTERNAL_SERVER_ERROR, "The consumer's change is not confirmed"),
    }
}
