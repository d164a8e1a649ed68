//! A CONNECT proxy: how it is written, which hosts are reached without it, the tunnel through it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::{Failure, Origin, TransportError};
use crate::secret::{ExposeSecret as _, SecretString};

/// Most bytes of a proxy's answer to CONNECT.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What to write instead of a proxy URL that cannot be used.
const FORM: &str = "write http://host:port or http://user:password@host:port";

/// A CONNECT proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The proxy's host.
    pub host: String,
    /// The proxy's port.
    pub port: u16,
    /// The value of `Proxy-Authorization`, if the URL had credentials. Never shown by Debug.
    pub authorization: Option<SecretString>,
    /// Hosts reached without the proxy, as `NO_PROXY` lists them.
    pub no_proxy: Vec<String>,
}

impl Proxy {
    /// Reads `http://[user[:password]@]host[:port]`; credentials may be percent-encoded.
    ///
    /// # Errors
    ///
    /// Returns what is wrong and what to write instead, without showing the credentials.
    pub fn parse(url: &str) -> Result<Self, String> {
        let url = Url::parse(url.trim())
            .map_err(|error| format!("the proxy is not a URL ({error}): {FORM}"))?;
        if url.scheme() != "http" {
            let scheme = url.scheme();
            return Err(format!("a proxy that is spoken to in {scheme} is not supported: {FORM}"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("a proxy has no path, query or fragment: {FORM}"));
        }
        let Some(origin) = Origin::of(&url) else {
            return Err(format!("the proxy has no host: {FORM}"));
        };
        Ok(Self {
            host: origin.host,
            port: origin.port,
            authorization: authorization(&url),
            no_proxy: Vec::new(),
        })
    }

    /// Sets the hosts reached without the proxy, separated by commas as in `NO_PROXY`.
    ///
    /// An entry is a host (which covers its subdomains; a leading `.` or `*.` changes nothing), an
    /// address, either of them with `:port`, or `*` for every host.
    #[must_use]
    pub fn with_no_proxy(mut self, list: &str) -> Self {
        let entries = list.split(',').map(str::trim);
        self.no_proxy = entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
        self
    }

    /// Returns whether `origin` is reached through this proxy.
    #[must_use]
    pub fn covers(&self, origin: &Origin) -> bool {
        // No proxy can stand in for a link-local peer, such as a cloud's metadata server.
        if let Ok(IpAddr::V4(address)) = origin.host.parse()
            && address.is_link_local()
        {
            return false;
        }
        !self.no_proxy.iter().any(|entry| exempts(entry, origin))
    }

    /// Asks for a tunnel to `origin` on a fresh connection to the proxy.
    ///
    /// # Errors
    ///
    /// Returns an error if the proxy does not answer, or answers anything but 2xx.
    pub(super) async fn tunnel(
        &self,
        stream: &mut TcpStream,
        origin: &Origin,
    ) -> Result<(), TransportError> {
        let line = self.exchange(stream, origin).await?;
        match status(&line) {
            Some(200..300) => Ok(()),
            _ => Err(refused(&line)),
        }
    }

    /// Asks for a tunnel to `origin` and returns the status of the answer.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no answer, or none of HTTP.
    pub(super) async fn ask(
        &self,
        stream: &mut TcpStream,
        origin: &Origin,
    ) -> Result<u16, TransportError> {
        let line = self.exchange(stream, origin).await?;
        status(&line).ok_or_else(|| refused(&line))
    }

    /// Asks for a tunnel to `origin` and returns the status line of the answer.
    async fn exchange(
        &self,
        stream: &mut TcpStream,
        origin: &Origin,
    ) -> Result<Vec<u8>, TransportError> {
        let target = origin.authority_with_port();
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization.expose_secret());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|error| failed(format!("cannot write to the proxy: {error}")))?;
        let head = read_head(stream)
            .await
            .map_err(|error| failed(format!("cannot read the proxy's answer: {error}")))?;
        let line = head.split(|&byte| byte == b'\r').next();
        Ok(line.unwrap_or_default().to_vec())
    }
}

/// Quotes the status line of a proxy that opens no tunnel.
fn refused(line: &[u8]) -> TransportError {
    let line: String =
        String::from_utf8_lossy(line).chars().filter(|char| !char.is_control()).take(100).collect();
    failed(format!("the proxy answered {line:?} to CONNECT"))
}

fn failed(detail: String) -> TransportError {
    TransportError::unreachable(Failure::Proxy, detail)
}

/// Returns the value of `Proxy-Authorization` (RFC 7617) for a URL with credentials.
fn authorization(url: &Url) -> Option<SecretString> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut credentials: Vec<u8> = percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(credentials)).into())
}

