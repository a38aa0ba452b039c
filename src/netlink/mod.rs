//! Netlink as bytes: attributes (`attr`), messages and what the kernel answers (`message`). Nothing here knows what an
//! attribute means, and nothing calls the kernel.
#![forbid(unsafe_code)]

pub mod attr;
pub mod message;

#[cfg(test)]
mod tests;
