//! Keys that the program makes, read back by the program itself.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::Folder;

fn made(folder: &Folder, args: &[&str]) -> Output {
    folder.peregrine(args).output().unwrap()
}

#[test]
fn a_vapid_key_pair_is_ready_for_use() {
    let folder = Folder::with("not even looked at");
    let output = made(&folder, &["keys", "vapid"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let end = "-----END PRIVATE KEY-----\n";
    let pem = &text[..text.find(end).unwrap() + end.len()];
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{pem}");
    assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    // An uncompressed point in base64url: 65 bytes that begin with a 4.
    let is_point = |line: &&str| line.len() == 87 && line.starts_with('B');
    let public = text.lines().find(is_point).unwrap();

    // Both as the lines say and with the whole output for the file.
    for file in [pem, &text] {
        fs::write(folder.path().join("vapid.pem"), file).unwrap();
        folder.write(&text[text.find("apps:").unwrap()..]);
        let output = made(&folder, &["check"]);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["ok"], true, "{result}");
        let credential = &result["apps"][0]["credentials"][0]["description"];
        assert_eq!(credential, &format!("VAPID key {public}"));
    }

    let again = made(&folder, &["keys", "vapid"]);
    assert_ne!(String::from_utf8(again.stdout).unwrap(), text);
}

#[test]
fn which_key_has_to_be_said() {
    for args in [&["keys"][..], &["keys", "apns"]] {
        let output = made(&Folder::with(""), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
    }
}
