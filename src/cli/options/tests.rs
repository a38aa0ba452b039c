//! What is typed, and what it is taken for.
#![forbid(unsafe_code)]

use super::*;

fn parsed(line: &str) -> Result<Command, Refusal> {
    let arguments: Vec<Vec<u8>> = line.split_whitespace().map(|w| w.as_bytes().to_vec()).collect();
    parse(&arguments)
}

#[test]
fn a_port_is_privileged_and_not_for_root_unless_told() {
    let Ok(Command::Port(start, None)) = parsed("port --role proc") else { panic!() };
    assert!(!start.unprivileged && !start.allow_root);
    let Ok(Command::Port(_, Some(peer))) = parsed("port --role proc --peer a@h") else { panic!() };
    assert_eq!(peer.as_str(), "a@h");
    let Ok(Command::Port(start, None)) = parsed("port --unprivileged --allow-root --role proc") else {
        panic!()
    };
    assert!(start.unprivileged && start.allow_root);
}

#[test]
fn a_policy_is_the_installed_one_unless_a_file_is_named() {
    let asked = |line| match parsed(line) {
        Ok(Command::Policy(command)) => command,
        other => panic!("{other:?}"),
    };
    assert!(asked("policy check").file.is_none());
    assert_eq!(asked("policy check p.toml").file.unwrap(), b"p.toml");
    let explain = asked("policy explain --policy p.toml ping ::1");
    assert_eq!(explain.file.unwrap(), b"p.toml");
    assert!(matches!(explain.ask, Ask::Explain(words) if words == [b"ping".to_vec(), b"::1".to_vec()]));
    assert!(matches!(asked("policy suggest -").ask, Ask::Suggest(Some(_))));
}

#[test]
fn a_message_has_its_target_behind_it() {
    let line = "dist test-filter --config /f --node a@h --direction in --message reg_send x --break-glass";
    let Ok(Command::Dist(DistCommand { file, draft: false, ask })) = parsed(line) else { panic!() };
    assert_eq!(file, b"/f");
    let DistAsk::TestFilter { node, direction, message, target, glass: true } = ask else { panic!() };
    assert_eq!((&*node, &*direction, &*message, target.as_deref()), ("a@h", "in", "reg_send", Some("x")));
    assert!(matches!(parsed("dist check --config f --draft"), Ok(Command::Dist(d)) if d.draft));
}

#[test]
fn what_was_meant_is_said() {
    for (line, message) in [
        ("polcy check", "there is no command polcy; did you mean policy?"),
        ("--hepl", "there is no command --hepl; did you mean --help?"),
        ("serve", "there is no command serve"),
        ("policy chekc", "policy does not know chekc; did you mean check?"),
        ("policy explain --polcy f ping", "policy does not know --polcy; did you mean --policy?"),
        ("policy suggest --peer a@h", "policy does not know --peer"),
        ("port --rol proc", "port does not know --rol; did you mean --role?"),
        (
            "port --role proc --unpriviledged",
            "port does not know --unpriviledged; did you mean --unprivileged?",
        ),
        ("node --confg f", "node does not know --confg; did you mean --config?"),
        ("gateway f", "gateway needs --config FILE, and nothing else"),
        ("dist chekc", "dist does not know chekc; did you mean check?"),
        ("dist test-filter --confg f", "dist does not know --confg; did you mean --config?"),
        ("dist break-glass --reasn x", "dist does not know --reasn; did you mean --reason?"),
        ("dist keys ca --dri d", "dist keys does not know --dri; did you mean --dir?"),
        ("doctor --rloe net", "doctor does not know --rloe; did you mean --role?"),
    ] {
        assert_eq!(parsed(line).unwrap_err().message, message, "{line}");
    }
    let both = |line| match parsed(line) {
        Ok(Command::Policy(PolicyCommand { file, peer, .. })) => (file, peer.map(|p| p.as_str().to_owned())),
        other => panic!("{other:?}"),
    };
    let (one, other) = (
        both("policy explain --policy f --peer a@h ping ::1"),
        both("policy explain --peer a@h --policy f ping ::1"),
    );
    assert_eq!((&one, one.0.as_deref()), (&other, Some(&b"f"[..])));
}

#[cfg(not(feature = "weakened"))]
#[test]
fn what_is_not_understood_is_refused() {
    for line in [
        "",
        "serve",
        "port",
        "port --role",
        "port --role root",
        "port --role proc extra",
        "doctor -x",
        "doctor a b",
        "policy",
        "policy grant",
        "policy check a b",
        "policy check --force",
        "policy explain --policy",
        "policy suggest a b",
        "node",
        "node --config",
        "node --config f x",
        "dist",
        "dist filter",
        "dist check",
        "dist check --config",
        "dist check --config f --config f",
        "dist check --config f --node a@h",
        "dist test-filter --config f --node a@h --direction in",
        "dist break-glass --config f",
        "dist break-glass --config f --reason",
        "dist break-glass --config f --reason a --reason b",
        "dist break-glass --config f --reason a --for x",
        "dist break-glass --config f --reason a --close",
        "dist break-glass --config f --reason a --draft",
        "dist break-glass --reason a",
        "dist code-key --config f --reason a",
        "port --role proc --peer",
        "port --role proc --peer a",
        "port --role proc --peer a@h --peer b@h",
        "dist test-filter --config f x --message link",
        "dist keys",
        "dist keys ca",
        "dist keys --dir d",
        "dist keys ca x --dir d",
        "dist keys node --dir d",
        "dist keys ca --dir d --dir e",
        "dist keys ca --dir d --days 0",
        "dist keys ca --dir d --force",
        "dist test-filter --config f --node a@h --direction in --message reg_send x y",
        "port --role proc --without seccomp",
    ] {
        assert_eq!(parsed(line).unwrap_err().reason, Reason::BadArguments, "{line}");
    }
}
