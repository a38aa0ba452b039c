//! Bans: each address for the longest time that was asked for, and packets are the proof.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use portcullis::capability::Capabilities;
use portcullis::error::RequestError;
use portcullis::nft::action::{ApplyNft, ChangeNft, ReadNft};
use portcullis::nft::args::How;
use portcullis::nft::ban::{self, Held, Near, Network, Plan};
use portcullis::nft::firewall::Firewall;
use portcullis::nft::intervals::Interval;
use portcullis::nft::listing::{Form, Listing, Wanted};
use portcullis::nft::model::{Command, Creation, Target, Text};
use portcullis::policy::{Policy, authorize};
use portcullis::wire::json::to_term;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::term::{Items, Term};
use serde_json::{Value, json};

use crate::held::comparable;
use crate::nft_support::{network, nft, nft_list, nft_text, raw};
use crate::world::{World, link, policy};

const TABLES: &[(&str, &str)] = &[("inet", "portcullis")];

struct Bans {
    policy: Policy,
    firewall: Firewall,
}

fn of(text: &str) -> Network {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().unwrap();
    let width = if address.is_ipv4() { 32 } else { 128 };
    Network::new(address, bits.parse().unwrap_or(width)).unwrap()
}

impl Bans {
    fn new() -> Self {
        Self { policy: policy(TABLES), firewall: Firewall::over(link(), link()) }
    }

    /// What `exec` does with a request, without its records.
    fn settle(
        &mut self,
        verb: &str,
        network: Network,
        plan: impl Fn(&Near) -> Plan,
    ) -> Result<bool, RequestError> {
        let name = ban::set_name(network.width());
        let change = ChangeNft::element(verb, &ban::table(), name);
        let permit = authorize(&self.policy, Capabilities::NONE, change).unwrap();
        let (generation, near) = self.firewall.near(&permit, &network)?;
        let plan = plan(&near);
        let mut commands = if verb == "add_element" { ban::set_up(&near) } else { Vec::new() };
        if plan == Plan::default() && commands.is_empty() {
            return Ok(false);
        }
        let width = network.width();
        let gone: Vec<Value> = plan.delete.iter().map(|one| range(*one, width)).collect();
        let new: Vec<Value> = plan.add.iter().map(|held| element(held, width)).collect();
        let (gone, new) = (body(&gone), body(&new));
        let (table, name) = (ban::table(), Text::Borrowed(name.as_bytes()));
        if !plan.delete.is_empty() {
            commands.push(Command::Delete(Target::Elements(table.clone(), name.clone(), items(&gone))));
        }
        if !plan.add.is_empty() {
            commands.push(Command::Add(Creation::Elements(table, name, items(&new))));
        }
        let action = ApplyNft::of_bans(commands, verb);
        let permit =
            authorize(&self.policy, Capabilities::NONE, action).map_err(RequestError::DeniedByPolicy)?;
        let how = How { generation: Some(generation), ..How::default() };
        self.firewall.apply(permit, how, Instant::now()).map(|_| plan != Plan::default())
    }

    fn ban(&mut self, network: &str, seconds: Option<u64>) -> bool {
        let network = of(network);
        let new = Held { interval: network.interval(), left: seconds, comment: Some(b"why".to_vec()) };
        self.settle("add_element", network, |near| ban::ban(&near.held, &new)).unwrap()
    }

    fn unban(&mut self, network: &str) -> bool {
        let network = of(network);
        self.settle("del_element", network, |near| ban::unban(&near.held, network.interval())).unwrap()
    }

    /// Address and bits, the seconds asked for, packets.
    fn banned(&mut self) -> Vec<(String, Option<u64>, u64)> {
        let permit = authorize(&self.policy, Capabilities::NONE, ReadNft).unwrap();
        let mut listing = Listing::new(permit, Wanted::whole_sets(ban::table()), Form::Bans);
        let mut world = World::new(TABLES);
        let mut all = Vec::new();
        for chunk in world.drain(&mut listing).unwrap() {
            let accepted = validate(&chunk, &Bounds::NET).unwrap();
            let Term::List(rows) = accepted.term() else { panic!("no rows") };
            all.extend(rows.map(row));
        }
        all.sort();
        all
    }

