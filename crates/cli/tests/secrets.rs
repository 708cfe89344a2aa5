//! No secret comes out of the binary: a server logs all it can while secrets are sent to it in right and in wrong places, the
//! commands are run beside it, and everything they print, answer or write is searched.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod binary;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use binary::{PATIENCE, Place};

/// What every secret of this test begins with, and nothing else.
const CANARY: &str = "canary7d1f";

const APP: &str = "\
app: shop
listen: 127.0.0.1:0
access:
  tokens:
    - { name: from-file, secret: '${file:SECRET_FILE}' }
    - { name: from-environment, secret: '${env:SHOP_TOKEN}', verbs: [publish], topics: [orders] }
topics:
  orders: { key: data.customer }
  flights:
pipelines:
  checked: { from: orders, to: orders-checked }
";

fn secret(name: &str) -> String {
    format!("{CANARY}-{name}")
}

/// Everything that came out, with where it came from.
#[derive(Default)]
struct Outputs(Vec<(String, String)>);

impl Outputs {
    fn add(&mut self, from: impl Into<String>, text: impl Into<String>) {
        self.0.push((from.into(), text.into()));
    }

    fn check(&self) {
        for (from, text) in &self.0 {
            assert!(!text.is_empty(), "{from} says nothing, so nothing was looked for");
            let found = text.to_lowercase().find(CANARY);
            let around = found.map(|at| text.get(at.saturating_sub(200)..(at + 60).min(text.len())).unwrap_or(text));
            assert_eq!(around, None, "a secret in {from}");
        }
    }
}

fn place() -> Place {
    let place = Place::new();
    place.write("secret", secret("file"));
    let path = place.path().join("secret");
    place.write("riverrun.yaml", APP.replace("SECRET_FILE", path.to_str().unwrap()));
    place
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riverrun"));
    command.args(arguments).current_dir(place.path()).env("SHOP_TOKEN", secret("environment"));
    command.env("RIVERRUN_TOKEN", secret("file")).env_remove("RIVERRUN_URL").env_remove("RUST_LOG");
    command
}

