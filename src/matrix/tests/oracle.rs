//! A second opinion: the same rules over a parsed tree, slow and plain.

use serde_json::Value;

use crate::matrix::{Counts, Device, Json, NotifyRequest, Priority};

const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Compares what was decoded with a tree of the same body.
pub(super) fn assert_same(request: &NotifyRequest, body: &Value, name: &str) {
    let tree = &body["notification"];
    let it = &request.notification;
    for (ours, key) in
        [(&it.event_id, "event_id"), (&it.room_id, "room_id"), (&it.event_type, "type")]
    {
        let theirs = tree[key].as_str().filter(|text| !text.is_empty());
        assert_eq!(ours.as_deref(), theirs, "{name}: {key}");
    }
    for (ours, key) in [
        (&it.sender, "sender"),
        (&it.sender_display_name, "sender_display_name"),
        (&it.room_name, "room_name"),
        (&it.room_alias, "room_alias"),
        (&it.membership, "membership"),
        (&it.encrypted.ciphertext, "ciphertext"),
        (&it.encrypted.ephemeral, "ephemeral"),
        (&it.encrypted.mac, "mac"),
    ] {
        assert_eq!(ours.as_deref(), tree[key].as_str(), "{name}: {key}");
    }
    assert_eq!(it.user_is_target, tree["user_is_target"].as_bool(), "{name}");
    assert_eq!(it.prio == Priority::Low, tree["prio"] == "low", "{name}");
    assert_object(it.content.as_ref(), &tree["content"], name);
    let counts = Counts {
        unread: count(&tree["counts"]["unread"]),
        missed_calls: count(&tree["counts"]["missed_calls"]),
    };
    let none = counts == Counts::default();
    assert_eq!(it.counts, (!none).then_some(counts), "{name}");
    let devices = tree["devices"].as_array().unwrap();
    assert_eq!(request.devices.len(), devices.len(), "{name}");
    for (ours, theirs) in request.devices.iter().zip(devices) {
        assert_same_device(ours, theirs, name);
    }
}

fn assert_same_device(ours: &Device, theirs: &Value, name: &str) {
    assert_eq!(&*ours.app_id, theirs["app_id"].as_str().unwrap(), "{name}");
    assert_eq!(&*ours.pushkey, theirs["pushkey"].as_str().unwrap(), "{name}");
    let seconds = count(&theirs["pushkey_ts"]).filter(|&ts| ts > 0);
    let seconds = seconds.map(|ts| if ts >= 100_000_000_000 { ts / 1000 } else { ts });
    assert_eq!(ours.pushkey_ts, seconds, "{name}");
    let data = &theirs["data"];
    assert_object(ours.data.raw.as_ref(), data, name);
    assert_object(ours.data.default_payload.as_ref(), &data["default_payload"], name);
    let disabled = data["org.matrix.msc4076.disable_badge_count"] == true;
    assert_eq!(ours.data.disable_badge_count, disabled, "{name}");
    let tweaks = &theirs["tweaks"];
    let sound = match &tweaks["sound"] {
        Value::Bool(true) => Some("default"),
        sound => sound.as_str(),
    };
    assert_eq!(ours.tweaks.sound.as_deref(), sound, "{name}");
    assert_eq!(ours.tweaks.highlight, tweaks["highlight"] == true, "{name}");
    assert_object(Some(&ours.raw), theirs, name);
}

fn assert_object(ours: Option<&Json>, theirs: &Value, name: &str) {
    let ours = ours.map(|it| serde_json::from_str::<Value>(it.as_str()).unwrap());
    assert_eq!(ours.as_ref(), theirs.is_object().then_some(theirs), "{name}");
}

/// Integers, integral floats, and what is too large as the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is looked at first"
)]
fn count(value: &Value) -> Option<u64> {
    if let Some(integer) = value.as_u64() {
        return Some(integer.min(MAX_INTEGER));
    }
    let float = value.as_f64().filter(|it| *it >= 0.0 && it.fract() == 0.0)?;
    Some((float as u64).min(MAX_INTEGER))
}
