//! What a change refers to: sets that are there, and sets that it makes itself.
#![forbid(unsafe_code)]

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;

use crate::nft::compile::Scope;
use crate::nft::model::{Family, Set, TableRef};
use crate::nft::object::{message, set};
use crate::nft::transport::{Error, Link, get, kind};

/// Family, table, set.
type Key = (Family, Vec<u8>, Vec<u8>);

/// The sets of the tables, as far as somebody asked for them. Each is asked for once, alone: nothing is listed.
#[derive(Debug)]
pub struct World<'l> {
    link: RefCell<&'l mut Link>,
    sets: RefCell<HashMap<Key, Option<Set>>>,
    failed: RefCell<Option<Error>>,
}

impl<'l> World<'l> {
    /// Nothing is known.
    pub fn new(link: &'l mut Link) -> Self {
        Self { link: RefCell::new(link), sets: RefCell::default(), failed: RefCell::default() }
    }

    /// The socket.
    pub fn link(&self) -> RefMut<'_, &'l mut Link> {
        self.link.borrow_mut()
    }

    /// A set that the change makes.
    pub fn learn(&self, set: &Set) {
        let key = key(&set.table, &set.name);
        self.sets.borrow_mut().insert(key, Some(set.clone()));
    }

    /// A set that it deletes.
    pub fn forget(&self, table: &TableRef, name: &[u8]) {
        self.sets.borrow_mut().insert(key(table, name), None);
    }

    /// The header of a set; nothing if there is none.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub fn set(&self, table: &TableRef, name: &[u8]) -> Result<Option<Set>, Error> {
        let key = key(table, name);
        if let Some(known) = self.sets.borrow().get(&key) {
            return Ok(known.clone());
        }
        let found = self.ask(table, name)?;
        self.sets.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    fn ask(&self, table: &TableRef, name: &[u8]) -> Result<Option<Set>, Error> {
        let family = table.family.number();
        let number = kind(message::GET_SET);
        let answer =
            get::point(&mut self.link(), number, family, |buffer| set::target(&table.name, name, buffer));
        match answer {
            Ok(answer) => {
                Ok(answer.messages().find_map(|m| set::decode(family, m.body)).map(|seen| seen.what))
            }
            Err(Error::Refused(refusal)) if refusal.errno == libc::ENOENT => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What went wrong while a set was looked up for somebody who could not be told.
    pub fn failure(&self) -> Option<Error> {
        self.failed.borrow_mut().take()
    }

    /// What the rules of a table see.
    pub fn scope<'w>(&'w self, table: &'w TableRef) -> InTable<'w, 'l> {
        InTable { world: self, table }
    }
}

fn key(table: &TableRef, name: &[u8]) -> Key {
    (table.family, table.name.to_vec(), name.to_vec())
}

/// The sets of one table.
#[derive(Debug)]
pub struct InTable<'w, 'l> {
    world: &'w World<'l>,
    table: &'w TableRef,
}

impl Scope for InTable<'_, '_> {
    fn family(&self) -> Family {
        self.table.family
    }

    fn set(&self, name: &[u8]) -> Option<Set> {
        match self.world.set(self.table, name) {
            Ok(found) => found,
            Err(e) => {
                *self.world.failed.borrow_mut() = Some(e);
                None
            }
        }
    }
}
