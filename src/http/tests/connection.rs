//! Heads that come too slowly or cannot be read, on new connections and on old ones. The clock is
//! the test's own.

use std::time::Duration;

use actix::Actor as _;
use actix_service::{Service as _, ServiceFactory as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, pause, sleep};

use super::{BODY, NOTIFY, Reply, Scripted, configure, find, pending, post, service, state};

/// A client's end of a connection, in memory.
struct Client(DuplexStream);

impl Client {
    async fn connect() -> Self {
        let state = state(Scripted::default().start().recipient());
        let routes = move |routes: &mut actix_web::web::ServiceConfig| {
            configure(routes, state.clone());
        };
        let service = service(routes, pending::<()>).new_service(()).await;
        let (ours, theirs) = duplex(1 << 20);
        let serving = service.unwrap().call((theirs, None));
        actix_web::rt::spawn(serving);
        Self(ours)
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads one answer; `None` if the connection ends instead.
    async fn reply(&mut self) -> Option<Reply> {
        let mut bytes = Vec::new();
        loop {
            if let Some(head) = find(&bytes, b"\r\n\r\n") {
                let mut reply = Reply::parse(str::from_utf8(&bytes[..head]).unwrap());
                let length: usize = reply.header("content-length").unwrap().parse().unwrap();
                while bytes.len() < head + 4 + length {
                    assert_ne!(self.0.read_buf(&mut bytes).await.unwrap(), 0);
                }
                reply.body = String::from_utf8(bytes.split_off(head + 4)).unwrap();
                return Some(reply);
            }
            if self.0.read_buf(&mut bytes).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn expect_refusal(mut self, status: u16, errcode: &str) {
        let reply = self.reply().await.expect("an answer");
        assert_eq!((reply.status, reply.errcode().as_str()), (status, errcode));
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(reply.header("x-request-id").unwrap().len(), 32);
        assert!(self.reply().await.is_none(), "closed behind it");
    }
}

#[actix_web::test]
async fn a_head_has_ten_seconds_on_every_request_of_a_connection() {
    pause();
    for requests_before in [0, 1, 3] {
        let mut client = Client::connect().await;
        for _ in 0..requests_before {
            client.send(post(BODY)).await;
            assert_eq!(client.reply().await.unwrap().status, 200);
            sleep(Duration::from_secs(60)).await;
        }
        let began = Instant::now();
        client.send(format!("POST {NOTIFY} HTTP/1.1\r\n")).await;
        let mut letters = 0;
        let reply = loop {
            tokio::select! {
                reply = client.reply() => break reply.expect("an answer"),
                () = sleep(Duration::from_millis(400)) => {}
            }
            letters += 1;
            client.send("x").await;
        };
        assert_eq!((reply.status, reply.errcode().as_str()), (408, "M_UNKNOWN"));
        assert!(reply.header("x-request-id").is_some());
        assert_eq!(began.elapsed().as_secs(), 10);
        assert!(letters > 20);
        assert!(client.reply().await.is_none());
    }
}

#[actix_web::test]
async fn a_connection_that_says_nothing_is_closed() {
    pause();
    let began = Instant::now();
    Client::connect().await.expect_refusal(408, "M_UNKNOWN").await;
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[actix_web::test]
async fn an_idle_connection_outlives_a_homeservers_keep_alive() {
    pause();
    let mut client = Client::connect().await;
    for _ in 0..3 {
        client.send(post(BODY)).await;
        assert_eq!(client.reply().await.unwrap().status, 200);
        sleep(Duration::from_secs(121)).await;
    }
    sleep(Duration::from_secs(10)).await;
    assert!(client.reply().await.is_none());
}

#[actix_web::test]
async fn a_head_in_pieces_is_read_if_it_is_whole_in_time() {
    pause();
    let mut client = Client::connect().await;
    for _ in 0..2 {
        for piece in post(BODY).chunks(40) {
            client.send(piece).await;
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(client.reply().await.unwrap().status, 200);
    }
}

#[actix_web::test]
async fn what_is_no_request_gets_an_error_object_on_every_connection() {
    pause();
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(200_000));
    let cases = [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\n\n", 400, "M_UNRECOGNIZED"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "M_UNRECOGNIZED"),
        (long.as_str(), 431, "M_TOO_LARGE"),
    ];
    for (bytes, status, errcode) in cases {
        for requests_before in [0, 1] {
            let mut client = Client::connect().await;
            for _ in 0..requests_before {
                client.send(post(BODY)).await;
                assert_eq!(client.reply().await.unwrap().status, 200);
            }
            client.send(bytes).await;
            client.expect_refusal(status, errcode).await;
        }
    }
}
