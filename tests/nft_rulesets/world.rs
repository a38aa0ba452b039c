//! The firewall of the test's network, driven as the port drives it: JSON is read, judged by a policy, carried out.

use std::time::{Duration, Instant};

use portcullis::capability::Capabilities;
use portcullis::error::{RequestError, Step, Why};
use portcullis::nft::action::{ApplyNft, ReadNft};
use portcullis::nft::args::How;
use portcullis::nft::firewall::{Applied, Firewall};
use portcullis::nft::listing::{Form, Listing, Wanted};
use portcullis::nft::transport::{Link, ROOM};
use portcullis::nft::{point, schema};
use portcullis::policy::{Policy, authorize, parse::parse};
use portcullis::sys::netlink::Socket;
use portcullis::wire::chunk::{Chunk, Slice};
use portcullis::wire::json::to_term;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;
use portcullis::wire::term::Term;
use serde_json::{Map, Value, json};

/// What the port has of a firewall: what may be done with it, and the firewall.
pub struct World {
    policy: Policy,
    pub firewall: Firewall,
}

/// Of the tables of that family and name, everything may be changed.
pub fn policy(tables: &[(&str, &str)]) -> Policy {
    let entries: Vec<String> = tables
        .iter()
        .map(|(family, name)| format!("{{ family = \"{family}\", table = \"{name}\", all = true }}"))
        .collect();
    let text = format!(
        "version = 1\n[nft]\nread = true\nconfirm = \"optional\"\nwrite = [{}]\n",
        entries.join(", ")
    );
    Policy::of(parse(text.as_bytes()).unwrap(), String::new())
}

pub fn link() -> Link {
    Link::on(Socket::open(ROOM).unwrap())
}

impl World {
    pub fn new(tables: &[(&str, &str)]) -> Self {
        Self { policy: policy(tables), firewall: Firewall::over(link(), link()) }
    }

    /// Of whom the policy grants what `write` says, an entry of the list.
    pub fn partly(write: &str) -> Self {
        let text = format!("version = 1\n[nft]\nread = true\nconfirm = \"optional\"\nwrite = [{write}]\n");
        let policy = Policy::of(parse(text.as_bytes()).unwrap(), String::new());
        Self { policy, firewall: Firewall::over(link(), link()) }
    }

    /// Makes a change: a list of commands, or a document.
    pub fn apply_with(&mut self, commands: &Value, how: How) -> Result<Applied, RequestError> {
        self.change(&commands.to_string(), how)
    }

    fn change(&mut self, commands: &str, how: How) -> Result<Applied, RequestError> {
        let term = to_term(commands.as_bytes(), &Bounds::NET).unwrap();
        let accepted = validate(&term, &Bounds::NET).unwrap();
        let commands = schema::commands(accepted.term(), &At::Top)?;
        let action = ApplyNft::new(commands, how.confirm.is_some() || how.check);
        let permit =
            authorize(&self.policy, Capabilities::NONE, action).map_err(RequestError::DeniedByPolicy)?;
        let applied = self.firewall.apply(permit, how, Instant::now());
        applied.map_err(|e| schema::placed(e, accepted.term(), &At::Top))
    }

    pub fn apply(&mut self, commands: &Value) -> Result<Applied, RequestError> {
        self.apply_with(commands, How::default())
    }

    /// The same as text, which can say what a [`Value`] cannot.
    pub fn apply_text(&mut self, commands: &str) -> Result<Applied, RequestError> {
        self.change(commands, How::default())
    }

    /// A change that has to be confirmed; its reference.
    pub fn apply_for(&mut self, commands: &Value, within: Duration) -> Result<u64, RequestError> {
        let how = How { confirm: Some(within), ..How::default() };
        self.apply_with(commands, how).map(|applied| applied.reference.unwrap())
    }

    fn rows(&mut self, what: &Value, form: Form) -> Result<Vec<Vec<u8>>, RequestError> {
        let term = to_term(what.to_string().as_bytes(), &Bounds::NET).unwrap();
        let accepted = validate(&term, &Bounds::NET).unwrap();
        let what = schema::listing(accepted.term(), &At::Top)?;
        let permit = authorize(&self.policy, Capabilities::NONE, ReadNft).unwrap();
        let mut listing = match Wanted::of(&what) {
            Some(wanted) => Listing::new(permit, wanted, form),
            None => point::elements(self.firewall.link().unwrap(), permit, &what, form)?,
        };
        self.drain(&mut listing)
    }

