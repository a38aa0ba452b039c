//! A node in this process, and real OTP nodes beside it: ping, sessions with the installed port program, what is denied, what ends.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/free_port.rs"]
mod free_port;
#[path = "support/node.rs"]
mod node;
mod support;

use std::io::BufRead;
use std::process::{Command, Stdio};

use free_port::free_port;
use node::NODE;
use portcullis::dist::config;

/// What a node that only serves sessions has to let in.
fn file_of(peers: &str, port: u16, cookie: &str, program: Option<&str>) -> String {
    let programs = program.map(|program| format!("[programs]\nproc = {program:?}")).unwrap_or_default();
    format!(
        r#"version = 1
[node]
name = "{NODE}"
cookie_file = "{cookie}"
listen = ["127.0.0.1:{port}"]
{programs}
[allow]
nodes = ["{peers}"]
[default.in]
ping = "accept"
send = "accept"
monitor = "accept"
demonitor = "accept"
monitor_exit = "accept"
link = "accept"
unlink = "accept"
unlink_ack = "accept"
exit = "accept"
reg_send = {{ accept = ["portcullis"] }}
"#
    )
}

/// A node with this program: its port.
fn node(peers: &str, program: Option<String>) -> u16 {
    node::before(program, config::parse(file_of(peers, 1, "/nowhere", None).as_bytes()).unwrap())
}

/// The installed program for role `proc`, started as the application's user is: this test runs as root, whom it refuses.
fn as_tester(f: &support::Fixtures) -> String {
    let script = std::env::temp_dir().join(format!("portcullis-as-tester-{}", std::process::id()));
    std::fs::write(&script, format!("#!/bin/sh\n{}\n", f.copy_of_a_node())).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    script.into_os_string().into_string().unwrap()
}

/// What an OTP node prints that evaluates `code`, which ends with a term.
fn otp(port: u16, name: &str, cookie: &str, code: &str) -> String {
    let code = format!("io:format(\"~0p\", [begin {code} end]), halt().");
    let mut command = Command::new("erl");
    let port = port.to_string();
    command.args(["-noinput", "-hidden", "-name", name, "-setcookie", cookie, "-start_epmd", "false"]);
    command.args(["-erl_epmd_port", &port, "-dist_listen", "false", "-eval", &code]);
    command.env("HOME", "/nonexistent");
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_node_of_otp_pings_it_and_one_that_may_not_does_not() {
    let port = node("b@127.0.0.1", None);
    let ping = format!("net_adm:ping('{NODE}')");
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &ping), "pong");
    assert_eq!(otp(port, "c@127.0.0.1", "secret", &ping), "pang");
    assert_eq!(otp(port, "b@127.0.0.1", "wrong", &ping), "pang");
    let info = format!(
        "{{ok, Info}} = gen_server:call({{portcullis, '{NODE}'}}, info), maps:with([break_glass, peers, sessions], Info)"
    );
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &info), "#{break_glass => false,peers => 1,sessions => 0}");
}

