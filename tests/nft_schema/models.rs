//! Whatever the model can say and the schema has a word for, made at random.

use std::borrow::Cow;

use portcullis::nft::model::*;
use portcullis::nft::schema::part_of;
use portcullis::nft::tables::{
    CT_KEYS, HeaderKind, META_KEYS, Protocol, Tunnel, dccp_option, headers, protocol,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Bytes that a name can have: any but NUL.
pub fn name() -> impl Strategy<Value = Text> {
    vec(1_u8.., 1..12).prop_map(Cow::Owned)
}

fn word() -> impl Strategy<Value = Expr> {
    vec(1_u8.., 1..12)
        .prop_filter("a set", |bytes| bytes[0] != b'@')
        .prop_map(|bytes| Expr::Text(Cow::Owned(bytes)))
}

fn field() -> impl Strategy<Value = &'static portcullis::nft::tables::Field> {
    let known: Vec<&'static Protocol> =
        ["ether", "vlan", "arp", "ip", "ip6", "icmp", "icmpv6", "tcp", "udp", "sctp", "th", "ah"]
            .iter()
            .filter_map(|name| protocol(name))
            .collect();
    assert!(known.len() > 10);
    let fields: Vec<_> = known.iter().flat_map(|p| p.fields.iter()).collect();
    select(fields)
}

fn header() -> impl Strategy<Value = Expr> {
    let mut all = Vec::new();
    for kind in [HeaderKind::Ipv6, HeaderKind::TcpOption, HeaderKind::IpOption, HeaderKind::SctpChunk] {
        for header in headers(kind) {
            all.push(Expr::Exthdr(header, None));
            all.extend(header.fields.iter().map(|field| Expr::Exthdr(header, Some(field))));
        }
    }
    all.push(Expr::Exthdr(dccp_option(77).unwrap(), None));
    select(all)
}

fn modulus() -> impl Strategy<Value = Modulus> {
    (1_u32.., any::<u32>(), any::<bool>())
        .prop_map(|(modulus, offset, zero)| Modulus { modulus, offset: if zero { 0 } else { offset } })
}

/// What is asked of the kernel.
fn asked() -> impl Strategy<Value = Expr> {
    let family = || of(select(vec![Family::Ip, Family::Ip6]));
    let rt = (0_u8..5, family()).prop_map(|(key, family)| {
        // `nexthop` of IPv6 has that family with it.
        let key = match (key, family) {
            (1 | 2, Some(Family::Ip6)) => 2,
            (1 | 2, _) => 1,
            (key, _) => key,
        };
        Expr::Rt(Rt { key, family })
    });
    let socket = (0_u8..4, of(any::<u32>()))
        .prop_map(|(key, level)| Expr::Socket(Socket { key, level: level.filter(|_| key == 3) }));
    let osf = (any::<bool>(), 0_u8..3).prop_map(|(version, ttl)| Expr::Osf(Osf { version, ttl }));
    let fib = (1_u8..4, 0_u32..32, any::<bool>()).prop_map(|(result, flags, check)| {
        Expr::Fib(Fib { result, flags: flags | if check && result == 1 { 32 } else { 0 } })
    });
    let ipsec = (1_u8..7, 0_u8..2, any::<u32>())
        .prop_map(|(key, direction, spnum)| Expr::Ipsec(Ipsec { key, direction, spnum }));
    let numgen =
        (any::<bool>(), modulus()).prop_map(|(random, modulus)| Expr::Numgen(Numgen { random, modulus }));
    prop_oneof![rt, socket, osf, fib, ipsec, numgen, modulus().prop_map(Expr::Symhash)]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Drop),
        Just(Verdict::Continue),
        Just(Verdict::Return),
        name().prop_map(Verdict::Jump),
        name().prop_map(Verdict::Goto),
    ]
}

fn leaf() -> impl Strategy<Value = Expr> {
    let tunnel = select(vec![Tunnel::Vxlan, Tunnel::Geneve, Tunnel::Gre, Tunnel::Gretap]);
    let base = select(vec![Base::Link, Base::Network, Base::Transport, Base::Inner]);
    let ct =
        (select(CT_KEYS.iter().collect::<Vec<_>>()), of(select(vec![Direction::Original, Direction::Reply])))
            .prop_map(|(key, direction)| Expr::Ct(Ct { key, direction }));
    prop_oneof![
        any::<u64>().prop_map(Expr::Int),
        word(),
        any::<bool>().prop_map(Expr::Bool),
        name().prop_map(Expr::SetRef),
        field().prop_map(Expr::Payload),
        (tunnel, field()).prop_map(|(tunnel, field)| Expr::Inner(tunnel, field)),
        (base, 0_u32..2048, 1_u32..513).prop_map(|(base, offset, len)| Expr::RawPayload(RawPayload {
            base,
            offset,
            len
        })),
        header(),
        (any::<u8>(), 0_u32..2048, 0_u32..513).prop_map(|(kind, offset, len)| Expr::RawOption(RawOption {
            kind,
            offset,
            len
        })),
        select(META_KEYS.iter().collect::<Vec<_>>()).prop_map(Expr::Meta),
        ct,
        asked(),
        verdict().prop_map(Expr::Verdict),
    ]
}

