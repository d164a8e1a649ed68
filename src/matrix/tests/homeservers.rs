//! Bodies that Synapse really sent, one file each in `tests/homeserver_bodies`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::oracle;
use crate::matrix::{NotifyRequest, Priority, decode};

/// What each body says: file, event id and room id (their first characters), type, priority, unread
/// count, pushkey, `pushkey_ts`, sound, highlight, members of the content, keys of the data.
const WHAT_THEY_SAY: &str = "\
badge_after_read_receipt - - - high 0 PUSHKEY-full 1795357551 - - - default_payload
event_id_only_badge - - - high 4 PUSHKEY-eio 1795357621 - - - default_payload+format
event_id_only_call_invite $wtTJ !dNm_ - high 4 PUSHKEY-eio 1795357621 - - - default_payload+format
event_id_only_encrypted $xpXw !dNm_ - high 4 PUSHKEY-eio 1795357621 - - - default_payload+format
event_id_only_invite $f5Ax !vS-Q - high 5 PUSHKEY-eio 1795357621 - - - default_payload+format
event_id_only_mention $bLPX !dNm_ - high 4 PUSHKEY-eio 1795357621 - - - default_payload+format
event_id_only_message $zGb5 !dNm_ - low 4 PUSHKEY-eio 1795357621 - - - default_payload+format
event_id_only_msc4076_nobadge $tM4S !dNm_ - low - PUSHKEY-nobadge 1795357631 - - - format+disable_badge_count
full_at_room $BpkK !dNm_ m.room.message high 4 PUSHKEY-full 1795357551 - highlight 3 default_payload
full_call_invite $Xvdf !seRl m.call.invite high 1 PUSHKEY-full 1795357551 ring - 5 default_payload
full_encrypted $l5P0 !seRl m.room.encrypted high 1 PUSHKEY-full 1795357551 default - 5 default_payload
full_group_message $6ye1 !dNm_ m.room.message low 4 PUSHKEY-full 1795357551 - - 2 default_payload
full_image $CMa4 !seRl m.room.message high 1 PUSHKEY-full 1795357551 default - 4 default_payload
full_invite $VoDl !cich m.room.member high 2 PUSHKEY-full 1795357551 default - 2 default_payload
full_invite_dm_noname $sos8 !xLzK m.room.member high 3 PUSHKEY-full 1795357551 default - 3 default_payload
full_large_message $X_3H !seRl m.room.message high 3 PUSHKEY-full 1795357551 default - 2 default_payload
full_mention_highlight $ka2g !seRl m.room.message high 1 PUSHKEY-full 1795357551 default highlight 3 default_payload
full_message $0lNf !seRl m.room.message high 1 PUSHKEY-full 1795357551 default - 2 default_payload
full_message_formatted_reply $aL15 !seRl m.room.message high 1 PUSHKEY-full 1795357551 default - 5 default_payload
full_rtc_notification $h9iu !seRl org.matrix.msc4075.rtc.notification high 1 PUSHKEY-full 1795357551 default highlight 5 default_payload
full_then_redacted $mDZa !dNm_ m.room.message low 4 PUSHKEY-full 1795357551 - - 2 default_payload
full_tombstone $ML2F !seRl m.room.tombstone high 1 PUSHKEY-full 1795357551 - highlight 2 default_payload
msc4076_badge_after_read - - - high 4 PUSHKEY-nobadge 1795357631 - - - format+disable_badge_count
nocontent_badge - - - high 1 PUSHKEY-nc 1795359905 - - - default_payload
nocontent_encrypted $gSuL !6LN8 m.room.encrypted high 4 PUSHKEY-nc 1795359905 default - - default_payload
nocontent_invite $bRtB !fMvP m.room.member high 5 PUSHKEY-nc 1795359905 default - - default_payload
nocontent_message $On7Q !6LN8 m.room.message high 2 PUSHKEY-nc 1795359905 default - - default_payload
nocontent_message_2nd_unread2 $3nvz !6LN8 m.room.message high 3 PUSHKEY-nc 1795359905 default - - default_payload
two_pushers_0 $Z6LU !dNm_ - low 5 TWO-B 1795357634 - - - format
two_pushers_1 $Z6LU !dNm_ m.room.message low 5 TWO-A 1795357634 - - 2 -
webpush_event_id_only $tCcJ !dNm_ - low 5 BKxP256DHpubkey 1795357629 - - - auth+endpoint+events_only+format+only_last_per_room
";

fn bodies() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/homeserver_bodies");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let read = |path: PathBuf| (name(&path), fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

fn line(name: &str, request: &NotifyRequest) -> String {
    let it = &request.notification;
    let device = &request.devices[0];
    let start = |text: Option<&str>| text.map_or("-", |text| &text[..5]).to_owned();
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let data = device.data.raw.as_ref().unwrap();
    let mut keys: Vec<String> = data.members().iter().map(|it| it.0.to_string()).collect();
    keys.sort();
    let keys = keys.join("+").replace("org.matrix.msc4076.", "");
    let content = it.content.as_ref().map(|it| it.members().len() as u64);
    [
        name.to_owned(),
        start(it.event_id.as_deref()),
        start(it.room_id.as_deref()),
        or_dash(it.event_type.as_deref()),
        match it.prio {
            Priority::High => "high".to_owned(),
            Priority::Low => "low".to_owned(),
        },
        number(it.counts.and_then(|counts| counts.unread)),
        device.pushkey.to_string(),
        number(device.pushkey_ts),
        or_dash(device.tweaks.sound.as_deref()),
        or_dash(device.tweaks.highlight.then_some("highlight")),
        number(content),
        or_dash(Some(&*keys).filter(|keys| !keys.is_empty())),
    ]
    .join(" ")
}

#[test]
fn every_body_is_understood() {
    let mut said = String::new();
    for (name, body) in bodies() {
        let request = decode(body.into()).unwrap();
        assert_eq!(request.devices.len(), 1, "{name}");
        assert_eq!(request.ignored, [], "{name}");
        said += &line(&name, &request);
        said += "\n";
    }
    assert_eq!(said, WHAT_THEY_SAY);
}

#[test]
fn another_parser_reads_the_same() {
    for (name, body) in bodies() {
        let value: Value = serde_json::from_slice(&body).unwrap();
        oracle::assert_same(&decode(body.into()).unwrap(), &value, &name);
    }
}