/// Returns whether an entry of `NO_PROXY` names `origin`.
fn exempts(entry: &str, origin: &Origin) -> bool {
    if entry == "*" {
        return true;
    }
    let address = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    if let Some(address) = address(entry) {
        return origin.host.parse() == Ok(address);
    }
    let host = match entry.rsplit_once(':') {
        Some((_, port)) if port.parse() != Ok(origin.port) => return false,
        Some((host, _)) => host,
        None => entry,
    };
    if let Some(address) = address(host) {
        return origin.host.parse() == Ok(address);
    }
    // The host of a URL is in its normal form; an entry gets the same.
    let Ok(domain) = Host::parse(host.trim_start_matches('*').trim_start_matches('.')) else {
        return false;
    };
    origin
        .host
        .strip_suffix(&domain.to_string())
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns what a status line says: RFC 9112, section 4.
fn status(line: &[u8]) -> Option<u16> {
    let mut words = line.split(|&byte| byte == b' ');
    let version = words.next()?;
    let status = words.next().filter(|status| status.len() == 3)?;
    let is_http = version.starts_with(b"HTTP/1.");
    is_http.then(|| str::from_utf8(status).ok()?.parse().ok())?
}

/// Reads a response head and not one byte more: what follows belongs to the tunnel.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    let mut peeked = [0; 1024];
    loop {
        let read = stream.peek(&mut peeked).await?;
        if read == 0 {
            return Err(std::io::Error::other("the proxy closed the connection"));
        }
        let known = head.len();
        head.extend_from_slice(&peeked[..read]);
        let from = known.saturating_sub(END.len() - 1);
        let end = head[from..].windows(END.len()).position(|window| window == END);
        if let Some(end) = end {
            head.truncate(from + end + END.len());
        }
        let taken = head.len() - known;
        stream.read_exact(&mut peeked[..taken]).await?;
        if end.is_some() {
            return Ok(head);
        }
        if head.len() > MAX_ANSWER_BYTES {
            return Err(std::io::Error::other("the answer's head is too large"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read() {
        let rows = [
            ("http://proxy.example", "proxy.example", 80, None),
            ("http://proxy.example:3128/", "proxy.example", 3128, None),
            ("http://[::1]:8080", "::1", 8080, None),
            (
                "http://Aladdin:open%20sesame@proxy.example:3128",
                "proxy.example",
                3128,
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            ("http://us%40er:p%3Aw%2Fd@10.0.0.1", "10.0.0.1", 80, Some("Basic dXNAZXI6cDp3L2Q=")),
            ("http://user@proxy.example", "proxy.example", 80, Some("Basic dXNlcjo=")),
        ];
        for (url, host, port, authorization) in rows {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!((&*proxy.host, proxy.port), (host, port), "{url}");
            let read = proxy.authorization.as_ref().map(SecretString::expose_secret);
            assert_eq!(read, authorization, "{url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_named() {
        let rows = [
            ("proxy.example", "not a URL"),
            ("proxy.example:3128", "not supported"),
            ("https://proxy.example", "spoken to in https"),
            ("socks5://proxy.example:1080", "spoken to in socks5"),
            ("http://proxy.example/path", "has no path"),
            ("http://proxy.example?query", "has no path"),
            ("http://", "not a URL"),
            ("http://host:99999", "not a URL"),
        ];
        for (url, says) in rows {
            let error = Proxy::parse(url).unwrap_err();
            assert!(error.contains(says) && error.contains(FORM), "{url}: {error}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let proxy = Proxy::parse("http://user:hunter2@proxy.example").unwrap();
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("Basic"), "{shown}");
        let error = Proxy::parse("ftp://user:hunter2@proxy.example").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn no_proxy_names_hosts() {
        let rows = [
            ("", "https://push.example", true),
            ("*", "https://push.example", false),
            ("push.example", "https://push.example", false),
            ("PUSH.example", "https://push.example", false),
            ("push.example", "https://api.push.example", false),
            (".push.example", "https://api.push.example", false),
            (".push.example", "https://push.example", false),
            ("*.push.example", "https://api.push.example", false),
            ("push.example", "https://notpush.example", true),
            ("push.example:443", "https://push.example", false),
            ("push.example:8443", "https://push.example", true),
            ("a.example, push.example", "https://push.example", false),
            ("127.0.0.1", "http://127.0.0.1:8080", false),
            ("127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("127.0.0.1:80", "http://127.0.0.1:8080", true),
            ("0.0.1", "http://127.0.0.1", true),
            ("::1", "https://[::1]", false),
            ("[::1]", "https://[::1]", false),
            ("[::1]:443", "https://[::1]", false),
            ("[::1]:80", "https://[::1]", true),
            ("::1", "https://[::2]", true),
            ("", "http://169.254.169.254", false),
        ];
        let proxy = Proxy::parse("http://proxy.example").unwrap();
        for (list, url, through) in rows {
            let proxy = proxy.clone().with_no_proxy(list);
            let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
            assert_eq!(proxy.covers(&origin), through, "NO_PROXY={list} {url}");
        }
    }

    #[test]
    fn status_lines_are_read() {
        let rows: [(&[u8], Option<u16>); 6] = [
            (b"HTTP/1.1 200 Connection established", Some(200)),
            (b"HTTP/1.0 200", Some(200)),
            (b"HTTP/1.1 407 Proxy Authentication Required", Some(407)),
            (b"HTTP/1.1 2000 OK", None),
            (b"SSH-2.0-OpenSSH 200", None),
            (b"", None),
        ];
        for (line, expected) in rows {
            assert_eq!(status(line), expected, "{line:?}");
        }
    }
}