/// Milliseconds that are whole seconds, as the schema has them.
fn seconds() -> impl Strategy<Value = u64> {
    (0..=u64::MAX / 1000).prop_map(|s| s * 1000)
}

pub fn expr() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(4, 32, 4, |inner| {
        let two = (inner.clone(), inner.clone()).prop_map(|(a, b)| Box::new([a, b])).boxed();
        let pair = two.clone().prop_map(Expr::Pair);
        // A list inside a set is a pair.
        let element = prop_oneof![inner.clone().prop_filter("a list", |e| !matches!(e, Expr::List(_))), pair];
        let set = vec(element, 1..4).prop_map(Expr::Set).boxed();
        let data = prop_oneof![set.clone(), name().prop_map(Expr::SetRef)];
        let op = select(vec![Binop::Or, Binop::And, Binop::Xor, Binop::Left, Binop::Right]);
        let elem = (inner.clone(), of(seconds()), of(seconds()), of(name()), kept()).prop_map(
            |(value, timeout_ms, expires_ms, comment, statements)| {
                Expr::Elem(Box::new(Elem { value, timeout_ms, expires_ms, comment, statements }))
            },
        );
        prop_oneof![
            two.clone().prop_map(Expr::Range),
            (inner.clone(), 0_u32..513).prop_map(|(addr, len)| Expr::Prefix(Box::new(addr), len)),
            set,
            vec(inner.clone(), 2..5).prop_map(Expr::Concat),
            vec(inner.clone(), 1..5).prop_map(Expr::List),
            (op, two).prop_map(|(op, both)| Expr::Binop(op, both)),
            (inner.clone(), data).prop_map(|(key, data)| Expr::Map(Box::new([key, data]))),
            (inner, modulus(), of(any::<u32>()))
                .prop_map(|(expr, modulus, seed)| Expr::Jhash(Box::new(Jhash { expr, modulus, seed }))),
            elem,
        ]
    })
}

fn limit() -> impl Strategy<Value = Limit> {
    let rate = prop_oneof![any::<u64>(), (0_u64..1000).prop_map(|n| n << 20)];
    (rate, select(vec![1_u64, 60, 3600, 86_400, 604_800]), any::<u32>(), any::<bool>(), any::<bool>())
        .prop_map(|(rate, per_s, burst, bytes, over)| Limit { rate, per_s, burst, bytes, over })
}

fn quota() -> impl Strategy<Value = Quota> {
    (any::<u64>(), 0_u64..5000, any::<bool>()).prop_map(|(bytes, used, over)| Quota {
        bytes,
        used: used << 10,
        over,
    })
}

fn counter() -> impl Strategy<Value = Counter> {
    (any::<u64>(), any::<u64>()).prop_map(|(packets, bytes)| Counter { packets, bytes })
}

fn stateful() -> impl Strategy<Value = Statement> {
    prop_oneof![
        counter().prop_map(Statement::Counter),
        limit().prop_map(Statement::Limit),
        quota().prop_map(Statement::Quota),
        of(any::<u64>()).prop_map(Statement::Last),
        (any::<u32>(), any::<bool>()).prop_map(|(count, over)| Statement::CtCount(count, over)),
    ]
}

/// What elements keep.
fn kept() -> impl Strategy<Value = Vec<Statement>> {
    vec(stateful(), 0..3)
}

/// The sum of some bits.
fn bits(of: &'static [u32]) -> impl Strategy<Value = u32> {
    subsequence(of, 0..=of.len()).prop_map(|bits| bits.iter().sum())
}

fn nat() -> impl Strategy<Value = Statement> {
    let family = of(select(vec![Family::Ip, Family::Ip6]));
    let kind = select(vec![NatKind::Snat, NatKind::Dnat, NatKind::Masquerade, NatKind::Redirect]);
    (kind, family, of(expr()), of(expr()), bits(&[4, 8, 16, 64]), bits(&[1, 2, 4])).prop_map(
        |(kind, family, addr, port, flags, type_flags)| {
            let mut nat = Nat { kind, family, addr, port, flags, type_flags };
            if matches!(kind, NatKind::Masquerade | NatKind::Redirect) {
                (nat.family, nat.addr, nat.type_flags) = (None, None, 0);
            }
            Statement::Nat(nat)
        },
    )
}

