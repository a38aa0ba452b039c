//! Chains (`enum nft_chain_attributes`), and what hooks are called.
#![forbid(unsafe_code)]

use super::{Seen, Unfit, owned, userdata};
use crate::netlink::attr::{Attr, Attrs, Buffer};
use crate::nft::model::{BaseChain, Chain, Family, TableRef, Text};

/// `NFTA_CHAIN_*`
pub(super) mod attribute {
    pub const TABLE: u16 = 1;
    pub const HANDLE: u16 = 2;
    pub const NAME: u16 = 3;
    pub const HOOK: u16 = 4;
    pub const POLICY: u16 = 5;
    pub const USE: u16 = 6;
    pub const TYPE: u16 = 7;
    pub const COUNTERS: u16 = 8;
    pub const PAD: u16 = 9;
    pub const FLAGS: u16 = 10;
    pub const ID: u16 = 11;
    pub const USERDATA: u16 = 12;
}

/// `NFTA_HOOK_*`
mod hook {
    pub const NUMBER: u16 = 1;
    pub const PRIORITY: u16 = 2;
    pub const DEV: u16 = 3;
    pub const DEVS: u16 = 4;
}

/// `NFTA_DEVICE_NAME`
const DEVICE_NAME: u16 = 1;

/// `enum nft_chain_flags`
const FLAG_BASE: u32 = 1;
const FLAG_OFFLOAD: u32 = 2;

/// `NF_DROP` and `NF_ACCEPT`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// The hooks of a family: their names by their numbers (include/uapi/linux/netfilter.h, netfilter_arp.h, netfilter_bridge.h).
const fn hooks(family: Family) -> &'static [&'static str] {
    const PACKET: &[&str] = &["prerouting", "input", "forward", "output", "postrouting"];
    match family {
        Family::Ip | Family::Ip6 | Family::Bridge => PACKET,
        Family::Inet => &["prerouting", "input", "forward", "output", "postrouting", "ingress"],
        Family::Arp => &["input", "output", "forward"],
        Family::Netdev => &["ingress", "egress"],
    }
}

/// The number of a hook.
#[must_use]
pub fn hook_number(family: Family, name: &[u8]) -> Option<u32> {
    let at = hooks(family).iter().position(|hook| hook.as_bytes() == name)?;
    u32::try_from(at).ok()
}

/// The name of a hook.
#[must_use]
pub fn hook_name(family: Family, number: u32) -> Option<&'static str> {
    hooks(family).get(usize::try_from(number).ok()?).copied()
}

/// Writes a chain.
///
/// # Errors
/// If its comment is too long.
pub fn encode(chain: &Chain, buffer: &mut Buffer) -> Result<(), Unfit> {
    buffer.put_text(attribute::TABLE, &chain.table.name);
    buffer.put_text(attribute::NAME, &chain.name);
    if let Some(base) = &chain.base {
        write_hook(base, buffer);
        buffer.put_text(attribute::TYPE, &base.kind);
        if let Some(accepts) = base.accepts {
            buffer.put_be32(attribute::POLICY, if accepts { ACCEPT } else { DROP });
        }
        if base.offload {
            buffer.put_be32(attribute::FLAGS, FLAG_BASE | FLAG_OFFLOAD);
        }
    }
    let data = userdata::only_comment(chain.comment.as_deref())?;
    if !data.is_empty() {
        buffer.put(attribute::USERDATA, &data);
    }
    Ok(())
}

fn write_hook(base: &BaseChain, buffer: &mut Buffer) {
    let nest = buffer.nest(attribute::HOOK);
    buffer.put_be32(hook::NUMBER, base.hook);
    buffer.put(hook::PRIORITY, &base.priority.to_be_bytes());
    match base.devices.as_slice() {
        [] => {}
        // Kernels before 5.5 know no list.
        [one] => buffer.put_text(hook::DEV, one),
        several => {
            let devices = buffer.nest(hook::DEVS);
            several.iter().for_each(|name| buffer.put_text(DEVICE_NAME, name));
            buffer.end(devices);
        }
    }
    buffer.end(nest);
}

/// Reads a chain; nothing if it has no name, or a number is not what it should be.
#[must_use]
pub fn decode(family: u8, body: &[u8]) -> Option<Seen<Chain>> {
    let (mut table, mut name, mut handle, mut comment) = (None, None, None, None);
    let (mut hook, mut kind, mut accepts, mut flags, mut opaque) = (None, None, None, 0, false);
    for attr in Attrs::new(body) {
        match attr.kind {
            attribute::TABLE => table = attr.text(),
            attribute::NAME => name = attr.text(),
            attribute::HANDLE => handle = Some(attr.be64()?),
            attribute::HOOK => hook = Some(read_hook(&attr, &mut opaque)?),
            attribute::TYPE => kind = attr.text(),
            attribute::POLICY => accepts = Some(attr.be32()? == ACCEPT),
            attribute::FLAGS => flags = attr.be32()?,
            attribute::USERDATA => comment = userdata::comment(attr.value, userdata::COMMENT),
            attribute::USE | attribute::COUNTERS | attribute::PAD | attribute::ID => {}
            _ => opaque = true,
        }
    }
    opaque |= flags & !(FLAG_BASE | FLAG_OFFLOAD) != 0;
    let base = hook.map(|hook| BaseChain {
        kind: kind.map_or(Text::Borrowed(b""), owned),
        accepts,
        offload: flags & FLAG_OFFLOAD != 0,
        ..hook
    });
    let table = TableRef { family: Family::numbered(family)?, name: owned(table?) };
    let what = Chain { table, name: owned(name?), handle, base, comment: comment.map(owned) };
    Some(Seen { what, opaque })
}

/// Where and when; the other fields stay empty.
fn read_hook(attr: &Attr<'_>, opaque: &mut bool) -> Option<BaseChain> {
    let (mut number, mut priority, mut one, mut several) = (None, None, None, None);
    for attr in attr.attrs() {
        match attr.kind {
            hook::NUMBER => number = attr.be32(),
            hook::PRIORITY => priority = attr.value.try_into().ok().map(i32::from_be_bytes),
            hook::DEV => one = Some(vec![owned(attr.text()?)]),
            hook::DEVS => {
                let names = attr.attrs().map(|device| {
                    *opaque |= device.kind != DEVICE_NAME;
                    device.text().map(owned)
                });
                several = Some(names.collect::<Option<Vec<_>>>()?);
            }
            _ => *opaque = true,
        }
    }
    Some(BaseChain {
        kind: Text::Borrowed(b""),
        hook: number?,
        priority: priority?,
        accepts: None,
        // The kernel gives a single device in both forms.
        devices: several.or(one).unwrap_or_default(),
        offload: false,
    })
}
