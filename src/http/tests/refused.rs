//! Bodies that are too large, and clients that behave badly: each gets its answer, and none is
//! read without end.

use actix::Actor as _;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{
    BODY, Connection, Desk, End, NOTIFY, PATIENCE, Scripted, find, post, post_with, state,
};

const LIMIT: usize = 64 * 1024;

fn desk(scripted: &Scripted) -> Desk {
    let mut state = state(scripted.clone().start().recipient());
    state.max_body_bytes = LIMIT;
    Desk::open(state)
}

/// A good notification of exactly `length` bytes.
fn body_of(length: usize) -> String {
    let (start, end) = BODY.split_at(1);
    let padding = " ".repeat(length - BODY.len());
    format!("{start}{padding}{end}")
}

fn chunked(chunks: &[&str]) -> Vec<u8> {
    let head =
        format!("POST {NOTIFY} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunks = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    let chunks: Vec<String> = chunks.collect();
    format!("{head}{}0\r\n\r\n", chunks.concat()).into_bytes()
}

async fn is_usable(connection: &mut Connection) {
    connection.send(post(BODY)).await;
    assert_eq!(connection.reply().await.status, 200);
}

#[actix_web::test]
async fn the_limit_is_exact() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let mut connection = desk.connect().await;
    for (request, status) in [
        (post(body_of(LIMIT)), 200),
        (post(body_of(LIMIT + 1)), 413),
        (chunked(&[&body_of(LIMIT)]), 200),
        (chunked(&[&body_of(LIMIT + 1)]), 413),
        (chunked(&[BODY, &" ".repeat(LIMIT - BODY.len())]), 200),
        (chunked(&[BODY, &" ".repeat(LIMIT - BODY.len()), " "]), 413),
    ] {
        connection.send(request).await;
        let reply = connection.reply().await;
        assert_eq!(reply.status, status);
        if status == 413 {
            assert_eq!(reply.errcode(), "M_TOO_LARGE");
        }
    }
    is_usable(&mut connection).await;
    assert_eq!(scripted.seen(), 4);
}

#[actix_web::test]
async fn a_request_behind_a_refused_one_is_served() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    for refused in [post(body_of(LIMIT * 8)), chunked(&[&body_of(LIMIT * 8)])] {
        let mut connection = desk.connect().await;
        connection.send([refused, post(BODY)].concat()).await;
        assert_eq!(connection.reply().await.status, 413);
        assert_eq!(connection.reply().await.status, 200);
    }
    assert_eq!(scripted.seen(), 2);
}

#[actix_web::test]
async fn an_announced_large_body_is_refused_at_once() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut connection = desk.connect().await;
        let head = format!(
            "POST {NOTIFY} HTTP/1.1\r\nHost: gateway\r\n{expect}Content-Length: 10000000\r\n\r\n"
        );
        connection.send(head).await;
        let mut reply = connection.reply().await;
        if reply.status == 100 {
            reply = connection.reply().await;
        }
        assert_eq!((reply.status, reply.errcode().as_str()), (413, "M_TOO_LARGE"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(reply.header("x-request-id").is_some());
        assert_eq!(connection.end().await, End::Closed);
    }
}

#[actix_web::test]
async fn a_client_that_writes_everything_first_gets_its_answer() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let body = " ".repeat(10_000_000);
    join_all([post(&body), chunked(&[&body])].map(async |request| {
        let mut connection = desk.connect().await;
        // Fails when the gateway has seen enough; the answer is there all the same.
        let _ = connection.stream.write_all(&request).await;
        let reply = connection.reply().await;
        assert_eq!(reply.status, 413);
        assert_eq!(reply.errcode(), "M_TOO_LARGE");
    }))
    .await;
    is_usable(&mut desk.connect().await).await;
}

#[actix_web::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let rows = [
        (NOTIFY, "Transfer-Encoding: chunked", 413),
        (NOTIFY, "Content-Length: 99999999999", 413),
        ("/nowhere", "Transfer-Encoding: chunked", 404),
        ("/nowhere", "Content-Length: 99999999999", 404),
        ("/health", "Transfer-Encoding: chunked", 405),
    ];
    join_all(rows.map(async |(path, framing, status)| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{framing}\r\n\r\n");
        let (answer, sent) = send_without_end(desk.connect().await, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        // The kernel's buffers on both sides take some MB besides what we read.
        assert!(sent < 20 << 20, "{sent} bytes were taken");
    }))
    .await;
    assert_eq!(scripted.seen(), 0);
}

