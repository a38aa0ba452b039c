//! Single elements of a set, by their keys: the kernel finds them, whatever stands beside them.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Step};
use crate::nft::action::ReadNft;
use crate::nft::change::{World, of_element, of_transport};
use crate::nft::listing::{Form, Listing};
use crate::nft::model::{RawElement, Set, TableRef};
use crate::nft::object::element::{self, Of};
use crate::nft::object::member::{element_of, expr_of, members};
use crate::nft::object::message;
use crate::nft::schema;
use crate::nft::transport::{Error, Link, get, kind};
use crate::policy::permit::Permit;
use crate::sys::capset;
use crate::wire::schema::At;

/// The elements of a set that a request names. One that is not there is `{nft, 0, enoent, Text}`.
pub fn elements(
    link: &mut Link,
    permit: Permit<ReadNft>,
    what: &schema::Listing<'_>,
    form: Form,
) -> Result<Listing, RequestError> {
    let schema::Listing::Elements(table, name, items) = what else {
        return Ok(Listing::answered(permit, form, 0));
    };
    let raised = capset::raise(permit.capabilities())
        .map_err(|e| RequestError::Posix(e as i32, "raising a capability"))?;
    let generation = get::generation(link).map_err(|e| of_transport(&e))?;
    let found = World::new(link).set(table, name).map_err(|e| of_transport(&e))?;
    let set =
        found.ok_or_else(|| RequestError::Nft(0, libc::ENOENT, b"there is no such set or map".to_vec()))?;
    let mut asked = Vec::with_capacity(items.len());
    for (n, term) in (1..).zip(*items) {
        let at = [Step::Key("what"), Step::Key("element"), Step::Key("elem"), Step::Index(n)];
        let expr = schema::element(term, &At::Top).map_err(|e| e.below(&at))?;
        let member = element_of(&set, &expr).map_err(|bad| of_element(bad, &at))?;
        asked.extend(member.into_elements());
    }
    let held = ask(link, table, &set, asked)?;
    drop(raised);
    let shown: Vec<_> = members(&set, held).iter().map(|member| expr_of(&set, member)).collect();
    let mut listing = Listing::answered(permit, form, generation);
    listing.show(|w| schema::write_elements(table, &set.name, &shown, w));
    Ok(listing)
}

fn ask(
    link: &mut Link,
    table: &TableRef,
    set: &Set,
    asked: Vec<RawElement>,
) -> Result<Vec<RawElement>, RequestError> {
    let of = Of { table: &table.name, set: &set.name, set_id: None };
    let mut asked = asked.into_iter().peekable();
    let mut held = Vec::new();
    let number = kind(message::GET_ELEMENT);
    while asked.peek().is_some() {
        let mut unfit = None;
        let answer = get::point(link, number, table.family.number(), |buffer| {
            unfit = element::encode(&of, &mut asked, buffer).err();
        });
        if let Some(unfit) = unfit {
            return Err(RequestError::Nft(0, libc::EINVAL, unfit.to_string().into_bytes()));
        }
        let answer = answer.map_err(|e| match e {
            Error::Refused(refusal) if refusal.errno == libc::ENOENT => {
                RequestError::Nft(0, libc::ENOENT, b"there is no such element".to_vec())
            }
            e => of_transport(&e),
        })?;
        let found =
            answer.messages().flat_map(|m| element::elements(m.body)).map(|attr| element::decode(&attr).0);
        held.extend(found);
    }
    Ok(held)
}
