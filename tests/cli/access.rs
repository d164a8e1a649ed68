//! The access line of clients that do not wait for their answer.

use loadtest::peers::Answer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{Process, notify};
use crate::signals::{TOKEN, apns_app};

const BODY: &str = r#"{"notification":{"event_id":"$gone","devices":[
    {"app_id":"ios","pushkey":"PUSHKEY"},{"app_id":"nowhere","pushkey":"other"}]}}"#;

#[tokio::test]
async fn whoever_hangs_up_leaves_one_line() {
    let (apple, _folder, mut gateway) = {
        let (apple, folder) = apns_app("");
        let gateway = Process::start(&folder, &[]);
        (apple, folder, gateway)
    };
    let public = gateway.listens_for("notifications");
    apple.answer_next(Answer::stall());
    let body = BODY.replace("PUSHKEY", TOKEN);
    let head = format!(
        "POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: a\r\nX-Request-Id: early\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // One while its push is under way, one before its body is there.
    let mut client = TcpStream::connect(public).await.unwrap();
    let whole = head.replace("early", "late") + &body;
    client.write_all(whole.as_bytes()).await.unwrap();
    apple.next().await;
    client.set_zero_linger().unwrap();
    drop(client);
    let late = gateway.says("status=499");
    assert!(late.contains("request_id=\"late\" event_id=\"$gone\" client=127.0.0.1"), "{late}");
    let [ios, nowhere] = ["ios", "nowhere"].map(|app| format!("app_id=\"{app}\" pushkey="));
    assert!(late.contains(&ios) && late.contains(&nowhere), "{late}");
    assert_eq!(late.matches(" outcome=under_way").count(), 2, "{late}");

    let mut client = TcpStream::connect(public).await.unwrap();
    let head = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 12];
    client.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    client.set_zero_linger().unwrap();
    drop(client);
    let early = gateway.says("status=499");
    assert!(early.contains("request_id=\"early\""), "{early}");
    assert!(!early.contains("devices"), "{early}");

    assert_eq!(notify(public, "a", "key").unwrap().0, 200);
    // The push is not given up with the one who asked for it.
    apple.close_all();
    gateway.signal("TERM");
    let (code, said) = gateway.ended();
    assert_eq!((code, apple.accepted()), (Some(0), 1), "{said}");
    assert_eq!(said.matches(" peregrine::access: ").count(), 3, "{said}");
}
