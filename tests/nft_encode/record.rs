//! The corpus' own record of what nft 1.1.6 makes of a rule (`nft --debug=netlink`), for what the installed nft does not know or
//! makes otherwise. A line is compared word by word: names as they are, values as numbers of either order, as the record
//! does not say in which they stand.

use portcullis::nft::kernel::{BitOp, Cmp, Data, Immediate, KExpr, Range};
use portcullis::nft::tables::meta_numbered;

/// A line with `#` where values stand, and the values.
struct Line {
    words: String,
    values: Vec<Vec<u8>>,
}

fn line(words: impl Into<String>, values: &[&[u8]]) -> Line {
    Line { words: words.into(), values: values.iter().map(|value| value.to_vec()).collect() }
}

const CT: [&str; 24] = [
    "state",
    "direction",
    "status",
    "mark",
    "secmark",
    "expiration",
    "helper",
    "l3protocol",
    "src",
    "dst",
    "protocol",
    "proto_src",
    "proto_dst",
    "label",
    "packets",
    "bytes",
    "avgpkt",
    "zone",
    "event",
    "src_ip",
    "dst_ip",
    "src_ip6",
    "dst_ip6",
    "id",
];
const BASES: [&str; 5] = ["link", "network", "transport", "inner", "tunnel"];

fn meta(key: u32) -> String {
    match meta_numbered(key).unwrap().name {
        "length" => "len".to_owned(),
        "random" => "prandom".to_owned(),
        "ipsec" => "secpath".to_owned(),
        name => name.to_owned(),
    }
}

fn ct(key: u32) -> &'static str {
    CT[usize::try_from(key).unwrap()]
}

fn direction(direction: Option<u8>) -> &'static str {
    match direction {
        None => "",
        Some(0) => " , dir original",
        Some(_) => " , dir reply",
    }
}

fn base(number: u32) -> &'static str {
    BASES[usize::try_from(number).unwrap()]
}

fn set(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    if name.starts_with("__") { "%d".to_owned() } else { name.into_owned() }
}

fn bounds(name: &str, range: Range) -> String {
    match (range.min, range.max.filter(|max| Some(*max) != range.min)) {
        (Some(min), None) => format!(" {name}_min reg {min}"),
        (Some(min), Some(max)) => format!(" {name}_min reg {min} {name}_max reg {max}"),
        _ => String::new(),
    }
}

fn flags(flags: Option<u32>) -> String {
    // The kernel adds those two where there is an address or a port.
    match flags.unwrap_or(0) & !3 {
        0 => String::new(),
        flags => format!(" flags {flags:#x}"),
    }
}

fn family(number: u32) -> &'static str {
    match number {
        1 => " inet",
        2 => " ip",
        10 => " ip6",
        _ => "",
    }
}

fn comparison(op: Cmp) -> &'static str {
    match op {
        Cmp::Eq => "eq",
        Cmp::Neq => "neq",
        Cmp::Lt => "lt",
        Cmp::Lte => "lte",
        Cmp::Gt => "gt",
        Cmp::Gte => "gte",
    }
}

/// A value is compared as one of four bytes, so that a short one is widened.
fn shift(bits: u32) -> [u8; 4] {
    bits.to_be_bytes()
}

fn bitwise(sreg: u32, dreg: u32, op: &BitOp) -> Line {
    match op {
        BitOp::Mask(mask, xor) => {
            line(format!("bitwise reg {dreg} = ( reg {sreg} & # ) ^ #"), &[mask.bytes(), xor.bytes()])
        }
        BitOp::Left(bits) => line(format!("bitwise reg {dreg} = ( reg {sreg} << # )"), &[&shift(*bits)]),
        BitOp::Right(bits) => line(format!("bitwise reg {dreg} = ( reg {sreg} >> # )"), &[&shift(*bits)]),
        BitOp::Register(op, other) => {
            let op = ["&", "|", "^"][usize::try_from(op - 3).unwrap()];
            line(format!("bitwise reg {dreg} = ( reg {sreg} {op} reg {other} )"), &[])
        }
    }
}

