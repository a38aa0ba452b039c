//! What a ban, or taking one back, takes of a policy, as far as that can be said without looking at the firewall.
#![forbid(unsafe_code)]

use super::place::Near;
use super::table::{set_name, set_up, table};
use crate::nft::action::ChangeNft;

/// A ban, or the end of one, as a question to the policy: nothing is done by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanNft {
    /// Of addresses of that width; `None`: of both versions of IP.
    pub width: Option<u32>,
    /// It takes a ban back.
    pub lifts: bool,
}

impl BanNft {
    /// What it does to the sets each time.
    #[must_use]
    pub fn elements(&self) -> Vec<ChangeNft> {
        let verb = if self.lifts { "del_element" } else { "add_element" };
        let widths = self.width.map_or_else(|| vec![32, 128], |width| vec![width]);
        widths.into_iter().map(|width| ChangeNft::element(verb, &table(), set_name(width))).collect()
    }

    /// What the first ban makes before that.
    #[must_use]
    pub fn makes(&self) -> Vec<ChangeNft> {
        let commands = if self.lifts { Vec::new() } else { set_up(&Near::default()) };
        let mut changes: Vec<ChangeNft> = Vec::new();
        for change in commands.iter().flat_map(ChangeNft::of) {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        changes
    }
}
