//! A server on a fresh directory and a caller that speaks plain HTTP/1.1 to it.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub, reason = "a test says so by failing")]

use std::path::Path;
use std::time::Duration;

use riverrun::{App, ServeError, ServeOptions, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Serves the app on a free loopback port, its data below `directory`.
pub async fn try_serve(app: &str, directory: &Path) -> Result<Server, ServeError> {
    let app = App::parse(app, directory.join("riverrun.yaml")).unwrap();
    let options = ServeOptions { listen: Some("127.0.0.1:0".parse().unwrap()), ..ServeOptions::default() };
    app.serve(options).await
}

pub async fn serve(app: &str, directory: &Path) -> Server {
    try_serve(app, directory).await.unwrap()
}

/// Sends one request and gives the whole answer. `head` is for example `GET /status`.
pub async fn request(url: &str, head: &str, body: &str) -> String {
    send(url, head, "application/cloudevents+json", body).await
}

/// The same with a body of another type.
pub async fn send(url: &str, head: &str, content_type: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let headers = format!("Host: {address}\r\nContent-Type: {content_type}\r\nConnection: close");
    let text = format!("{head} HTTP/1.1\r\n{headers}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Publishes one event and gives the answer.
pub async fn publish(server: &Server, topic: &str, id: &str, time: &str, data: &str) -> String {
    let event = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/{topic}","type":"test","time":"{time}","data":{data}}}"#
    );
    request(server.url(), &format!("POST /topics/{topic}/events"), &event).await
}

/// Reads a topic from the beginning once nothing is left to do.
pub async fn read(server: &Server, topic: &str) -> Vec<String> {
    server.idle_for(Duration::from_millis(50)).await;
    let answer = request(server.url(), &format!("GET /topics/{topic}/events?from=beginning"), "").await;
    answer.lines().filter(|line| line.starts_with("{\"specversion\"")).map(ToOwned::to_owned).collect()
}
