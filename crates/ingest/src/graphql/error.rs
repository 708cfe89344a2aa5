//! What a GraphQL request can fail with beyond what every door fails with.

use axum::http::StatusCode;

/// A refusal of the GraphQL door.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphqlError {
    /// The body or the parameters are no GraphQL request.
    #[error("{0}; send a JSON object with \"query\" and, as needed, \"operationName\" and \"variables\"")]
    Request(String),
    /// The body is not sent as JSON.
    #[error("{0} is no form GraphQL requests are sent in; send application/json, in UTF-8")]
    MediaType(String),
    /// The document does not parse, does not fit the schema, or its variables do not fit it.
    #[error("{0}")]
    Document(String),
    /// The document is larger, deeper or costlier than allowed.
    #[error("the document has {what}; at most {most} are allowed")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        most: usize,
    },
    /// GET is for queries only.
    #[error("only queries are answered by GET; send a mutation by POST, and a subscription over a WebSocket")]
    Method,
    /// The client takes none of the forms there are.
    #[error("answers are given as application/graphql-response+json or application/json")]
    NotAcceptable,
    /// The answers in hand hold as many bytes as they may.
    #[error("the server holds as many requests and answers as it may; nothing was done, try again later")]
    NoRoom,
    /// A page of another origin opens a WebSocket.
    #[error(
        "a page of origin {0:?} may not open a WebSocket here; allowed are this server's own and `access.hosts` of the app file"
    )]
    Origin(String),
    /// The pipeline is not declared.
    #[error("there is no pipeline {0:?}")]
    UnknownPipeline(String),
}

impl GraphqlError {
    /// Code, status and title.
    pub(crate) fn kind(&self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Request(_) => ("RR0180", S::BAD_REQUEST, "No GraphQL request"),
            Self::MediaType(_) => ("RR0180", S::UNSUPPORTED_MEDIA_TYPE, "No GraphQL request"),
            Self::Document(_) => ("RR0181", S::BAD_REQUEST, "The GraphQL document is not valid"),
            Self::Limit { .. } => ("RR0182", S::BAD_REQUEST, "The GraphQL document is too large"),
            Self::Method => ("RR0183", S::METHOD_NOT_ALLOWED, "Only queries by GET"),
            Self::NotAcceptable => ("RR0184", S::NOT_ACCEPTABLE, "No acceptable form of answer"),
            Self::NoRoom => ("RR0185", S::TOO_MANY_REQUESTS, "Too many answers at once"),
            Self::Origin(_) => ("RR0186", S::FORBIDDEN, "A page of another origin"),
            Self::UnknownPipeline(_) => ("RR0170", S::NOT_FOUND, "No such pipeline"),
        }
    }

    /// Whether the fault is the document's: then a client that takes plain JSON gets status 200, as such clients expect.
    pub(crate) fn is_of_document(&self) -> bool {
        matches!(self, Self::Document(_) | Self::Limit { .. })
    }
}
