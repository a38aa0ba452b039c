//! From the arguments to what is to be done. Arguments can only narrow what the installed file allows.
#![forbid(unsafe_code)]

use crate::dist::handshake::name::NodeName;
use crate::error::{Reason, Refusal};
use crate::harden::Start;
use crate::meant::hint;
use crate::op::Role;
use crate::quote::shell;

/// What the user asked for.
#[derive(Debug)]
pub enum Command {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `node`: its file.
    Node(Vec<u8>),
    /// `gateway`: its file.
    Gateway(Vec<u8>),
    /// `dist`.
    Dist(DistCommand),
    /// `dist keys`.
    Keys(KeysCommand),
    /// `doctor`.
    Doctor(Asked),
    /// `policy`.
    Policy(PolicyCommand),
    /// `port`, and the node that it serves, if it serves one.
    Port(Start, Option<NodeName>),
}

/// What `policy` is asked.
#[derive(Debug)]
pub struct PolicyCommand {
    /// Which file; the installed one, if `None`.
    pub file: Option<Vec<u8>>,
    /// For which node; for the host's own applications, if `None`.
    pub peer: Option<NodeName>,
    /// What about it.
    pub ask: Ask,
}

/// A question about a policy.
#[derive(Debug)]
pub enum Ask {
    /// What it says.
    Check,
    /// Whether it grants an operation, given as words.
    Explain(Vec<Vec<u8>>),
    /// What it lacks, by this log; stdin, if `None`.
    Suggest(Option<Vec<u8>>),
}

/// What `dist` is asked.
#[derive(Debug)]
pub struct DistCommand {
    /// The file of the node.
    pub file: Vec<u8>,
    /// It is not in force yet, and may lie anywhere.
    pub draft: bool,
    /// What about it.
    pub ask: DistAsk,
}

/// What is to be done about the broken glass.
#[derive(Debug)]
pub enum GlassCommand {
    /// It is broken.
    Break {
        /// Why.
        reason: String,
        /// For how long; as long as can be, if `None`.
        seconds: Option<u64>,
    },
    /// It is whole again.
    Close,
    /// A key for one-time codes is made.
    CodeKey,
}

/// A question about the file of a node.
#[derive(Debug)]
pub enum DistAsk {
    /// Whether it is right.
    Check,
    /// The broken glass.
    Glass(GlassCommand),
    /// What becomes of a message.
    TestFilter {
        /// The other node.
        node: String,
        /// `in` or `out`.
        direction: String,
        /// The command.
        message: String,
        /// Its target.
        target: Option<String>,
        /// As if the glass were broken.
        glass: bool,
    },
}

/// What `dist keys` is to make.
#[derive(Debug)]
pub struct KeysCommand {
    /// What of it.
    pub make: Make,
    /// Where.
    pub dir: String,
    /// For how many days, if it runs out.
    pub days: Option<u32>,
    /// Where it will lie.
    pub at: Option<String>,
}

/// A thing that nodes know each other by.
#[derive(Debug)]
pub enum Make {
    /// An authority.
    Ca,
    /// A node's certificate.
    Node(String),
    /// A cookie.
    Cookie,
}

/// What `doctor` is to look at.
#[derive(Debug)]
pub struct Asked {
    /// What the file is installed for; what its name says, if `None`.
    pub role: Option<Role>,
    /// Which file; this program's own, if `None`.
    pub file: Option<Vec<u8>>,
}

/// Reads the arguments after the program's name.
pub fn parse(arguments: &[Vec<u8>]) -> Result<Command, Refusal> {
    let mut rest = arguments.iter().map(Vec::as_slice);
    match rest.next() {
        Some(b"--help" | b"-h" | b"help") => Ok(Command::Help),
        Some(b"--version" | b"-V") => Ok(Command::Version),
        Some(b"dist") if arguments.get(1).is_some_and(|word| word == b"keys") => {
            keys(rest.skip(1)).map(Command::Keys)
        }
        Some(b"dist") => dist(rest).map(Command::Dist),
        Some(b"doctor") => doctor(rest).map(Command::Doctor),
        Some(b"gateway") => configured("gateway", rest).map(Command::Gateway),
        Some(b"node") => configured("node", rest).map(Command::Node),
        Some(b"policy") => policy(rest).map(Command::Policy),
        Some(b"port") => port(rest).map(|(start, peer)| Command::Port(start, peer)),
        Some(other) => Err(wrong(format!("there is no command {}{}", shell(other), hint(other, COMMANDS)))),
        None => Err(wrong("a command is missing".into())),
    }
}

/// The commands, and the options of those of `dist`, as they are suggested.
const COMMANDS: &[&str] = &["port", "doctor", "policy", "node", "gateway", "dist", "--help", "--version"];
const CHECK: &[&str] = &["--config", "--draft"];
const TEST_FILTER: &[&str] = &["--config", "--draft", "--node", "--direction", "--message", "--break-glass"];
const BREAK_GLASS: &[&str] = &["--config", "--reason", "--for", "--close"];

