//! The doors over TCP: answers, time-outs of headers, and an end that lets requests in hand finish.

use std::net::SocketAddr;
use std::time::Duration;

use riverrun_ingest::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::door::Door;

async fn start(door: &Door) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve(listener, door.routes.clone(), door.closing.subscribe())))
}

async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut text)).await.expect("the answer ends").unwrap();
    text
}

#[tokio::test]
async fn events_go_in_and_come_out() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let post = "POST /topics/single/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    assert!(read_to_end(send(address, post).await).await.starts_with("HTTP/1.1 202 Accepted\r\n"));
    let get = "GET /topics/single/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(read_to_end(send(address, get).await).await.contains("\"rrposition\":\"single/0@0\""));
}

#[tokio::test]
async fn an_announced_body_that_is_too_large_is_refused_unread() {
    let door = Door::open().await;
    let (address, _server) = start(&door).await;
    let post = "POST /topics/single/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n";
    assert!(read_to_end(send(address, post).await).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn closing_finishes_requests_in_hand_and_lets_followers_go() {
    let door = Door::open().await;
    let (address, server) = start(&door).await;
    let follow = "GET /topics/single/events?follow=true HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut follower = send(address, follow).await;
    let mut head = [0; 15];
    follower.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let half = "POST /topics/single/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{";
    let mut writer = send(address, half).await;
    // Time for the server to take the half request in hand.
    tokio::time::sleep(Duration::from_millis(100)).await;
    door.closing.send_replace(true);
    tokio::time::sleep(Duration::from_millis(100)).await;
    writer.write_all(b"}").await.unwrap();
    assert!(read_to_end(writer).await.starts_with("HTTP/1.1 202 "));
    assert!(read_to_end(follower).await.ends_with("0\r\n\r\n"), "the stream is ended, not broken");
    timeout(Duration::from_secs(5), server).await.expect("the server ends").unwrap();
}
