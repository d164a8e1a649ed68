//! Whose `X-Forwarded-For` is believed: addresses and networks that an operator lists.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::fault::Fault;

/// What stands in the list for a peer without an address: a proxy on a Unix socket.
const UNIX: &str = "unix";

/// The proxies an operator trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
}

impl TrustedProxies {
    /// Reads the list `trusted_proxies`.
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] for each entry that is no address and no network.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<Fault>> {
        let mut trusted = Self::default();
        let mut faults = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            match entry.parse() {
                Ok(network) => trusted.networks.push(network),
                Err(NotANetwork) if entry == UNIX => trusted.unix = true,
                Err(NotANetwork) => faults.push(Fault::new(
                    format!("trusted_proxies[{i}]"),
                    format!("`{entry}` is neither an address nor a network"),
                    "write an address (192.0.2.7), a network (10.0.0.0/8, fd00::/8), or `unix` \
                     for proxies on a Unix socket",
                )),
            }
        }
        if faults.is_empty() { Ok(trusted) } else { Err(faults) }
    }

    /// Whether this peer is a trusted proxy; `None` is a peer on a Unix socket.
    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(address) => self.networks.iter().any(|net| net.contains(address)),
            None => self.unix,
        }
    }

    /// Returns whom the request comes from. Each proxy appends the address it sees, so the list is
    /// read from its end, and only as long as the one who wrote the entry is trusted.
    pub fn client<'h>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl DoubleEndedIterator<Item = &'h str>,
    ) -> Option<IpAddr> {
        let mut client = peer;
        for entry in forwarded_for.rev().flat_map(|value| value.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match address(entry.trim()) {
                Some(address) => client = Some(address),
                None => break,
            }
        }
        client
    }
}

/// Reads an entry of `X-Forwarded-For`: an address, with a port from some proxies.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare.unwrap_or(entry).parse().ok();
    let address = address.or_else(|| entry.parse().ok().map(|it: SocketAddr| it.ip()));
    address.map(|it| it.to_canonical())
}

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u32,
}

#[derive(Debug)]
struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| NotANetwork)?;
        let all = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        if bits > all {
            return Err(NotANetwork);
        }
        Ok(Self { base, bits })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = base.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = base.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(entries: &[&str]) -> TrustedProxies {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        TrustedProxies::parse(&entries).unwrap()
    }

    #[test]
    fn what_networks_hold() {
        for (entry, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.7/32", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let trusts = trusted(&[entry]).trusts(Some(address.parse().unwrap()));
            assert_eq!(trusts, holds, "{address} in {entry}");
        }
        assert!(!trusted(&["0.0.0.0/0", "::/0"]).trusts(None));
        assert!(trusted(&["unix"]).trusts(None));
    }

    #[test]
    fn each_wrong_entry_is_told() {
        let entries = ["10.0.0.0/8", "10.0.0.0/33", "::/129", "proxy", "", "1.2.3.4/x"];
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        let faults = TrustedProxies::parse(&entries).unwrap_err();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        let wrong = [1, 2, 3, 4, 5].map(|i| format!("trusted_proxies[{i}]"));
        assert_eq!(keys, wrong);
    }

    #[test]
    fn whom_the_request_comes_from() {
        let trusted = trusted(&["127.0.0.1", "10.0.0.0/8", "unix"]);
        for (peer, forwarded_for, client) in [
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
            // Only what trusted proxies wrote counts: the rest may be made up.
            ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("127.0.0.1", "203.0.113.9|10.1.1.1", "203.0.113.9"),
            ("127.0.0.1", "10.2.2.2,10.1.1.1", "10.2.2.2"),
            ("127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1"),
            ("a Unix socket", "203.0.113.9", "203.0.113.9"),
        ] {
            let headers = forwarded_for.split('|');
            let seen = trusted.client(peer.parse().ok(), headers);
            assert_eq!(seen, client.parse().ok(), "{peer} {forwarded_for}");
        }
    }
}