fn port<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<(Start, Option<NodeName>), Refusal> {
    let (mut role, mut peer) = (None, None);
    let (mut unprivileged, mut allow_root) = (false, false);
    while let Some(option) = rest.next() {
        match option {
            b"--role" => role = Some(role_named(rest.next())?),
            b"--unprivileged" => unprivileged = true,
            b"--peer" if peer.is_none() => peer = Some(peer_named(rest.next())?),
            b"--allow-root" => allow_root = true,
            #[cfg(feature = "weakened")]
            b"--without" if rest.next().is_some_and(crate::measure::leave_out) => {}
            #[cfg(feature = "weakened")]
            b"--without-row"
                if rest
                    .next()
                    .is_some_and(|row| crate::harden::seccomp::WITHOUT_ROW.set(row.to_vec()).is_ok()) => {}
            other => {
                return Err(unknown("port", other, &["--role", "--peer", "--unprivileged", "--allow-root"]));
            }
        }
    }
    let role = role.ok_or_else(|| wrong("port needs --role proc or --role net".into()))?;
    Ok((Start { role, unprivileged, allow_root }, peer))
}

fn configured<'a>(name: &str, mut rest: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, Refusal> {
    match (rest.next(), rest.next(), rest.next()) {
        (Some(b"--config"), Some(file), None) => Ok(file.to_vec()),
        (Some(option), Some(_), None) if !hint(option, &["--config"]).is_empty() => {
            Err(unknown(name, option, &["--config"]))
        }
        _ => Err(wrong(format!("{name} needs --config FILE, and nothing else"))),
    }
}

fn dist<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<DistCommand, Refusal> {
    let tests = match rest.next() {
        Some(b"check") => false,
        Some(b"test-filter") => true,
        Some(word @ (b"break-glass" | b"code-key")) => return glass(word == b"code-key", rest),
        Some(other) => {
            let known = ["check", "test-filter", "break-glass", "code-key", "keys"];
            return Err(unknown("dist", other, &known));
        }
        None => return Err(wrong("dist needs check, test-filter, break-glass, code-key or keys".into())),
    };
    let (mut file, mut node, mut direction, mut message, mut target) = (None, None, None, None, None);
    let (mut draft, mut glass) = (false, false);
    while let Some(option) = rest.next() {
        let mut value = |place: &mut Option<Vec<u8>>| {
            let first = place.is_none();
            *place = rest.next().map(<[u8]>::to_vec);
            if first && place.is_some() {
                Ok(())
            } else {
                Err(wrong(format!("{} needs one value", shell(option))))
            }
        };
        match option {
            b"--config" => value(&mut file)?,
            b"--draft" => draft = true,
            b"--node" if tests => value(&mut node)?,
            b"--direction" if tests => value(&mut direction)?,
            b"--message" if tests => value(&mut message)?,
            b"--break-glass" if tests => glass = true,
            other if message.is_some() && target.is_none() && !other.starts_with(b"--") => {
                target = Some(text(other, "TARGET")?);
            }
            other => return Err(unknown("dist", other, if tests { TEST_FILTER } else { CHECK })),
        }
    }
    let file = file.ok_or_else(|| wrong("dist needs --config FILE".into()))?;
    let given = |value: Option<Vec<u8>>, name: &str| {
        text(&value.ok_or_else(|| wrong(format!("dist test-filter needs {name}")))?, name)
    };
    let ask = if tests {
        DistAsk::TestFilter {
            node: given(node, "--node")?,
            direction: given(direction, "--direction")?,
            message: given(message, "--message")?,
            target,
            glass,
        }
    } else {
        DistAsk::Check
    };
    Ok(DistCommand { file, draft, ask })
}

/// `break-glass` and `code-key`.
fn glass<'a>(key: bool, mut rest: impl Iterator<Item = &'a [u8]>) -> Result<DistCommand, Refusal> {
    let (mut file, mut reason, mut seconds) = (None, None, None);
    let (mut draft, mut close) = (false, false);
    while let Some(option) = rest.next() {
        let mut value = |place: &mut Option<String>| {
            let given = rest.next().filter(|_| place.is_none());
            let given = given.ok_or_else(|| wrong(format!("{} needs one value", shell(option))))?;
            *place = Some(text(given, &shell(option))?);
            Ok(())
        };
        match option {
            b"--config" => value(&mut file)?,
            b"--draft" if key => draft = true,
            b"--reason" if !key => value(&mut reason)?,
            b"--for" if !key => value(&mut seconds)?,
            b"--close" if !key => close = true,
            other => return Err(unknown("dist", other, if key { CHECK } else { BREAK_GLASS })),
        }
    }
    let file = file.ok_or_else(|| wrong("dist needs --config FILE".into()))?.into_bytes();
    let number = |text: &str| {
        text.parse().map_err(|_| wrong(format!("--for takes seconds, not {}", shell(text.as_bytes()))))
    };
    let seconds = seconds.map(|text: String| number(&text)).transpose()?;
    let command = match (key, close, reason, seconds) {
        (true, ..) => GlassCommand::CodeKey,
        (_, true, None, None) => GlassCommand::Close,
        (_, false, Some(reason), seconds) => GlassCommand::Break { reason, seconds },
        _ => {
            return Err(wrong(
                "dist break-glass needs --reason TEXT, and takes --for SECONDS; or --close alone".into(),
            ));
        }
    };
    Ok(DistCommand { file, draft, ask: DistAsk::Glass(command) })
}

