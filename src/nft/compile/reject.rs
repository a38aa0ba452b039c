//! Answers with an error: which one depends on the protocol, and so the protocol is compared before.
#![forbid(unsafe_code)]

use super::Fault;
use super::context::{Dependency, Known};
use super::fault::{Make, Within};
use super::rule::Rule;
use crate::error::Why;
use crate::nft::kernel::KExpr;
use crate::nft::model::{Family, IcmpKind, Reject};
use crate::nft::tables::{self, Protocol, chain};

/// `NFT_REJECT_ICMP_UNREACH`, `NFT_REJECT_TCP_RST`, `NFT_REJECT_ICMPX_UNREACH`.
const UNREACHABLE: u32 = 0;
const RESET: u32 = 1;
const EITHER: u32 = 2;

/// The port cannot be reached: `ICMP_PORT_UNREACH`, `ICMPV6_PORT_UNREACH`, `NFT_REJECT_ICMPX_PORT_UNREACH`.
const PORT_V4: u8 = 3;
const PORT_V6: u8 = 4;
const PORT_EITHER: u8 = 1;

impl Rule<'_> {
    pub(super) fn reject(&mut self, reject: &Reject) -> Make<()> {
        if self.family() == Family::Arp {
            return Err(Fault::new(Why::Excludes("arp")));
        }
        let known = match &self.context.network {
            Known::Is(known) => Some(*known),
            _ => None,
        };
        if known.is_some_and(|known| chain::nfproto(known).is_none()) {
            return Err(Fault::new(Why::Excludes(known.map_or("", |known| known.name))));
        }
        let (kind, code) = match reject {
            Reject::Default => match known {
                Some(known) if *known == tables::IP => (UNREACHABLE, Some(PORT_V4)),
                Some(_) => (UNREACHABLE, Some(PORT_V6)),
                None => (EITHER, Some(PORT_EITHER)),
            },
            Reject::Icmp(IcmpKind::V4, code) => {
                self.of_network(&tables::IP, known)?;
                (UNREACHABLE, Some(*code))
            }
            Reject::Icmp(IcmpKind::V6, code) => {
                self.of_network(&tables::IP6, known)?;
                (UNREACHABLE, Some(*code))
            }
            Reject::Icmp(IcmpKind::Either, code) => match self.family() {
                Family::Inet | Family::Bridge | Family::Netdev => (EITHER, Some(*code)),
                other => return Err(Fault::new(Why::Excludes(other.name()))).key("type"),
            },
            Reject::TcpReset => {
                let needed = self.context.need_l4(&tables::TCP).key("type")?;
                self.put_first(needed.into_iter().collect())?;
                (RESET, None)
            }
        };
        self.begin();
        self.emit(KExpr::Reject { kind, code });
        self.act();
        Ok(())
    }

    /// Compared before everything else: what stands before this, such as `log`, is then for the same packets.
    fn of_network(&mut self, wanted: &'static Protocol, known: Option<&'static Protocol>) -> Make<()> {
        match known {
            Some(known) if known == wanted => return Ok(()),
            Some(known) => return Err(Fault::new(Why::Excludes(known.name))).key("type"),
            None => {}
        }
        let dependency = match (self.family(), chain::nfproto(wanted), chain::ethertype(wanted)) {
            (Family::Inet, Some(number), _) => Dependency::NfProto(number),
            (_, _, Some(number)) => Dependency::MetaProtocol(number),
            _ => return Err(Fault::new(Why::Excludes(self.family().name()))).key("type"),
        };
        self.context.network = Known::Is(wanted);
        self.put_first(vec![dependency])
    }
}