/// Sends until it cannot any more, and reads meanwhile; returns the answer and how much went out.
async fn send_without_end(connection: Connection, head: String) -> (String, usize) {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let (mut read, mut write) = connection.stream.into_split();
    let sending = async {
        let mut sent = head.len();
        write.write_all(head.as_bytes()).await.unwrap();
        while write.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    };
    let reading = async {
        let mut answer = Vec::new();
        // What follows the answer is a reset: an endless sender gets nothing better.
        while find(&answer, b"}").is_none() {
            assert_ne!(read.read_buf(&mut answer).await.unwrap(), 0);
        }
        String::from_utf8(answer).unwrap()
    };
    let both = async { tokio::join!(reading, sending) };
    timeout(PATIENCE, both).await.unwrap()
}

#[actix_web::test]
async fn unwanted_small_bodies_leave_the_connection_usable() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let mut connection = desk.connect().await;
    for (method, path, status) in [
        ("POST", "/nowhere", 404),
        ("PUT", NOTIFY, 405),
        ("GET", NOTIFY, 405),
        ("POST", "/health", 405),
        ("GET", "/health", 200),
    ] {
        for head in
            ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
        {
            connection.send(format!("{method} {path} HTTP/1.1\r\nHost: g\r\n{head}")).await;
            assert_eq!(connection.reply().await.status, status, "{method} {path} {head}");
        }
    }
    is_usable(&mut connection).await;
}

#[actix_web::test]
async fn heads_that_are_too_large() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let line = |length: usize| format!("X-Padding: {}\r\n", "x".repeat(length));
    assert_eq!(desk.ask(post_with(&line(60 * 1024), BODY)).await.status, 200);
    let mut connection = desk.connect().await;
    connection.send(post_with(&line(64 * 1024), BODY)).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.errcode().as_str()), (431, "M_TOO_LARGE"));
    assert!(reply.header("x-request-id").is_some());
    is_usable(&mut connection).await;
    // Beyond its own limits actix answers without us, but it does answer.
    let many = (0..200).map(|i| format!("X-{i}: y\r\n"));
    let many = many.collect::<Vec<_>>().concat();
    for headers in [line(200 * 1024), many] {
        assert_eq!(desk.ask(post_with(&headers, BODY)).await.status, 431);
    }
}

#[actix_web::test]
async fn broken_framing() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let head = |lines: &str| format!("POST {NOTIFY} HTTP/1.1\r\nHost: g\r\n{lines}\r\n\r\n");
    for request in [
        head("Content-Length: 5\r\nContent-Length: 6"),
        head("Content-Length: 5, 5"),
        head("Content-Length: +5"),
        head("Content-Length: -1"),
        head("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        head("Transfer-Encoding: gzip, chunked"),
        head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        head("Transfer-Encoding: chunked") + "zz\r\n",
        head("Transfer-Encoding: chunked") + "ffffffffffffffffff\r\n",
        "not http at all\r\n\r\n".to_owned(),
    ] {
        assert_eq!(desk.ask(&request).await.status, 400, "{request}");
    }
    assert_eq!(scripted.seen(), 0);
}

#[actix_web::test]
async fn a_body_that_ends_too_early() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let mut connection = desk.connect().await;
    connection.send(&post(BODY)[..100]).await;
    connection.stream.shutdown().await.unwrap();
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.errcode().as_str()), (400, "M_NOT_JSON"));
    assert_eq!(connection.end().await, End::Closed);
    assert_eq!(scripted.seen(), 0);
}

#[actix_web::test]
async fn a_client_that_has_sent_all_may_close_its_side() {
    let scripted = Scripted::default();
    let desk = desk(&scripted);
    let mut connection = desk.connect().await;
    connection.send(post(BODY)).await;
    connection.stream.shutdown().await.unwrap();
    assert_eq!(connection.reply().await.status, 200);
    assert_eq!(connection.end().await, End::Closed);
}