fn exthdr(op: u32) -> &'static str {
    match op {
        0 => " ipv6",
        1 => " tcpopt",
        2 => " ipv4",
        _ => "",
    }
}

fn fib(result: u32, flags: u32) -> String {
    let names = ["saddr", "daddr", "mark", "iif", "oif"];
    let named: Vec<&str> = (0..5).filter(|n| flags & 1 << n != 0).map(|n| names[n]).collect();
    let result = ["", "oif", "oifname", "type"][usize::try_from(result).unwrap()];
    format!("{} {result}{}", named.join(" . "), if flags & 32 != 0 { " present" } else { "" })
}

fn show(expression: &KExpr<'_>) -> Option<Line> {
    [computed, loaded, written, translated, stateful, logged].iter().find_map(|show| show(expression))
}

/// What compares, computes or looks up.
fn computed(expression: &KExpr<'_>) -> Option<Line> {
    Some(match expression {
        KExpr::Immediate { dreg, data: Immediate::Value(data) } => {
            line(format!("immediate reg {dreg} #"), &[data.bytes()])
        }
        KExpr::Immediate { dreg, data: Immediate::Verdict(code, None) } => {
            let word = match code {
                1 => "accept",
                0 => "drop",
                _ => return None,
            };
            line(format!("immediate reg {dreg} {word}"), &[])
        }
        KExpr::Cmp { sreg, op, data } => {
            line(format!("cmp {} reg {sreg} #", comparison(*op)), &[data.bytes()])
        }
        KExpr::Range { sreg, not, from, to } => {
            let op = if *not { "neq" } else { "eq" };
            line(format!("range {op} reg {sreg} #"), &[&padded(from, to)])
        }
        KExpr::Bitwise { sreg, dreg, op, .. } => bitwise(*sreg, *dreg, op),
        KExpr::Byteorder { sreg, dreg, to_network, len, size } => {
            let op = if *to_network { "hton" } else { "ntoh" };
            line(format!("byteorder reg {dreg} = {op}(reg {sreg}, {size}, {len})"), &[])
        }
        KExpr::Numgen { dreg, modulus, offset, .. } => {
            let offset = if *offset == 0 { String::new() } else { format!(" offset {offset}") };
            line(format!("numgen reg {dreg} = inc mod {modulus}{offset}"), &[])
        }
        KExpr::Lookup { set: name, sreg, dreg, flags, .. } => {
            let dreg = dreg.map(|dreg| format!(" dreg {dreg}")).unwrap_or_default();
            let words = format!("lookup reg {sreg} set {}{dreg}", set(name));
            if *flags == 0 { line(words, &[]) } else { line(words + " #", &[&shift(*flags)]) }
        }
        KExpr::Hash { sreg, dreg, len, modulus, seed, offset, .. } => {
            let offset = if *offset == 0 { String::new() } else { format!(" offset {offset}") };
            match sreg {
                None => line(format!("hash reg {dreg} = symhash() % mod {modulus}{offset}"), &[]),
                Some(sreg) => {
                    let seed = seed.unwrap_or(0);
                    line(
                        format!(
                            "hash reg {dreg} = jhash(reg {sreg}, {len}, {seed:#x}) % mod {modulus}{offset}"
                        ),
                        &[],
                    )
                }
            }
        }
        _ => return None,
    })
}

