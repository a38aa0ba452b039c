//! What is told as it happens: how the answer to a question differs from what was told before (`difference`), what processes do
//! (`connector` reads its messages, `processes` holds its socket), how one process ends (`exit`), when something gets short (`pressure`), and
//! changes of interfaces, addresses, routes and neighbours (`network`). Nothing here knows who listens.
#![forbid(unsafe_code)]

pub mod connector;
pub mod difference;
pub mod exit;
pub mod network;
pub mod part;
pub mod pressure;
pub mod processes;
