//! Which addresses may be dialled when somebody else chose the host.
//!
//! Anyone can register an endpoint, and its host name may lead anywhere, so what counts is the
//! address that is dialled, after DNS. What is not public is refused: the special-purpose blocks of
//! IANA, of IPv6 everything outside the space handed out so far.
//! <https://www.iana.org/assignments/iana-ipv4-special-registry/>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry/>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a dialer connects to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Every address: the operator chose the hosts.
    #[default]
    Any,
    /// Public ones alone: somebody else chose the hosts.
    Public,
}

impl Addresses {
    /// Whether this address may be dialled.
    #[must_use]
    pub fn allow(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public => is_public(address),
        }
    }
}

/// Blocks of IPv4 that are not public: first address and length of the prefix.
const NOT_PUBLIC_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),       // "this network": RFC 791
    ([10, 0, 0, 0], 8),      // private: RFC 1918
    ([100, 64, 0, 0], 10),   // shared with carrier-grade NAT: RFC 6598
    ([127, 0, 0, 0], 8),     // loopback: RFC 1122
    ([169, 254, 0, 0], 16),  // link-local, and clouds' metadata servers: RFC 3927
    ([172, 16, 0, 0], 12),   // private: RFC 1918
    ([192, 0, 0, 0], 24),    // protocol assignments: RFC 6890
    ([192, 0, 2, 0], 24),    // documentation: RFC 5737
    ([192, 88, 99, 0], 24),  // 6to4 relays: RFC 7526
    ([192, 168, 0, 0], 16),  // private: RFC 1918
    ([198, 18, 0, 0], 15),   // benchmarks: RFC 2544
    ([198, 51, 100, 0], 24), // documentation: RFC 5737
    ([203, 0, 113, 0], 24),  // documentation: RFC 5737
    ([224, 0, 0, 0], 4),     // multicast: RFC 5771
    ([240, 0, 0, 0], 4),     // reserved, and broadcast: RFC 1112
];

/// The only block of IPv6 that is handed out: RFC 4291, section 2.4.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks of IPv6 within it that are not public.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    // Protocol assignments, Teredo among them: RFC 2928.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation: RFC 3849, RFC 9637.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4, which leads to any address of IPv4: RFC 3056.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// Blocks of IPv6 whose last 32 bits are the address of IPv4 that is reached.
const EMBEDDING_V4: &[(Ipv6Addr, u32)] = &[
    // IPv4-mapped: RFC 4291, section 2.5.5.2.
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    // NAT64: RFC 6052, and within 64:ff9b:1::/48 (RFC 8215) the one prefix of the same form. The
    // other forms of that block keep the address elsewhere, and are refused.
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 96),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_v4(address),
            None => {
                is_within(address, GLOBAL_UNICAST)
                    && !NOT_PUBLIC_V6.iter().any(|&block| is_within(address, block))
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let differ = |first: [u8; 4]| (address.to_bits() ^ u32::from_be_bytes(first)).leading_zeros();
    !NOT_PUBLIC_V4.iter().any(|&(first, length)| differ(first) >= length)
}

/// Returns the address of IPv4 that an address of IPv6 stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    EMBEDDING_V4.iter().any(|&block| is_within(address, block)).then(|| Ipv4Addr::new(a, b, c, d))
}

fn is_within(address: Ipv6Addr, (first, length): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ first.to_bits()).leading_zeros() >= length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_edges_of_every_block() {
        let refused = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 \
            127.0.0.1 127.255.255.255 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 \
            192.0.0.0 192.0.0.255 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0 \
            198.19.255.255 198.51.100.1 203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 \
            255.255.255.255 \
            :: ::1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.1.2.3 ::ffff:169.254.169.254 64:ff9b::7f00:1 \
            64:ff9b::a00:1 64:ff9b:1::10.0.0.1 64:ff9b:1:808:8:800:: 64:ff9b:2::8.8.8.8 100::1 \
            2001::1 2001:1ff::1 2001:db8::1 2002:808:808::1 3fff::1 3fff:fff::1 4000::1 5f00::1 \
            fc00::1 fdff::1 fe80::1 febf::1 fec0::1 ff02::1 ffff::1";
        let allowed = "1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 \
            126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 \
            192.0.1.0 192.0.3.0 192.88.98.0 192.88.100.0 192.167.255.255 192.169.0.0 \
            198.17.255.255 198.20.0.0 198.51.99.0 198.51.101.0 203.0.112.0 203.0.114.0 \
            223.255.255.255 \
            ::ffff:8.8.8.8 64:ff9b::8.8.8.8 64:ff9b:1::8.8.8.8 2000::1 2001:200::1 2001:db7::1 \
            2001:db9::1 2003::1 2606:4700::1111 2a00:1450:4001::1 3ffe::1 3fff:1000::1";
        for (list, expected) in [(refused, false), (allowed, true)] {
            for address in list.split_whitespace() {
                let address: IpAddr = address.parse().unwrap();
                assert_eq!(Addresses::Public.allow(address), expected, "{address}");
                assert!(Addresses::Any.allow(address));
            }
        }
    }

    proptest! {
        /// What the standard library knows not to be public is refused.
        #[test]
        fn no_wider_than_the_standard_library(bits: u32, bits6: u128) {
            let v4 = Ipv4Addr::from_bits(bits);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_multicast()
                || v4.is_unspecified();
            prop_assert!(!(special && is_public(v4.into())), "{v4}");
            prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), is_public(v4.into()));
            let v6 = Ipv6Addr::from_bits(bits6);
            let special = v6.is_loopback() || v6.is_multicast() || v6.is_unicast_link_local()
                || v6.is_unique_local() || v6.is_unspecified();
            prop_assert!(!(special && is_public(v6.into())), "{v6}");
        }
    }
}
