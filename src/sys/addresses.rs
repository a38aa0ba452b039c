//! The addresses of this host.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// Those that other hosts can know: of interfaces that are up, and no loopback. Link-local ones of IPv6 are left out, as they need a scope.
pub fn others() -> Result<Vec<IpAddr>, Errno> {
    let mut found = Vec::new();
    for interface in getifaddrs()? {
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        let Some(address) = interface.address.filter(|_| up) else { continue };
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| address.ip());
        let v6 = v6.filter(|ip| !ip.is_unicast_link_local()).map(IpAddr::V6);
        found.extend(v4.or(v6).filter(|ip| !ip.is_loopback()));
    }
    Ok(found)
}
