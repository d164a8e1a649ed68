//! The client against servers that answer in bytes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::super::Proxy;
use super::super::testing::{Identity, Peer, dialer, proxy};
use super::*;

/// Far away; a test that gets there has failed.
const LONG: Duration = Duration::from_secs(20);

type Heads = Rc<RefCell<Vec<String>>>;

/// Reads one request whole, notes its head and writes `answer`.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: Heads, answer: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    heads.borrow_mut().push(head);
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    // Until the client hangs up: it asked for that, and must do it itself.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

async fn server(says: &'static str) -> (Peer, Heads) {
    let heads = Heads::default();
    let noted = heads.clone();
    let peer = Peer::start(move |_, stream| answer(stream, noted.clone(), says)).await;
    (peer, heads)
}

async fn tls_server(identity: &Identity, says: &'static str) -> Peer {
    let acceptor = identity.acceptor(&[b"h2", b"http/1.1"], None);
    Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                answer(stream, Heads::default(), says).await;
            }
        }
    })
    .await
}

async fn post(client: &Client, url: String) -> Result<Response, TransportError> {
    let request = Request::post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body(Bytes::from_static(b"grant_type=x"))
        .unwrap();
    client.send(request, LONG).await
}

#[actix_rt::test]
async fn a_request_is_answered() {
    let (peer, heads) =
        server("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nLink: a\r\nLink: b\r\n\r\n{}").await;
    let client = Client::new(&dialer(&[], &[b"h2"]), 100);
    let url = format!("http://{}/token?a=b", peer.address);
    for number in 1..=3 {
        let answer = post(&client, url.clone()).await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (201, &b"{}"[..]));
        assert_eq!(answer.headers.get_all("link").iter().count(), 2);
        assert_eq!(peer.accepted(), number, "no connection is kept");
    }
    let head = heads.borrow()[0].to_lowercase();
    assert!(head.starts_with("post /token?a=b http/1.1\r\n"), "{head}");
    for line in [
        &format!("\r\nhost: {}\r\n", peer.address),
        "\r\nconnection: close\r\n",
        "\r\ncontent-length: 12\r\n",
        "\r\nx-twice: 1\r\n",
        "\r\nx-twice: 2\r\n",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert!(!head.contains("user-agent"), "{head}");
}

#[actix_rt::test]
async fn answers_are_limited_and_redirects_stay() {
    let rows = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678", Ok(200)),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(204)),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            Ok(302),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789",
            Err((Failure::Answer, Sent::Perhaps)),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n",
            Err((Failure::Answer, Sent::Perhaps)),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n", Err((Failure::Answer, Sent::Perhaps))),
        ("220 smtp.example ESMTP\r\n\r\n", Err((Failure::Answer, Sent::Perhaps))),
    ];
    for (says, expected) in rows {
        let (peer, _) = server(says).await;
        let client = Client::new(&dialer(&[], &[]), 8);
        let answer = post(&client, format!("http://{}/", peer.address)).await;
        let read = answer.map(|it| it.status.as_u16()).map_err(|it| (it.failure, it.sent));
        assert_eq!(read, expected, "{says}");
        assert_eq!(peer.accepted(), 1);
    }
}

#[actix_rt::test]
async fn ends_and_silence_are_told_apart() {
    let rows: [(&str, bool, (Failure, Sent)); 5] = [
        ("", true, (Failure::Closed, Sent::Perhaps)),
        ("", false, (Failure::Timeout, Sent::Perhaps)),
        ("HTTP/1.1 200 OK\r\nContent-Le", true, (Failure::Closed, Sent::Perhaps)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234",
            true,
            (Failure::Closed, Sent::Perhaps),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234",
            false,
            (Failure::Timeout, Sent::Perhaps),
        ),
    ];
    for (says, ends, expected) in rows {
        let peer = Peer::start(move |_, mut stream| async move {
            let mut some = [0; 1024];
            let _ = stream.read(&mut some).await;
            stream.write_all(says.as_bytes()).await.unwrap();
            if !ends {
                std::future::pending::<()>().await;
            }
        })
        .await;
        let client = Client::new(&dialer(&[], &[]), 100);
        let request = Request::get(format!("http://{}/", peer.address));
        let request = request.body(Bytes::new()).unwrap();
        let time = if ends { LONG } else { Duration::from_millis(100) };
        let error = client.send(request, time).await.unwrap_err();
        assert_eq!((error.failure, error.sent), expected, "{says:?} {error}");
    }
}

#[actix_rt::test]
async fn who_cannot_be_reached_is_unreachable() {
    let identity = Identity::of("elsewhere.example");
    let wrong = tls_server(&identity, "").await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = closed.local_addr().unwrap();
    drop(closed);
    let rows = [
        (format!("http://{refused}/"), Failure::Connect, "refused"),
        (format!("https://{}/", wrong.address), Failure::Tls, "not valid for name"),
        ("https://[::1]:1/".to_owned(), Failure::Connect, ""),
        ("ftp://localhost/".to_owned(), Failure::Refused, "scheme"),
        ("/token".to_owned(), Failure::Refused, ""),
    ];
    let client = Client::new(&dialer(&[&identity], &[]), 100);
    for (url, failure, says) in rows {
        let error = post(&client, url.clone()).await.unwrap_err();
        assert_eq!((error.failure, error.sent), (failure, Sent::Unreachable), "{url}: {error}");
        assert!(error.detail.contains(says), "{error}");
    }
}

#[actix_rt::test]
async fn a_proxy_is_passed_unless_it_is_not_wanted() {
    let identity = Identity::of("127.0.0.1");
    let secure = tls_server(&identity, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let (plain, _) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let (through, heads) = proxy("200 OK").await;
    let mut dialer = dialer(&[&identity], &[]);
    let url = format!("http://user:pass@{}", through.address);
    dialer.proxy = Some(Arc::new(Proxy::parse(&url).unwrap()));
    let client = Client::new(&dialer, 100);
    let (secure, plain) = (secure.address, plain.address);
    assert!(post(&client, format!("https://{secure}/")).await.is_ok());
    assert!(post(&client, format!("http://{plain}/")).await.is_ok());
    let direct = Client::new(&dialer.direct(), 100);
    assert!(post(&direct, format!("http://{plain}/")).await.is_ok());
    let seen: Vec<_> = heads
        .borrow()
        .iter()
        .map(|head| (head.lines().next().unwrap().to_owned(), head.contains("Basic ")))
        .collect();
    let expected = [secure, plain].map(|to| (format!("CONNECT {to} HTTP/1.1"), true));
    assert_eq!(seen, expected);
}

#[actix_rt::test]
async fn a_proxy_that_refuses_is_quoted() {
    let (through, _) = proxy("407 Proxy Authentication Required").await;
    let mut dialer = dialer(&[], &[]);
    let url = format!("http://{}", through.address);
    dialer.proxy = Some(Arc::new(Proxy::parse(&url).unwrap()));
    let client = Client::new(&dialer, 100);
    let error = post(&client, "https://oauth2.example/".to_owned()).await.unwrap_err();
    assert_eq!((error.failure, error.sent), (Failure::Proxy, Sent::Unreachable));
    assert!(error.detail.contains("407"), "{error}");
}
