//! Where the other instances of an app reach this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use riverrun_app::{LogSetting, Settings};
use tokio::net::{UdpSocket, lookup_host};

/// The URL that others are told; `None` where there are no others, or where it is not known.
pub(super) async fn address(settings: &Settings, listening: SocketAddr) -> Option<String> {
    let LogSetting::Kafka { brokers } = &settings.log else { return None };
    if let Some(address) = &settings.kafka.address {
        return Some(format!("http://{address}"));
    }
    if !listening.ip().is_unspecified() {
        return Some(format!("http://{listening}"));
    }
    for broker in brokers.split(',') {
        if let Some(own) = on_the_way_to(broker.trim()).await {
            return Some(format!("http://{}", SocketAddr::new(own, listening.port())));
        }
    }
    tracing::warn!("other instances are not told where this one is reached; say so with `kafka.address`");
    None
}

/// The address of this machine that a broker sees, and so may the others who reach that broker. Nothing is sent.
async fn on_the_way_to(broker: &str) -> Option<IpAddr> {
    for broker in lookup_host(broker).await.ok()? {
        let any = if broker.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        let Ok(socket) = UdpSocket::bind((any, 0)).await else { continue };
        if socket.connect(broker).await.is_ok()
            && let Ok(own) = socket.local_addr()
        {
            return Some(own.ip());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(address_in_file: Option<&str>, listening: &str, expected: Option<&str>) {
        let mut settings =
            crate::App::parse("app: a\nlog: kafka://127.0.0.1:9092", "riverrun.yaml").unwrap().settings().clone();
        settings.kafka.address = address_in_file.map(str::to_owned);
        assert_eq!(address(&settings, listening.parse().unwrap()).await.as_deref(), expected);
        settings.log = LogSetting::Local;
        assert_eq!(address(&settings, listening.parse().unwrap()).await, None);
    }

    #[tokio::test]
    async fn others_are_told_what_the_file_says_or_what_is_listened_on() {
        check(Some("shop-1.internal:80"), "127.0.0.1:8080", Some("http://shop-1.internal:80")).await;
        check(None, "10.0.0.7:8080", Some("http://10.0.0.7:8080")).await;
        check(None, "[::1]:8080", Some("http://[::1]:8080")).await;
        check(None, "0.0.0.0:8080", Some("http://127.0.0.1:8080")).await;
    }
}
