//! The firewall. A request is read by `schema` into `model`, translated by `compile` into the expressions of `kernel` and by
//! `object` into messages; what the kernel holds goes the same way back, through `lift`. `tables` and `value` are what both
//! directions know of protocols and types.
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod ban;
pub mod change;
pub mod compile;
pub mod elements;
pub mod events;
pub mod expired;
pub mod firewall;
pub mod intervals;
pub mod kernel;
pub mod lift;
pub mod listing;
pub mod marker;
pub mod model;
pub mod object;
pub mod ops;
pub mod point;
pub mod reset;
pub mod schema;
pub mod shape;
pub mod snapshot;
pub mod tables;
pub mod transport;
pub mod value;