fn log() -> impl Strategy<Value = Statement> {
    let fields = (of(name()), of(any::<u16>()), of(any::<u32>()), of(any::<u16>()), of(0_u8..9));
    (fields, bits(&[1, 2, 4, 8, 32])).prop_map(|((prefix, group, snaplen, queue_threshold, level), flags)| {
        Statement::Log(Log { prefix, group, snaplen, queue_threshold, level, flags })
    })
}

fn reject() -> impl Strategy<Value = Statement> {
    let kind = select(vec![IcmpKind::V4, IcmpKind::V6, IcmpKind::Either]);
    let some = (kind, any::<u8>()).prop_map(|(kind, code)| Reject::Icmp(kind, code));
    prop_oneof![Just(Reject::Default), Just(Reject::TcpReset), some].prop_map(Statement::Reject)
}

fn mapping() -> impl Strategy<Value = (Expr, Expr)> {
    let pair = (leaf(), leaf()).prop_map(|(a, b)| Expr::Pair(Box::new([a, b])));
    let data = prop_oneof![vec(pair, 1..4).prop_map(Expr::Set), name().prop_map(Expr::SetRef)];
    (expr(), data)
}

fn object() -> impl Strategy<Value = Statement> {
    let kind = select(vec![
        ObjectKind::Counter,
        ObjectKind::Quota,
        ObjectKind::CtHelper,
        ObjectKind::Limit,
        ObjectKind::CtTimeout,
        ObjectKind::Secmark,
        ObjectKind::CtExpectation,
        ObjectKind::Synproxy,
    ]);
    let which = prop_oneof![
        name().prop_map(Expr::Text),
        mapping().prop_map(|(key, data)| Expr::Map(Box::new([key, data]))),
    ];
    (kind, which).prop_map(|(kind, which)| Statement::Object(kind, which))
}

fn elsewhere() -> impl Strategy<Value = Statement> {
    let family = || select(vec![Family::Ip, Family::Ip6]);
    let queue =
        (of(expr()), 0_u16..4).prop_map(|(num, flags)| Statement::Queue(Box::new(Queue { num, flags })));
    let tproxy = (of(family()), of(expr()), expr()).prop_map(|(family, addr, port)| {
        Statement::Tproxy(Box::new(Tproxy { family, addr, port: Some(port) }))
    });
    let synproxy = (any::<u16>(), 0_u8..15, bits(&[1, 2, 4, 8])).prop_map(|(mss, wscale, flags)| {
        let mss = if flags & 1 == 0 { 0 } else { mss };
        Statement::Synproxy(mss, if flags & 2 == 0 { 0 } else { wscale }, flags)
    });
    prop_oneof![
        queue,
        tproxy,
        (expr(), of(expr())).prop_map(|(addr, dev)| Statement::Dup(Some(addr), dev)),
        (expr(), of((family(), expr()))).prop_map(|(dev, addr)| Statement::Fwd(dev, addr)),
        synproxy,
    ]
}

pub fn statement() -> impl Strategy<Value = Statement> {
    let op = select(vec![
        Relation::Equal,
        Relation::NotEqual,
        Relation::Less,
        Relation::Greater,
        Relation::LessOrEqual,
        Relation::GreaterOrEqual,
        Relation::In,
        Relation::NotIn,
    ]);
    let dynset_op = select(vec![DynsetOp::Add, DynsetOp::Update, DynsetOp::Delete]);
    let dynset = (dynset_op, expr(), of(expr()), name(), vec(stateful(), 0..3)).prop_map(
        |(op, elem, data, set, statements)| {
            Statement::Dynset(Box::new(Dynset { op, elem, data, set, statements }))
        },
    );
    let option = headers(HeaderKind::TcpOption).iter().map(|h| Expr::Exthdr(h, None)).collect::<Vec<_>>();
    prop_oneof![
        (op, expr(), expr()).prop_map(|(op, left, right)| Statement::Match(Match { op, left, right })),
        verdict().prop_map(Statement::Verdict),
        mapping().prop_map(|(key, data)| Statement::Vmap(key, data)),
        stateful(),
        log(),
        reject(),
        nat(),
        (expr(), expr()).prop_map(|(key, value)| Statement::Mangle(key, value)),
        Just(Statement::Notrack),
        select(option).prop_map(Statement::Reset),
        dynset,
        object(),
        elsewhere(),
    ]
}