    /// Everything that a listing says: chunks of rows, each a list.
    pub fn drain(&mut self, listing: &mut Listing) -> Result<Vec<Vec<u8>>, RequestError> {
        let mut chunks = Vec::new();
        let mut chunk = Chunk::default();
        loop {
            let until = Instant::now() + Duration::from_millis(1);
            let slice = listing.slice(&mut self.firewall, &mut chunk, until)?;
            if slice != Slice::Paused {
                let (bytes, count) = chunk.rows();
                if count > 0 {
                    let head = [&[131, 108][..], &u32::try_from(count).unwrap().to_be_bytes()].concat();
                    chunks.push([&head, bytes, &[106]].concat());
                }
                chunk.clear();
            }
            if slice == Slice::End {
                return Ok(chunks);
            }
        }
    }

    /// What is listed, as terms: the objects.
    pub fn list(&mut self, what: &Value) -> Result<Vec<Value>, RequestError> {
        let mut objects = Vec::new();
        for chunk in self.rows(what, Form::Terms)? {
            each_row(&chunk, |row| objects.push(term(row)));
        }
        Ok(objects)
    }

    /// What is listed, as text.
    pub fn list_text(&mut self, what: &Value) -> Result<Vec<u8>, RequestError> {
        let mut text = Vec::new();
        for chunk in self.rows(what, Form::Text)? {
            each_row(&chunk, |row| match row {
                Term::Binary(part) => text.extend(part),
                other => panic!("{other:?} is no text"),
            });
        }
        Ok(text)
    }

    pub fn ruleset(&mut self) -> Vec<Value> {
        self.list(&json!("ruleset")).unwrap()
    }
}

/// Rows are tuples of one.
fn each_row(chunk: &[u8], mut see: impl FnMut(Term<'_>)) {
    let bounds = Bounds { bytes: 16 << 20, depth: 64, terms: 1 << 21, map_pairs: 64 };
    let accepted = validate(chunk, &bounds).unwrap();
    let Term::List(rows) = accepted.term() else { panic!("no rows") };
    for row in rows {
        let Term::Tuple(mut columns) = row else { panic!("{row:?} is no row") };
        see(columns.next().unwrap());
        assert!(columns.next().is_none());
    }
}

/// A term as JSON. Fails where a map has a key twice.
fn term(term_: Term<'_>) -> Value {
    match term_ {
        Term::Atom("null") => Value::Null,
        Term::Atom("true") => true.into(),
        Term::Atom("false") => false.into(),
        Term::Integer(n) => i64::try_from(n).map_or_else(|_| u64::try_from(n).unwrap().into(), Value::from),
        Term::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Term::List(items) => items.map(term).collect(),
        Term::Map(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let Term::Atom(key) = key else { panic!("{key:?} is not an atom") };
                assert!(map.insert(key.to_owned(), term(value)).is_none(), "{key} stands twice");
            }
            Value::Object(map)
        }
        other => panic!("{other:?}"),
    }
}

/// The objects of a listing as commands that make them: without the kernel's numbers.
pub fn commands(objects: &[Value]) -> Value {
    let one = |object: &Value| {
        let mut object = object.clone();
        for (_, fields) in object.as_object_mut().unwrap() {
            fields.as_object_mut().unwrap().remove("handle");
        }
        object
    };
    objects.iter().map(one).collect()
}

/// Whether there is something in it that the schema has no words for.
pub fn is_opaque(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            map.iter().any(|(key, value)| key == "opaque" || key == "object" || is_opaque(value))
        }
        Value::Array(items) => items.iter().any(is_opaque),
        _ => false,
    }
}

/// The family and the name of every table in a document.
pub fn tables(objects: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tables = objects.iter().filter_map(|object| object.get("table"));
    tables.map(|table| (text(&table["family"]), text(&table["name"]))).collect()
}

/// The way to what is wrong, and what is wrong.
pub fn bad(error: RequestError) -> (String, Why) {
    let RequestError::BadRequest(path, why) = error else { panic!("{error:?}") };
    let step = |step: &Step| match step {
        Step::Key(key) => (*key).to_owned(),
        Step::Unknown(name) => format!("?{}", String::from_utf8_lossy(name)),
        Step::Index(n) => n.to_string(),
    };
    (path.iter().map(step).collect::<Vec<_>>().join("."), why)
}
