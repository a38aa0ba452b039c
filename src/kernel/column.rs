//! Columns and tables of this folder in few words.
#![forbid(unsafe_code)]

use crate::op::Role;
use crate::table::{Column, Cost, Kind, Opener, TableOf, Unit, Value};
use crate::wire::atoms::{self, Atom};

/// How a cell comes of a row.
type Of<R> = for<'a> fn(&'a R) -> Value<'a>;

/// A column of numbers.
pub const fn number<R>(name: Atom, unit: Unit, value: Of<R>) -> Column<R> {
    Column { name, kind: Kind::Number, unit, value }
}

/// A column of bytes.
pub const fn bytes<R>(name: Atom, value: Of<R>) -> Column<R> {
    Column { name, kind: Kind::Bytes, unit: Unit::None, value }
}

/// A column of these words.
pub const fn word<R>(name: Atom, words: &'static [Atom], value: Of<R>) -> Column<R> {
    Column { name, kind: Kind::Word(words), unit: Unit::None, value }
}

/// A column of true and false.
pub const fn boolean<R>(name: Atom, value: Of<R>) -> Column<R> {
    word(name, &[atoms::TRUE, atoms::FALSE], value)
}

/// A column of lists.
pub const fn list<R>(name: Atom, value: Of<R>) -> Column<R> {
    Column { name, kind: Kind::Compound, unit: Unit::None, value }
}

/// A table of one row that everybody may read, of role `proc`.
pub const fn table<R>(
    name: Atom,
    cost: Cost,
    source: Atom,
    columns: &'static [Column<R>],
    open: Opener<R>,
) -> TableOf<R> {
    TableOf { name, roles: &[Role::Proc], capabilities: &[], cost, source, key: &[], columns, open }
}

/// The same of rows that these columns tell apart.
pub const fn keyed_table<R>(
    key: &'static [Atom],
    name: Atom,
    cost: Cost,
    source: Atom,
    columns: &'static [Column<R>],
    open: Opener<R>,
) -> TableOf<R> {
    TableOf { name, roles: &[Role::Proc], capabilities: &[], cost, source, key, columns, open }
}

/// A row that holds numbers by their place.
pub trait Numbers {
    /// Them; what this kernel does not tell is none.
    fn numbers(&self) -> &[Option<u64>];
}

/// The number at place `N`.
pub fn nth<R: Numbers, const N: usize>(row: &R) -> Value<'_> {
    Value::maybe(row.numbers().get(N).copied().flatten())
}

/// `COLUMNS` of numbers, and `KEYS`: what the kernel calls each.
macro_rules! keyed {
    ($row:ty: $($key:literal $name:ident $unit:ident),* $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)] // they are names of atoms
        enum Place { $($name),* }
        const KEYS: &[&[u8]] = &[$($key),*];
        const COLUMNS: &[$crate::table::Column<$row>] = &[$($crate::kernel::column::number(
            $crate::wire::atoms::$name,
            $crate::table::Unit::$unit,
            $crate::kernel::column::nth::<_, { Place::$name as usize }>,
        )),*];
    };
}
pub(crate) use keyed;