    fn names(&mut self) -> Vec<String> {
        self.banned().into_iter().map(|(name, ..)| name).collect()
    }
}

fn row(term: Term<'_>) -> (String, Option<u64>, u64) {
    let Term::Tuple(columns) = term else { panic!("{term:?}") };
    let columns: Vec<Term<'_>> = columns.collect();
    assert_eq!(columns.len(), 7);
    let number = |term: &Term<'_>| match term {
        Term::Integer(n) => Some(u64::try_from(*n).unwrap()),
        Term::Atom("undefined") => None,
        other => panic!("{other:?}"),
    };
    let Term::Tuple(parts) = columns[0] else { panic!("no address") };
    let parts: Vec<u64> = parts.map(|part| number(&part).unwrap()).collect();
    let address = if parts.len() == 4 {
        parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
    } else {
        let groups: [u16; 8] = std::array::from_fn(|n| u16::try_from(parts[n]).unwrap());
        IpAddr::from(groups).to_string()
    };
    let name = format!("{address}/{}", number(&columns[1]).unwrap());
    if let (Some(timeout), Some(left)) = (number(&columns[2]), number(&columns[3])) {
        assert!(left <= timeout, "{left} of {timeout} ms are left");
    }
    (name, number(&columns[2]).map(|ms| ms / 1000), number(&columns[5]).unwrap())
}

fn address(n: u128, width: u32) -> String {
    match u32::try_from(n) {
        Ok(n) if width == 32 => IpAddr::from(n.to_be_bytes()).to_string(),
        _ => IpAddr::from(n.to_be_bytes()).to_string(),
    }
}

fn range(interval: Interval, width: u32) -> Value {
    let (first, last) = (address(interval.first, width), address(interval.last, width));
    if first == last { json!(first) } else { json!({ "range": [first, last] }) }
}

fn element(held: &Held, width: u32) -> Value {
    let mut element = json!({ "val": range(held.interval, width) });
    if let Some(left) = held.left {
        element["timeout"] = left.into();
    }
    if let Some(comment) = &held.comment {
        element["comment"] = String::from_utf8(comment.clone()).unwrap().into();
    }
    json!({ "elem": element })
}

fn body(items: &[Value]) -> Vec<u8> {
    to_term(Value::from(items).to_string().as_bytes(), &Bounds::NET).unwrap()
}