fn table_ref() -> impl Strategy<Value = TableRef> {
    (select(Family::ALL), name()).prop_map(|(family, name)| TableRef { family, name })
}

pub fn table() -> impl Strategy<Value = Table> {
    (table_ref(), of(any::<u64>()), 0_u32..8, of(name())).prop_map(|(id, handle, flags, comment)| Table {
        id,
        handle,
        flags,
        comment,
    })
}

pub fn chain() -> impl Strategy<Value = Chain> {
    let kind = select(vec!["filter", "nat", "route"]).prop_map(|kind| Cow::Borrowed(kind.as_bytes()));
    let base = (kind, 0_u32..2, any::<i32>(), of(any::<bool>()), vec(name(), 0..4), any::<bool>()).prop_map(
        |(kind, hook, priority, accepts, devices, offload)| BaseChain {
            kind,
            hook,
            priority,
            accepts,
            devices,
            offload,
        },
    );
    (table_ref(), name(), of(any::<u64>()), of(base), of(name()))
        .prop_map(|(table, name, handle, base, comment)| Chain { table, name, handle, base, comment })
}

pub fn rule() -> impl Strategy<Value = Rule> {
    (table_ref(), name(), of(any::<u64>()), vec(statement(), 1..4), of(name())).prop_map(
        |(table, chain, handle, statements, comment)| Rule { table, chain, handle, statements, comment },
    )
}

/// Named types, or those of expressions.
fn datum() -> impl Strategy<Value = Datum> {
    let named = select(vec![
        (Type::Ipv4Addr, 32, Order::Network),
        (Type::Ipv6Addr, 128, Order::Network),
        (Type::InetService, 16, Order::Network),
        (Type::Mark, 32, Order::Host),
        (Type::Ifname, 128, Order::Host),
        (Type::Dscp, 6, Order::Network),
    ])
    .prop_map(|(ty, bits, order)| Part { ty, bits, order });
    let read = prop_oneof![
        field().prop_map(Expr::Payload),
        select(META_KEYS.iter().collect::<Vec<_>>()).prop_map(Expr::Meta)
    ];
    let typeof_ = vec(read, 1..4).prop_map(|mut all| {
        let parts = all.iter().map(|one| part_of(one, Family::Inet).unwrap()).collect();
        let of = if all.len() == 1 { all.remove(0) } else { Expr::Concat(all) };
        Datum { parts, of: Some(of) }
    });
    prop_oneof![vec(named, 1..4).prop_map(|parts| Datum { parts, of: None }), typeof_]
}

pub fn set() -> impl Strategy<Value = Set> {
    // What a map maps to is written by its types where they have names.
    let data = prop_oneof![
        datum().prop_filter("typeof", |d| d.of.is_none()).prop_map(MapData::Values),
        Just(MapData::Verdicts),
        Just(MapData::Objects(ObjectKind::Counter)),
        Just(MapData::Objects(ObjectKind::CtHelper)),
    ];
    let head = (table_ref(), name(), of(any::<u64>()), datum(), of(data), bits(&[2, 4, 16, 32]));
    let gc = of((0_u32..4_294_967).prop_map(|s| s * 1000));
    let more = (of(seconds()), gc, of(any::<u32>()), of(Just(1)), any::<bool>(), of(name()), kept());
    (head, more).prop_map(|((table, name, handle, key, data, mut flags), more)| {
        let (timeout_ms, gc_ms, size, policy, auto_merge, comment, statements) = more;
        match data {
            None => {}
            Some(MapData::Objects(_)) => flags |= set_flag::OBJECT,
            Some(_) => flags |= set_flag::MAP,
        }
        if timeout_ms.is_some() {
            flags |= set_flag::TIMEOUT;
        }
        if key.parts.len() > 1 && flags & set_flag::INTERVAL != 0 {
            flags |= set_flag::CONCAT;
        }
        let policy = policy.map(|n: u32| n);
        Set {
            table,
            name,
            handle,
            key,
            data,
            flags,
            timeout_ms,
            gc_ms,
            size,
            policy,
            auto_merge,
            comment,
            statements,
        }
    })
}

pub fn named_object() -> impl Strategy<Value = Object> {
    let state = prop_oneof![
        counter().prop_map(ObjectState::Counter),
        quota().prop_map(ObjectState::Quota),
        limit().prop_map(ObjectState::Limit),
    ];
    (table_ref(), name(), of(any::<u64>()), of(name()), state)
        .prop_map(|(table, name, handle, comment, state)| Object { table, name, handle, comment, state })
}
