//! What every app has around it: key files, roots, the proxy.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Config;
use super::env::Env;
use crate::dispatch::{Home, StateConfig};
use crate::fault::Fault;
use crate::providers::Surroundings;
use crate::secret::{ExposeSecret, KeyFiles};
use crate::telemetry::{AppMetrics, Metrics};
use crate::transport::{Proxy, tls};

/// What every app has around it.
pub(super) struct Around {
    files: Arc<KeyFiles>,
    roots: Arc<RootCertStore>,
    proxy: Option<Arc<Proxy>>,
    metadata_host: Option<String>,
    digest: u64,
}

impl Around {
    /// Reads roots and proxy; where one is wrong, apps are prepared without it.
    pub(super) fn new(config: &Config, files: &Arc<KeyFiles>, env: &Env<'_>) -> (Self, Vec<Fault>) {
        let mut faults = Vec::new();
        let extra = extra_roots(config, files).unwrap_or_else(|fault| {
            faults.push(fault);
            Vec::new()
        });
        let proxy = proxy(config, env).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let mut digest = DefaultHasher::new();
        files.digest().hash(&mut digest);
        format!("{proxy:?}").hash(&mut digest);
        config.proxy.as_ref().map(ExposeSecret::expose_secret).hash(&mut digest);
        let around = Self {
            digest: digest.finish(),
            files: files.clone(),
            roots: tls::roots(&extra).into(),
            proxy: proxy.map(Arc::new),
            metadata_host: set(env, "GCE_METADATA_HOST"),
        };
        (around, faults)
    }

    /// Returns the proxy in force.
    pub(super) fn proxy(&self) -> Option<Arc<Proxy>> {
        self.proxy.clone()
    }

    /// Returns where the tables live.
    pub(super) fn home(&self, state: &StateConfig, metrics: &Arc<Metrics>) -> Result<Home, Fault> {
        Home::prepare(state, &self.roots, metrics)
    }

    /// Returns what is around one app.
    pub(super) fn of_app(&self, metrics: AppMetrics) -> Surroundings {
        Surroundings {
            files: self.files.clone(),
            roots: self.roots.clone(),
            proxy: self.proxy.clone(),
            metadata_host: self.metadata_host.clone(),
            digest: self.digest,
            metrics,
        }
    }
}

fn extra_roots(config: &Config, files: &KeyFiles) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let Some(path) = &config.tls.ca_file else {
        return Ok(Vec::new());
    };
    let pem = files.read("tls.ca_file", path)?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose_secret()).collect();
    let usable = |root: &CertificateDer<'static>| RootCertStore::empty().add(root.clone()).is_ok();
    match roots {
        Ok(roots) if !roots.is_empty() && roots.iter().all(usable) => Ok(roots),
        _ => Err(Fault::new(
            "tls.ca_file",
            format!("{} has no certificate that can be read", path.display()),
            "name a PEM file with sections `BEGIN CERTIFICATE`",
        )),
    }
}

/// Returns the proxy of the file, which is for every provider, else that of the environment.
fn proxy(config: &Config, env: &Env<'_>) -> Result<Option<Proxy>, Fault> {
    if let Some(url) = &config.proxy {
        let proxy = Proxy::parse(url.expose_secret());
        return proxy.map(Some).map_err(|what| Fault::new("proxy", what, ""));
    }
    // The names that curl and Python know.
    let Some((name, url)) =
        ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(|name| Some((name, set(env, name)?)))
    else {
        return Ok(None);
    };
    let proxy = Proxy::parse(&url)
        .map_err(|what| Fault::new("proxy", format!("comes from ${name}: {what}"), ""))?;
    let no_proxy = set(env, "NO_PROXY").or_else(|| set(env, "no_proxy"));
    Ok(Some(proxy.with_no_proxy(&no_proxy.unwrap_or_default())))
}

/// Returns a variable that is not empty.
fn set(env: &Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy of the file, the environment, the host expected, and what goes without it.
    type Row<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], Option<&'a str>, &'a [&'a str]);

    #[test]
    fn the_proxy_of_the_file_comes_before_the_environment() {
        let all = [
            ("HTTPS_PROXY", "http://env:1"),
            ("https_proxy", "http://lower:2"),
            ("NO_PROXY", "a, b"),
            ("no_proxy", "c"),
        ];
        let rows: [Row<'_>; 6] = [
            (None, &[], None, &[]),
            (None, &all, Some("env"), &["a", "b"]),
            (None, &all[1..], Some("lower"), &["a", "b"]),
            (None, &[all[1], all[3]], Some("lower"), &["c"]),
            (None, &[("HTTPS_PROXY", ""), all[2]], None, &[]),
            // For every provider, says the file.
            (Some("http://file:3"), &all, Some("file"), &[]),
        ];
        for (file, variables, host, no_proxy) in rows {
            let config = Config { proxy: file.map(Into::into), ..Config::default() };
            let env = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let proxy = proxy(&config, &env).unwrap();
            assert_eq!(proxy.as_ref().map(|proxy| proxy.host.as_str()), host);
            assert_eq!(proxy.map_or_else(Vec::new, |proxy| proxy.no_proxy), no_proxy);
        }
        let socks = |name: &str| (name == "HTTPS_PROXY").then(|| "socks5://h:1".to_owned());
        let fault = proxy(&Config::default(), &socks).unwrap_err();
        assert!(fault.what.starts_with("comes from $HTTPS_PROXY: "), "{fault}");
    }
}
