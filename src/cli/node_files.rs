//! The files of a node that its own file names: cookie, certificate, key and authorities. Read once, before everything is given up.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use zeroize::Zeroizing;

use super::daemon::Wrong;
use crate::dist::certificate::date;
use crate::dist::config::{Config, Tls};
use crate::dist::handshake::cookie::Cookie;
use crate::exec::stream::tls::{Fault, Identity};
use crate::harden::accounts;
use crate::limits::{DIST_COOKIE_MAX, TLS_FILE_MAX};
use crate::quote::shell;
use crate::sys::{fd, process};

/// A month: whoever starts the node has time to make another certificate.
const SOON_S: u64 = 30 * 86_400;

/// Who must not be able to do what with a file.
#[derive(Clone, Copy)]
pub(super) enum Guarded {
    /// Nobody else reads it or writes it; the group may read, so that root can own what another user needs.
    Secret,
    /// Nobody else writes it.
    Public,
}

/// The cookie, which nobody else may read or have written.
pub(super) fn cookie(path: &str) -> Result<Cookie, Wrong> {
    let bytes = read(path, "cookie", Guarded::Secret, DIST_COOKIE_MAX + 2)?;
    Cookie::parse(&bytes).ok_or_else(|| {
        let name = shell(path.as_bytes());
        let why =
            format!("{name} holds no cookie: 1 to {DIST_COOKIE_MAX} printable ASCII characters in one line");
        (why, format!("head -c 24 /dev/urandom | base64 | sudo tee {name} >/dev/null"))
    })
}

/// Who the node is in TLS, if its file says that it speaks it.
pub(super) fn identity(config: &Config, report: fn(&str)) -> Result<Option<Identity>, Wrong> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let certificate = read(&tls.certificate, "certificate", Guarded::Public, TLS_FILE_MAX)?;
    let authorities = read(&tls.authorities, "authorities file", Guarded::Public, TLS_FILE_MAX)?;
    let key = read(&tls.key, "key", Guarded::Secret, TLS_FILE_MAX)?;
    let identity = Identity::new(&certificate, &key, &authorities, &config.name, now());
    let identity = identity.map_err(|fault| words(&fault, tls, config.name.as_str()))?;
    if identity.not_after().saturating_sub(now()) < SOON_S {
        let (name, day) = (shell(tls.certificate.as_bytes()), date(identity.not_after()));
        report(&format!("the certificate {name} runs out on {day}, and is read at a start only"));
    }
    Ok(Some(identity))
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is wrong with the three files, and what mends it.
fn words(fault: &Fault, tls: &Tls, node: &str) -> Wrong {
    let (certificate, key) = (shell(tls.certificate.as_bytes()), shell(tls.key.as_bytes()));
    let authorities = shell(tls.authorities.as_bytes());
    let show = |file: &str| format!("openssl x509 -in {file} -noout -subject -ext subjectAltName -dates");
    // Where its authority is: that of the certificate, and the new files go beside the old ones.
    let anew = format!(
        "{} dist keys node {node} --dir DIR   # DIR has ca.key; then name the files that it makes in [tls], or copy them to {certificate} and {key}",
        super::me()
    );
    match fault {
        Fault::NoCertificate => (format!("{certificate} holds no certificate in PEM"), anew),
        Fault::Certificate(why) => {
            (format!("the certificate {certificate} cannot be used: {why}"), show(&certificate))
        }
        Fault::OtherName(names) => {
            let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            (format!("the certificate {certificate} is for {names}, and this node is {node}"), anew)
        }
        Fault::Expired(at) => (format!("the certificate {certificate} has run out on {}", date(*at)), anew),
        Fault::NotYet(at) => (
            format!("the certificate {certificate} does not hold before {}", date(*at)),
            "date   # is the clock right?".to_owned(),
        ),
        Fault::NoKey => (
            format!("{key} holds no private key in PEM without a passphrase"),
            format!("openssl pkey -in {key} -out NEW   # asks for the passphrase, and writes it without one"),
        ),
        Fault::OtherKey => (
            format!("the key {key} does not fit the certificate {certificate}"),
            format!(
                "openssl x509 -in {certificate} -noout -pubkey; openssl pkey -in {key} -pubout   # they must be the same"
            ),
        ),
        Fault::Key(why) => (format!("the key {key} cannot be used: {why}"), anew),
        Fault::NoAuthority => (
            format!("{authorities} holds no certificate in PEM, so that no peer could be believed"),
            format!("{} dist keys ca --dir DIR   # then name DIR/ca.pem in tls.authorities", super::me()),
        ),
        Fault::Authority(nth, why) => {
            (format!("certificate {nth} of {authorities} cannot be used: {why}"), show(&authorities))
        }
        Fault::AuthorityExpired(nth, at) => (
            format!("certificate {nth} of {authorities} has run out on {}", date(*at)),
            format!("sudoedit {authorities}   # take it out; or: {} dist keys ca --dir NEW", super::me()),
        ),
        Fault::Other(why) => (format!("TLS: {why}"), show(&certificate)),
    }
}

