//! The modules that are loaded: `/proc/modules` (proc_modules(5), kernel/module/procfs.c). Addresses are left out: they are zero
//! for whoever must not know them.
#![forbid(unsafe_code)]

use crate::kernel::column::{bytes, keyed_table, number, word};
use crate::kernel::lines;
use crate::kernel::text::{decimal, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// One module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    name: Vec<u8>,
    size: u64,
    /// None: this kernel unloads no modules.
    refcount: Option<u64>,
    used_by: Vec<u8>,
    state: Atom,
    taints: Vec<u8>,
}

const STATES: &[Atom] = &[atoms::LIVE, atoms::LOADING, atoms::UNLOADING, atoms::UNKNOWN];

/// The table `modules`.
pub static TABLE: TableOf<Module> = keyed_table(
    &[atoms::NAME],
    atoms::MODULES,
    Cost::PerRow,
    atoms::PROCFS,
    &[
        bytes(atoms::NAME, |row| Value::Bytes(&row.name)),
        number(atoms::SIZE, Unit::Bytes, |row| Value::Unsigned(row.size)),
        number(atoms::REFCOUNT, Unit::None, |row| Value::maybe(row.refcount)),
        bytes(atoms::USED_BY, |row| Value::Bytes(&row.used_by)),
        word(atoms::STATE, STATES, |row| Value::Word(row.state)),
        bytes(atoms::TAINTS, |row| Value::Bytes(&row.taints)),
    ],
    open,
);

fn open(_: &Wanted<'_, Module>, _: &mut Context<'_>) -> Opened<Module> {
    lines::rows(c"/proc/modules", "reading /proc/modules", |(), line| parse(line))
}

/// `nf_nat 57344 2 nft_chain_nat,xt_MASQUERADE, Live 0x0000000000000000 (OE)`: name, size, references, who has them, state,
/// address, what it taints the kernel with.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Module> {
    let mut words = words(line);
    let (name, size) = (words.next()?.to_vec(), decimal(words.next()?)?);
    let refcount = match words.next()? {
        b"-" => None,
        digits => Some(decimal(digits)?),
    };
    let used_by = words.next()?;
    let used_by = if used_by == b"-" { b"" } else { used_by.strip_suffix(b",").unwrap_or(used_by) };
    let state = match words.next()? {
        b"Live" => atoms::LIVE,
        b"Loading" => atoms::LOADING,
        b"Unloading" => atoms::UNLOADING,
        _ => atoms::UNKNOWN,
    };
    let taints =
        words.nth(1).and_then(|word| word.strip_prefix(b"(")?.strip_suffix(b")")).unwrap_or_default();
    Some(Module { name, size, refcount, used_by: used_by.to_vec(), state, taints: taints.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded() {
        let line = b"nf_nat 57344 2 nft_chain_nat,xt_MASQUERADE, Live 0x0000000000000000 (OE)";
        let expected = Module {
            name: b"nf_nat".to_vec(),
            size: 57_344,
            refcount: Some(2),
            used_by: b"nft_chain_nat,xt_MASQUERADE".to_vec(),
            state: atoms::LIVE,
            taints: b"OE".to_vec(),
        };
        assert_eq!(parse(line), Some(expected.clone()));
        let plain = parse(b"nf_nat 57344 0 - Unloading 0xffffffffc0000000").unwrap();
        assert_eq!((plain.used_by, plain.state, plain.taints), (vec![], atoms::UNLOADING, vec![]));
        let permanent = parse(b"a 1 - [permanent], Loading 0x0").unwrap();
        assert_eq!((permanent.refcount, &permanent.used_by[..]), (None, &b"[permanent]"[..]));
        assert_eq!(parse(&[&line[..], b" more"].concat()), Some(expected));
    }

    #[test]
    fn odd_input_has_no_row() {
        for odd in [&b""[..], b"a", b"a x 0 - Live 0x0", b"a 1 -1 - Live 0x0", b"a 1 0 -", b"\xff \xff"] {
            assert_eq!(parse(odd), None);
        }
        assert_eq!(parse(b"a 1 0 - New 0x0").unwrap().state, atoms::UNKNOWN);
    }
}
