//! Expressions that act, and are statements of their own.
#![forbid(unsafe_code)]

use super::context::{Dependencies, Dependency, Layer};
use super::element::Target;
use super::{Lift, only};
use crate::nft::kernel::{Immediate, KExpr, VERDICT};
use crate::nft::model::{Expr, Family, IcmpKind, Log, MapData, Reject, Statement, Text};
use crate::nft::object::{element, set, stateful};
use crate::nft::tables;

/// `LOG_WARNING`: what the kernel writes with where no level is given.
const WARNING: u32 = 4;
/// `NF_LOG_MASK`
const LOG_FLAGS: u32 = 0x2f;

fn owned(name: &[u8]) -> Text {
    Text::Owned(name.to_vec())
}

/// Seconds that the schema has words for.
const UNITS: [u64; 5] = [1, 60, 3600, 86_400, 604_800];

/// Expressions that keep something, and can be kept with elements of sets.
pub(super) fn stateful(expression: &KExpr<'_>) -> Option<Statement> {
    match expression {
        KExpr::Limit { unit, .. } if !UNITS.contains(unit) => return None,
        KExpr::Counter { .. }
        | KExpr::Limit { .. }
        | KExpr::Quota { .. }
        | KExpr::Last { .. }
        | KExpr::Connlimit { .. } => {}
        _ => return None,
    }
    let statement = stateful::statement(expression);
    (!matches!(statement, Statement::Opaque(_))).then_some(statement)
}

fn log(expression: &KExpr<'_>) -> Option<Log> {
    let KExpr::Log { prefix, group, snaplen, qthreshold, level, flags } = expression else { return None };
    let flags = flags.unwrap_or(0);
    if flags & !LOG_FLAGS != 0 {
        return None;
    }
    let level = match level {
        Some(WARNING) if group.is_none() => None,
        Some(level @ 0..=8) => Some(u8::try_from(*level).ok()?),
        Some(_) => return None,
        None => None,
    };
    Some(Log {
        prefix: prefix.as_ref().map(|prefix| owned(prefix)),
        group: *group,
        snaplen: *snaplen,
        queue_threshold: *qthreshold,
        level,
        flags,
    })
}

impl Lift<'_, '_> {
    pub(super) fn act(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let statement = match expression {
            KExpr::Immediate { dreg: VERDICT, data: Immediate::Verdict(code, chain) } => {
                Statement::Verdict(element::verdict(*code, chain.as_deref())?)
            }
            KExpr::Log { .. } => Statement::Log(log(expression)?),
            KExpr::Notrack => Statement::Notrack,
            KExpr::Reject { kind, code } => return self.reject(index, *kind, *code),
            KExpr::Objref { kind, name } => {
                Statement::Object(set::object_kind(*kind)?, Expr::Text(owned(name)))
            }
            KExpr::ObjrefMap { sreg, set: name, .. } => return self.object_map(index, *sreg, name),
            KExpr::Synproxy { mss, wscale, flags } => Statement::Synproxy(*mss, *wscale, *flags),
            KExpr::Nat { .. } | KExpr::Masq { .. } | KExpr::Redir { .. } => {
                return self.nat(index, expression);
            }
            KExpr::Tproxy { .. } => return self.tproxy(index, expression),
            KExpr::Dup { addr, dev } => return self.dup(index, *addr, *dev),
            KExpr::Fwd { dev, addr, family } => return self.fwd(index, *dev, *addr, *family),
            KExpr::Queue { .. } => return self.queue(index, expression),
            KExpr::Dynset { .. } => return self.dynset(index, expression),
            KExpr::MetaSet { .. }
            | KExpr::CtSet { .. }
            | KExpr::ExthdrSet { .. }
            | KExpr::PayloadSet { .. } => return self.write(index, expression),
            _ => self::stateful(expression)?,
        };
        self.push(only(index), statement)
    }

    fn object_map(&mut self, index: usize, sreg: u32, name: &[u8]) -> Option<()> {
        let sets = self.sets;
        let (set, _) = sets.set(name)?;
        let Some(MapData::Objects(kind)) = set.data else { return None };
        let key = self.key(sreg, Some(&set.key), None)?;
        let map = self.contents(name, &key.shapes, &Target::Objects)?;
        let map = Expr::Map(Box::new([key.expr, map]));
        self.push(key.cover | only(index), Statement::Object(kind, map))
    }

    fn reject(&mut self, index: usize, kind: u32, code: Option<u8>) -> Option<()> {
        let reject = match kind {
            0 => {
                let kind = match self.context.network {
                    Layer::Is(protocol) if *protocol == tables::IP => IcmpKind::V4,
                    Layer::Is(protocol) if *protocol == tables::IP6 => IcmpKind::V6,
                    _ => return None,
                };
                Reject::Icmp(kind, code.unwrap_or(0))
            }
            1 if code.unwrap_or(0) == 0 => Reject::TcpReset,
            2 => Reject::Icmp(IcmpKind::Either, code?),
            _ => return None,
        };
        let implied = self.implied(&reject);
        self.push(only(index), Statement::Reject(reject))?;
        if implied && !self.out.is_empty() {
            self.out.remove(0);
            self.starts.copy_within(1.., 0);
            self.trail.head = None;
        }
        Some(())
    }

    /// Whether the first statement of the rule is what nft puts there for such a rejection.
    fn implied(&self, reject: &Reject) -> bool {
        let mut wanted = Dependencies::default();
        let mut start = super::Context::new(self.context.family);
        let network = match reject {
            Reject::Icmp(IcmpKind::V4, _) => &tables::IP,
            Reject::Icmp(IcmpKind::V6, _) => &tables::IP6,
            Reject::TcpReset => return self.trail.head == Some(Dependency::L4(6)),
            _ => return false,
        };
        // A bridge knows of the link, and compares there; for a rejection it does not.
        start.ether &= start.family != Family::Bridge;
        let asked = start.require_network(network, false, &mut wanted);
        asked.is_some() && wanted.len() == 1 && self.trail.head.is_some() && self.trail.head == wanted.get(0)
    }
}