/// What reads the packet, or what the kernel knows of it.
fn loaded(expression: &KExpr<'_>) -> Option<Line> {
    Some(match expression {
        KExpr::Payload { dreg, base: from, offset, len } => {
            line(format!("payload load {len}b @ {} header + {offset} => reg {dreg}", base(*from)), &[])
        }
        KExpr::Exthdr { dreg, kind, offset, len, op, flags } => {
            let present = if *flags == 1 { " present" } else { "" };
            line(format!("exthdr load{} {len}b @ {kind} + {offset}{present} => reg {dreg}", exthdr(*op)), &[])
        }
        KExpr::Meta { dreg, key } => line(format!("meta load {} => reg {dreg}", meta(*key)), &[]),
        KExpr::Ct { dreg, key, direction: of } => {
            line(format!("ct load {} => reg {dreg}{}", ct(*key), direction(*of)), &[])
        }
        KExpr::Rt { dreg, key } => {
            let key = ["classid", "nexthop4", "nexthop6", "tcpmss"][usize::try_from(*key).unwrap()];
            line(format!("rt load {key} => reg {dreg}"), &[])
        }
        KExpr::Fib { dreg, result, flags } => {
            line(format!("fib {} => reg {dreg}", fib(*result, *flags)), &[])
        }
        KExpr::Socket { dreg, key, .. } => {
            let key = ["transparent", "mark", "wildcard"].get(usize::try_from(*key).unwrap())?;
            line(format!("socket load {key} => reg {dreg}"), &[])
        }
        KExpr::Osf { dreg, .. } => line(format!("osf dreg {dreg}"), &[]),
        KExpr::Xfrm { dreg, key, direction, spnum } => {
            let key =
                ["", "daddr4", "daddr6", "saddr4", "saddr6", "reqid", "spi"][usize::try_from(*key).unwrap()];
            let direction = if *direction == 0 { "in" } else { "out" };
            line(format!("xfrm load {direction} {spnum} {key} => reg {dreg}"), &[])
        }
        KExpr::Inner { kind, flags, hdrsize, expr, .. } => {
            let inner = show(expr)?;
            let words = format!("inner type {kind} hdrsize {hdrsize} flags {flags:x} [ {} ]", inner.words);
            Line { words, values: inner.values }
        }
        _ => return None,
    })
}

/// What writes, or sends elsewhere.
fn written(expression: &KExpr<'_>) -> Option<Line> {
    Some(match expression {
        KExpr::PayloadSet { sreg, base: from, offset, len, csum_type, csum_offset, csum_flags } => line(
            format!(
                "payload write reg {sreg} => {len}b @ {} header + {offset} csum_type {csum_type} csum_off \
                 {csum_offset} csum_flags #",
                base(*from)
            ),
            &[&shift(*csum_flags)],
        ),
        KExpr::ExthdrSet { sreg: Some(sreg), kind, offset, len, op, .. } => {
            line(format!("exthdr write{} reg {sreg} => {len}b @ {kind} + {offset}", exthdr(*op)), &[])
        }
        KExpr::ExthdrSet { sreg: None, kind, op, .. } => {
            line(format!("exthdr reset{} {kind}", exthdr(*op)), &[])
        }
        KExpr::MetaSet { sreg, key } => line(format!("meta set {} with reg {sreg}", meta(*key)), &[]),
        KExpr::CtSet { sreg, key, direction: of } => {
            line(format!("ct set {} with reg {sreg}{}", ct(*key), direction(*of)), &[])
        }
        KExpr::Dynset { set: name, op, sreg_key, sreg_data, .. } => {
            let op = ["add", "update", "delete"][usize::try_from(*op).unwrap()];
            let data = sreg_data.map(|data| format!(" sreg_data {data}")).unwrap_or_default();
            line(format!("dynset {op} reg_key {sreg_key} set {}{data}", set(name)), &[])
        }
        KExpr::Tproxy { family: of, addr, port } => {
            let with = |name: &str, reg: &Option<u32>| {
                reg.map(|reg| format!(" {name} reg {reg}")).unwrap_or_default()
            };
            line(format!("tproxy{}{}{}", family(*of), with("addr", addr), with("port", port)), &[])
        }
        KExpr::Dup { addr, dev } => {
            let with = |name: &str, reg: &Option<u32>| {
                reg.map(|reg| format!(" sreg_{name} {reg}")).unwrap_or_default()
            };
            line(format!("dup{}{}", with("addr", addr), with("dev", dev)), &[])
        }
        KExpr::Queue { num, total, flags, sreg_qnum } => queue(*num, *total, flags.unwrap_or(0), *sreg_qnum),
        _ => return None,
    })
}

