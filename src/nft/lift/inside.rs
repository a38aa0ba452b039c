//! Headers inside of a tunnel. Every look at them is wrapped into an expression that finds them first, and what has to be compared
//! before a field may be named is compared inside as well: it goes when the field follows, as it does outside. A key of `meta`
//! cannot be asked for inside; where no field stands for it, it stays as it is, and nothing behind it is named.
#![forbid(unsafe_code)]

use super::context::{self, Context, Dependencies, Dependency, Need};
use super::register::{Cover, Place, Selector, Shape, What};
use super::{Lift, compare, number, only, source};
use crate::nft::kernel::{Cmp, KExpr, Reg};
use crate::nft::model::{Base, Expr, Family, Order, Statement, Type};
use crate::nft::tables::{self, Field, Protocol, Tunnel};

/// `enum nft_inner_type`, `enum nft_inner_flags` and bytes of the tunnel's header, as `compile` writes them.
const TUNNELS: &[(Tunnel, (u32, u32, u32))] = &[
    (Tunnel::Vxlan, (1, 15, 8)),
    (Tunnel::Geneve, (2, 15, 8)),
    (Tunnel::Gre, (3, 12, 4)),
    (Tunnel::Gretap, (4, 14, 4)),
];

/// Stands for bytes that are no field, until a mask or a prefix says which they are part of. It is never written.
static UNNAMED: Field = Field {
    protocol: "",
    name: "",
    base: Base::Tunnel,
    offset: 0,
    len: 0,
    ty: Type::Integer,
    order: Order::Network,
};

/// What is known of the packet inside of a tunnel.
#[derive(Debug)]
pub(super) struct Inside {
    pub tunnel: Tunnel,
    pub context: Context,
    /// Comparisons that may turn out to be what the next field needs, side by side.
    chain: Vec<Entry>,
    /// Something was compared that nobody could ask for.
    lost: bool,
}

/// A comparison inside.
#[derive(Clone, Copy, Debug)]
struct Entry {
    dependency: Dependency,
    /// What was known before it.
    before: Context,
    start: usize,
    end: usize,
    standing: Standing,
}

/// What became of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is a statement.
    Shown,
    /// The next one that is shown stands for it.
    Hidden,
    /// Nothing stands for it.
    Bare,
}

/// What a statement stands for beside its own expressions.
struct Resolved {
    /// From which comparison on.
    first: usize,
    hidden: Cover,
    /// Statements at the end of those so far that it stands for, too.
    shown: usize,
    context: Context,
}

/// Whether nobody knows what a field is.
pub(super) fn is_unnamed(field: &Field) -> bool {
    std::ptr::eq(field, &UNNAMED)
}

/// The protocol that carries a tunnel, and whether its number is compared where nothing else says it: of UDP the port says which
/// tunnel it is, and whoever made the rule compared that.
pub(super) fn carrier(tunnel: Tunnel) -> (u8, bool) {
    match tunnel {
        Tunnel::Vxlan | Tunnel::Geneve => (17, false),
        Tunnel::Gre | Tunnel::Gretap => (47, true),
    }
}

fn expressions(start: usize, end: usize) -> Cover {
    (start..end).map(only).fold(0, |all, one| all | one)
}

impl Inside {
    fn new(tunnel: Tunnel) -> Self {
        let family = if tunnel == Tunnel::Gre { Family::Netdev } else { Family::Bridge };
        Self { tunnel, context: Context::new(family), chain: Vec::new(), lost: false }
    }

    /// The header of a base whose fields can be named, and the bits before it.
    pub(super) fn header(&self, base: Base) -> Option<(&'static Protocol, u32)> {
        match (base, self.tunnel) {
            (Base::Link, Tunnel::Gre) | (Base::Inner, _) => None,
            (Base::Tunnel, Tunnel::Vxlan) => Some((&tables::VXLAN, 0)),
            (Base::Tunnel, Tunnel::Geneve) => Some((&tables::GENEVE, 0)),
            (Base::Tunnel, _) => None,
            _ => self.context.header(base),
        }
    }

