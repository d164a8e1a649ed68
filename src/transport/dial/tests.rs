//! Origins, addresses, and proxies that say no.

use std::cell::RefCell;
use std::pin::pin;

use tokio::io::AsyncWriteExt as _;

use super::super::Sent;
use super::super::testing::{Peer, dialer, proxy};
use super::*;

#[test]
fn origins_are_taken_from_urls() {
    let rows = [
        (
            "https://api.push.apple.com/3",
            Some((true, "api.push.apple.com", 443, "api.push.apple.com")),
        ),
        (
            "https://api.push.apple.com:2197",
            Some((true, "api.push.apple.com", 2197, "api.push.apple.com:2197")),
        ),
        ("http://localhost", Some((false, "localhost", 80, "localhost"))),
        ("http://localhost:443", Some((false, "localhost", 443, "localhost:443"))),
        ("https://[::1]:8443", Some((true, "::1", 8443, "[::1]:8443"))),
        ("https://[2001:DB8::1]", Some((true, "2001:db8::1", 443, "[2001:db8::1]"))),
        ("https://user:pass@127.0.0.1", Some((true, "127.0.0.1", 443, "127.0.0.1"))),
        ("ftp://localhost", None),
        ("data:text/plain,x", None),
    ];
    for (url, expected) in rows {
        let origin = Origin::of(&Url::parse(url).unwrap());
        let authority = origin.as_ref().map(Origin::authority);
        let read = origin.as_ref().zip(authority.as_deref());
        let read = read.map(|(it, authority)| (it.tls, &*it.host, it.port, authority));
        assert_eq!(read, expected, "{url}");
    }
}

#[test]
fn families_take_turns() {
    let rows = [
        ("4a 4b 4c", "4a 4b 4c"),
        ("6a 6b 4a 4b", "6a 4a 6b 4b"),
        ("4a 6a 6b 6c", "4a 6a 6b 6c"),
        ("6a 4a 4b 4c", "6a 4a 4b 4c"),
        ("4a 4b 4c 6a", "4a 6a 4b 4c"),
    ];
    let address = |name: &str| {
        let last = name.as_bytes()[1];
        match name.as_bytes()[0] {
            b'4' => SocketAddr::from(([10, 0, 0, last], 443)),
            _ => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, u16::from(last)], 443)),
        }
    };
    for (resolved, tried) in rows {
        let list = |names: &str| names.split(' ').map(address).collect::<Vec<_>>();
        let ordered: Vec<_> = alternating(list(resolved)).collect();
        assert_eq!(ordered, list(tried), "{resolved}");
    }
}

#[test]
fn of_mixed_addresses_only_the_public_ones_are_tried() {
    let list = |addresses: &str| -> Vec<SocketAddr> {
        let addresses = addresses.split_whitespace();
        addresses.map(|it| SocketAddr::new(it.parse().unwrap(), 443)).collect()
    };
    let rows = [
        ("127.0.0.1 8.8.8.8 10.0.0.1 ::1 2606:4700::1111", "8.8.8.8 2606:4700::1111"),
        ("8.8.8.8", "8.8.8.8"),
        ("127.0.0.1 ::1 fd00::1", ""),
    ];
    for (resolved, tried) in rows {
        let permitted = permitted(list(resolved), Addresses::Public);
        assert_eq!(permitted.unwrap_or_default(), list(tried), "{resolved}");
    }
    let all = list("127.0.0.1 8.8.8.8");
    assert_eq!(permitted(all.clone(), Addresses::Any), Some(all));
}

#[actix_rt::test]
async fn addresses_that_are_not_public_are_not_dialled() {
    let peer = Peer::start(|_, _| async {}).await;
    let (relay, heads) = proxy("502 Bad Gateway").await;
    let mut strict = dialer(&[], &[]);
    strict.addresses = Addresses::Public;
    let behind_proxy = Dialer {
        proxy: Some(Arc::new(Proxy::parse(&format!("http://{}", relay.address)).unwrap())),
        ..strict.clone()
    };
    for dialer in [strict, behind_proxy] {
        for host in ["127.0.0.1", "localhost"] {
            let origin = Origin { host: host.to_owned(), ..peer.origin(false) };
            let error = dialer.connect(&origin).await.unwrap_err();
            assert_eq!((error.failure, error.sent), (Failure::Forbidden, Sent::Unreachable));
        }
    }
    assert_eq!((peer.accepted(), relay.accepted()), (0, 0));
    assert!(heads.borrow().is_empty());
}

