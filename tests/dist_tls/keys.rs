//! What `dist keys` makes, and what it leaves alone; what is told of files that do not fit.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use portcullis::exec::stream::tls::{Fault, Identity};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

use crate::node::NODE;
use crate::support::{Authority, GOOD, dist_keys, folder, keys, name, now};

#[test]
fn keys_are_for_their_owner_and_what_is_there_stays() {
    let dir = keys("modes", &[GOOD]);
    let path = dir.to_str().unwrap();
    assert_eq!(dist_keys(&["cookie", "--dir", path]).0, 0);
    let mode = |file: &str| dir.join(file).metadata().unwrap().permissions().mode() & 0o7777;
    let text = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    let all = [
        "ca.key",
        "ca.pem",
        "cookie",
        &format!("{GOOD}.conf"),
        &format!("{GOOD}.key"),
        &format!("{GOOD}.pem"),
    ];
    let modes: Vec<u32> = all.iter().map(|file| mode(file)).collect();
    assert_eq!(modes, [0o600, 0o644, 0o400, 0o644, 0o400, 0o644]);
    let cookie = text("cookie");
    assert!(cookie.len() == 65 && cookie.trim_end().bytes().all(|b| b.is_ascii_hexdigit()), "{cookie}");
    let before: Vec<String> = all.iter().map(|file| text(file)).collect();
    for again in [vec!["ca"], vec!["cookie"], vec!["node", GOOD]] {
        let (status, said) = dist_keys(&[again, vec!["--dir", path]].concat());
        assert!(status == 1 && said.contains("not overwritten") && said.contains("mv -i "), "{said}");
    }
    assert_eq!(all.iter().map(|file| text(file)).collect::<Vec<_>>(), before);
    // What is told to be typed makes room for all that is in the way.
    let (_, said) = dist_keys(&["node", GOOD, "--dir", path]);
    let fix = said.lines().find_map(|line| line.trim().strip_prefix("to mend it: ")).unwrap();
    assert!(Command::new("sh").args(["-c", fix]).status().unwrap().success());
    assert_eq!(dist_keys(&["node", GOOD, "--dir", path]).0, 0);
    assert_ne!(text(&format!("{GOOD}.key")), before[4]);
    assert_eq!(text(&format!("old/{GOOD}.key")), before[4]);
    // One that is in the way takes the others back, and a link is not followed.
    std::os::unix::fs::symlink(dir.join("elsewhere"), dir.join("z@h.conf")).unwrap();
    assert_eq!(dist_keys(&["node", "z@h", "--dir", path]).0, 1);
    for file in ["z@h.key", "z@h.pem", "elsewhere"] {
        assert!(!dir.join(file).exists(), "{file}");
    }
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o770)).unwrap();
    let (status, said) = dist_keys(&["node", "y@h", "--dir", path]);
    assert!(status == 1 && said.contains("mkdir -m 0700 NEW"), "{said}");
}

