//! `render`: the request for each device, without a connection.

use loadtest::peers::webpush::{self, WebPush};
use serde_json::{Value, json};

use crate::Folder;
use crate::providers::{Providers, TOKEN, json, run_with, text};

fn body(notification: &Value) -> String {
    json!({ "notification": notification }).to_string()
}

fn device(app_id: &str, pushkey: &str) -> Value {
    json!({ "app_id": app_id, "pushkey": pushkey })
}

#[test]
fn each_device_gets_its_route_and_its_request() {
    let Providers { apple, google, folder } = Providers::start(
        "  'pro?e': {type: log}\n  hook: {type: webhook, url: 'https://example.org/secret-path', secret: hush, headers: {X-Key: hunter2}}\n",
    );
    let body = body(&json!({
        "event_id": "$e", "room_id": "!r", "type": "m.room.message", "prio": "low",
        "sender": "@a:b", "counts": {"unread": 2}, "user_is_target": 7,
        "content": {"msgtype": "m.text", "body": "hello"},
        "devices": [
            device("ios.app", TOKEN), device("android", "device-1:x"), device("probe", "k"),
            device("hook", "k"), device("nobody", "k"), device("ios.app", "no token"),
            device("ios.app", TOKEN),
        ],
    }));
    let output = run_with(&folder, &["render"], &body);
    assert_eq!(output.status.code(), Some(0));
    let rendered = json(&output);
    assert_eq!(rendered["valid"], true);
    assert_eq!(rendered["ignored_fields"], json!(["user_is_target"]));
    let devices = &rendered["devices"];

    let ios = &devices[0]["request"];
    let route = json!({"match": "glob", "app": "ios.*", "type": "apns"});
    assert_eq!(devices[0]["route"], route);
    assert_eq!(ios["method"], "POST");
    assert_eq!(ios["url"], format!("{}/3/device/{TOKEN}", apple.url()));
    assert_eq!(ios["headers"]["authorization"], "bearer <provider token>");
    assert_eq!(ios["headers"]["apns-topic"], "org.example");
    assert_eq!(ios["headers"]["apns-priority"], "5");
    assert_eq!(ios["body"]["event_id"], "$e");
    assert_eq!(ios["size"], ios["limit"]["bytes"]);
    assert_eq!(ios["limit"]["most"], 4096);
    assert_eq!(ios["truncated"], json!([]));

    let android = &devices[1]["request"];
    assert_eq!(devices[1]["route"]["match"], "exact");
    assert_eq!(android["url"], format!("{}/v1/projects/example/messages:send", google.url()));
    assert_eq!(android["headers"]["authorization"], "Bearer <access token>");
    assert_eq!(android["body"]["message"]["data"]["content_body"], "hello");

    assert_eq!(devices[2]["route"]["app"], "pro?e");
    assert_eq!(devices[2].get("request"), None);
    let hook = &devices[3]["request"];
    assert_eq!(hook["body"]["notification"]["event_id"], "$e");
    assert_eq!(hook["headers"]["x-key"], "<secret>");
    let shown = text(&output);
    assert!(!shown.contains("hunter2") && !shown.contains("secret-path"), "{shown}");
    assert_eq!(devices[4]["route"], json!({"match": "none"}));
    assert_eq!(devices[4]["result"]["outcome"], "rejected");
    assert_eq!(devices[5]["result"]["reason"], "undecodable_pushkey");
    assert_eq!(devices[6]["same_as"], 0);
    assert_eq!(apple.connections_opened() + google.connections_opened(), 0);
    assert_eq!(google.oauth().issued(), 0);
}

#[test]
fn what_is_cut_and_left_out_is_told() {
    let Providers { apple: _apple, google: _google, folder } = Providers::start("");
    let body = body(&json!({
        "event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@a:b",
        "sender_display_name": "Anna", "room_name": "Room",
        "content": {"msgtype": "m.text", "body": "x".repeat(60_000)},
        "devices": [
            {"app_id": "ios.app", "pushkey": TOKEN,
             "data": {"default_payload": {"padding": "y".repeat(5000)}}},
            device("android", "device-1:x"),
        ],
    }));
    let rendered = json(&run_with(&folder, &["render"], &body));
    let ios = &rendered["devices"][0]["request"];
    assert_eq!(ios["size"], 4096);
    let truncated = ios["truncated"].as_array().unwrap();
    let of = |member: &str| truncated.iter().find(|it| it["member"] == member);
    let text_arg = of("aps.alert.loc-args[2]").or_else(|| of("aps.alert.loc-args[1]"));
    let text_arg = text_arg.unwrap_or_else(|| panic!("{truncated:?}"));
    assert_eq!(text_arg["bytes"], 60_000);
    assert!(text_arg["kept"].as_u64().unwrap() > 1000);
    assert_eq!(of("padding").unwrap(), &json!({"member": "padding", "bytes": 5000}));
    let android = &rendered["devices"][1]["request"];
    let cut = json!([{"member": "message.data.content_body", "bytes": 60_000, "kept": 1024}]);
    assert_eq!(android["truncated"], cut);

    let shown = text(&run_with(&folder, &["render", "--format", "text"], &body));
    for line in [
        "device 1: ios.app\n",
        "route   ios.* (apns), by its pattern\n",
        "payload: 4096 of 4096 bytes\n",
        "left out: padding (5000 bytes)\n",
        "cut: message.data.content_body from 60000 to 1024 bytes\n",
        "authorization: Bearer <access token>\n",
    ] {
        assert!(shown.contains(line), "{line:?} in:\n{shown}");
    }
}

