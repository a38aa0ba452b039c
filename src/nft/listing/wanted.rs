//! What a listing is of, without what it borrowed from the request.
#![forbid(unsafe_code)]

use crate::nft::model::{Family, ObjectKind, TableRef, Text};
use crate::nft::schema::Within;

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Objects of the schema as terms, a row each.
    Terms,
    /// JSON text in pieces.
    Text,
    /// Elements of the sets of bans, a row each.
    Bans,
}

/// What is wanted of sets and maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// Nothing.
    None,
    /// Those without data, those with data, or both; without their elements.
    Headers {
        /// Sets.
        sets: bool,
        /// Maps.
        maps: bool,
    },
    /// Everything.
    Whole,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of which tables.
    pub within: Within,
    /// Tables themselves.
    pub tables: bool,
    /// Chains.
    pub chains: bool,
    /// Rules.
    pub rules: bool,
    /// Sets and maps.
    pub sets: Sets,
    /// Named objects: of one kind, or of every kind.
    pub objects: Option<Option<ObjectKind>>,
    /// Only what has this name: the chain, the set, the object.
    pub name: Option<Text>,
}

impl Wanted {
    /// Nothing of it.
    pub(super) fn nothing(within: Within) -> Self {
        Self {
            within,
            tables: false,
            chains: false,
            rules: false,
            sets: Sets::None,
            objects: None,
            name: None,
        }
    }

    /// What a request names. Nothing for elements by their keys: those are answered at once.
    #[must_use]
    pub fn of(listing: &crate::nft::schema::Listing<'_>) -> Option<Self> {
        use crate::nft::schema::Listing;
        let all = |family: &Option<Family>| family.map_or(Within::All, Within::Family);
        let whole = |within| Self {
            tables: true,
            chains: true,
            rules: true,
            sets: Sets::Whole,
            objects: Some(None),
            ..Self::nothing(within)
        };
        let table = |table: &TableRef| Within::Table(table.clone());
        Some(match listing {
            Listing::Ruleset(family) => whole(all(family)),
            Listing::Table(it) => whole(table(it)),
            Listing::Tables(family) => Self { tables: true, ..Self::nothing(all(family)) },
            Listing::Chains(within) => Self { chains: true, ..Self::nothing(within.clone()) },
            Listing::Chain(it, name) => {
                Self { chains: true, rules: true, name: Some(name.clone()), ..Self::nothing(table(it)) }
            }
            Listing::Rules(within) => Self { rules: true, ..Self::nothing(within.clone()) },
            Listing::Sets(within) => {
                Self { sets: Sets::Headers { sets: true, maps: false }, ..Self::nothing(within.clone()) }
            }
            Listing::Maps(within) => {
                Self { sets: Sets::Headers { sets: false, maps: true }, ..Self::nothing(within.clone()) }
            }
            Listing::Set(it, name) => {
                Self { sets: Sets::Whole, name: Some(name.clone()), ..Self::nothing(table(it)) }
            }
            Listing::Elements(..) => return None,
            Listing::Objects(kind, within) => {
                Self { objects: Some(Some(*kind)), ..Self::nothing(within.clone()) }
            }
            Listing::Object(it, kind, name) => {
                Self { objects: Some(Some(*kind)), name: Some(name.clone()), ..Self::nothing(table(it)) }
            }
        })
    }

    /// The sets of a table with all their elements.
    #[must_use]
    pub fn whole_sets(table: TableRef) -> Self {
        Self { sets: Sets::Whole, ..Self::nothing(Within::Table(table)) }
    }

    /// The family of the messages: all of them (`NFPROTO_UNSPEC`) or one.
    #[must_use]
    pub fn family(&self) -> u8 {
        match &self.within {
            Within::All => 0,
            Within::Family(family) => family.number(),
            Within::Table(table) => table.family.number(),
        }
    }

    /// The table, if it is one.
    #[must_use]
    pub fn table(&self) -> Option<&TableRef> {
        if let Within::Table(table) = &self.within { Some(table) } else { None }
    }

    /// Whether something in that table is wanted.
    #[must_use]
    pub fn has(&self, table: &TableRef) -> bool {
        match &self.within {
            Within::All => true,
            Within::Family(family) => table.family == *family,
            Within::Table(wanted) => table == wanted,
        }
    }

    /// Whether something of that name is.
    #[must_use]
    pub fn names(&self, name: &[u8]) -> bool {
        self.name.as_ref().is_none_or(|wanted| **wanted == *name)
    }
}
