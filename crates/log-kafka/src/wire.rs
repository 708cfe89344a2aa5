//! A connection that speaks Kafka's protocol, for what no client offers: a group member whose tasks we assign ourselves, and transactions
//! that are written in one go.
//!
//! The connection is the client's own, so TLS and SASL are what they are everywhere else: one implementation, one set of trusted
//! certificates, one place where secrets are. It is behind a feature of the client that promises nothing between versions, which the
//! pinned version makes up for. Only the messages are from another crate, since the client's are not public.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use krafka::__private::network::{BrokerConnection, ConnectionConfig};
use krafka::__private::protocol::ApiKey;
use krafka::KrafkaError;
use tokio::time::timeout;

use crate::security::Security;

/// How long opening a connection may take, and an answer that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a coordinator is asked for, by its number in the protocol.
const GROUP: i8 = 0;

#[derive(Clone)]
pub(crate) struct Wire {
    connection: Arc<BrokerConnection>,
}

impl From<Arc<BrokerConnection>> for Wire {
    fn from(connection: Arc<BrokerConnection>) -> Self {
        Self { connection }
    }
}

impl Wire {
    pub(crate) async fn open(address: &str, security: Option<&Security>) -> io::Result<Self> {
        let mut config = ConnectionConfig::builder().client_id("riverrun").connect_timeout(PATIENCE);
        config = config.request_timeout(PATIENCE);
        if let Some(security) = security {
            config = config.auth(security.auth());
        }
        let connecting = async { BrokerConnection::connect(address, config.build()?).await };
        let connection = connecting.await.map_err(|error| io::Error::other(format!("{address}: {error}")))?;
        Ok(Self { connection: Arc::new(connection) })
    }

    /// The level of a feature that the whole cluster has agreed on; none where it has not.
    pub(crate) fn feature(&self, name: &str) -> Option<i16> {
        self.connection.broker_features().finalized_level(name)
    }

    /// A connection to the broker that looks after a group; otherwise the error code it was refused with.
    pub(crate) async fn to_group(
        brokers: &str,
        security: Option<&Security>,
        group: &str,
    ) -> io::Result<Result<Self, i16>> {
        let mut reason = io::Error::other("there are no brokers");
        for broker in brokers.split(',') {
            let wire = match Self::open(broker.trim(), security).await {
                Ok(wire) => wire,
                Err(error) => {
                    reason = error;
                    continue;
                }
            };
            let request =
                FindCoordinatorRequest::default().with_key_type(GROUP).with_coordinator_keys(vec![text(group)]);
            let answer = wire.call(4, &request, PATIENCE).await?;
            let Some(found) = answer.coordinators.first() else { continue };
            if found.error_code != 0 {
                return Ok(Err(found.error_code));
            }
            return Self::open(&format!("{}:{}", found.host, found.port), security).await.map(Ok);
        }
        Err(reason)
    }

    /// Sends a request and waits for its answer, at most so long.
    pub(crate) async fn call<R>(&self, version: i16, request: &R, patience: Duration) -> io::Result<R::Response>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).map_err(io::Error::other)?;
        let exchange =
            self.connection.send_request_with_timeout(ApiKey::from_i16(R::KEY), version, patience, |message| {
                message.extend_from_slice(&body);
                Ok::<(), KrafkaError>(())
            });
        let answer = timeout(patience, exchange).await;
        let answer = answer.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))?;
        R::Response::decode(&mut answer.map_err(io::Error::other)?, version).map_err(io::Error::other)
    }
}

/// A text as messages have it.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