/// Ends the server with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(place: &Place, format: &str) -> (Served, String) {
    let log = File::create(place.path().join("log")).unwrap();
    let mut command = command(place, &["run", "--log", "trace", "--log-format", format]);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut served = Served(command.spawn().unwrap());
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        assert!(served.0.try_wait().unwrap().is_none() && Instant::now() < give_up_at, "{}", place.read("log"));
        let told = std::fs::read(place.path().join("data/server.json")).unwrap_or_default();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
        if let Some(address) = told["url"].as_str().and_then(|url| url.strip_prefix("http://")) {
            return (served, address.to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends these lines and a body; the whole answer.
fn ask(address: &str, line: &str, headers: &[String], body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Requests that hold a secret somewhere, and the status each is answered with.
fn requests() -> Vec<(&'static str, Vec<String>, String, u16)> {
    let bearer = |name: &str| format!("Authorization: Bearer {}", secret(name));
    let json = || "Content-Type: application/json".to_owned();
    let good = || r#"{"customer":"a"}"#.to_owned();
    vec![
        ("GET /metrics", vec![bearer("file")], String::new(), 200),
        ("GET /status", vec![bearer("file")], String::new(), 200),
        ("GET /dead-letters", vec![bearer("file"), format!("X-Api-Key: {}", secret("header"))], String::new(), 200),
        ("POST /topics/orders/events", vec![bearer("file"), json()], good(), 202),
        ("POST /topics/orders/events", vec![bearer("environment"), json()], good(), 202),
        ("GET /topics/orders/events", vec![bearer("file")], String::new(), 200),
        ("GET /topics/orders/events", vec![bearer("environment")], String::new(), 403),
        ("POST /topics/flights/events", vec![bearer("environment"), json()], good(), 403),
        ("GET /status", vec![bearer("wrong")], String::new(), 401),
        ("GET /status", vec![format!("Authorization: {}", secret("bare"))], String::new(), 401),
        ("GET /status", vec![format!("Authorization: Basic {}", secret("basic"))], String::new(), 401),
        ("GET /status?token=canary7d1f-query", vec![], String::new(), 401),
        ("GET /topics/orders/events?token=canary7d1f-query", vec![bearer("file")], String::new(), 400),
        ("GET /topics/orders/events?from=canary7d1f-query", vec![bearer("file")], String::new(), 400),
        ("GET /nowhere?token=canary7d1f-query", vec![bearer("file")], String::new(), 404),
        ("PUT /status?token=canary7d1f-query", vec![bearer("file")], String::new(), 405),
        ("POST /topics/orders/events", vec![bearer("file"), json()], secret("body"), 400),
        ("POST /topics/orders/events", vec![bearer("file"), json()], format!("{{\"a\":{}}}", secret("body")), 400),
        ("POST /pipelines/checked/replays", vec![bearer("file"), json()], secret("body"), 400),
        ("POST /topics/orders/events", vec![bearer("file"), json(), "Content-Encoding: gzip".into()], secret("x"), 400),
        ("GET /status", vec![bearer("file"), format!("Bad {}\u{1}: x", secret("line"))], String::new(), 400),
    ]
}

fn check(format: &str) {
    let place = place();
    let mut outputs = Outputs::default();
    let (mut served, address) = serve(&place, format);
    for (line, headers, body, status) in requests() {
        let answer = ask(&address, line, &headers, &body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {headers:?}: {answer}");
        outputs.add(format!("the answer to {line}"), answer);
    }
    outputs.add("server.json", place.read("data/server.json"));
    for arguments in [
        &["--help"][..],
        &["status", "--help"],
        &["status"],
        &["status", "--format", "json"],
        &["tail", "orders"],
        &["--token", "canary7d1f-option", "status"],
        &["--url", "http://user:canary7d1f-url@127.0.0.1:1", "status"],
        &["check"],
        &["check", "--format", "json"],
        &["describe"],
        &["run", "--log", "trace", "--log-format", format],
    ] {
        let output = command(&place, arguments).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        outputs.add(format!("riverrun {arguments:?}"), String::from_utf8_lossy(&all));
    }
    let terminated = Command::new("kill").args(["-TERM", &served.0.id().to_string()]).status().unwrap();
    assert!(terminated.success() && served.0.wait().unwrap().success());
    let log = place.read("log");
    assert!(
        log.contains("receive") || log.contains("TRACE") || log.contains("DEBUG"),
        "the log is not at trace: {log}"
    );
    outputs.add("the log", log);
    outputs.check();
}

#[test]
fn no_secret_comes_out_of_a_server_that_logs_text() {
    check("text");
}

#[test]
fn no_secret_comes_out_of_a_server_that_logs_json() {
    check("json");
}

#[test]
fn no_secret_comes_out_of_a_file_with_mistakes() {
    let place = place();
    let mut outputs = Outputs::default();
    let mistaken = [
        APP.replace("name: from-file", "nam: from-file"),
        APP.replace("secret: '${file:SECRET_FILE}'", "secret: canary7d1f-plain"),
        APP.replace("secret: '${file:SECRET_FILE}'", "secert: canary7d1f-plain"),
        APP.replace("secret: '${file:SECRET_FILE}'", "secret: [canary7d1f-plain"),
        APP.replace("name: from-file", "name: '${env:SHOP_TOKEN}!'"),
        APP.replace("listen: 127.0.0.1:0", "listen: '${env:SHOP_TOKEN}'"),
    ];
    for text in mistaken {
        place.write("riverrun.yaml", text.replace("SECRET_FILE", place.path().join("secret").to_str().unwrap()));
        for arguments in [
            &["check"][..],
            &["check", "--format", "json"],
            &["describe"],
            &["run", "--log", "trace", "--exit-when-idle", "1ms"],
        ] {
            let output = command(&place, arguments).output().unwrap();
            let all = [output.stdout, output.stderr].concat();
            outputs.add(format!("riverrun {arguments:?} with\n{text}"), String::from_utf8_lossy(&all));
        }
    }
    outputs.check();
}
