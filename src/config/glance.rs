//! One key of a configuration, without looking at the rest: no schema, no key file. A probe that
//! runs every few seconds must not cost what a start does, nor fail for a mistake elsewhere.

use std::path::Path;

use super::bind::Bind;
use super::document::Document;
use super::env::Env;
use super::load::read;
use super::report::{Finding, Report};
use super::{schema, yaml};
use crate::http::AdminConfig;

/// Returns where the admin listener is.
///
/// # Errors
///
/// Returns what is wrong, if that cannot be told.
pub fn admin_bind(path: &Path, env: &Env<'_>) -> Result<Bind, Report> {
    let file = path.display().to_string();
    let report = |text: &str, finding| {
        let secret = schema::secret_keys(&schema::schema());
        Report::new(file, text, &secret, vec![finding])
    };
    let text = match read(path) {
        Ok(text) => text,
        Err(finding) => return Err(report("", finding)),
    };
    bind(&text, env).map_err(|finding| report(&text, finding))
}

fn bind(text: &str, env: &Env<'_>) -> Result<Bind, Finding> {
    let path = ["admin".to_owned(), "bind".to_owned()];
    let (mut document, found) = match yaml::parse(text)? {
        Some(root) => Document::read(&root, env),
        None => (Document::empty(), Vec::new()),
    };
    if let Some(wrong) = found.into_iter().find(|finding| finding.key == path) {
        return Err(wrong);
    }
    let written = document.get_mut(&path).and_then(|it| it.as_str().map(str::to_owned));
    Bind::parse(&written.unwrap_or_else(|| AdminConfig::default().bind)).map_err(|what| {
        let instead = "write `address:port`, as 127.0.0.1:5001 or [::1]:5001";
        document.error(&path, what, instead)
    })
}
