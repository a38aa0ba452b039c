//! Asks a table through the library, and shows its cells as text.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use eetf::Term;
use portcullis::error::RequestError;
use portcullis::netlink::dump::Links;
use portcullis::op::Role;
use portcullis::protocol::tables;
use portcullis::table::{Asked, Context, Rows};
use portcullis::wire::chunk::{Chunk, Slice};
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;

use super::support::{atoms, encode, integer, map};

/// A row: what stands under each column.
pub type Row = BTreeMap<String, String>;

/// Runs `test` on a thread of its own in a network of its own. What it starts, and the sockets that it opens, are in that network too.
pub fn network<T: Send>(test: impl FnOnce() -> T + Send) -> Option<T> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs a network namespace, which only root can make");
        return None;
    }
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            run("ip link set lo up");
            test()
        });
        Some(inside.join().unwrap())
    })
}

/// What a command prints.
pub fn run(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A query that has not begun; all columns where none are named.
pub fn query(table: &str, columns: &[&str], conditions: &[(&str, Term)]) -> Box<dyn Rows> {
    let (names, conditions) = (encode(&atoms(columns)), encode(&map(conditions)));
    let names = validate(&names, &Bounds::PROC).unwrap();
    let conditions = validate(&conditions, &Bounds::PROC).unwrap();
    let asked = Asked {
        columns: (!columns.is_empty()).then_some(names.term()),
        conditions: Some(conditions.term()),
        limit: u64::MAX,
        cell_max: 4096,
        interval: None,
        at: At::Top,
    };
    tables::named(Role::Proc, table).unwrap().query(&asked).unwrap()
}

/// One slice, and the rows of it.
pub fn slice(rows: &mut dyn Rows, links: &mut Links) -> Result<(Slice, Vec<Row>), RequestError> {
    let mut chunk = Chunk::default();
    let until = Instant::now() + Duration::from_millis(2);
    let slice = rows.slice(&mut Context::with(links), &mut chunk, until)?;
    let (bytes, count) = chunk.rows();
    let count = u32::try_from(count).unwrap().to_be_bytes();
    let list =
        if bytes.is_empty() { vec![131, 106] } else { [&[131, 108], &count[..], bytes, &[106]].concat() };
    let names: Vec<String> = rows.columns().iter().map(|name| name.name().to_owned()).collect();
    let Term::List(list) = Term::decode(&list[..]).unwrap() else { panic!() };
    let row = |term: &Term| {
        let Term::Tuple(cells) = term else { panic!("{term}") };
        names.iter().cloned().zip(cells.elements.iter().map(shown)).collect()
    };
    Ok((slice, list.elements.iter().map(row).collect()))
}

/// All rows.
pub fn all(rows: &mut dyn Rows, links: &mut Links) -> Result<Vec<Row>, RequestError> {
    let mut found = Vec::new();
    loop {
        let (end, more) = slice(rows, links)?;
        found.extend(more);
        if let Slice::Waiting(time) = end {
            std::thread::sleep(time.saturating_duration_since(Instant::now()));
        }
        if end == Slice::End {
            return Ok(found);
        }
    }
}

/// All rows of a query.
pub fn ask(table: &str, columns: &[&str], conditions: &[(&str, Term)]) -> Vec<Row> {
    all(query(table, columns, conditions).as_mut(), &mut Links::unpinned()).unwrap()
}

/// A cell as text: addresses as people write them, bytes escaped.
fn shown(cell: &Term) -> String {
    match cell {
        Term::Binary(b) => format!("<{}>", b.bytes.escape_ascii()),
        Term::Atom(a) => a.name.clone(),
        Term::Tuple(t) => {
            let numbers: Vec<u16> = t.elements.iter().map(|n| integer(n).try_into().unwrap()).collect();
            match numbers.len() {
                4 => IpAddr::from([0, 1, 2, 3].map(|n| u8::try_from(numbers[n]).unwrap())).to_string(),
                8 => IpAddr::from(<[u16; 8]>::try_from(numbers).unwrap()).to_string(),
                _ => panic!("{cell}"),
            }
        }
        Term::FixInteger(_) | Term::BigInteger(_) => integer(cell).to_string(),
        other => panic!("{other}"),
    }
}

/// The rows, sorted, with only these columns in each.
pub fn only(rows: &[Row], columns: &[&str]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect();
    rows.sort();
    rows
}