/// The name was judged by the address it has for us: the proxy must not look it up again.
#[actix_rt::test]
async fn a_proxy_is_asked_for_the_address_that_was_checked() {
    let (relay, heads) = proxy("502 Bad Gateway").await;
    let behind_proxy = Dialer {
        proxy: Some(Arc::new(Proxy::parse(&format!("http://{}", relay.address)).unwrap())),
        addresses: Addresses::Public,
        ..dialer(&[], &[])
    };
    let rows = [
        ("https://8.8.8.8/", "8.8.8.8:443"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443"),
    ];
    for (url, target) in rows {
        let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
        let error = behind_proxy.connect(&origin).await.unwrap_err();
        assert_eq!(error.failure, Failure::Proxy);
        let asked = heads.borrow_mut().pop().unwrap();
        assert!(asked.starts_with(&format!("CONNECT {target} ")), "{asked}");
    }
}

#[actix_rt::test]
async fn lookups_wait_for_a_place_and_addresses_need_none() {
    let peer = Peer::start(|_, _| async {}).await;
    let mut limited = dialer(&[], &[]);
    let lookups = Arc::new(Semaphore::new(0));
    limited.lookups = Some(lookups.clone());
    limited.connect(&peer.origin(false)).await.unwrap();
    let by_name = Origin { host: "localhost".to_owned(), ..peer.origin(false) };
    let mut waiting = pin!(limited.connect(&by_name));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    lookups.add_permits(1);
    waiting.await.unwrap();
}

#[actix_rt::test]
async fn the_next_address_is_tried() {
    let peer = Peer::start(|_, _| async {}).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = closed.local_addr().unwrap();
    drop(closed);
    let stream = race([refused, peer.address].into_iter()).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), peer.address);
    let error = race([refused, refused].into_iter()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[actix_rt::test]
async fn connections_have_no_delay() {
    let peer = Peer::start(|_, _| std::future::pending()).await;
    let stream = dialer(&[], &[]).connect(&peer.origin(false)).await.unwrap();
    let Stream::Plain(stream) = stream else {
        panic!("there is no TLS here");
    };
    assert!(stream.nodelay().unwrap());
}

#[actix_rt::test]
async fn a_host_without_an_address_is_said_to_have_none() {
    let nowhere = Origin { tls: true, host: "no\0where".to_owned(), port: 443 };
    let error = dialer(&[], &[]).connect(&nowhere).await.unwrap_err();
    assert_eq!((error.failure, error.sent), (Failure::Dns, Sent::Unreachable));
}

#[actix_rt::test]
async fn proxies_that_refuse_are_quoted() {
    for status in ["407 Proxy Authentication Required", "502 Bad Gateway", "301 Moved"] {
        let (peer, heads) = proxy(status).await;
        let error = through(&peer).await.unwrap_err();
        assert_eq!((error.failure, error.sent), (Failure::Proxy, Sent::Unreachable));
        assert!(error.detail.contains(status), "{error}");
        let head = "CONNECT push.example:443 HTTP/1.1\r\nHost: push.example:443\r\n\r\n";
        assert_eq!(*heads.borrow(), [head]);
    }
}

#[actix_rt::test]
async fn proxies_that_make_no_sense_are_refused() {
    let endless = "x".repeat(64 * 1024);
    let rows: [(&str, &str); 4] = [
        ("", "closed the connection"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n", "closed the connection"),
        ("220 smtp.example\r\n\r\n", "220 smtp.example"),
        (&endless, "too large"),
    ];
    for (answer, says) in rows {
        let answer = RefCell::new(answer.to_owned());
        let peer = Peer::start(move |_, mut stream| {
            let answer = answer.take();
            async move {
                // The client may hang up before the end.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        })
        .await;
        let error = through(&peer).await.unwrap_err();
        assert_eq!((error.failure, error.sent), (Failure::Proxy, Sent::Unreachable));
        assert!(error.detail.contains(says), "{error}");
    }
}

/// Dials a host through a peer as the proxy.
async fn through(peer: &Peer) -> Result<Stream, TransportError> {
    let mut dialer = dialer(&[], &[]);
    let url = format!("http://{}", peer.address);
    dialer.proxy = Some(Arc::new(Proxy::parse(&url).unwrap()));
    let origin = Origin::of(&Url::parse("https://push.example").unwrap()).unwrap();
    dialer.connect(&origin).await
}
