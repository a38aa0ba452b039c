//! `portcullis dist keys`: an authority, certificates of nodes, and cookies. What it makes it reads as a node will, before it is written;
//! what is there already it leaves alone, whatever it is.
#![forbid(unsafe_code)]

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::daemon::Wrong;
use super::node_files::{self, Guarded, now};
use crate::cli::options::{KeysCommand, Make};
use crate::dist::certificate::{self, date};
use crate::dist::handshake::name::NodeName;
use crate::exec::stream::tls::Identity;
use crate::limits::TLS_FILE_MAX;
use crate::quote::shell;
use crate::sys::{process, random};

/// How long an authority holds: longer than what it signs, and not for ever.
const CA_DAYS: u32 = 3650;

/// How long a node's certificate holds.
const NODE_DAYS: u32 = 365;

const DAY_S: u64 = 86_400;

/// Clocks differ: what is made now holds on a host whose clock is an hour behind.
const EARLIER_S: u64 = 3600;

/// Secrets that a program reads once.
const SECRET: u32 = 0o400;

/// What everybody may read.
const PUBLIC: u32 = 0o644;

/// A file to be written: its name, its mode and what is in it.
type New<'n> = (&'n str, u32, Zeroizing<Vec<u8>>);

/// Does what was asked.
pub fn run(command: &KeysCommand) -> ExitCode {
    let made = folder(&command.dir).and_then(|dir| match &command.make {
        Make::Ca => ca(&dir, command.days),
        Make::Node(name) => node(&dir, name, command),
        Make::Cookie => cookie(&dir),
    });
    match made {
        Ok(text) => {
            super::say(&text);
            ExitCode::SUCCESS
        }
        Err((why, fix)) => {
            super::complain(&format!("portcullis dist keys: {why}\n  to mend it: {fix}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The folder, made if it is not there. Who else can write to it could put files in the place of these.
fn folder(dir: &str) -> Result<PathBuf, Wrong> {
    let name = shell(dir.as_bytes());
    let failed = |e: std::io::Error| {
        let root = e.kind() == ErrorKind::PermissionDenied && !process::is_root();
        (format!("{name}: {e}"), format!("{}ls -ld {name}", if root { "sudo " } else { "" }))
    };
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(failed(e)),
        _ => {}
    }
    let path = Path::new(dir).canonicalize().map_err(failed)?;
    let status = path.metadata().map_err(failed)?;
    if !status.is_dir() || status.mode() & 0o022 != 0 || ![0, process::uid()].contains(&status.uid()) {
        return Err((
            format!("{name} is no folder, or others than you and root can write to it"),
            // Not made one's own: what others put there would be taken for one's own too.
            format!(
                "mkdir -m 0700 NEW   # then again, with --dir NEW; what is in {name} may be somebody else's"
            ),
        ));
    }
    Ok(path)
}

fn ca(dir: &Path, days: Option<u32>) -> Result<String, Wrong> {
    // Two authorities of one name could not be told apart by those who look for the one that signed.
    let name = format!("portcullis-{}", hex(4)?.as_str());
    let key = KeyPair::generate().map_err(|e| internal(&e))?;
    let certificate =
        authority(&name, days.unwrap_or(CA_DAYS)).self_signed(&key).map_err(|e| internal(&e))?;
    let read = certificate::read(certificate.der());
    let read = read.map_err(|_| internal(&"the certificate that was made is none"))?;
    write(
        dir,
        vec![
            ("ca.key", 0o600, pem("PRIVATE KEY", key.serialized_der())),
            ("ca.pem", PUBLIC, pem("CERTIFICATE", certificate.der())),
        ],
    )?;
    let folder = shown(dir);
    Ok(format!(
        "{folder}/ca.pem  the authority, until {}: every node has it\n{folder}/ca.key  its key: whoever has it can be every node, so it leaves this place never\n\nnow a certificate for each node:\n  {} dist keys node NAME@HOST --dir {folder}\n",
        date(read.not_after),
        super::me()
    ))
}

/// What the certificate of an authority says. What it signs is a node, and no other authority.
fn authority(name: &str, days: u32) -> CertificateParams {
    let mut params = within(days);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// From a little earlier on, for so many days.
fn within(days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let at = |seconds: u64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = at(now().saturating_sub(EARLIER_S));
    params.not_after = at(now().saturating_add(u64::from(days) * DAY_S));
    params
}

fn node(dir: &Path, text: &str, command: &KeysCommand) -> Result<String, Wrong> {
    let Some(name) = NodeName::parse(text.as_bytes()) else {
        return Err((
            format!("{} is not the name of a node", shell(text.as_bytes())),
            format!(
                "{} dist keys node app@host.example --dir {}",
                super::me(),
                shell(command.dir.as_bytes())
            ),
        ));
    };
    let (issuer, root) = issuer(dir)?;
    let key = KeyPair::generate().map_err(|e| internal(&e))?;
    let params = leaf(&name, command.days.unwrap_or(NODE_DAYS))?;
    let certificate = params.signed_by(&key, &issuer).map_err(|e| internal(&e))?;
    let certificate = pem("CERTIFICATE", certificate.der());
    let key = pem("PRIVATE KEY", key.serialized_der());
    // As the node will read it, and as its peers will: an authority whose key does not fit is found here, and not at night.
    let identity = Identity::new(&certificate, &key, &root, &name, now());
    let identity = identity.map_err(|fault| internal(&format!("{fault:?}")))?;
    let folder = shown(dir);
    identity.check(now()).map_err(|e| {
        let why =
            format!("{folder}/ca.key is not the key of {folder}/ca.pem, or dist keys has not made them: {e}");
        (why, format!("{} dist keys ca --dir NEW", super::me()))
    })?;
    let at = match &command.at {
        Some(at) => at.clone(),
        None => dir.to_string_lossy().into_owned(),
    };
    let (pem, key_file, conf) = (format!("{text}.pem"), format!("{text}.key"), format!("{text}.conf"));
    let options = options(&at, text)?;
    write(
        dir,
        vec![
            (&key_file, SECRET, key),
            (&pem, PUBLIC, certificate),
            (&conf, PUBLIC, Zeroizing::new(options.into_bytes())),
        ],
    )?;
    let at = shell(at.as_bytes());
    Ok(format!(
        "{folder}/{pem}, {folder}/{key_file}  who {text} is\n{folder}/{conf}  how a node of OTP uses them\n\n\
         the node needs these three and ca.pem in {at}, the key owned by the user who runs it.\n\
         a node of OTP:\n  erl -name {text} -proto_dist inet_tls -ssl_dist_optfile {at}/{conf}\n\
         portcullis node, in its file:\n  [tls]\n  certificate = \"{at}/{pem}\"\n  key = \"{at}/{key_file}\"\n  authorities = \"{at}/ca.pem\"\n"
    ))
}

/// What the certificate of a node says: its name, which portcullis compares, and its host, which OTP does.
fn leaf(name: &NodeName, days: u32) -> Result<CertificateParams, Wrong> {
    let mut params = within(days);
    let ascii = |text: &str| text.to_owned().try_into().map_err(|e: rcgen::Error| internal(&e));
    params.distinguished_name.push(DnType::CommonName, name.alive());
    params.subject_alt_names =
        vec![SanType::DnsName(ascii(name.as_str())?), SanType::DnsName(ascii(name.host())?)];
    if let Ok(address) = name.host().parse() {
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    // That it is no authority is said by nothing (RFC 5280, 4.2.1.9): the library writes the default out, which DER forbids.
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Who signs, and the file of its certificate.
fn issuer(dir: &Path) -> Result<(Issuer<'static, KeyPair>, Vec<u8>), Wrong> {
    let root = existing(dir, "ca.pem", Guarded::Public)?;
    let key = existing(dir, "ca.key", Guarded::Secret)?;
    let unusable = |what: &str| {
        let name = shown(&dir.join(what));
        (format!("{name} is not what dist keys makes"), format!("{} dist keys ca --dir NEW", super::me()))
    };
    let parsed = CertificateDer::from_pem_slice(&root).ok().and_then(|der| certificate::read(&der).ok());
    // Without alternative names its one name is all of its subject, as `ca` writes it.
    let parsed = parsed.ok_or_else(|| unusable("ca.pem"))?;
    let [name] = parsed.names.as_slice() else { return Err(unusable("ca.pem")) };
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| unusable("ca.key"))?;
    let key = KeyPair::try_from(&key).map_err(|_| unusable("ca.key"))?;
    Ok((Issuer::new(authority(name, CA_DAYS), key), root.to_vec()))
}

/// A file of an authority that nobody else can have put there, and whose key nobody else has.
fn existing(dir: &Path, name: &str, guarded: Guarded) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let path = dir.join(name);
    if matches!(path.try_exists(), Ok(false)) {
        let (file, folder) = (shown(&path), shown(dir));
        return Err((format!("there is no {file}"), format!("{} dist keys ca --dir {folder}", super::me())));
    }
    let path = path.to_str().ok_or_else(|| internal(&"a folder whose name is no UTF-8"))?;
    node_files::read(path, "file of the authority", guarded, TLS_FILE_MAX).map_err(|(why, _)| {
        (
            why,
            format!(
                "{} dist keys ca --dir NEW   # a new authority; or: ls -l {}",
                super::me(),
                shell(path.as_bytes())
            ),
        )
    })
}

/// The file of options of a node of OTP, for both of its ends: who calls it and whom it calls has a certificate of the authority.
fn options(at: &str, node: &str) -> Result<String, Wrong> {
    // OTP reads the file as Erlang terms; what stands in quotes there must not end them.
    if !at.starts_with('/') || !at.bytes().all(|b| (b' '..=b'~').contains(&b) && !b"\"\\".contains(&b)) {
        let why = format!(
            "{} cannot stand in a file of options of OTP: an absolute path in plain ASCII can",
            shell(at.as_bytes())
        );
        return Err((
            why,
            format!("{} dist keys node {node} --dir DIR --at /etc/portcullis/tls", super::me()),
        ));
    }
    let at = at.trim_end_matches('/');
    let files = format!(
        "{{certfile, \"{at}/{node}.pem\"}},\n           {{keyfile, \"{at}/{node}.key\"}},\n           {{cacertfile, \"{at}/ca.pem\"}},\n           {{versions, ['tlsv1.3', 'tlsv1.2']}},\n           {{verify, verify_peer}}"
    );
    Ok(format!(
        "[{{server, [{files},\n           {{fail_if_no_peer_cert, true}}]}},\n {{client, [{files}]}}].\n"
    ))
}

fn cookie(dir: &Path) -> Result<String, Wrong> {
    let mut text = hex(32)?;
    text.push('\n');
    write(dir, vec![("cookie", SECRET, Zeroizing::new(text.as_bytes().to_vec()))])?;
    let folder = shown(dir);
    Ok(format!(
        "{folder}/cookie  32 random bytes: cookie_file of [node], and ~/.erlang.cookie of the user of a node of OTP, each owned by its user\n"
    ))
}

/// Random bytes in digits that no shell, file or atom treats in a special way.
fn hex(bytes: usize) -> Result<Zeroizing<String>, Wrong> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes + 1));
    while text.len() < 2 * bytes {
        let number = random::number().map_err(|e| internal(&e))?;
        for nibble in (0..8).map(|n| number >> (4 * n) & 15) {
            text.push(char::from_digit(nibble, 16).unwrap_or('0'));
        }
    }
    Ok(text)
}

/// PEM (RFC 7468): base64 in lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Zeroizing::new(Vec::with_capacity(der.len() * 3 / 2 + 128));
    text.extend(format!("-----BEGIN {label}-----\n").bytes());
    // 48 bytes are 64 characters.
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let byte = |nth: usize| u32::from(three.get(nth).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for nth in 0..4_u32 {
                let digit = usize::try_from(bits >> (18 - 6 * nth) & 63).unwrap_or(0);
                let there = usize::try_from(nth).is_ok_and(|nth| nth <= three.len());
                text.push(if there { DIGITS.get(digit).copied().unwrap_or(b'=') } else { b'=' });
            }
        }
        text.push(b'\n');
    }
    text.extend(format!("-----END {label}-----\n").bytes());
    text
}