    /// The field at a place: bits from the base, and bits.
    pub(super) fn field(&self, base: Base, offset: u32, len: u32) -> Option<&'static Field> {
        match base {
            Base::Tunnel => tables::at(self.header(base)?.0, offset, len),
            Base::Link if self.tunnel == Tunnel::Gre => None,
            _ => self.context.field(base, offset, len),
        }
    }

    fn load(&self, base: u32, offset: u32, len: u32) -> Option<What> {
        // `NFT_PAYLOAD_TUN_HEADER`
        let base = if base == 4 { Base::Tunnel } else { source::base(base)? };
        let (bit, bits) = (offset.checked_mul(8)?, len.checked_mul(8)?);
        self.header(base)?;
        let (field, shape) = match self.field(base, bit, bits) {
            Some(field) => (field, Shape::new(field.ty, bits, field.order)),
            None => (&UNNAMED, Shape::new(Type::Integer, bits, Order::Network)),
        };
        let expr = Expr::Inner(self.tunnel, field);
        let place = Some(Place::Inside { base, offset });
        Some(What::Selector(Selector { expr, shape, place, masked: None }))
    }

    /// What was compared before does not stand beside what follows.
    fn part(&mut self) {
        self.lost |= self.chain.iter().any(|entry| entry.standing == Standing::Bare);
        self.chain.clear();
    }

    fn note(&mut self, dependency: Dependency, start: usize, end: usize, standing: Standing) {
        if self.chain.last().is_some_and(|last| last.end != start) {
            self.part();
        }
        self.chain.push(Entry { dependency, before: self.context, start, end, standing });
        self.context.learn(dependency);
    }

    /// Which comparisons a statement that begins there stands for. Nothing where others would be put in.
    fn resolve(&self, statement: &Statement, start: usize) -> Option<Resolved> {
        let beside = self.chain.last().is_some_and(|last| last.end == start);
        let chain = if beside { self.chain.as_slice() } else { &[] };
        let bare = |entry: &Entry| entry.standing == Standing::Bare;
        if self.lost || !beside && self.chain.iter().any(bare) {
            return None;
        }
        for first in 0..=chain.len() {
            let (kept, hidden) = chain.split_at_checked(first)?;
            if kept.iter().any(bare) {
                return None;
            }
            // What stands for another comparison goes with it or stays with it.
            if kept.last().is_some_and(|entry| entry.standing == Standing::Hidden) {
                continue;
            }
            let mut known = hidden.first().map_or(self.context, |entry| entry.before);
            let mut wanted = Dependencies::default();
            let mut see = |need| match need {
                Need::Inside(tunnel, field) => {
                    tunnel == self.tunnel
                        && !is_unnamed(field)
                        && known.require(Need::Field(field), &mut wanted).is_some()
                }
                _ => true,
            };
            if !context::statement_needs(statement, &mut see) {
                continue;
            }
            let same = hidden.iter().enumerate().all(|(n, entry)| wanted.get(n) == Some(entry.dependency));
            if same && wanted.len() == hidden.len() {
                return Some(Resolved {
                    first,
                    hidden: hidden.first().map_or(0, |entry| expressions(entry.start, start)),
                    shown: hidden.iter().filter(|entry| entry.standing == Standing::Shown).count(),
                    context: known,
                });
            }
        }
        None
    }
}

impl Lift<'_, '_> {
    /// A look inside of a tunnel.
    pub(super) fn look_inside(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::Inner { num: 0, kind, flags, hdrsize, expr } = expression else { return None };
        let (tunnel, _) = TUNNELS.iter().find(|(_, written)| *written == (*kind, *flags, *hdrsize))?;
        let inside = self.inside.get_or_insert_with(|| Box::new(Inside::new(*tunnel)));
        if inside.tunnel != *tunnel || inside.lost {
            return None;
        }
        match &**expr {
            KExpr::Payload { dreg, base, offset, len } => {
                let what = inside.load(*base, *offset, *len)?;
                self.registers.put(*dreg, source::value(what, only(index))?)
            }
            KExpr::Meta { dreg, key } => {
                let found = self.key_inside(index, *dreg, *key);
                if let (None, Some(inside)) = (found, &mut self.inside) {
                    inside.lost = true;
                }
                found
            }
            _ => None,
        }
    }

    /// A key that is compared inside: only what a field needs.
    fn key_inside(&mut self, index: usize, dreg: Reg, key: u32) -> Option<()> {
        let next = self.expressions.get(index.checked_add(1)?)?;
        let KExpr::Cmp { sreg, op: Cmp::Eq, data } = next else { return None };
        let inside = self.inside.as_mut().filter(|_| *sreg == dreg)?;
        let key = Expr::Meta(tables::meta_numbered(key)?);
        let dependency = compare::dependency(&inside.context, &key, number::big(data.bytes())?)?;
        inside.note(dependency, index, index.checked_add(2)?, Standing::Bare);
        Some(())
    }

    /// Puts a statement in, in a rule that looks inside of a tunnel; where its own expressions begin and end.
    pub(super) fn stand_inside(
        &mut self,
        cover: Cover,
        statement: Statement,
        is: Option<Dependency>,
    ) -> Option<(usize, usize)> {
        let inside = self.inside.as_deref()?;
        let own = usize::try_from(number::run(cover)?.0).ok()?;
        let resolved = match context::is_inside(&statement) {
            true => Some(inside.resolve(&statement, own)?),
            false => None,
        };
        let (hidden, shown) = resolved.as_ref().map_or((0, 0), |r| (r.hidden, r.shown));
        let (start, end) = self.claim(cover, hidden)?;
        let gone = self.out.split_off(self.out.len().checked_sub(shown)?);
        if self.place(start, end, statement, is).is_none() {
            self.out.extend(gone);
            return None;
        }
        self.done |= cover | hidden;
        let inside = self.inside.as_deref_mut()?;
        match resolved {
            Some(resolved) => {
                for entry in inside.chain.iter_mut().skip(resolved.first) {
                    entry.standing = Standing::Hidden;
                }
                inside.context = resolved.context;
            }
            None => inside.part(),
        }
        Some((own, end))
    }

    /// Learns from a field inside that has a value.
    pub(super) fn learn_inside(&mut self, field: &'static Field, bytes: &[u8], start: usize, end: usize) {
        let Some(inside) = &mut self.inside else { return };
        let value = number::big(bytes);
        let is = value.and_then(|n| compare::dependency(&inside.context, &Expr::Payload(field), n));
        if let Some(dependency) = is {
            inside.note(dependency, start, end, Standing::Shown);
        }
        compare::learn(&mut inside.context, field, bytes);
    }
}
