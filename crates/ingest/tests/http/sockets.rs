//! GraphQL over WebSockets: `graphql-transport-ws` as its specification has it, and who may open one.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use riverrun_event::Verb;
use riverrun_event::limits::Limits;
use riverrun_ingest::{Grant, Token, serve};
use riverrun_topology::TypePattern;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::door::Door;

const SUBSCRIBE: &str = "subscription { events(topic: \"single\", from: \"beginning\") { cursor event { id } } }";

struct Client(WebSocketStream<TcpStream>);

async fn start(door: &Door) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve(listener, door.routes.clone(), door.closing.subscribe())))
}

async fn connect(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(Client(socket)),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl Client {
    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or the code the connection ends with.
    async fn hear(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(Duration::from_secs(30), self.0.next()).await.expect("something comes") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                ended => panic!("{ended:?}"),
            }
        }
    }

    async fn initialised(mut self) -> Self {
        self.say(json!({ "type": "connection_init" })).await;
        assert_eq!(self.hear().await, Ok(json!({ "type": "connection_ack" })));
        self
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }
}

async fn put(door: &Door, id: &str) {
    let body = json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "t" }).to_string();
    assert_eq!(door.ask("POST /topics/single/events", &[crate::door::STRUCTURED], body).await.status, 202);
}

fn next(id: &str, event: &str, cursor: &str) -> Value {
    let data = json!({ "events": { "cursor": cursor, "event": { "id": event } } });
    json!({ "type": "next", "id": id, "payload": { "data": data } })
}

#[tokio::test]
async fn a_subscription_gives_what_is_there_then_what_comes_until_it_is_ended() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    put(&door, "1").await;
    let mut client = connect(address, &[]).await.ok().unwrap().initialised().await;
    client.subscribe("a", SUBSCRIBE).await;
    assert_eq!(client.hear().await, Ok(next("a", "1", "0@1")));
    put(&door, "2").await;
    assert_eq!(client.hear().await, Ok(next("a", "2", "0@2")));
    client.say(json!({ "type": "complete", "id": "a" })).await;
    client.say(json!({ "type": "ping" })).await;
    assert_eq!(client.hear().await, Ok(json!({ "type": "pong" })), "and what was said before was heard");
    put(&door, "3").await;
    client.say(json!({ "type": "ping" })).await;
    assert_eq!(client.hear().await, Ok(json!({ "type": "pong" })), "what was ended says nothing any more");
    client.subscribe("a", "{ topics { name } }").await;
    let topics = json!({ "topics": [{ "name": "flights" }, { "name": "single" }] });
    assert_eq!(client.hear().await, Ok(json!({ "type": "next", "id": "a", "payload": { "data": topics } })));
    assert_eq!(client.hear().await, Ok(json!({ "type": "complete", "id": "a" })), "the id is free again");
    assert_eq!(door.metrics.readers.get(), 0);
}

#[tokio::test]
async fn what_cannot_run_is_an_error_of_its_operation_alone() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let mut client = connect(address, &[]).await.ok().unwrap().initialised().await;
    for (query, code) in [
        ("{", "RR0181"),
        ("subscription { nothing }", "RR0181"),
        ("subscription { events(topic: \"nowhere\") { cursor } }", "RR0140"),
        ("subscription { events(topic: \"single\", from: \"never\") { cursor } }", "RR0160"),
    ] {
        client.subscribe("a", query).await;
        let heard = client.hear().await.unwrap();
        let found = (&heard["type"], &heard["id"], &heard["payload"][0]["extensions"]["code"]);
        assert_eq!(found, (&json!("error"), &json!("a"), &json!(code)), "{query}: {heard}");
    }
    put(&door, "1").await;
    client.subscribe("a", SUBSCRIBE).await;
    assert_eq!(client.hear().await, Ok(next("a", "1", "0@1")));
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_told_how() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let subscribe = json!({ "type": "subscribe", "id": "a", "payload": { "query": SUBSCRIBE } });
    let init = json!({ "type": "connection_init" });
    for (said, code) in [
        (vec![subscribe.clone()], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), subscribe.clone(), subscribe], 4409),
        (vec![json!({ "type": "shout" })], 4400),
        (vec![json!([])], 4400),
        (vec![init, json!({ "type": "subscribe", "id": "a", "payload": [] })], 4400),
    ] {
        let mut client = connect(address, &[]).await.ok().unwrap();
        for message in &said {
            client.say(message.clone()).await;
        }
        let ended = loop {
            if let Err(code) = client.hear().await {
                break code;
            }
        };
        assert_eq!(ended, code, "{said:?}");
    }
}

#[tokio::test]
async fn who_does_not_begin_in_time_is_told() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let mut client = connect(address, &[]).await.ok().unwrap();
    tokio::time::pause();
    assert_eq!(client.hear().await, Err(4408));
}