/// A file that only root or this user can have written, of at most so many bytes.
pub(super) fn read(
    path: &str,
    what: &str,
    guarded: Guarded,
    max: usize,
) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let (name, file) = (shell(path.as_bytes()), whole(path));
    let look = || format!("ls -lL {name}");
    let unread = |e: &dyn std::fmt::Display| (format!("the {what} {name} cannot be read: {e}"), look());
    let c_path = std::ffi::CString::new(path).map_err(|e| unread(&e))?;
    let file: OwnedFd = fd::open_file(&c_path).map_err(|e| match e {
        Errno::ENOENT if what == "cookie" => {
            let make = format!(
                "{} dist keys cookie --dir DIR   # then copy DIR/cookie to {name}, owned by {}",
                super::me(),
                accounts::user(process::uid())
            );
            (format!("there is no cookie {name}"), make)
        }
        Errno::EACCES => {
            let owner =
                std::fs::metadata(path).ok().map(|status| std::os::unix::fs::MetadataExt::uid(&status));
            let mine = mine(path, "0400", owner);
            let own = format!("{mine}; namei -l {file}   # and every folder above it can be entered");
            (format!("the {what} {name} cannot be read by this user: {}", e.desc()), own)
        }
        _ => unread(&e.desc()),
    })?;
    let status = fd::stat(file.as_fd()).map_err(|e| unread(&e.desc()))?;
    if fd::kind(&status) != SFlag::S_IFREG {
        return Err((format!("the {what} {name} is no regular file"), look()));
    }
    let (forbidden, can, mode) = match guarded {
        Guarded::Secret => (0o037, "read or write", "0400"),
        Guarded::Public => (0o022, "write", "0644"),
    };
    if status.st_mode & forbidden != 0 || ![0, process::uid()].contains(&status.st_uid) {
        return Err((
            format!("others can {can} the {what} {name}, or another user owns it"),
            mine(path, mode, Some(status.st_uid)),
        ));
    }
    // As long as it is from the beginning: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; max + 1]);
    let length = fd::read_on(&file, &mut bytes, 0).map_err(|e| unread(&e.desc()))?;
    bytes.truncate(length);
    if length > max {
        return Err((format!("the {what} {name} is longer than {max} bytes"), look()));
    }
    Ok(bytes)
}

/// What gives a file to the user of this program, wherever it is typed.
pub(super) fn own(path: &str, mode: &str) -> String {
    let file = whole(path);
    format!("sudo chown {} {file} && sudo chmod {mode} {file}", accounts::user(process::uid()))
}

/// The same, but of a file that belongs to somebody, the cookie of a node of OTP above all, a copy: OTP takes no cookie that is another's.
fn mine(path: &str, mode: &str, owner: Option<u32>) -> String {
    let Some(owner) = owner.filter(|owner| ![0, process::uid()].contains(owner)) else {
        return own(path, mode);
    };
    let (file, user) = (whole(path), accounts::user(process::uid()));
    let owner = accounts::user(owner);
    format!(
        "sudo runuser -u {owner} -- {} ...   # started by the user whose file it is, if that is its own\n  if it is that of a node of OTP: sudo install -o {user} -m {mode} {file} COPY; then name COPY in place of {file}, which stays with {owner}",
        super::me()
    )
}

fn whole(path: &str) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    shell(absolute.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_names_the_user_and_the_whole_path() {
        let fix = own("far/cookie", "0400");
        let here = std::env::current_dir().unwrap();
        let file = shell(here.join("far/cookie").as_os_str().as_encoded_bytes());
        let user = accounts::user(process::uid());
        assert_eq!(fix, format!("sudo chown {user} {file} && sudo chmod 0400 {file}"));
        assert!(process::uid() != 0 || user == "root");
        // What is root's or ours is given, what is another's is copied.
        assert_eq!(mine("far/cookie", "0400", Some(0)), fix);
        assert_eq!(mine("far/cookie", "0400", None), fix);
        let copied = mine("far/cookie", "0400", Some(1));
        let owner = accounts::user(1);
        assert!(copied.starts_with(&format!("sudo runuser -u {owner} -- ")), "{copied}");
        assert!(copied.contains(&format!(": sudo install -o {user} -m 0400 {file} COPY; ")), "{copied}");
        assert!(!copied.contains("chown") && copied.ends_with(&format!("stays with {owner}")), "{copied}");
    }
}