#[test]
fn what_is_encrypted_is_shown_in_the_clear() {
    let push_service = WebPush::start(&webpush::Options::default());
    let browser = push_service.subscribe_at("https://push.example");
    let near = format!("https://127.0.0.1:{}", push_service.address().port());
    let near = push_service.subscribe_at(&near);
    let folder = Folder::with(
        "apps:\n  web:\n    type: webpush\n    vapid_private_key: vapid.pem\n    \
         vapid_contact_email: push@example.com\n  up: {type: unifiedpush}\n",
    );
    let keys = crate::providers::run(&folder, &["keys", "vapid"]);
    std::fs::write(folder.path().join("vapid.pem"), &keys.stdout).unwrap();
    let body = body(&json!({
        "event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@a:b",
        "content": {"msgtype": "m.text", "body": "b".repeat(1500), "formatted_body": "<b>hello"},
        "devices": [
            {"app_id": "web", "pushkey": browser.p256dh, "data": browser.data()},
            {"app_id": "web", "pushkey": near.p256dh, "data": near.data()},
            {"app_id": "up", "pushkey": "https://push.example/up/1"},
        ],
    }));
    let rendered = json(&run_with(&folder, &["render"], &body));
    let web = &rendered["devices"][0]["request"];
    assert_eq!(web["url"], browser.endpoint);
    assert_eq!(web["encrypted"], true);
    assert_eq!(web["body"]["event_id"], "$e");
    let authorization = web["headers"]["authorization"].as_str().unwrap();
    assert!(authorization.starts_with("vapid t=<VAPID token>, k="), "{authorization}");
    let sealed = web["size"].as_u64().unwrap();
    assert!(sealed > 1000 && sealed <= 4096, "{sealed}");
    let truncated = json!([
        {"member": "content.body", "bytes": 1500, "kept": 1002},
        {"member": "content.formatted_body", "bytes": 8},
    ]);
    assert_eq!(web["truncated"], truncated);
    // On an address that is not public.
    assert_eq!(rendered["devices"][1]["result"]["reason"], "endpoint_not_allowed");
    let up = &rendered["devices"][2]["request"];
    assert_eq!(up["url"], "https://push.example/up/1");
    assert_eq!(up["encrypted"], false);
    assert_eq!(up["body"]["notification"]["devices"][0]["pushkey"], up["url"]);
    assert_eq!(push_service.connections_opened(), 0);
}

#[test]
fn what_the_gateway_would_refuse_is_refused_alike() {
    let folder = Folder::with("http: {max_body_bytes: 1024}\napps: {a: {type: log}}\n");
    for (body, status, errcode) in [
        ("", 400, "M_NOT_JSON"),
        ("{", 400, "M_NOT_JSON"),
        ("[]", 400, "M_BAD_JSON"),
        (r#"{"notification":{}}"#, 400, "M_MISSING_PARAM"),
        (r#"{"notification":{"devices":[]}}"#, 400, "M_INVALID_PARAM"),
        (&" ".repeat(1025), 413, "M_TOO_LARGE"),
    ] {
        let output = run_with(&folder, &["render"], body);
        assert_eq!(output.status.code(), Some(1), "{body}");
        let refused = json(&output);
        assert_eq!(refused["valid"], false);
        let answer = &refused["answer"];
        assert_eq!(
            (&answer["status"], &answer["body"]["errcode"]),
            (&json!(status), &json!(errcode))
        );
        let shown = text(&run_with(&folder, &["render", "--format", "text"], body));
        assert!(shown.starts_with(&format!("{status} ")) && shown.contains(errcode), "{shown}");
    }
    let output = run_with(&Folder::with("apps: {}\n"), &["render"], "{}");
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty());
}