/// What translates addresses.
fn translated(expression: &KExpr<'_>) -> Option<Line> {
    Some(match expression {
        KExpr::Nat { kind, family: of, addr, proto, flags: with } => {
            let kind = if *kind == 0 { "snat" } else { "dnat" };
            let (addr, proto) = (bounds("addr", *addr), bounds("proto", *proto));
            line(format!("nat {kind}{}{addr}{proto}{}", family(*of), flags(*with)), &[])
        }
        KExpr::Masq { proto, flags: with } => {
            line(format!("masq{}{}", bounds("proto", *proto), flags(*with)), &[])
        }
        KExpr::Redir { proto, flags: with } => {
            line(format!("redir{}{}", bounds("proto", *proto), flags(*with)), &[])
        }
        _ => return None,
    })
}

/// What counts, limits, refers or refuses.
fn stateful(expression: &KExpr<'_>) -> Option<Line> {
    Some(match expression {
        KExpr::ObjrefMap { sreg, .. } => line(format!("objref sreg {sreg} set %d"), &[]),
        KExpr::Objref { kind, name } => {
            line(format!("objref type {kind} name {}", String::from_utf8_lossy(name)), &[])
        }
        KExpr::Reject { kind, code } => line(format!("reject type {kind} code {}", code.unwrap_or(0)), &[]),
        KExpr::Counter { bytes, packets } => line(format!("counter pkts {packets} bytes {bytes}"), &[]),
        KExpr::Last { .. } => line("last never", &[]),
        KExpr::Quota { bytes, consumed, flags } => {
            line(format!("quota bytes {bytes} consumed {consumed} flags {flags}"), &[])
        }
        KExpr::Synproxy { mss, wscale, .. } => line(format!("synproxy mss {mss} wscale {wscale}"), &[]),
        KExpr::Limit { rate, unit, burst, kind, flags } => {
            let unit = match unit {
                1 => "second",
                60 => "minute",
                3600 => "hour",
                86400 => "day",
                _ => "week",
            };
            let kind = if *kind == 0 { "packets" } else { "bytes" };
            line(format!("limit rate {rate}/{unit} burst {burst} type {kind} flags #"), &[&shift(*flags)])
        }
        _ => return None,
    })
}

/// What writes a line.
fn logged(expression: &KExpr<'_>) -> Option<Line> {
    Some(match expression {
        KExpr::Log { prefix, group, snaplen, qthreshold, level, flags } => {
            let mut words = "log".to_owned();
            if let Some(prefix) = prefix {
                words += &format!(" prefix {}", String::from_utf8_lossy(prefix));
            }
            match group {
                Some(group) => {
                    let (snaplen, qthreshold) = (snaplen.unwrap_or(0), qthreshold.unwrap_or(0));
                    words += &format!(" group {group} snaplen {snaplen} qthreshold {qthreshold}");
                }
                // The kernel's own level is not told of where it was not asked for.
                None => {
                    words +=
                        &level.filter(|level| *level != 4).map(|l| format!(" level {l}")).unwrap_or_default()
                }
            }
            let names = ["tcpseq", "tcpopt", "ipopt", "uid", "", "macdecode"];
            for (bit, name) in names.iter().enumerate().filter(|(bit, _)| flags.unwrap_or(0) & 1 << bit != 0)
            {
                assert!(!name.is_empty(), "{bit}");
                words += &format!(" {name}");
            }
            line(words, &[])
        }
        _ => return None,
    })
}