#[tokio::test]
async fn who_answers_pings_stays_and_who_is_silent_is_let_go() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let mut client = connect(address, &[]).await.ok().unwrap().initialised().await;
    tokio::time::pause();
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_secs(120) {
        let heard = timeout(Duration::from_secs(16), client.0.next()).await.expect("a ping in time");
        assert!(matches!(heard, Some(Ok(Message::Ping(_)))), "{heard:?}");
    }
    // From here on nobody reads messages, so none is answered.
    let mut unread = Vec::new();
    let ended = timeout(Duration::from_secs(61), client.0.get_mut().read_to_end(&mut unread)).await;
    ended.expect("it is let go in time").unwrap();
    assert!(unread.chunks(2).all(|ping| ping == [0x89, 0]), "{unread:?}");
}

#[tokio::test]
async fn who_takes_nothing_for_a_minute_is_let_go() {
    // More than a connection's buffers hold on any system.
    const EVENTS: usize = 24;
    const EVENT_BYTES: usize = 1024 * 1024;
    let limits = Limits { body_bytes_max: 2 * EVENT_BYTES, ..Limits::default() };
    let door = Door::with(limits, &[]).await;
    let data = format!("\"{}\"", "x".repeat(EVENT_BYTES));
    for _ in 0..EVENTS {
        assert_eq!(door.ask("POST /topics/single/events", &[crate::door::JSON], data.clone()).await.status, 202);
    }
    let (address, _server) = start(&door).await;
    let mut client = connect(address, &[]).await.ok().unwrap().initialised().await;
    let query = "subscription { events(topic: \"single\", from: \"beginning\") { event { data } } }";
    client.subscribe("a", query).await;
    assert!(client.hear().await.is_ok());
    assert_eq!(door.metrics.readers.get(), 1);
    tokio::time::pause();
    // A ping may stand before the last message that fits.
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(door.metrics.readers.get(), 0);
    let mut untaken = Vec::new();
    client.0.get_mut().read_to_end(&mut untaken).await.unwrap();
    assert!(untaken.len() < (EVENTS - 1) * EVENT_BYTES, "{}", untaken.len());
}

#[tokio::test]
async fn a_long_message_ends_the_connection() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let mut client = connect(address, &[]).await.ok().unwrap().initialised().await;
    let fits = json!({ "type": "ping", "payload": { "filler": " ".repeat(60 * 1024) } });
    client.say(fits).await;
    assert_eq!(client.hear().await, Ok(json!({ "type": "pong" })));
    let too_long = json!({ "type": "ping", "payload": { "filler": " ".repeat(64 * 1024) } }).to_string();
    let _may_break_off = client.0.send(Message::text(too_long)).await;
    let ended = timeout(Duration::from_secs(30), client.0.next()).await.expect("it ends");
    assert!(!matches!(ended, Some(Ok(Message::Text(_)))), "{ended:?}");
}

#[tokio::test]
async fn a_token_comes_with_the_request_or_in_the_first_message() {
    let door = Door::with(Limits::default(), &["secret"]).await;
    let (address, _server) = start(&door).await;
    assert_eq!(connect(address, &[("authorization", "Bearer wrong")]).await.err(), Some(401));
    let _known = connect(address, &[("authorization", "Bearer secret")]).await.ok().unwrap().initialised().await;
    for (payload, expected) in [
        (json!({ "authorization": "Bearer secret" }), Ok(json!({ "type": "connection_ack" }))),
        (json!({ "authorization": "Bearer wrong" }), Err(4401)),
        (Value::Null, Err(4401)),
    ] {
        let mut client = connect(address, &[]).await.ok().unwrap();
        client.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(client.hear().await, expected);
    }
}

#[tokio::test]
async fn a_subscription_is_for_those_who_may_read_the_topic() {
    let topics = Some(vec![TypePattern("flights".to_owned())]);
    let token = Token::new(Grant { name: "reader".to_owned(), verbs: vec![Verb::Read], topics }, "secret");
    let door = Door::for_callers(Limits::default(), vec![token]).await;
    let (address, _server) = start(&door).await;
    let known = connect(address, &[("authorization", "Bearer secret")]).await;
    let mut client = known.ok().unwrap().initialised().await;
    client.subscribe("a", SUBSCRIBE).await;
    let heard = client.hear().await.unwrap();
    assert_eq!((&heard["type"], &heard["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("RR0197")));
}

#[tokio::test]
async fn only_this_server_s_own_pages_open_a_socket() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let own = format!("http://{address}");
    for (headers, expected) in [
        (&[("origin", own.as_str())][..], None),
        (&[("origin", "http://evil.example")], Some(403)),
        (&[("origin", "null")], Some(403)),
        (&[("origin", "http://127.0.0.1:1")], Some(403)),
        (&[("host", "evil.example")], Some(403)),
        (&[("sec-websocket-protocol", "graphql-ws")], Some(400)),
    ] {
        assert_eq!(connect(address, headers).await.err(), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn closing_lets_sockets_go_and_says_why() {
    let door = Door::open().await;
    let (address, server) = start(&door).await;
    let mut client = connect(address, &[]).await.ok().unwrap().initialised().await;
    client.subscribe("a", SUBSCRIBE).await;
    put(&door, "1").await;
    assert_eq!(client.hear().await, Ok(next("a", "1", "0@1")));
    door.closing.send_replace(true);
    assert_eq!(client.hear().await, Err(1001));
    timeout(Duration::from_secs(5), server).await.expect("the server ends").unwrap();
}
