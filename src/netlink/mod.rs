//! Netlink as bytes: attributes (`attr`), messages and what the kernel answers (`message`), and lists that it gives in parts
//! (`dump`). Nothing here knows what an attribute means, and only `dump` calls the kernel.
#![forbid(unsafe_code)]

pub mod attr;
pub mod dump;
pub mod message;

#[cfg(test)]
mod tests;
