//! Which address a request comes from: that of the TCP peer, or, when the peer is a proxy that we trust, the one that the
//! proxies pass on in `X-Forwarded-For`. Pure; what the address is used for is [`super::rate_limit`]'s business.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A network, or a single address, that isn't understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no network: write it as 10.0.0.0/8, 192.0.2.1 or fd00::/8, several with commas between them"
)]
pub(crate) struct NoNetwork(String);

/// The proxies whose word on a client's address is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Loopback, private, carrier-grade NAT and link-local networks. The page's nginx and the ingress are neighbours in the
    /// cluster, under addresses that nobody knows beforehand; from the internet nobody has such an address.
    pub(crate) const NEIGHBOURS: &str = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,::1,fc00::/7,fe80::/10";

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = NoNetwork;

    fn from_str(list: &str) -> Result<Self, NoNetwork> {
        list.split(',')
            .map(str::trim)
            .filter(|network| !network.is_empty())
            .map(|network| {
                network
                    .parse()
                    .or_else(|_| network.parse().map(|address: IpAddr| address.into()))
                    .map_err(|_| NoNetwork(network.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The client's address: each proxy adds the address of whom it was called by at the end, so the list is walked from there
/// as long as who speaks is trusted. What a client itself put into the header stands before that and is never reached.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let hops = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
    let mut client = peer.to_canonical();
    for hop in hops {
        if !trusted.contain(client) {
            break;
        }
        let Some(hop) = parse_hop(hop.trim()) else {
            break;
        };
        client = hop.to_canonical();
    }
    client
}

/// What stands for one client: of an IPv6 address only the network, within which a client picks addresses at will.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|hop| hop.strip_suffix(']'))
        .unwrap_or(hop);
    bare.parse()
        .or_else(|_| hop.parse().map(|address: SocketAddr| address.ip()))
        .ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    fn neighbours() -> TrustedProxies {
        TrustedProxies::NEIGHBOURS.parse().expect("networks")
    }

    /// The client of a request from this peer with these header lines.
    fn client(peer: &str, lines: &[&str]) -> IpAddr {
        let headers = lines.iter().map(|line| {
            let value = HeaderValue::from_bytes(line.as_bytes()).expect("a header");
            (FORWARDED_FOR, value)
        });
        address(ip(peer), &headers.collect(), &neighbours())
    }

    #[test]
    fn without_a_trusted_proxy_it_is_the_peer() {
        assert_eq!(client("203.0.113.5", &[]), ip("203.0.113.5"));
        assert_eq!(client("203.0.113.5", &["198.51.100.1"]), ip("203.0.113.5"));
        assert_eq!(client("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn a_trusted_proxy_names_it() {
        for (line, expected) in [
            ("198.51.100.1", "198.51.100.1"),
            ("1.1.1.1, 198.51.100.1", "198.51.100.1"),
            ("198.51.100.1, 10.2.3.4,192.168.0.9 ", "198.51.100.1"),
            ("198.51.100.1:4711", "198.51.100.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[line]), ip(expected), "{line}");
        }
        assert_eq!(
            client("::ffff:127.0.0.1", &["198.51.100.1"]),
            ip("198.51.100.1")
        );
    }

    #[test]
    fn several_header_lines_are_one_list() {
        assert_eq!(
            client("127.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.7"]),
            ip("198.51.100.1")
        );
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for line in ["", "unknown", "1.1.1.1, _hidden", "1.1.1.1,", "ü"] {
            assert_eq!(client("10.0.0.1", &[line]), ip("10.0.0.1"), "{line}");
        }
        assert_eq!(client("10.0.0.1", &["unknown, 10.0.0.2"]), ip("10.0.0.2"));
    }

    #[test]
    fn where_all_are_trusted_it_is_the_first() {
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), ip("10.0.0.3"));
    }

    #[test]
    fn one_client_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(network(ip("198.51.100.1")), ip("198.51.100.1"));
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn networks_and_single_addresses_are_understood_and_nothing_else() {
        let proxies: TrustedProxies = " 192.0.2.1, 2001:db8::/32 ,".parse().expect("networks");
        for (address, expected) in [
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::9", true),
        ] {
            assert_eq!(proxies.contain(ip(address)), expected, "{address}");
        }
        assert_eq!("".parse(), Ok(TrustedProxies(Vec::new())));
        for wrong in ["10.0.0.0/33", "nginx", "10.0.0.0/8;::1"] {
            assert_eq!(
                wrong.parse::<TrustedProxies>(),
                Err(NoNetwork(wrong.to_owned()))
            );
        }
    }

    proptest! {
        #[test]
        fn nobody_hides_behind_what_he_sends_himself(own: IpAddr, sent in "[ -~]{0,60}") {
            prop_assume!(!neighbours().contain(own.to_canonical()));
            let own = own.to_string();
            prop_assert_eq!(client(&own, &[&sent]), ip(&own).to_canonical());
            prop_assert_eq!(client("10.0.0.1", &[&format!("{sent}, {own}")]), ip(&own).to_canonical());
        }
    }
}