fn keys<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<KeysCommand, Refusal> {
    let (mut dir, mut days, mut at) = (None, None, None);
    let mut words = Vec::new();
    while let Some(option) = rest.next() {
        let place = match option {
            b"--dir" => &mut dir,
            b"--days" => &mut days,
            b"--at" => &mut at,
            word if !word.starts_with(b"--") => {
                words.push(text(word, "a word")?);
                continue;
            }
            other => return Err(unknown("dist keys", other, &["--dir", "--days", "--at"])),
        };
        let value = rest.next().map(|value| text(value, "a value")).transpose()?;
        let once = value.is_some() && place.is_none();
        if !once {
            return Err(wrong(format!("{} needs one value", shell(option))));
        }
        *place = value;
    }
    let make = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ca"] => Make::Ca,
        ["cookie"] => Make::Cookie,
        ["node", name] => Make::Node((*name).to_owned()),
        _ => return Err(wrong("dist keys needs ca, cookie, or node NAME@HOST".into())),
    };
    let days = match days.map(|days| days.parse::<u32>()) {
        None => None,
        Some(Ok(days @ 1..=36_500)) => Some(days),
        Some(_) => return Err(wrong("--days needs a number from 1 to 36500".into())),
    };
    let dir = dir.ok_or_else(|| wrong("dist keys needs --dir DIR".into()))?;
    Ok(KeysCommand { make, dir, days, at })
}

fn text(bytes: &[u8], name: &str) -> Result<String, Refusal> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| wrong(format!("{name} must be UTF-8, not {}", shell(bytes))))
}

fn doctor<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<Asked, Refusal> {
    let mut asked = Asked { role: None, file: None };
    while let Some(option) = rest.next() {
        match option {
            b"--role" => asked.role = Some(role_named(rest.next())?),
            other if other.starts_with(b"-") => {
                return Err(unknown("doctor", other, &["--role"]));
            }
            file if asked.file.is_none() => asked.file = Some(file.to_vec()),
            other => return Err(wrong(format!("doctor takes one file, and {} is a second", shell(other)))),
        }
    }
    Ok(asked)
}

fn policy<'a>(rest: impl Iterator<Item = &'a [u8]>) -> Result<PolicyCommand, Refusal> {
    let mut words: Vec<Vec<u8>> = rest.map(<[u8]>::to_vec).collect();
    if words.is_empty() {
        return Err(wrong("policy needs check, explain or suggest".into()));
    }
    let command = words.remove(0);
    let (mut file, mut peer) = (None, None);
    // What is asked about has no names that begin so.
    while command != b"check" && words.first().is_some_and(|w| w.starts_with(b"--")) {
        match words.remove(0).as_slice() {
            b"--policy" if words.is_empty() => return Err(wrong("--policy needs a file".into())),
            b"--policy" if file.is_none() => file = Some(words.remove(0)),
            b"--peer" if peer.is_none() && command == b"explain" => {
                peer = Some(peer_named(words.first().map(Vec::as_slice))?);
                words.remove(0);
            }
            other => {
                let known: &[&str] =
                    if command == b"explain" { &["--policy", "--peer"] } else { &["--policy"] };
                return Err(unknown("policy", other, known));
            }
        }
    }
    let only = |words: Vec<Vec<u8>>| match words.as_slice() {
        [] => Ok(None),
        [one] if !one.starts_with(b"-") || one == b"-" => Ok(Some(one.clone())),
        [other, ..] => Err(wrong(format!("policy takes one file, and {} is not it", shell(other)))),
    };
    let ask = match command.as_slice() {
        b"check" => {
            file = only(words)?;
            Ask::Check
        }
        b"explain" => Ask::Explain(words),
        b"suggest" => Ask::Suggest(only(words)?),
        other => return Err(unknown("policy", other, &["check", "explain", "suggest"])),
    };
    Ok(PolicyCommand { file, peer, ask })
}

fn role_named(name: Option<&[u8]>) -> Result<Role, Refusal> {
    let name = name.ok_or_else(|| wrong("--role needs a name: proc or net".into()))?;
    Role::from_name(name)
        .ok_or_else(|| wrong(format!("there is no role {}; this build has proc and net", shell(name))))
}

fn peer_named(name: Option<&[u8]>) -> Result<NodeName, Refusal> {
    let name = name.ok_or_else(|| wrong("--peer needs the name of a node".into()))?;
    NodeName::parse(name)
        .ok_or_else(|| wrong(format!("{} is not the name of a node, such as app@host.example", shell(name))))
}

fn unknown(command: &str, word: &[u8], known: &[&str]) -> Refusal {
    wrong(format!("{command} does not know {}{}", shell(word), hint(word, known)))
}

fn wrong(message: String) -> Refusal {
    Refusal::new(Reason::BadArguments, message, format!("{} --help", super::me()))
}

#[cfg(test)]
mod tests;