fn queue(num: Option<u16>, total: Option<u16>, flags: u16, sreg: Option<u32>) -> Line {
    let which = match (num, total, sreg) {
        (_, _, Some(sreg)) => format!("sreg_qnum {sreg}"),
        (Some(num), Some(2..), _) => format!("num {num}-{}", num + (total.unwrap() - 1)),
        (num, ..) => format!("num {}", num.unwrap_or(0)),
    };
    let bypass = if flags & 1 != 0 { " bypass" } else { "" };
    let fanout = if flags & 2 != 0 { " fanout" } else { "" };
    line(format!("queue {which}{bypass}{fanout}"), &[])
}

/// Two values, each filled up to words.
fn padded(from: &Data, to: &Data) -> Vec<u8> {
    let mut all = Vec::new();
    for data in [from, to] {
        let bytes = data.bytes();
        // A short value is one word of its own width.
        if bytes.len() < 4 {
            all.extend([0, 0, 0, 0].iter().take(4 - bytes.len()));
        }
        all.extend(bytes);
    }
    all
}

/// The words of a record's line, and its runs of hexadecimal words as numbers.
fn recorded(text: &str) -> (String, Vec<Vec<u32>>) {
    let (mut words, mut values): (Vec<&str>, Vec<Vec<u32>>) = (Vec::new(), Vec::new());
    let text = text.trim().strip_prefix("[ ").and_then(|t| t.strip_suffix(" ]")).unwrap_or(text);
    let nat = text.starts_with("nat ") || text.starts_with("masq") || text.starts_with("redir");
    let text = match text.split_once(" flags 0x").filter(|_| nat) {
        Some((words, digits)) => {
            format!("{words}{}", flags(Some(u32::from_str_radix(digits, 16).unwrap())))
        }
        None => text.replace("log level 4", "log"),
    };
    for word in text.split(' ') {
        match word.strip_prefix("0x").filter(|_| !nat && !text.starts_with("hash")) {
            Some(digits) => {
                let number = u32::from_str_radix(digits, 16).unwrap();
                if words.last() == Some(&"#") {
                    values.last_mut().unwrap().push(number);
                } else {
                    words.push("#");
                    values.push(vec![number]);
                }
            }
            None if word.starts_with("__") => words.push("%d"),
            None => words.push(word),
        }
    }
    (words.join(" "), values)
}

fn numbers(bytes: &[u8], reversed: bool) -> Vec<u32> {
    let number = |word: &[u8]| {
        let step = |n: u32, b: &u8| n << 8 | u32::from(*b);
        if reversed { word.iter().rev().fold(0, step) } else { word.iter().fold(0, step) }
    };
    bytes.chunks(4).map(number).collect()
}

fn equal(bytes: &[u8], wanted: &[u32]) -> bool {
    let trimmed = |mut words: Vec<u32>| {
        // A short name is recorded without the words behind it.
        while words.len() > wanted.len() && words.last() == Some(&0) {
            words.pop();
        }
        words
    };
    // Word by word in either order, and a number of several words of the host from behind.
    let behind: Vec<u8> = bytes.iter().rev().copied().collect();
    [numbers(bytes, false), numbers(bytes, true), numbers(&behind, false)]
        .into_iter()
        .any(|words| trimmed(words) == wanted)
}

/// Whether expressions are those of a record. Nothing where one of them has no form here.
pub fn same(expressions: &[KExpr<'_>], record: &[String]) -> Option<bool> {
    if record.is_empty() {
        return None;
    }
    let lines: Vec<&String> = record.iter().filter(|line| line.trim_start().starts_with('[')).collect();
    let ours: Vec<Line> = expressions.iter().map(show).collect::<Option<_>>()?;
    let one = |(ours, wanted): (&Line, &&String)| {
        let (words, values) = recorded(wanted);
        words == ours.words
            && values.len() == ours.values.len()
            && values.iter().zip(&ours.values).all(|(wanted, bytes)| equal(bytes, wanted))
    };
    Some(ours.len() == lines.len() && ours.iter().zip(&lines).all(one))
}
