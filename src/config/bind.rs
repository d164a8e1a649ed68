//! Addresses to listen on, as operators write them.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// A host's address or name (IPv6 without brackets) and a port.
    Tcp {
        /// The host.
        host: String,
        /// The port; 0 for a free one.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Bind {
    /// Reads an address that goes with a port of its own key; or `unix:/path`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it.
    pub fn with_port(address: &str, port: u16) -> Result<Self, String> {
        if let Some(path) = address.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(format!("`{address}` has no absolute path"))
            };
        }
        let host = host(address);
        if host.parse::<IpAddr>().is_ok() || is_name(host) {
            let host = host.to_owned();
            return Ok(Self::Tcp { host, port });
        }
        match address.rsplit_once(':') {
            Some((_, end)) if end.parse::<u16>().is_ok() => {
                Err(format!("`{address}` has a port, which has a key of its own"))
            }
            _ => Err(format!("`{address}` is no address")),
        }
    }

    /// Reads `address:port`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("unix:") {
            return Self::with_port(text, 0);
        }
        let (address, port) = text
            .rsplit_once(':')
            .and_then(|(address, port)| Some((address, port.parse().ok()?)))
            .ok_or_else(|| format!("`{text}` has no port"))?;
        if address.contains(':') && host(address) == address {
            return Err(format!("`{text}` needs brackets around the address"));
        }
        Self::with_port(address, port)
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Takes the brackets off an IPv6 address.
fn host(address: &str) -> &str {
    let bare = address.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    bare.filter(|it| it.contains(':')).unwrap_or(address)
}

/// Whether it can be a host's name. All digits and dots would be an address gone wrong.
fn is_name(host: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    host.bytes().all(letter) && host.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Bind {
        Bind::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn addresses_with_a_port_of_their_own() {
        for (text, expected) in [
            ("127.0.0.1", Some(tcp("127.0.0.1", 5000))),
            ("::", Some(tcp("::", 5000))),
            ("[::1]", Some(tcp("::1", 5000))),
            ("localhost", Some(tcp("localhost", 5000))),
            ("push.example.org", Some(tcp("push.example.org", 5000))),
            ("unix:/run/p.sock", Some(Bind::Unix("/run/p.sock".into()))),
            ("unix:p.sock", None),
            ("127.0.0.1:5000", None),
            ("127.0.0", None),
            ("256.0.0.1", None),
            ("[localhost]", None),
            ("*", None),
            ("", None),
            ("a b", None),
        ] {
            assert_eq!(Bind::with_port(text, 5000).ok(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_and_ports() {
        for (text, expected) in [
            ("127.0.0.1:0", Some(tcp("127.0.0.1", 0))),
            ("[::1]:5001", Some(tcp("::1", 5001))),
            ("localhost:5001", Some(tcp("localhost", 5001))),
            ("unix:/run/p.sock", Some(Bind::Unix("/run/p.sock".into()))),
            ("::1:5001", None),
            ("127.0.0.1", None),
            ("127.0.0.1:65536", None),
            (":5001", None),
            ("5001", None),
        ] {
            assert_eq!(Bind::parse(text).ok(), expected, "{text}");
        }
    }
}
