//! Tables of the kernel's own state: what it says of the host in `/proc` and `/sys`. Parsers take bytes; [`mod@file`] and
//! [`lines`] open.
#![forbid(unsafe_code)]

pub mod block_devices;
pub mod cgroup;
mod column;
pub mod counters;
pub mod cpus;
pub mod disk_usage;
pub mod disks;
pub mod file;
pub mod filesystems;
pub mod host;
pub mod interrupts;
pub mod limits;
pub mod lines;
pub mod load;
pub mod memory;
pub mod modules;
pub mod mounts;
pub mod pressure;
pub mod rates;
pub mod shared_memory;
pub mod softirqs;
pub mod swaps;
pub mod text;
pub mod uptime;
pub mod vmstat;

use crate::table::Table;

/// The tables of this folder.
pub const TABLES: &[&dyn Table] = &[
    &load::TABLE,
    &cpus::TABLE,
    &counters::TABLE,
    &memory::TABLE,
    &uptime::TABLE,
    &pressure::TABLE,
    &host::TABLE,
    &vmstat::TABLE,
    &modules::TABLE,
    &mounts::TABLE,
    &disk_usage::TABLE,
    &block_devices::TABLE,
    &disks::TABLE,
    &interrupts::TABLE,
    &softirqs::TABLE,
    &shared_memory::TABLE,
    &swaps::TABLE,
    &filesystems::TABLE,
    &limits::TABLE,
    &cgroup::tree::TABLE,
    &cgroup::own::TABLE,
    &rates::cpus::TABLE,
    &rates::disks::TABLE,
];
