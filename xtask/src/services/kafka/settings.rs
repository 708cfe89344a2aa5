//! What a broker is told: its ports, and the settings file made of testing/kafka/server.properties and what differs between brokers.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::str::FromStr;

use super::BrokerCount;
use crate::Failure;

/// Where a broker listens, on the loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// For clients and the other brokers.
    pub(super) broker: u16,
    /// For clients with TLS and a user.
    secure: u16,
    /// For clients with TLS and a certificate of their own.
    mutual: u16,
    /// For the brokers' agreement among themselves.
    controller: u16,
}

impl Ports {
    /// Ports that are free now. All are held until the last is known, so that they differ.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn choose(count: BrokerCount) -> Result<Vec<Self>, Failure> {
        let mut held = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..count.brokers() {
            let bind = || TcpListener::bind("127.0.0.1:0");
            let own = [bind()?, bind()?, bind()?, bind()?];
            let [broker, secure, mutual, controller] = &own;
            ports.push(Self {
                broker: broker.local_addr()?.port(),
                secure: secure.local_addr()?.port(),
                mutual: mutual.local_addr()?.port(),
                controller: controller.local_addr()?.port(),
            });
            held.push(own);
        }
        Ok(ports)
    }

    /// What clients connect to.
    pub(super) fn address(self) -> String {
        format!("127.0.0.1:{}", self.broker)
    }

    /// What clients with TLS and a user connect to.
    pub(super) fn secure_address(self) -> String {
        format!("127.0.0.1:{}", self.secure)
    }

    /// What clients with TLS and a certificate connect to.
    pub(super) fn mutual_address(self) -> String {
        format!("127.0.0.1:{}", self.mutual)
    }
}

/// One more listener of a broker, whose address is said to be that of a proxy in front of it: `LISTEN:ADVERTISED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// Where the broker listens.
    listen: u16,
    /// Where the proxy does.
    advertised: u16,
}

impl FromStr for Proxied {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports = text.split_once(':').and_then(|(listen, advertised)| {
            Some(Self { listen: listen.parse().ok()?, advertised: advertised.parse().ok()? })
        });
        ports.ok_or_else(|| format!("--proxy {text}: expected two ports, LISTEN:ADVERTISED"))
    }
}

impl Proxied {
    /// The settings of a broker with this listener among its own.
    pub(super) fn add_to(self, settings: &str) -> String {
        let Self { listen, advertised } = self;
        let line = |line: &str| match line.split_once('=') {
            Some(("listeners", _)) => format!("{line},PROXIED://127.0.0.1:{listen}\n"),
            Some(("advertised.listeners", _)) => format!("{line},PROXIED://127.0.0.1:{advertised}\n"),
            Some(("listener.security.protocol.map", _)) => format!("{line},PROXIED:PLAINTEXT\n"),
            _ => format!("{line}\n"),
        };
        settings.lines().map(line).collect()
    }
}

/// The version of transactions that a cluster agrees on when it begins, instead of its newest one: 0 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionVersion(u8);

impl FromStr for TransactionVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(version @ 0..=2) => Ok(Self(version)),
            _ => Err(format!("--transactions {text}: expected a version from 0 to 2")),
        }
    }
}

impl TransactionVersion {
    /// As the tool that formats a broker's storage takes it.
    pub(super) fn feature(self) -> String {
        format!("transaction.version={}", self.0)
    }
}

/// The settings of one broker of a cluster that listens on `cluster`. Brokers count from 1.
pub(super) fn settings(common: &str, cluster: &[Ports], number: usize, ports: Ports, data: &Path) -> String {
    let voters: Vec<String> = cluster
        .iter()
        .enumerate()
        .map(|(index, ports)| format!("{}@127.0.0.1:{}", index + 1, ports.controller))
        .collect();
    // Three copies of which two are enough is what is usual in production; what is more than three adds brokers, not copies.
    let copies = cluster.len().min(3);
    let copies_min = if copies == 3 { 2 } else { 1 };
    let (client, voters, data) = (ports.address(), voters.join(","), data.display());
    let (secure, mutual) = (ports.secure_address(), ports.mutual_address());
    let mut text = format!(
        "{common}
node.id={number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{client},SECURE://{secure},MUTUAL://{mutual},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{client},SECURE://{secure},MUTUAL://{mutual}
log.dirs={data}
",
        controller = ports.controller
    );
    for (of_what, minimum) in [
        ("default.replication.factor", "min.insync.replicas"),
        ("offsets.topic.replication.factor", ""),
        ("transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
        ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{of_what}={copies}");
        if !minimum.is_empty() {
            let _ = writeln!(text, "{minimum}={copies_min}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(brokers: u16, expected: &[&str]) {
        let cluster: Vec<Ports> = (1..=brokers)
            .map(|number| Ports {
                broker: 1000 + number,
                secure: 3000 + number,
                mutual: 4000 + number,
                controller: 2000 + number,
            })
            .collect();
        let text = settings("a=b", &cluster, 1, cluster[0], Path::new("/data/1"));
        for line in expected {
            assert!(text.lines().any(|found| found == *line), "no {line} in:\n{text}");
        }
    }

    #[test]
    fn one_broker_and_three() {
        let own = [
            "a=b",
            "node.id=1",
            "listeners=PLAINTEXT://127.0.0.1:1001,SECURE://127.0.0.1:3001,MUTUAL://127.0.0.1:4001,CONTROLLER://127.0.0.1:2001",
            "advertised.listeners=PLAINTEXT://127.0.0.1:1001,SECURE://127.0.0.1:3001,MUTUAL://127.0.0.1:4001",
            "log.dirs=/data/1",
        ];
        check(1, &own);
        check(
            1,
            &[
                "controller.quorum.voters=1@127.0.0.1:2001",
                "offsets.topic.replication.factor=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "min.insync.replicas=1",
            ],
        );
        check(3, &own);
        check(
            3,
            &[
                "controller.quorum.voters=1@127.0.0.1:2001,2@127.0.0.1:2002,3@127.0.0.1:2003",
                "default.replication.factor=3",
                "offsets.topic.replication.factor=3",
                "transaction.state.log.replication.factor=3",
                "transaction.state.log.min.isr=2",
                "min.insync.replicas=2",
            ],
        );
    }

    #[test]
    fn a_proxy_has_a_listener_of_its_own() {
        let settings = "listeners=A://1\nadvertised.listeners=A://1\nlistener.security.protocol.map=A:B\nx=y\n";
        let proxied: Proxied = "7:8".parse().unwrap();
        assert_eq!(
            proxied.add_to(settings),
            "listeners=A://1,PROXIED://127.0.0.1:7\nadvertised.listeners=A://1,PROXIED://127.0.0.1:8\n\
             listener.security.protocol.map=A:B,PROXIED:PLAINTEXT\nx=y\n"
        );
        for wrong in ["", "7", "7:x", "7:8:9"] {
            assert!(wrong.parse::<Proxied>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_of_transactions_are_parsed() {
        assert_eq!("1".parse::<TransactionVersion>().unwrap().feature(), "transaction.version=1");
        for wrong in ["", "3", "-1", "one"] {
            assert!(wrong.parse::<TransactionVersion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn chosen_ports_differ() {
        let ports = Ports::choose("3".parse().unwrap()).unwrap();
        let mut numbers: Vec<u16> =
            ports.iter().flat_map(|ports| [ports.broker, ports.secure, ports.mutual, ports.controller]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 12);
    }
}
