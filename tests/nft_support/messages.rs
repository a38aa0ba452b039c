//! nftables' messages by hand.
#![forbid(unsafe_code)]

use portcullis::netlink::attr::{Buffer, find};
use portcullis::netlink::message::{APPEND, CREATE};
use portcullis::nft::transport::batch::Batch;
use portcullis::nft::transport::dump::Dump;
use portcullis::nft::transport::{Error, Link, ROOM, kind};
use portcullis::sys::netlink::{Room, Socket};

pub const INET: u8 = 1;

pub const NEWTABLE: u16 = kind(0);
pub const GETTABLE: u16 = kind(1);
pub const DELTABLE: u16 = kind(2);
pub const NEWCHAIN: u16 = kind(3);
pub const DELCHAIN: u16 = kind(5);
pub const NEWRULE: u16 = kind(6);
pub const GETRULE: u16 = kind(7);
pub const DELRULE: u16 = kind(8);
pub const NEWSET: u16 = kind(9);
pub const NEWSETELEM: u16 = kind(12);
pub const GETSETELEM: u16 = kind(13);
pub const NEWGEN: u16 = kind(15);

pub fn link() -> Link {
    with_room(ROOM)
}

pub fn with_room(room: Room) -> Link {
    Link::on(Socket::open(room).unwrap())
}

pub fn table(batch: &mut Batch, name: &str) {
    batch.push(NEWTABLE, CREATE, INET, |b| b.put_text(1, name.as_bytes())).unwrap();
}

pub fn chain(batch: &mut Batch, table: &str, name: &str) {
    let fill = |b: &mut Buffer| {
        b.put_text(1, table.as_bytes());
        b.put_text(3, name.as_bytes());
    };
    batch.push(NEWCHAIN, CREATE, INET, fill).unwrap();
}

/// A rule with a counter, which carries `tag`.
pub fn rule(batch: &mut Batch, flags: u16, table: &str, chain: &str, tag: &[u8]) {
    let fill = |b: &mut Buffer| {
        b.put_text(1, table.as_bytes());
        b.put_text(2, chain.as_bytes());
        let list = b.nest(4);
        let element = b.nest(1);
        b.put_text(1, b"counter");
        let data = b.nest(2);
        b.end(data);
        b.end(element);
        b.end(list);
        b.put(7, tag);
    };
    batch.push(NEWRULE, CREATE | APPEND | flags, INET, fill).unwrap();
}

/// All rules of a chain.
pub fn flush(batch: &mut Batch, table: &str, chain: &str) {
    let fill = |b: &mut Buffer| {
        b.put_text(1, table.as_bytes());
        b.put_text(2, chain.as_bytes());
    };
    batch.push(DELRULE, 0, INET, fill).unwrap();
}

/// Table `t`, chain `c` and so many rules.
pub fn ruleset(rules: u32) -> Batch {
    let mut batch = Batch::begin(None);
    table(&mut batch, "t");
    chain(&mut batch, "t", "c");
    (0..rules).for_each(|i| rule(&mut batch, 0, "t", "c", &i.to_be_bytes()));
    batch
}

/// What attribute `attr` is of each message of a dump.
pub fn list(link: &mut Link, kind: u16, attr: u16) -> Result<Vec<Vec<u8>>, Error> {
    let mut dump = Dump::start(link, kind, 0, |_| {})?;
    let mut found = Vec::new();
    while let Some(messages) = dump.next(link)? {
        found.extend(messages.map(|m| find(m.body, attr).unwrap().value.to_vec()));
    }
    Ok(found)
}

pub fn tags(link: &mut Link) -> Vec<Vec<u8>> {
    list(link, GETRULE, 7).unwrap()
}

pub fn tables(link: &mut Link) -> Vec<String> {
    let names = list(link, GETTABLE, 1).unwrap();
    names.into_iter().map(|name| String::from_utf8(name).unwrap().trim_end_matches('\0').to_owned()).collect()
}
