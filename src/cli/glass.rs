//! `portcullis dist break-glass` and `code-key`: root breaks the glass of a node on this host, and makes the key by which a person's
//! authenticator can.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::process::ExitCode;

use nix::sys::stat::SFlag;
use zeroize::Zeroizing;

use crate::cli::node_files::own;
use crate::cli::options::GlassCommand;
use crate::dist::config::Config;
use crate::dist::glass::{Glass, is_reason, path_of};
use crate::dist::totp::Key;
use crate::limits::{CODE_FILE_MAX, GLASS_REASON_MAX};
use crate::quote::shell;
use crate::sys::{clock, fd, process, random};

/// Bytes of a key: what RFC 4226 recommends.
const KEY_BYTES: usize = 20;

/// Does what was asked, and answers with the exit status: 0 if it was done.
pub fn run(file: &[u8], draft: bool, command: &GlassCommand) -> ExitCode {
    let done = super::dist::load(file, draft).and_then(|(_, config)| {
        let path = std::str::from_utf8(file).map_err(|_| "the file's name must be UTF-8\n".to_owned())?;
        match command {
            GlassCommand::Break { reason, seconds } => break_it(path, &config, reason, *seconds),
            GlassCommand::Close => close(path, &config),
            GlassCommand::CodeKey => code_key(&config),
        }
    });
    match done {
        Ok(text) => {
            super::say(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            super::complain(&text);
            ExitCode::FAILURE
        }
    }
}

/// Only root's file counts, so that only root can write one that does.
fn must_be_root() -> Result<(), String> {
    if process::is_root() {
        Ok(())
    } else {
        Err("only root breaks the glass, or closes it: sudo\n".to_owned())
    }
}

fn break_it(path: &str, config: &Config, reason: &str, seconds: Option<u64>) -> Result<String, String> {
    must_be_root()?;
    let max_s = config.policy.break_glass_s;
    if max_s == 0 {
        let name = shell(path.as_bytes());
        return Err(format!("{name} has no [break_glass], so that there is nothing that could be broken\n"));
    }
    if !is_reason(reason) {
        return Err(format!("--reason must be one line of 1 to {GLASS_REASON_MAX} characters\n"));
    }
    let seconds = seconds.unwrap_or(max_s);
    if !(1..=max_s).contains(&seconds) {
        return Err(format!("--for must be a number from 1 to {max_s} (break_glass.max_s)\n"));
    }
    let glass = now(reason, seconds)?;
    write(path, &glass)?;
    let until = glass.opened_unix.saturating_add(seconds);
    Ok(format!(
        "the glass of {} is broken for {seconds} seconds (until Unix time {until}): a node that runs knows within a second\n  \
         to close it: {} dist break-glass --config {} --close\n",
        config.name,
        super::me(),
        shell(path.as_bytes())
    ))
}

/// What closes is a file too: it is over what was broken before it, by a code as well.
fn close(path: &str, config: &Config) -> Result<String, String> {
    must_be_root()?;
    let whole = format!("the glass of {} is whole: a node that runs knows within a second\n", config.name);
    let Err(why) = write(path, &now("closed", 0)?) else { return Ok(whole) };
    // A full disk, which the glass may have been broken for: what root has broken is over without its file, and that takes no room.
    let file = path_of(path);
    let name = shell(file.as_bytes());
    match std::fs::remove_file(&file) {
        Ok(()) => Ok(format!(
            "{why}  so {name} is removed\n{whole}what a code has broken is over at its time, or when the node is started anew\n"
        )),
        Err(e) => Err(format!("{why}{name} cannot be removed either: {e}\n")),
    }
}

fn now(reason: &str, seconds: u64) -> Result<Glass, String> {
    let boot = clock::boot_id();
    let boot =
        boot.ok_or("/proc/sys/kernel/random/boot_id cannot be read, by which the node knows the time\n")?;
    Ok(Glass {
        reason: reason.to_owned(),
        uid: process::uid(),
        login: process::login(),
        seconds,
        boot,
        opened_ms: clock::boot_millis(),
        opened_unix: clock::unix_micros() / 1_000_000,
    })
}

/// Puts the file in its place at once: whoever reads it reads all of it. The directory was judged when the configuration was read.
fn write(config: &str, glass: &Glass) -> Result<(), String> {
    let path = path_of(config);
    let new = format!("{path}.{}", process::pid());
    let failed = |e: std::io::Error| {
        let room = match e.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => {
                format!("  where there is room: df {}\n", shell(config.as_bytes()))
            }
            _ => String::new(),
        };
        format!("{} cannot be written: {e}\n{room}", shell(new.as_bytes()))
    };
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o644).open(&new).map_err(failed)?;
    let written = file
        .write_all(glass.write().as_bytes())
        // The umask is somebody else's; the node's user has to read it.
        .and_then(|()| file.set_permissions(std::fs::Permissions::from_mode(0o644)))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, &path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&new);
        failed(e)
    })
}

/// Makes the key, in the file that the configuration names. One that is there stays.
fn code_key(config: &Config) -> Result<String, String> {
    let Some((path, digits)) = &config.policy.code else {
        return Err("the file names no break_glass.code_file: write under [break_glass]: code_file = \"/etc/portcullis/node.code\"\n".to_owned());
    };
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    random::fill(bytes.as_mut()).map_err(|e| format!("getrandom: {e}\n"))?;
    let key = Key::new(bytes.as_ref()).ok_or("no key could be made\n")?;
    let name = shell(path.as_bytes());
    let mut options = std::fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o400).open(path).and_then(|mut file| {
        file.write_all(key.base32().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    made.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{name} is there already, and whoever has its key could not use it any more\n  to make another: sudo rm {name}\n")
        }
        _ => format!("{name} cannot be made: {e}\n"),
    })?;
    Ok(format!(
        "{name} holds a new key: chown it to the user of the node, and nobody else reads it\n\n{}\n\n\
         for a picture of it: qrencode -t utf8; then it belongs nowhere but into the authenticator\n",
        *key.uri(config.name.as_str(), *digits)
    ))
}

/// The key of one-time codes, which nobody else may read or have written.
pub(super) fn read_key(path: &str) -> Result<Key, String> {
    let name = shell(path.as_bytes());
    let unread = |e: &dyn std::fmt::Display| format!("the key of one-time codes {name} cannot be read: {e}");
    let c_path = CString::new(path).map_err(|e| unread(&e))?;
    let file: OwnedFd = fd::open_file(&c_path).map_err(|e| unread(&e.desc()))?;
    let status = fd::stat(file.as_fd()).map_err(|e| unread(&e.desc()))?;
    if fd::kind(&status) != SFlag::S_IFREG {
        return Err(format!("the key of one-time codes {name} is no regular file"));
    }
    if status.st_mode & 0o037 != 0 || ![0, process::uid()].contains(&status.st_uid) {
        let fix = own(path, "0400");
        let why = "others can read or write the key of one-time codes";
        return Err(format!("{why} {name}, or another user owns it\n  to mend it: {fix}"));
    }
    let mut bytes = Zeroizing::new(vec![0; CODE_FILE_MAX + 1]);
    let length = fd::read_on(&file, &mut bytes, 0).map_err(|e| unread(&e.desc()))?;
    let key = Key::parse(bytes.get(..length).unwrap_or_default());
    key.ok_or_else(|| {
        format!(
            "{name} holds no key: one line of base32, of 16 to 64 bytes\n  to make one: {} dist code-key",
            super::me()
        )
    })
}
