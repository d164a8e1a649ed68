//! Apps: each by the provider its `type` names, with its key files read.

use std::sync::Arc;

use serde_json::Value;

use super::document::Document;
use super::report::{Finding, Severity};
use super::surroundings::Around;
use crate::providers::{App, KINDS};
use crate::telemetry::Metrics;

/// Prepares every app that has no mistake yet, and adds the mistakes that show.
pub(super) fn prepare(
    document: &Document,
    around: &Around,
    metrics: &Arc<Metrics>,
    findings: &mut Vec<Finding>,
) -> Vec<App> {
    let mut apps = Vec::new();
    for (pattern, keys) in document.value["apps"].as_object().into_iter().flatten() {
        let path = ["apps".to_owned(), pattern.clone()];
        let wrong = |finding: &Finding| {
            finding.severity == Severity::Error && finding.key.starts_with(&path)
        };
        if findings.iter().any(wrong) {
            continue;
        }
        let mut keys = keys.clone();
        let kind = keys.as_object_mut().and_then(|keys| keys.remove("type"));
        let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
        let Some(kind) =
            KINDS.iter().find(|known| known.name == kind || known.aliases.contains(&kind))
        else {
            continue;
        };
        let around = around.of_app(metrics.app(pattern, kind.name));
        match (kind.prepare)(pattern, keys, &around) {
            Ok(app) => apps.push(app),
            Err(faults) => findings.extend(faults.iter().map(|fault| document.fault(&path, fault))),
        }
    }
    apps
}
