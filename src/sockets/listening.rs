//! The table `listening`: where this host can be reached. TCP sockets that listen are sorted out in the kernel, which keeps
//! them apart from connections, so that it takes no longer beside very many of those.
#![forbid(unsafe_code)]

use super::plan;
use super::reader::Sockets;
use super::row::{Protocol, Socket};
use super::table::{
    BACKLOG, CGROUP_ID, COOKIE, FAMILY, INODE, INTERFACE, LOCAL_ADDRESS, LOCAL_PORT, MAX_BACKLOG, PROTOCOL,
    UID,
};
use crate::op::Role;
use crate::table::{Context, Cost, Opened, TableOf, Wanted};
use crate::wire::atoms;

/// The table.
pub static TABLE: TableOf<Socket> = TableOf {
    name: atoms::LISTENING,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerRow,
    source: atoms::SOCK_DIAG,
    key: &[atoms::COOKIE],
    columns: &[
        FAMILY,
        PROTOCOL,
        LOCAL_ADDRESS,
        LOCAL_PORT,
        INTERFACE,
        UID,
        INODE,
        COOKIE,
        BACKLOG,
        MAX_BACKLOG,
        CGROUP_ID,
    ],
    open,
};

fn open(wanted: &Wanted<'_, Socket>, _: &mut Context<'_>) -> Opened<Socket> {
    Ok(Sockets::of(plan::listening(wanted), is_bound))
}

/// A UDP socket without a port takes nothing.
fn is_bound(socket: &Socket) -> bool {
    socket.protocol != Some(Protocol::Udp) || socket.local_port != Some(0)
}
