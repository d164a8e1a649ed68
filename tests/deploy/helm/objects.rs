//! What the chart makes: all of it is there, and every part finds the others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::render::objects;
use super::{everything, loaded};

#[test]
fn by_itself_it_makes_what_the_readme_says() {
    let made = objects(&json!({}));
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    let wanted = [
        "Deployment push-peregrine",
        "PodDisruptionBudget push-peregrine",
        "Secret push-peregrine-config",
        "Service push-peregrine",
        "Service push-peregrine-admin",
        "ServiceAccount push-peregrine",
    ];
    assert_eq!(names, wanted);
    assert_eq!(made[wanted[0]]["spec"]["replicas"], 1);
}

/// Returns whether an object has all these labels.
fn has_labels(metadata: &Value, wanted: &Value) -> bool {
    let wanted = wanted.as_object().unwrap();
    let mut pairs = wanted.iter();
    !wanted.is_empty() && pairs.all(|(key, value)| metadata["labels"][key] == *value)
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn what_selects_pods_finds_them_and_their_ports() {
    for own in [json!({}), everything()] {
        let made = objects(&own);
        let deployment = &made["Deployment push-peregrine"]["spec"];
        let pod = &deployment["template"];
        let container = &pod["spec"]["containers"][0];
        let ports: BTreeSet<&str> =
            list(&container["ports"]).iter().map(|port| text(&port["name"])).collect();
        for probe in ["livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "admin");
        }
        for (name, object) in &made {
            let spec = &object["spec"];
            let (selector, asked): (_, Vec<&Value>) = match text(&object["kind"]) {
                "Deployment" | "PodDisruptionBudget" => (&spec["selector"]["matchLabels"], vec![]),
                "Service" => {
                    let ports = list(&spec["ports"]).iter();
                    let asked = ports.map(|port| &port["targetPort"]).collect();
                    (&spec["selector"], asked)
                }
                "NetworkPolicy" => {
                    let rules = list(&spec["ingress"]).iter();
                    let asked = rules.map(|rule| &rule["ports"][0]["port"]).collect();
                    (&spec["podSelector"]["matchLabels"], asked)
                }
                _ => continue,
            };
            assert!(has_labels(&pod["metadata"], selector), "{name}");
            for port in asked {
                assert!(ports.contains(text(port)), "{name}: {port}");
            }
        }
    }
}

#[test]
fn what_names_another_object_names_one_that_is_there() {
    let made = objects(&everything());
    let scaled = &made["HorizontalPodAutoscaler push-peregrine"]["spec"]["scaleTargetRef"];
    let scaled = format!("{} {}", text(&scaled["kind"]), text(&scaled["name"]));
    let deployment = &made[&scaled]["spec"];
    assert!(deployment.get("replicas").is_none(), "the autoscaler decides");

    let path = &made["Ingress push-peregrine"]["spec"]["rules"][0]["http"]["paths"][0];
    let service = &path["backend"]["service"];
    let ports = &made[&format!("Service {}", text(&service["name"]))]["spec"]["ports"];
    assert_eq!(ports[0]["name"], service["port"]["name"]);

    let monitor = &made["ServiceMonitor push-peregrine"]["spec"];
    let services = made.values().filter(|object| object["kind"] == "Service");
    let found: Vec<_> = services
        .filter(|it| has_labels(&it["metadata"], &monitor["selector"]["matchLabels"]))
        .collect();
    assert_eq!(found.len(), 1, "one Service has the metrics");
    assert_eq!(found[0]["spec"]["ports"][0]["name"], monitor["endpoints"][0]["port"]);
    // The alerts look for this job.
    let job = &found[0]["metadata"]["labels"][text(&monitor["jobLabel"])];
    assert_eq!(job, "peregrine");
}

#[test]
fn what_is_mounted_is_in_a_secret() {
    for own in [json!({}), everything()] {
        let made = objects(&own);
        let pod = &made["Deployment push-peregrine"]["spec"]["template"]["spec"];
        for source in list(&pod["volumes"][0]["projected"]["sources"]) {
            let name = text(&source["secret"]["name"]);
            let secret = made.get(&format!("Secret {name}"));
            assert!(secret.is_some() || name == "apns", "{name}");
            for item in list(&source["secret"]["items"]) {
                let key = text(&item["key"]);
                let is_there = secret.is_none_or(|it| it["stringData"][key].is_string());
                assert!(is_there, "{name}: {key}");
            }
        }
    }
}

#[test]
fn with_everything_on_everything_is_there() {
    let own = everything();
    let made = objects(&own);
    assert_eq!(made.len(), 11, "{:?}", made.keys());
    assert_eq!(loaded(&made).apps.len(), 1, "the example is gone");
    let keys = &made["Secret push-peregrine-keys"]["stringData"];
    assert_eq!(keys, &own["keys"], "a key arrives as it was written");
    let policy = &made["NetworkPolicy push-peregrine"]["spec"];
    assert_eq!(policy["ingress"][1]["from"], own["networkPolicy"]["adminFrom"]);
    assert_eq!(policy["egress"][2], own["networkPolicy"]["egress"][0]);
    let scaled = &made["HorizontalPodAutoscaler push-peregrine"]["spec"]["metrics"];
    assert_eq!(scaled[1], own["autoscaling"]["metrics"][0]);
    let pod = &made["Deployment push-peregrine"]["spec"]["template"]["spec"];
    for key in ["nodeSelector", "tolerations", "affinity", "imagePullSecrets"] {
        assert_eq!(pod[key], own[key], "{key}");
    }
    let items = &pod["volumes"][0]["projected"]["sources"][2]["secret"]["items"];
    assert_eq!(items[1]["path"], "keys/d.pem");
}

#[test]
fn a_changed_configuration_or_key_rolls_the_pods_and_nothing_else_does() {
    let sum = |own: &Value| {
        let deployment = &objects(own)["Deployment push-peregrine"]["spec"]["template"];
        deployment["metadata"]["annotations"]["checksum/config"].clone()
    };
    let before = sum(&json!({}));
    assert_ne!(sum(&json!({"config": {"log": {"level": "debug"}}})), before);
    assert_ne!(sum(&json!({"keys": {"a.p8": "x"}})), before);
    assert_ne!(sum(&json!({"keys": {"a.p8": "x"}})), sum(&json!({"keys": {"a.p8": "y"}})));
    assert_eq!(sum(&json!({"replicaCount": 2, "ingress": {"enabled": true}})), before);
}
