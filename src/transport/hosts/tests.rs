//! Strangers' URLs and hosts: what is refused unasked, what is shared, and what one host may cost.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::super::testing::{Identity, Peer, dialer};
use super::*;

/// Far away; a test that gets there has failed.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn urls_are_judged_before_anything_is_sent() {
    type Row<'r> = (&'r str, Option<&'r str>, Option<&'r str>);
    // A URL, what is wrong with it, and what is wrong with it where every address is allowed.
    let rows: [Row; 25] = [
        ("https://push.example/x", None, None),
        ("https://push.example:8443/x", None, None),
        ("https://8.8.8.8/x", None, None),
        ("https://[2606:4700::1111]/x", None, None),
        ("http://push.example/x", Some("not https"), None),
        ("ftp://push.example/x", Some("not https"), Some("not https")),
        ("file:///etc/passwd", Some("not https"), Some("not https")),
        ("gopher://push.example:70/x", Some("not https"), Some("not https")),
        ("data:text/plain,x", Some("not https"), Some("not https")),
        ("https://user@push.example/x", Some("user info"), Some("user info")),
        ("https://:pass@push.example/x", Some("user info"), Some("user info")),
        ("https://127.0.0.1/x", Some("not public"), None),
        ("https://0/x", Some("not public"), None),
        ("https://127.1/x", Some("not public"), None),
        ("https://2130706433/x", Some("not public"), None),
        ("https://0x7f.0.0.1/x", Some("not public"), None),
        ("https://0177.0.0.1/x", Some("not public"), None),
        ("https://0xA9FEA9FE/x", Some("not public"), None),
        ("https://169.254.169.254/latest/meta-data", Some("not public"), None),
        ("https://127.0.0.1./x", Some("not public"), None),
        ("https://[::1]/x", Some("not public"), None),
        ("https://[::ffff:10.0.0.1]/x", Some("not public"), None),
        ("https://[64:ff9b::a00:1]/x", Some("not public"), None),
        ("https://[fe80::1]/x", Some("not public"), None),
        ("https://１２７.0.0.1/x", Some("not public"), None),
    ];
    for (url, public, any) in rows {
        let url = Url::parse(url).unwrap();
        for (addresses, expected) in [(Addresses::Public, public), (Addresses::Any, any)] {
            match (origin(&url, addresses), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(says)) => {
                    let what = (error.failure, error.sent);
                    assert_eq!(what, (Failure::Forbidden, Sent::Unreachable), "{url}");
                    assert!(error.detail.contains(says), "{url}: {error}");
                }
                (answer, _) => panic!("{url} {addresses:?}: {answer:?}"),
            }
        }
    }
}

#[actix_rt::test]
async fn names_are_judged_by_their_addresses() {
    let peer = answering().await;
    let mut strict = dialer(&[], &[b"h2", b"http/1.1"]);
    strict.addresses = Addresses::Public;
    let hosts = hosts(strict, HostsSettings::default());
    let url = format!("https://localhost:{}/", peer.address.port());
    let error = post(&hosts, &url).await.unwrap_err();
    assert_eq!((error.failure, error.sent), (Failure::Forbidden, Sent::Unreachable));
    assert_eq!(peer.accepted(), 0);
}

#[actix_rt::test]
async fn each_host_is_spoken_to_in_its_protocol_on_shared_connections() {
    let identity = Identity::of("127.0.0.1");
    let rows: [(&[&[u8]], usize); 3] = [
        (&[b"h2", b"http/1.1"], 1),
        // One more, which found out.
        (&[b"http/1.1"], 2),
        (&[], 2),
    ];
    for (alpn, connections) in rows {
        let peer = tls_peer(&identity, alpn).await;
        let open = Gauge::default();
        let dialer = dialer(&[&identity], &[b"h2", b"http/1.1"]);
        let hosts = Hosts::new(dialer, HostsSettings::default(), open.clone());
        let url = format!("https://{}/push?a=b#c", peer.address);
        for _ in 0..5 {
            let answer = post(&hosts, &url).await.unwrap();
            assert_eq!(answer.status, 201);
        }
        assert_eq!(peer.accepted(), connections);
        assert_eq!(open.get(), i64::from(alpn.contains(&&b"h2"[..])));
    }
}

