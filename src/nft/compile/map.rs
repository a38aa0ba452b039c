//! Looking something up: in sets and maps with a name, and in those that the rule brings along.
#![forbid(unsafe_code)]

use super::Fault;
use super::constant::is_constant;
use super::fault::{Make, Within, expected};
use super::load::size;
use super::operand::chain;
use super::rule::{Rule, Slot, reg, slots};
use super::set::{self, Keys};
use crate::error::Why;
use crate::nft::kernel::{KExpr, Name, Reg, VERDICT};
use crate::nft::model::{Datum, Expr, MapData, ObjectKind, Part, Set, Type, set_flag};

/// `NFT_LOOKUP_F_INV`
const INVERTED: u32 = 1;

/// What is looked up, and in what.
#[derive(Debug)]
pub(super) struct Found {
    pub sreg: Reg,
    pub set: Name<'static>,
    pub set_id: Option<u32>,
    /// What it maps to.
    pub data: Option<MapData>,
}

impl Found {
    /// Looks it up; `dreg` is where the value goes.
    pub(super) fn lookup(self, dreg: Option<Reg>, not: bool) -> KExpr<'static> {
        let Self { sreg, set, set_id, data: _ } = self;
        KExpr::Lookup { set, set_id, sreg, dreg, flags: if not { INVERTED } else { 0 } }
    }
}