#[test]
fn a_session_is_a_conversation_with_a_copy_of_the_port_program() {
    let Some(f) = support::fixtures() else { return };
    let port = node("b@127.0.0.1", Some(as_tester(&f)));
    let code = format!(
        "Data = fun(P) -> receive {{P, {{data, D}}}} -> binary_to_term(D) after 30000 -> timeout end end,
         {{ok, P}} = gen_server:call({{portcullis, '{NODE}'}}, {{open, proc}}),
         M = monitor(process, P),
         Hello = element(1, Data(P)),
         P ! {{self(), {{command, term_to_binary({{req, 1, tables, #{{}}, 30000}}, [{{minor_version, 2}}])}}}},
         {{ok, 1, Tables}} = Data(P),
         {{error, {{bad_request, _}}}} = gen_server:call(P, info, 1000),
         P ! {{self(), close}},
         Down = receive {{'DOWN', M, process, P, Why}} -> Why after 30000 -> still_up end,
         {{Hello, length(Tables) > 10, Down}}"
    );
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &code), "{hello,true,closed}");
}

#[test]
fn what_the_rules_do_not_name_is_denied_at_once_and_never_silent() {
    let port = node("b@127.0.0.1", None);
    let code = format!(
        "pong = net_adm:ping('{NODE}'),
         Try = fun(F) -> try F() catch C:R -> {{C, R}} end end,
         {{Us, Results}} = timer:tc(fun() -> [
            Try(fun() -> erpc:call('{NODE}', os, cmd, [\"id\"], 30000) end),
            rpc:call('{NODE}', init, stop, [], 30000),
            element(1, Try(fun() -> gen_server:call({{rex, '{NODE}'}}, x, 30000) end)),
            Try(fun() -> process_flag(trap_exit, true),
                         P = spawn_link('{NODE}', erlang, halt, []),
                         receive {{'EXIT', P, Why}} -> Why after 30000 -> silence end end),
            receive {{'DOWN', _, _, _, DownWhy}} -> DownWhy after 0 -> none end,
            begin M = monitor(process, {{init, '{NODE}'}}),
                  receive {{'DOWN', M, _, _, W}} -> W after 30000 -> silence end end,
            gen_server:call({{portcullis, '{NODE}'}}, {{open, proc}})
         ] end),
         %% One that is not denied is waited for longer than that.
         {{Us < 15000000, Results}}"
    );
    let said = otp(port, "b@127.0.0.1", "secret", &code);
    println!("{said}");
    assert!(said.starts_with("{true,[{error,{erpc,eperm}},{badrpc,"), "{said}");
    assert!(!said.contains("silence"), "{said}");
    assert!(said.contains("{error,{start,<<\"role proc is not served"), "{said}");
}

#[test]
fn the_client_has_a_server_behind_the_node_like_one_of_its_own() {
    let (Some(f), Some(ebin)) = (support::fixtures(), std::env::var_os("PORTCULLIS_EBIN")) else { return };
    let port = node("b@127.0.0.1", Some(as_tester(&f)));
    let code = format!(
        "true = code:add_path({ebin:?}),
         {{ok, _}} = application:ensure_all_started(portcullis),
         {{ok, S}} = portcullis:start_link([{{name, undefined}}, {{transport, {{node, '{NODE}'}}}}]),
         {{ok, Rows}} = portcullis:processes(S, #{{}}),
         {{ok, [_], _}} = portcullis:query(S, load, #{{}}),
         {{ok, #{{sessions := 1}}}} = gen_server:call({{portcullis, '{NODE}'}}, info),
         ok = logger:set_primary_config(level, none), process_flag(trap_exit, true), unlink(S), exit(S, kill),
         After = (fun W() -> case gen_server:call({{portcullis, '{NODE}'}}, info) of {{ok, #{{sessions := 0}}}} -> 0; _ -> timer:sleep(50), W() end end)(),
         {{length(Rows) > 5, After}}"
    );
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &code), "{true,0}");
}

/// A file of the installed program as a node, and its port.
fn file_for(f: &support::Fixtures, proc: &str) -> (u16, std::path::PathBuf) {
    let port = free_port();
    let folder = std::path::PathBuf::from(f.policy("version = 1\n"));
    let (cookie, file) = (folder.join("cookie"), folder.join("node.toml"));
    std::fs::write(&cookie, "secret\n").unwrap();
    assert!(Command::new("chown").arg(&f.user).arg(&cookie).status().unwrap().success());
    std::fs::set_permissions(&cookie, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    std::fs::write(&file, file_of("b@127.0.0.1", port, cookie.to_str().unwrap(), Some(proc))).unwrap();
    (port, file)
}

fn start(f: &support::Fixtures, file: &std::path::Path) -> std::process::Child {
    let program = f.program("ok");
    let command = [program.to_str().unwrap(), "node", "--config", file.to_str().unwrap()];
    f.command(&[], &[&support::LATE[..], &command].concat()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The installed program as a node: what it is left with, and that it serves.
#[test]
fn the_program_serves_with_nothing_left_of_its_privileges() {
    let Some(f) = support::fixtures() else { return };
    let (port, file) = file_for(&f, f.program("ok").to_str().unwrap());
    let mut starter = start(&f, &file);
    let mut lines = std::io::BufReader::new(starter.stderr.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "portcullis node: listens");
    let starter_pid = served(starter.id());
    let node = children(starter_pid).pop().unwrap();
    for (key, value) in [
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        assert_eq!(support::status(node, key), value, "{key}");
    }
    for process in [starter_pid, node] {
        assert_eq!(support::timer_slack(process), "50000");
    }
    // The standard ones, the listener, its socket to the starter: nothing of what was inherited.
    let descriptors = std::fs::read_dir(format!("/proc/{node}/fd")).unwrap().count();
    assert_eq!(descriptors, 5);
    let code = format!(
        "{{ok, P}} = gen_server:call({{portcullis, '{NODE}'}}, {{open, proc}}),
         receive {{P, {{data, D}}}} -> element(1, binary_to_term(D)) after 30000 -> timeout end"
    );
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &code), "hello");
    // Whichever of the two ends, the other does.
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(node).unwrap()),
        nix::sys::signal::SIGKILL,
    );
    assert!(!starter.wait().unwrap().success());
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(said.contains(&"portcullis node: b@127.0.0.1: connected".to_owned()), "{said:?}");
    assert_eq!(said.last().unwrap(), "portcullis node: its other process has ended");
}

/// What cannot be started is told to whoever wants it, as often as he does; and a hangup ends neither process.
#[test]
fn a_program_that_has_gone_ends_nothing_and_neither_does_a_hangup() {
    let Some(f) = support::fixtures() else { return };
    let copy = std::path::PathBuf::from(f.policy("version = 1\n")).join("proc");
    let (port, file) = file_for(&f, copy.to_str().unwrap());
    let refused = start(&f, &file).wait_with_output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("role proc cannot be executed"), "{said}");
    assert!(said.contains("to mend it: sudo sh scripts/install.sh --role proc"), "{said}");
    std::fs::copy("/bin/true", &copy).unwrap();
    let mut starter = start(&f, &file);
    let mut lines = std::io::BufReader::new(starter.stderr.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "portcullis node: listens");
    std::fs::remove_file(&copy).unwrap();
    let starter_pid = served(starter.id());
    let node = children(starter_pid).pop().unwrap();
    for pid in [node, starter_pid] {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGHUP).unwrap();
    }
    let code = format!(
        "[begin {{error, {{start, <<_/binary>>}}}} = gen_server:call({{portcullis, '{NODE}'}}, {{open, proc}}) end || _ <- [1, 2, 3]],
         net_adm:ping('{NODE}')"
    );
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &code), "pong");
    starter.kill().unwrap();
    starter.wait().unwrap();
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(said.contains(&"portcullis node: the file was read again".to_owned()), "{said:?}");
}

/// It may come as soon as there is a process that it can come to.
#[test]
fn a_hangup_while_it_starts_ends_nothing() {
    let Some(f) = support::fixtures() else { return };
    for _ in 0..10 {
        let (_, file) = file_for(&f, f.program("ok").to_str().unwrap());
        let mut starter = start(&f, &file);
        let node = loop {
            if let Some(node) = children(served(starter.id())).pop() {
                break node;
            }
            assert!(starter.try_wait().unwrap().is_none());
        };
        let node = nix::unistd::Pid::from_raw(i32::try_from(node).unwrap());
        nix::sys::signal::kill(node, nix::sys::signal::SIGHUP).unwrap();
        let mut lines = std::io::BufReader::new(starter.stderr.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "portcullis node: listens");
        starter.kill().unwrap();
        starter.wait().unwrap();
    }
}

/// What a file can allow is what may come, and where the host has less, that is said.
#[test]
fn as_many_may_come_as_the_file_says() {
    let Some(f) = support::fixtures() else { return };
    let (port, file) = file_for(&f, f.program("ok").to_str().unwrap());
    let more = "[connections]\nhalf_open = 256\nhalf_open_per_address = 256\nhandshake_ms = 60000\n";
    let text = std::fs::read_to_string(&file).unwrap() + more;
    std::fs::write(&file, text).unwrap();
    let mut starter = start(&f, &file);
    let mut lines = std::io::BufReader::new(starter.stderr.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "portcullis node: listens");
    let node = children(served(starter.id())).pop().unwrap();
    let strangers: Vec<_> =
        (0..250).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let held = || std::fs::read_dir(format!("/proc/{node}/fd")).unwrap().count();
    support::waiting::eventually("all are taken in", || held() > 250);
    assert_eq!(otp(port, "b@127.0.0.1", "secret", &format!("net_adm:ping('{NODE}')")), "pong");
    assert!(held() > 250, "somebody had to go for it");
    drop(strangers);
    starter.kill().unwrap();
    starter.wait().unwrap();
    let program = f.program("ok");
    let words = [
        "prlimit",
        "--nofile=200:200",
        program.to_str().unwrap(),
        "node",
        "--config",
        file.to_str().unwrap(),
    ];
    let mut starter = f.command(&[], &words).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(starter.stderr.take().unwrap()).lines();
    let said = lines.next().unwrap().unwrap();
    assert!(
        said.starts_with(
            "portcullis node: it may have 200 descriptors, and [connections] of its file can take"
        ),
        "{said}"
    );
    assert!(lines.next().unwrap().unwrap().contains("LimitNOFILE="));
    assert_eq!(lines.next().unwrap().unwrap(), "portcullis node: listens");
    starter.kill().unwrap();
    starter.wait().unwrap();
}

#[test]
fn root_is_told_to_be_somebody_else() {
    let Some(f) = support::fixtures() else { return };
    let (_, file) = file_for(&f, f.program("ok").to_str().unwrap());
    let program = f.program("ok");
    let output = Command::new(&program).args(["node", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("started by root") && said.contains("runuser -u"),
        "{said}"
    );
}

/// Those that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// The process behind the wrappers of the fixture: the last that has a child which is no wrapper.
fn served(first: u32) -> u32 {
    let mut pid = first;
    loop {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "portcullis-proc" {
            return pid;
        }
        // What the way to the program starts may have ended meanwhile: then from the beginning.
        pid = children(pid).pop().unwrap_or(first);
    }
}