#[test]
fn openssl_reads_what_is_made_as_it_is_meant() {
    let dir = keys("openssl", &["app@host.example", "v6@::1"]);
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(&dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = openssl(&["x509", "-in", "app@host.example.pem", "-noout", "-text"]);
    for part in [
        "DNS:app@host.example, DNS:host.example",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "prime256v1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A default that is written out is no DER (X.690, 11.5): who is no authority says nothing of it.
    assert!(!text.contains("Basic Constraints"), "{text}");
    assert!(!text.contains("Certificate Sign"), "{text}");
    assert!(
        openssl(&["x509", "-in", "v6@::1.pem", "-noout", "-text"]).contains("IP Address:0:0:0:0:0:0:0:1")
    );
    assert!(openssl(&["x509", "-in", "ca.pem", "-noout", "-text"]).contains("CA:TRUE, pathlen:0"));
    let said = openssl(&["verify", "-x509_strict", "-CAfile", "ca.pem", "app@host.example.pem"]);
    assert!(said.contains(": OK"), "{said}");
    openssl(&["pkey", "-in", "app@host.example.key", "-noout", "-check"]);
    let ends = |file: &str| openssl(&["x509", "-in", file, "-noout", "-enddate"]);
    assert_ne!(ends("ca.pem"), ends("app@host.example.pem"));
}

#[test]
fn what_cannot_be_made_is_told_with_what_mends_it() {
    let dir = folder("unmade");
    let path = dir.to_str().unwrap();
    let fails = |arguments: &[&str], why: &str, fix: &str| {
        let (status, said) = dist_keys(arguments);
        assert!(status == 1 && said.contains(why) && said.contains(fix), "{arguments:?}: {said}");
    };
    fails(&["node", GOOD, "--dir", path], "there is no ", "dist keys ca --dir");
    assert_eq!(dist_keys(&["ca", "--dir", path]).0, 0);
    fails(&["node", "no-name", "--dir", path], "not the name of a node", "dist keys node app@host");
    fails(&["node", GOOD, "--dir", path, "--at", "relative"], "absolute path", "--at /etc");
    fails(&["node", GOOD, "--dir", path, "--at", "/a\"b"], "absolute path", "--at /etc");
    // An authority whose key others can read is theirs too, and is not made one's own by a change of its owner.
    let key = dir.join("ca.key");
    let mode =
        |mode| std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    fails(&["node", GOOD, "--dir", path], "others can read or write", "dist keys ca --dir NEW");
    mode(0o600);
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    fails(&["node", GOOD, "--dir", path], "others than you and root can write", "mkdir -m 0700 NEW");
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // Another authority's key: what it would sign nobody believes.
    let other = keys("unmade-other", &[]);
    std::fs::copy(other.join("ca.key"), dir.join("ca.key")).unwrap();
    fails(&["node", GOOD, "--dir", path], "is not the key of", "dist keys ca --dir NEW");
    assert!(!dir.join(format!("{GOOD}.key")).exists());
}

#[test]
fn files_that_do_not_fit_are_told_apart() {
    let (ca, both) = (Authority::new("one"), [ClientAuth, ServerAuth]);
    let (certificate, key) = ca.sign(&[NODE], (-1, 1), &both);
    let (_, other) = ca.sign(&[NODE], (-1, 1), &both);
    let root = ca.pem();
    let made = |certificate: &str, key: &str, root: &str, now: u64| {
        Identity::new(certificate.as_bytes(), key.as_bytes(), root.as_bytes(), &name(NODE), now).map(drop)
    };
    let day = 86_400;
    assert_eq!(made(&certificate, &key, &root, now()), Ok(()));
    assert!(
        matches!(made(&certificate, &key, &root, now() + 2 * day), Err(Fault::Expired(at)) if at < now() + 2 * day)
    );
    assert!(matches!(made(&certificate, &key, &root, now() - 2 * day), Err(Fault::NotYet(_))));
    assert_eq!(made(&certificate, &other, &root, now()), Err(Fault::OtherKey));
    assert_eq!(made("", &key, &root, now()), Err(Fault::NoCertificate));
    assert_eq!(made(&key, &key, &root, now()), Err(Fault::NoCertificate));
    assert_eq!(made(&certificate, &certificate, &root, now()), Err(Fault::NoKey));
    assert_eq!(made(&certificate, &key, "", now()), Err(Fault::NoAuthority));
    let (theirs, its) = ca.sign(&["b@h", "h"], (-1, 1), &both);
    assert_eq!(
        made(&theirs, &its, &root, now()),
        Err(Fault::OtherName(vec!["b@h".to_owned(), "h".to_owned()]))
    );
    // Half of a certificate is none, and an authority that has run out is named.
    let cut: String =
        certificate.lines().enumerate().filter(|(n, _)| *n != 3).map(|(_, l)| format!("{l}\n")).collect();
    assert!(matches!(made(&cut, &key, &root, now()), Err(Fault::Certificate(_) | Fault::NoCertificate)));
    let (old, _) = ca.sign(&["old"], (-3, -2), &[]);
    assert!(matches!(
        made(&certificate, &key, &[root, old].concat(), now()),
        Err(Fault::AuthorityExpired(2, _))
    ));
}

#[test]
fn nothing_shows_a_key() {
    let dir = keys("shown", &[NODE]);
    assert_eq!(format!("{:?}", crate::support::identity(&dir, NODE)), "Identity(..)");
}
