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

#[test]
fn every_part_finds_the_others() {
    for own in [json!({}), everything()] {
        let made = objects(&own);
        let deployment = &made["Deployment push-peregrine"]["spec"];
        let pod = &deployment["template"]["spec"];
        let container = &pod["containers"][0];
        let labels = deployment["template"]["metadata"]["labels"]
            .as_object()
            .unwrap();
        let ports: BTreeSet<&str> = container["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["name"].as_str().unwrap())
            .collect();
        let picks_the_pod = |selector: &Value| {
            let wanted = selector.as_object().unwrap();
            !wanted.is_empty()
                && wanted
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value))
        };
        assert!(picks_the_pod(&deployment["selector"]["matchLabels"]));
        for probe in ["livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "admin");
        }
        for (name, object) in &made {
            let spec = &object["spec"];
            match object["kind"].as_str().unwrap() {
                "Service" => {
                    assert!(picks_the_pod(&spec["selector"]), "{name}");
                    for port in spec["ports"].as_array().unwrap() {
                        assert!(
                            ports.contains(port["targetPort"].as_str().unwrap()),
                            "{name}"
                        );
                    }
                }
                "PodDisruptionBudget" => assert!(picks_the_pod(&spec["selector"]["matchLabels"])),
                "NetworkPolicy" => {
                    assert!(picks_the_pod(&spec["podSelector"]["matchLabels"]));
                    for rule in spec["ingress"].as_array().unwrap() {
                        assert!(ports.contains(rule["ports"][0]["port"].as_str().unwrap()));
                    }
                }
                "HorizontalPodAutoscaler" => {
                    let target = &spec["scaleTargetRef"];
                    let target = format!(
                        "{} {}",
                        target["kind"].as_str().unwrap(),
                        target["name"].as_str().unwrap()
                    );
                    assert!(made.contains_key(&target), "it scales {target}");
                    assert!(
                        deployment.get("replicas").is_none(),
                        "the autoscaler decides"
                    );
                }
                "Ingress" => {
                    let service = &spec["rules"][0]["http"]["paths"][0]["backend"]["service"];
                    assert!(
                        made.contains_key(&format!(
                            "Service {}",
                            service["name"].as_str().unwrap()
                        ))
                    );
                    assert_eq!(service["port"]["name"], "http");
                }
                "ServiceMonitor" => {
                    let wanted = spec["selector"]["matchLabels"].as_object().unwrap();
                    let found: Vec<_> = made
                        .values()
                        .filter(|object| {
                            let labels = &object["metadata"]["labels"];
                            object["kind"] == "Service"
                                && wanted.iter().all(|(key, value)| labels[key] == *value)
                        })
                        .collect();
                    assert_eq!(found.len(), 1, "one Service has the metrics");
                    assert_eq!(
                        found[0]["spec"]["ports"][0]["name"],
                        spec["endpoints"][0]["port"]
                    );
                    assert_eq!(
                        labels[spec["jobLabel"].as_str().unwrap()],
                        "peregrine",
                        "as the alerts want it"
                    );
                }
                _ => {}
            }
        }
        for volume in pod["volumes"][0]["projected"]["sources"]
            .as_array()
            .unwrap()
        {
            let name = volume["secret"]["name"].as_str().unwrap();
            let secret = made.get(&format!("Secret {name}"));
            assert!(secret.is_some() || name == "apns", "{name}");
            for item in volume["secret"]["items"].as_array().unwrap() {
                let key = item["key"].as_str().unwrap();
                assert!(
                    secret.is_none_or(|secret| secret["stringData"][key].is_string()),
                    "{name}: {key}"
                );
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
    assert_eq!(
        policy["ingress"][1]["from"],
        own["networkPolicy"]["adminFrom"]
    );
    assert_eq!(policy["egress"][2], own["networkPolicy"]["egress"][0]);
    let scaled = &made["HorizontalPodAutoscaler push-peregrine"]["spec"]["metrics"];
    assert_eq!(scaled[1], own["autoscaling"]["metrics"][0]);
    let pod = &made["Deployment push-peregrine"]["spec"]["template"]["spec"];
    for key in [
        "nodeSelector",
        "tolerations",
        "affinity",
        "imagePullSecrets",
    ] {
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
    assert_ne!(
        sum(&json!({"keys": {"a.p8": "x"}})),
        sum(&json!({"keys": {"a.p8": "y"}}))
    );
    assert_eq!(
        sum(&json!({"replicaCount": 2, "ingress": {"enabled": true}})),
        before
    );
}