#[actix_rt::test]
async fn many_requests_need_few_connections() {
    let identity = Identity::of("127.0.0.1");
    for (alpn, most) in [(&b"h2"[..], 1), (b"http/1.1", 17)] {
        let peer = tls_peer(&identity, &[alpn]).await;
        let dialer = dialer(&[&identity], &[b"h2", b"http/1.1"]);
        let hosts = hosts(dialer, HostsSettings::default());
        let url = format!("https://{}/", peer.address);
        post(&hosts, &url).await.unwrap();
        for answer in join_all((0..100).map(|_| post(&hosts, &url))).await {
            assert_eq!(answer.unwrap().status, 201);
        }
        assert!(peer.accepted() <= most, "{}", peer.accepted());
    }
}

#[actix_rt::test]
async fn unused_connections_are_closed() {
    let ended = Rc::new(Cell::new(0));
    let peer = counting(&ended).await;
    let settings = HostsSettings { idle: Duration::from_millis(20), ..HostsSettings::default() };
    let hosts = hosts(dialer(&[], &[]), settings);
    let url = format!("http://{}/", peer.address);
    for round in 1..=2 {
        post(&hosts, &url).await.unwrap();
        until(|| ended.get() == round).await;
        until(|| hosts.inner.hosts.borrow().is_empty()).await;
    }
}

#[actix_rt::test]
async fn the_host_unused_for_longest_makes_room() {
    let (first, second) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let peers = [counting(&first).await, counting(&second).await, answering().await];
    let settings = HostsSettings { max_hosts: 2, ..HostsSettings::default() };
    let hosts = hosts(dialer(&[], &[]), settings);
    for index in [0, 1, 0, 2, 0] {
        let url = format!("http://{}/", peers[index].address);
        post(&hosts, &url).await.unwrap();
    }
    until(|| second.get() == 1).await;
    assert_eq!((first.get(), peers[0].accepted()), (0, 1));
}

#[actix_rt::test]
async fn one_host_holds_no_more_than_its_share() {
    let (silent, good) = (silent().await, answering().await);
    let settings = HostsSettings { max_requests: 3, ..HostsSettings::default() };
    let hosts = hosts(dialer(&[], &[]), settings);
    let url = format!("http://{}/", silent.address);
    let held: Vec<_> = (0..3)
        .map(|_| {
            let (hosts, url) = (hosts.clone(), url.clone());
            actix_rt::spawn(async move { post(&hosts, &url).await })
        })
        .collect();
    until(|| silent.accepted() == 3).await;
    let error = post(&hosts, &url).await.unwrap_err();
    assert_eq!((error.failure, error.sent), (Failure::Overloaded, Sent::No));
    // Meanwhile another host works.
    post(&hosts, &format!("http://{}/", good.address)).await.unwrap();
    for request in held {
        request.abort();
        let _ = request.await;
    }
    until(|| hosts.inner.hosts.borrow().values().all(|host| host.is_idle())).await;
}

#[actix_rt::test]
async fn no_host_is_thrown_out_while_it_works() {
    let (silent, good) = (silent().await, answering().await);
    let settings = HostsSettings { max_hosts: 1, ..HostsSettings::default() };
    let hosts = hosts(dialer(&[], &[]), settings);
    let busy = {
        let (hosts, url) = (hosts.clone(), format!("http://{}/", silent.address));
        actix_rt::spawn(async move { post(&hosts, &url).await })
    };
    until(|| silent.accepted() == 1).await;
    let url = format!("http://{}/", good.address);
    let error = post(&hosts, &url).await.unwrap_err();
    assert_eq!((error.failure, error.sent), (Failure::Overloaded, Sent::No));
    busy.abort();
    let _ = busy.await;
    post(&hosts, &url).await.unwrap();
}

