//! Parsers of the files of `/proc/PID`: bytes in, values out. They open nothing, allocate nothing and cannot panic;
//! callers read the files. Unprivileged users choose much of what stands in them, newlines and 0xFF included, so
//! everything is bytes, and whatever the kernel cannot have written is `None`.
#![forbid(unsafe_code)]

mod bytes;
pub mod cgroup;
pub mod cmdline;
pub mod environ;
pub mod fdinfo;
pub mod io;
pub mod limits;
pub mod smaps;
pub mod stat;
pub mod state;
pub mod status;
mod status_field;