impl Rule<'_> {
    /// Loads a key, and makes the set if it has no name. `data`: what a map without a name maps to. `at`: the register, if the
    /// value goes to where the key was. The words are those of the path.
    pub(super) fn look_up(
        &mut self,
        key: &Expr,
        set: &Expr,
        data: Option<MapData>,
        at: Option<Slot>,
        key_word: &'static str,
        set_word: &'static str,
    ) -> Make<Found> {
        if without_family(key) {
            return Err(Fault::new(Why::Unsupported(
                "an address without a family, such as ct saddr, to look up",
            )))
            .key(key_word);
        }
        match set {
            Expr::SetRef(name) => {
                let known = self.scope.set(name);
                let unknown = || Fault::new(Why::UnknownName(name.to_vec()));
                let known = known.ok_or_else(unknown).key(set_word)?;
                let (sreg, parts) =
                    self.load_key(key, known.flags & set_flag::INTERVAL != 0, at).key(key_word)?;
                fits(&known, &parts).key(set_word)?;
                Ok(Found { sreg: reg(sreg), set: name.clone(), set_id: None, data: known.data })
            }
            Expr::Set(elements) => {
                let (sreg, keys) = self.load_keys(key, elements, at).key(key_word)?;
                let made = self.anonymous(&keys, key, elements, data.clone()).key("set").key(set_word);
                let (set, id) = made?;
                Ok(Found { sreg: reg(sreg), set, set_id: Some(id), data })
            }
            _ => expected("a set").key(set_word),
        }
    }

    /// A register for a key.
    fn key_register(&mut self, key: &Expr, at: Option<Slot>) -> Make<Slot> {
        let Expr::Concat(parts) = key else {
            return at.map_or_else(|| self.register(), Ok);
        };
        let widths = parts.iter().enumerate().map(|(n, part)| {
            Ok(slots(size(self.part(innermost(part)).nth(n).key("concat")?.bits.div_ceil(8))))
        });
        let count = widths.sum::<Make<u32>>()?;
        match at {
            Some(slot) => {
                self.release(slot);
                self.registers(count.max(4))
            }
            None => self.registers(count),
        }
    }

    /// Loads a key for a set with a name.
    fn load_key(&mut self, key: &Expr, interval: bool, at: Option<Slot>) -> Make<(Slot, Vec<Part>)> {
        let slot = self.key_register(key, at)?;
        if let Expr::Concat(parts) = key {
            return Ok((slot, self.side_by_side(parts, slot, interval).key("concat")?));
        }
        let part = self.operand(key, slot, None)?;
        Ok((slot, vec![self.for_lookup(part, slot, interval)?]))
    }

    /// Loads a key for elements that are listed. Bits of a field are compared where they are: the elements are moved there.
    fn load_keys(&mut self, key: &Expr, elements: &[Expr], at: Option<Slot>) -> Make<(Slot, Keys)> {
        if let Expr::Concat(exprs) = key {
            let kinds = exprs.iter().enumerate().map(|(n, e)| self.part(innermost(e)).nth(n).key("concat"));
            let kinds = kinds.collect::<Make<Vec<Part>>>()?;
            let interval = set::has_intervals(&kinds, elements);
            let (slot, parts) = self.load_key(key, interval, at)?;
            return Ok((slot, Keys { parts, window: None, interval }));
        }
        let slot = self.key_register(key, at)?;
        let (part, window) = match self.load(key, slot)? {
            Some(window) => {
                self.masked(window, slot)?;
                (window.part, window.mask.map(|_| window))
            }
            None => (self.operand(key, slot, None)?, None),
        };
        let interval = set::has_intervals(&[part], elements);
        let part = self.for_lookup(part, slot, interval && window.is_none())?;
        Ok((slot, Keys { parts: vec![part], window, interval }))
    }

    /// A value that a map has for a key; it lies where the key was.
    pub(super) fn map_value(
        &mut self,
        key: &Expr,
        data: &Expr,
        slot: Slot,
        target: Option<Part>,
    ) -> Make<Part> {
        let kind = target.map(|part| MapData::Values(Datum { parts: vec![part], of: None }));
        if kind.is_none() && matches!(data, Expr::Set(_)) {
            return Err(Fault::new(Why::Unsupported(
                "a map without a name where nothing says what it maps to",
            )));
        }
        let found = self.look_up(key, data, kind, Some(slot), "key", "data")?;
        let Some(MapData::Values(datum)) = &found.data else {
            return expected("a map to values").key("data");
        };
        let [part] = datum.parts.as_slice() else { return expected("a map to single values").key("data") };
        let part = *part;
        if target.is_some_and(|target| part.bits.div_ceil(8) > target.bits.div_ceil(8)) {
            return expected(target.map_or("a value", |target| target.ty.name())).key("data");
        }
        self.emit(found.lookup(Some(reg(slot)), false));
        match target {
            Some(target) if target.order != part.order && part.bits > 8 => {
                self.turn(
                    slot,
                    target.order == crate::nft::model::Order::Network,
                    size(part.bits.div_ceil(8)),
                )?;
                Ok(Part { order: target.order, ..part })
            }
            _ => Ok(part),
        }
    }

    /// `vmap`
    pub(super) fn verdict_map(&mut self, key: &Expr, data: &Expr) -> Make<()> {
        if is_constant(key) {
            return expected("something that the packet or the kernel has").key("key");
        }
        let presence = super::load::as_presence(key, data);
        let key = presence.as_ref().unwrap_or(key);
        self.require(key).key("key")?;
        self.begin();
        let found = self.look_up(key, data, Some(MapData::Verdicts), None, "key", "data")?;
        if found.data != Some(MapData::Verdicts) {
            return expected("a map to verdicts").key("data");
        }
        self.emit(found.lookup(Some(VERDICT), false));
        self.act();
        Ok(())
    }

    /// A named object, or a map to such.
    pub(super) fn object(&mut self, kind: ObjectKind, which: &Expr) -> Make<()> {
        if let Expr::Map(sides) = which {
            let [key, data] = &**sides;
            self.require(key).key("key").key("map")?;
            self.begin();
            let kind = MapData::Objects(kind);
            let found = self.look_up(key, data, Some(kind.clone()), None, "key", "data").key("map")?;
            if found.data != Some(kind) {
                return expected("a map to objects of that kind").key("data").key("map");
            }
            let Found { sreg, set, set_id, data: _ } = found;
            self.emit(KExpr::ObjrefMap { sreg, set, set_id });
        } else {
            let Expr::Text(name) = which else { return expected("the name of an object") };
            self.begin();
            self.emit(KExpr::Objref { kind: kind as u32, name: name.clone() });
        }
        self.act();
        Ok(())
    }
}

fn innermost(expr: &Expr) -> &Expr {
    chain(expr).0
}

/// Whether a key is of connection tracking's own family (`ct saddr`): its type is none that a set could have, and nft wants
/// `ct ip saddr` there.
fn without_family(key: &Expr) -> bool {
    match key {
        Expr::Concat(parts) => parts.iter().any(without_family),
        other => matches!(innermost(other), Expr::Ct(ct) if ct.key.bits == 0),
    }
}

/// Whether a key can be looked up in a set: as many parts, as wide, and of the same types; a set that was declared by an
/// expression can have plain numbers.
pub(super) fn fits(set: &Set, parts: &[Part]) -> Make<()> {
    let bytes = |part: &Part| part.bits.div_ceil(8);
    let general = |ty: Type| matches!(ty, Type::Integer | Type::Bitmask | Type::String);
    let fit = |(own, key): (&Part, &Part)| {
        bytes(own) == bytes(key) && (own.ty == key.ty || general(own.ty) || general(key.ty))
    };
    if set.key.parts.len() == parts.len() && set.key.parts.iter().zip(parts).all(fit) {
        Ok(())
    } else {
        expected("a set of what is looked up")
    }
}