#[actix_rt::test]
async fn a_host_that_keeps_failing_rests_and_recovers() {
    let works = Rc::new(Cell::new(false));
    let peer = {
        let works = works.clone();
        Peer::start(move |_, stream| {
            let works = works.get();
            async move {
                if works {
                    serve_http1(stream, "201 Created").await;
                }
            }
        })
        .await
    };
    let hosts = hosts(dialer(&[], &[]), HostsSettings::default());
    let url = format!("http://{}/", peer.address);
    // Requests that fail together count once.
    for answer in join_all((0..10).map(|_| post(&hosts, &url))).await {
        assert_eq!(answer.unwrap_err().failure, Failure::Closed);
    }
    for _ in 0..2 {
        assert_eq!(post(&hosts, &url).await.unwrap_err().failure, Failure::Closed);
    }
    let asked = peer.accepted();
    for _ in 0..5 {
        let error = post(&hosts, &url).await.unwrap_err();
        assert_eq!((error.failure, error.sent), (Failure::Resting, Sent::Unreachable));
        assert!(error.detail.contains("failed 3 times"), "{error}");
    }
    assert_eq!(peer.accepted(), asked);
    works.set(true);
    let patience = Instant::now() + LONG;
    while let Err(error) = post(&hosts, &url).await {
        assert_eq!(error.failure, Failure::Resting);
        assert!(Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(post(&hosts, &url).await.unwrap().status, 201);
}

#[actix_rt::test]
async fn a_deadline_of_ours_is_not_the_hosts_fault() {
    let peer = silent().await;
    let hosts = hosts(dialer(&[], &[]), HostsSettings::default());
    let url = Url::parse(&format!("http://{}/", peer.address)).unwrap();
    for _ in 0..5 {
        let deadline = Instant::now() + Duration::from_millis(5);
        let answer = hosts.send(&url, request(), deadline).await;
        assert_eq!(answer.unwrap_err().failure, Failure::Timeout);
    }
}

#[actix_rt::test]
async fn redirects_are_not_followed() {
    let target = answering().await;
    let location = format!("302 Found\r\nLocation: http://{}/", target.address);
    let peer = Peer::start(move |_, stream| {
        let location = location.clone();
        async move { serve_http1(stream, &location).await }
    })
    .await;
    let hosts = hosts(dialer(&[], &[]), HostsSettings::default());
    let answer = post(&hosts, &format!("http://{}/", peer.address)).await.unwrap();
    assert_eq!((answer.status.as_u16(), target.accepted()), (302, 0));
}

fn hosts(dialer: Dialer, settings: HostsSettings) -> Hosts {
    Hosts::new(dialer, settings, Gauge::default())
}

fn request() -> Request<Bytes> {
    Request::post("/").header("ttl", "900").body(Bytes::from_static(b"{}")).unwrap()
}

async fn post(hosts: &Hosts, url: &str) -> Result<Response, TransportError> {
    let url = Url::parse(url).unwrap();
    hosts.send(&url, request(), Instant::now() + LONG).await
}

/// A peer that answers over HTTP/1.1.
async fn answering() -> Peer {
    Peer::start(|_, stream| serve_http1(stream, "201 Created")).await
}

/// The same, counting connections that ended.
async fn counting(ended: &Rc<Cell<usize>>) -> Peer {
    let ended = ended.clone();
    Peer::start(move |_, stream| {
        let ended = ended.clone();
        async move {
            serve_http1(stream, "201 Created").await;
            ended.set(ended.get() + 1);
        }
    })
    .await
}

/// A peer that takes connections and says nothing.
async fn silent() -> Peer {
    Peer::start(|_, stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await
}

/// A peer that speaks the protocol that ALPN agreed on.
async fn tls_peer(identity: &Identity, alpn: &[&[u8]]) -> Peer {
    let acceptor = identity.acceptor(alpn, None);
    Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return serve_http1(stream, "201 Created").await;
            }
            let mut h2 = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = h2.accept().await {
                let created = http::Response::builder().status(201).body(()).unwrap();
                respond.send_response(created, true).unwrap();
            }
        }
    })
    .await
}

/// Answers requests of two bytes until the client goes.
async fn serve_http1<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, status: &str) {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n{}") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Lets other tasks run until `done`.
async fn until(done: impl Fn() -> bool) {
    let patience = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < patience, "waited in vain");
        sleep(Duration::from_millis(1)).await;
    }
}
