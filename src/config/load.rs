//! From a file's name to a checked configuration, or to everything that is wrong with it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::document::Document;
use super::env::Env;
use super::report::{Finding, Report, Severity};
use super::{Config, apps, rules, schema, surroundings, sygnal, validate, yaml};
use crate::fault::Fault;
use crate::secret::KeyFiles;
use crate::telemetry::Metrics;

/// The least that makes a configuration, as an example.
const EXAMPLE: &str = "apps:\n  org.example.try:\n    type: log\n";

/// A configuration that can be started.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What an operator should know all the same.
    pub warnings: Report,
}

/// Reads a configuration and every key file it names.
///
/// The environment comes in by `env`. Apps count into `metrics`.
///
/// # Errors
///
/// Returns everything that is wrong, and the warnings besides.
pub fn load(path: &Path, env: &Env<'_>, metrics: &Arc<Metrics>) -> Result<Loaded, Report> {
    let schema = schema();
    let secret = schema::secret_keys(&schema);
    let file = path.display().to_string();
    let report = |text: &str, findings| Report::new(file.clone(), text, &secret, findings);

    let text = read(path).map_err(|finding| report("", vec![finding]))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let files = Arc::new(KeyFiles::beside(base));
    let mut findings = Vec::new();
    let config = check(&text, &schema, env, &files, metrics, &mut findings)
        .map_err(|broken| report(&text, vec![broken]))?;
    findings.extend(files.warnings().into_iter().map(Finding::warning));

    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    let report = report(&text, findings);
    if wrong {
        return Err(report);
    }
    Ok(Loaded { config, warnings: report })
}

/// Reads the file as text.
pub(super) fn read(path: &Path) -> Result<String, Finding> {
    let at_file = |what: String, instead: String| Finding::error::<String>([], None, what, instead);
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => at_file(
            "there is no configuration file of this name".to_owned(),
            format!(
                "write one, or name another with `--config FILE`; this is enough to begin:\n\n\
                 {EXAMPLE}"
            ),
        ),
        ErrorKind::InvalidData => at_file("is not UTF-8".to_owned(), "save it as UTF-8".to_owned()),
        _ => at_file(
            format!("cannot read the configuration file: {error}"),
            "name a file that the user running peregrine may read".to_owned(),
        ),
    })?;
    // Some editors leave a byte order mark, which is no part of the text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Walks every stage; an error is a text that cannot be looked at any further.
fn check(
    text: &str,
    schema: &Value,
    env: &Env<'_>,
    files: &Arc<KeyFiles>,
    metrics: &Arc<Metrics>,
    findings: &mut Vec<Finding>,
) -> Result<Config, Finding> {
    let mut document = match yaml::parse(text)? {
        Some(root) => {
            let (document, found) = Document::read(&root, env);
            findings.extend(found);
            document
        }
        None => Document::empty(),
    };
    sygnal::translate(&mut document, findings);
    if let Some(finding) = no_apps(&document) {
        findings.push(finding);
    }
    for finding in validate::check(schema, &mut document) {
        // One mistake is told once: by who knows it best, who came first.
        if !findings.iter().any(|other| other.key == finding.key) {
            findings.push(finding);
        }
    }
    let mut config = typed(&document, findings);
    let faults = rules::check(&mut config, files);
    findings.extend(faults.iter().map(|fault| document.fault(&[], fault)));
    findings.extend(
        rules::remarks(&config).iter().map(|fault| document.fault(&[], fault).into_warning()),
    );
    findings.extend(rules::overlaps(&document));
    let (around, faults) = surroundings::Around::new(&config, files, env);
    findings.extend(faults.iter().map(|fault| document.fault(&[], fault)));
    if !findings.iter().any(|it| is_error_within(it, "state")) {
        match around.home(&config.state, metrics) {
            Ok(home) => config.home = home,
            Err(fault) => findings.push(document.fault(&[], &fault)),
        }
    }
    config.proxied = around.proxy();
    config.apps = apps::prepare(&document, &around, metrics, findings);
    Ok(config)
}

fn is_error_within(finding: &Finding, section: &str) -> bool {
    finding.severity == Severity::Error && finding.key.first().is_some_and(|key| key == section)
}

fn no_apps(document: &Document) -> Option<Finding> {
    let apps = document.value.as_object()?.get("apps");
    let none = apps.is_none_or(|apps| apps.is_null() || *apps == json!({}));
    none.then(|| {
        let path = ["apps".to_owned()];
        let instead = format!("add one for each app_id; this is enough to begin:\n\n{EXAMPLE}");
        document.error(&path, "there are no apps", instead)
    })
}

/// Returns the sections; where a key is wrong, its default.
fn typed(document: &Document, findings: &mut Vec<Finding>) -> Config {
    let mut value = document.value.clone();
    for finding in findings.iter().filter(|it| it.severity == Severity::Error) {
        take_out(&mut value, &finding.key);
    }
    if !value.is_object() {
        return Config::default();
    }
    serde_path_to_error::deserialize(&value).unwrap_or_else(|error| {
        let fault = Fault::new(error.path().to_string(), error.inner().to_string(), "");
        findings.push(document.fault(&[], &fault));
        Config::default()
    })
}

/// Takes out the key at `path`, or the list it is in.
fn take_out(value: &mut Value, path: &[String]) {
    if let [key, rest @ ..] = path
        && let Some(map) = value.as_object_mut()
    {
        match map.get_mut(key) {
            Some(within) if within.is_object() && !rest.is_empty() => take_out(within, rest),
            _ => drop(map.remove(key)),
        }
    }
}