/// Writes all of them or none. A name that is taken stays as it is, and so does a link, wherever it leads.
fn write(dir: &Path, files: Vec<New<'_>>) -> Result<(), Wrong> {
    let taken: Vec<PathBuf> =
        files.iter().map(|(name, ..)| dir.join(name)).filter(|path| is_taken(path)).collect();
    if !taken.is_empty() {
        return Err(in_the_way(dir, &taken));
    }
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, mode, bytes) in files {
        let path = dir.join(name);
        let done =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
                written.push(path.clone());
                file.write_all(&bytes)?;
                file.sync_all()
            });
        let Err(e) = done else { continue };
        for path in written {
            let _ = std::fs::remove_file(path);
        }
        let (path, dir) = (shown(&path), shown(dir));
        return Err((format!("{path} cannot be written: {e}"), format!("df {dir}; ls -ld {dir}")));
    }
    Ok(())
}

fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn in_the_way(dir: &Path, taken: &[PathBuf]) -> Wrong {
    let names = taken.iter().map(|path| shown(path)).collect::<Vec<_>>();
    let old = shown(&dir.join("old"));
    let verb = if names.len() == 1 { "is there, and is" } else { "are there, and are" };
    (
        format!("{} {verb} not overwritten", names.join(", ")),
        format!("mkdir -p -m 0700 {old} && mv -i {} {old}/   # if nobody uses it any more", names.join(" ")),
    )
}

/// A path that can be typed.
fn shown(path: &Path) -> String {
    shell(path.as_os_str().as_encoded_bytes())
}

fn internal(e: &dyn std::fmt::Display) -> Wrong {
    (format!("this should not happen: {e}"), "report it".to_owned())
}