fn items(body: &[u8]) -> Items<'_> {
    match validate(body, &Bounds::NET).unwrap().term() {
        Term::List(items) => items,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ban_again_changes_nothing() {
    network(|| {
        let mut bans = Bans::new();
        let netlink = raw::Netlink::open();
        assert!(bans.names().is_empty(), "no table, nobody banned");
        assert!(!bans.unban("10.0.0.1"), "nothing to take back");
        assert_eq!(nft_text("ruleset").unwrap(), "", "and nothing made for it");
        assert!(bans.ban("10.0.0.1", None));
        let once = comparable(&netlink);
        assert!(!bans.ban("10.0.0.1", None));
        assert!(!bans.ban("10.0.0.1", Some(60)), "for ever is longer");
        assert_eq!(comparable(&netlink), once);
        assert!(bans.unban("10.0.0.1"));
        assert!(!bans.unban("10.0.0.1"));
        assert!(bans.names().is_empty());
    });
}

#[test]
fn the_longest_time_counts() {
    network(|| {
        let mut bans = Bans::new();
        assert!(bans.ban("10.0.0.1", Some(100)));
        assert!(!bans.ban("10.0.0.1", Some(50)));
        assert_eq!(bans.banned(), [("10.0.0.1/32".into(), Some(100), 0)]);
        assert!(bans.ban("10.0.0.1", Some(5000)));
        assert_eq!(bans.banned(), [("10.0.0.1/32".into(), Some(5000), 0)]);
        assert!(bans.ban("10.0.0.1", None));
        assert_eq!(bans.banned(), [("10.0.0.1/32".into(), None, 0)]);
        assert!(bans.ban("10.0.0.2", Some(4)));
        assert_eq!(bans.names().len(), 2);
        let until = Instant::now() + Duration::from_secs(60);
        while bans.names() != ["10.0.0.1/32"] {
            assert!(Instant::now() < until, "its time is over: {:?}", bans.names());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(bans.ban("10.0.0.2", Some(60)), "and it can be banned again");
    });
}

#[test]
fn prefixes_inside_and_around_others() {
    network(|| {
        let mut bans = Bans::new();
        bans.ban("10.0.0.5", None);
        // Around: the address keeps its own time, the rest has the new one.
        assert!(bans.ban("10.0.0.0/29", Some(1000)));
        let expected: Vec<(String, Option<u64>, u64)> = [
            ("10.0.0.0/30", Some(1000)),
            ("10.0.0.4/32", Some(1000)),
            ("10.0.0.5/32", None),
            ("10.0.0.6/31", Some(1000)),
        ]
        .map(|(name, left)| (name.to_owned(), left, 0))
        .to_vec();
        assert_eq!(bans.banned(), expected);
        assert!(!bans.ban("10.0.0.0/29", Some(500)));
        assert!(!bans.ban("10.0.0.0/30", Some(10)), "inside of what is longer");
        // Taking a part back leaves the rest.
        assert!(bans.unban("10.0.0.2"));
        assert_eq!(bans.names(), ["10.0.0.0/31", "10.0.0.3/32", "10.0.0.4/32", "10.0.0.5/32", "10.0.0.6/31"]);
        assert!(bans.unban("10.0.0.0/8"));
        assert!(bans.names().is_empty());
        // All there are, and the last of all.
        assert!(bans.ban("0.0.0.0/0", None));
        assert!(!bans.ban("255.255.255.255", None));
        assert!(bans.unban("255.255.255.255"));
        assert_eq!(bans.names().len(), 32);
        assert!(bans.unban("0.0.0.0/0"));
        assert!(bans.ban("255.255.255.255", None));
        assert_eq!(bans.names(), ["255.255.255.255/32"]);
    });
}

#[test]
fn both_versions_of_ip() {
    network(|| {
        let mut bans = Bans::new();
        assert!(bans.ban("fd00::/16", Some(600)));
        assert!(bans.ban("fd00::5", None));
        assert!(bans.ban("10.0.0.1", None));
        assert!(!bans.ban("fd00:1::/32", Some(60)));
        let names = bans.names();
        assert!(
            names.contains(&"fd00::5/128".to_owned()) && names.contains(&"10.0.0.1/32".to_owned()),
            "{names:?}"
        );
        assert_eq!(names.len(), 2 + 112, "a prefix for each bit that the address has more");
        assert!(bans.unban("fd00::/16"));
        assert_eq!(bans.names(), ["10.0.0.1/32"]);
        assert!(bans.ban("::/0", None));
        assert_eq!(bans.names(), ["10.0.0.1/32", "::/0"]);
    });
}

#[test]
fn what_is_there_is_adopted_and_mended() {
    network(|| {
        let netlink = raw::Netlink::open();
        Bans::new().ban("10.0.0.1", None);
        let whole = comparable(&netlink);
        // Another that starts later finds it, whether or not anything is missing.
        let mut later = Bans::new();
        assert_eq!(later.names(), ["10.0.0.1/32"]);
        assert!(!later.ban("10.0.0.1", None));
        for broken in [
            "flush chain inet portcullis banned",
            "delete chain inet portcullis banned",
            "flush chain inet portcullis banned; delete set inet portcullis banned6",
        ] {
            nft(broken).unwrap();
            assert_ne!(comparable(&netlink), whole, "{broken}");
            assert!(!later.ban("10.0.0.1", None), "the ban itself was there: {broken}");
            assert_eq!(rules_of(&nft_list("ruleset").unwrap()), rules_of_two(), "{broken}");
            assert_eq!(later.names(), ["10.0.0.1/32"]);
        }
        // What somebody else put into the set is seen too.
        nft("add element inet portcullis banned4 { 192.168.0.0/24 timeout 1h }").unwrap();
        assert_eq!(later.names(), ["10.0.0.1/32", "192.168.0.0/24"]);
        assert!(!later.ban("192.168.0.7", Some(60)));
        assert!(later.unban("192.168.0.0/25"));
        assert_eq!(later.names(), ["10.0.0.1/32", "192.168.0.128/25"]);
    });
}

/// The sets that the rules look into, in order.
fn rules_of(listed: &Value) -> Vec<String> {
    let objects = listed["nftables"].as_array().unwrap();
    let rules = objects.iter().filter_map(|object| object.get("rule"));
    let mut sets: Vec<String> =
        rules.map(|rule| rule["expr"][0]["match"]["right"].as_str().unwrap().to_owned()).collect();
    sets.sort();
    sets
}

fn rules_of_two() -> Vec<String> {
    vec!["@banned4".into(), "@banned6".into()]
}

/// Whether a packet comes through.
fn comes_through(from: &str, to: &str) -> bool {
    received(from, to, Duration::from_secs(60))
}

/// Whether it does not: what the kernel lets through is there at once.
fn is_kept_out(from: &str, to: &str) -> bool {
    !received(from, to, Duration::from_millis(200))
}

fn received(from: &str, to: &str, time: Duration) -> bool {
    let receiver = UdpSocket::bind((to.parse::<IpAddr>().unwrap(), 0)).unwrap();
    receiver.set_read_timeout(Some(time)).unwrap();
    let sender = UdpSocket::bind((from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    sender.send_to(b"hello", receiver.local_addr().unwrap()).unwrap();
    receiver.recv(&mut [0; 16]).is_ok()
}

#[test]
fn packets_of_the_banned_are_dropped_and_counted() {
    network(|| {
        let added = std::process::Command::new("ip")
            .args(["addr", "add", "fd00::5/128", "dev", "lo"])
            .status()
            .unwrap();
        assert!(added.success());
        let mut bans = Bans::new();
        assert!(comes_through("127.0.0.5", "127.0.0.1"));
        bans.ban("127.0.0.5", None);
        bans.ban("127.0.1.0/24", Some(600));
        assert!(is_kept_out("127.0.0.5", "127.0.0.1"));
        assert!(is_kept_out("127.0.0.5", "127.0.0.1"));
        assert!(is_kept_out("127.0.1.77", "127.0.0.1"));
        assert!(comes_through("127.0.0.6", "127.0.0.1"));
        assert!(comes_through("127.0.0.1", "127.0.0.5"), "only what comes from there is kept out");
        let counts: Vec<(String, u64)> =
            bans.banned().into_iter().map(|(name, _, packets)| (name, packets)).collect();
        assert_eq!(counts, [("127.0.0.5/32".to_owned(), 2), ("127.0.1.0/24".to_owned(), 1)]);
        // A longer ban of the same, and the chain flushed and mended: still kept out.
        bans.ban("127.0.1.0/24", None);
        nft("flush chain inet portcullis banned").unwrap();
        assert!(comes_through("127.0.1.77", "127.0.0.1"));
        bans.ban("127.0.1.0/24", None);
        assert!(is_kept_out("127.0.1.77", "127.0.0.1"));
        bans.unban("127.0.1.77");
        assert!(comes_through("127.0.1.77", "127.0.0.1"));
        assert!(is_kept_out("127.0.1.78", "127.0.0.1"));
        assert!(comes_through("fd00::5", "::1"));
        bans.ban("fd00::/16", None);
        assert!(is_kept_out("fd00::5", "::1"));
        assert!(comes_through("::1", "::1"));
    });
}
