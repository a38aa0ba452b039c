//! Ports by name.
#![forbid(unsafe_code)]

/// Services that rules are written about, by IANA's names; nft reads all of /etc/services, which a program that holds a firewall
/// should not have to. Names are read and never written: nft lists numbers.
const SERVICES: &[(&[u8], u16)] = &[
    (b"bgp", 179),
    (b"bootpc", 68),
    (b"bootps", 67),
    (b"dhcpv6-client", 546),
    (b"dhcpv6-server", 547),
    (b"domain", 53),
    (b"domain-s", 853),
    (b"epmd", 4369),
    (b"ftp", 21),
    (b"ftp-data", 20),
    (b"http", 80),
    (b"http-alt", 8080),
    (b"https", 443),
    (b"imap", 143),
    (b"imap2", 143),
    (b"imaps", 993),
    (b"ipsec-nat-t", 4500),
    (b"isakmp", 500),
    (b"kerberos", 88),
    (b"ldap", 389),
    (b"ldaps", 636),
    (b"mdns", 5353),
    (b"microsoft-ds", 445),
    (b"ms-wbt-server", 3389),
    (b"mysql", 3306),
    (b"nfs", 2049),
    (b"ntp", 123),
    (b"openvpn", 1194),
    (b"pop3", 110),
    (b"pop3s", 995),
    (b"postgresql", 5432),
    (b"rsync", 873),
    (b"sip", 5060),
    (b"sip-tls", 5061),
    (b"smtp", 25),
    (b"snmp", 161),
    (b"snmp-trap", 162),
    (b"ssh", 22),
    (b"submission", 587),
    (b"submissions", 465),
    (b"sunrpc", 111),
    (b"syslog", 514),
    (b"telnet", 23),
    (b"tftp", 69),
];

/// The port of a service.
pub(super) fn port(name: &[u8]) -> Option<u16> {
    SERVICES
        .binary_search_by(|(n, _)| (*n).cmp(name))
        .ok()
        .and_then(|at| SERVICES.get(at))
        .map(|(_, port)| *port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_is_searched_is_sorted() {
        assert!(SERVICES.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(port(b"ssh"), Some(22));
        assert_eq!(port(b"tftp"), Some(69));
        assert_eq!(port(b"SSH"), None);
        assert_eq!(port(b""), None);
    }
}
