//! A gateway between real OTP nodes: what passes, what is denied and how its sender hears of it, what ends with what.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;

use std::sync::Mutex;

use gateway::free_port::free_port;
use gateway::waiting::eventually;
use gateway::{B, Node, RULES, Z, config, gateway, gateway_of, otp};

#[test]
fn an_otp_node_speaks_with_an_otp_node_as_if_nobody_stood_between() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let code = format!(
        "pong = net_adm:ping('{B}'), hello = Call(echo, hello), [] = nodes(), ['{B}'] = nodes(hidden),
         ['{Z}'] = Call(echo, nodes),
         {{[{{'{B}', here}}], []}} = gen_server:multi_call(['{B}'], echo, here, 5000),
         P = Call(mortal, pid), '{B}' = node(P), M = monitor(process, P),
         P ! {{link, self()}}, process_flag(trap_exit, true), link(P),
         {{mortal, '{B}'}} ! {{die, bye}},
         receive {{'DOWN', M, process, P, Why}} -> bye = Why after 60000 -> error(no_down) end,
         receive {{'EXIT', P, bye}} -> ok after 60000 -> error(no_exit) end,
         S = spawn('{B}', timer, sleep, [100000]), true = is_pid(S),
         S2 = spawn_monitor('{B}', lists, reverse, [[1, 2]]), {{S2P, S2M}} = S2,
         receive {{'DOWN', S2M, process, S2P, normal}} -> ok after 60000 -> error(no_spawn_down) end,
         fine"
    );
    assert_eq!(otp(port, Z, "outer", &code), "fine");
}

#[test]
fn what_is_denied_is_denied_at_once_and_in_the_words_of_otp() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    // The one-liner of the RFC: halt every node that there is.
    let code = format!(
        "pong = net_adm:ping('{B}'),
         ok = Try(fun() -> [rpc:cast(N, erlang, halt, []) || N <- nodes(hidden)], [catch spawn(N, erlang, halt, []) || N <- nodes(hidden)], ok end),
         [Try(fun() -> erpc:call('{B}', os, cmd, [\"id\"], 5000) end),
          Try(fun() -> rpc:call('{B}', init, stop, [], 5000) end),
          Try(fun() -> gen_server:call({{rex, '{B}'}}, x, 5000) end),
          Try(fun() -> gen_server:call({{net_kernel, '{B}'}}, {{spawn, erlang, halt, [], self()}}, 5000) end),
          Try(fun() -> gen_server:call({{guarded, '{B}'}}, x, 5000) end),
          Try(fun() -> Call(echo, fun() -> ok end) end),
          Try(fun() -> gen_server:call(Call(echo, whoami), fun lists:map/2) end),
          Try(fun() -> Call(funny, x) end),
          Try(fun() -> process_flag(trap_exit, true), P = spawn_link('{B}', erlang, halt, []), receive {{'EXIT', P, W}} -> W after 60000 -> silence end end),
          Try(fun() -> M = monitor(process, {{init, '{B}'}}), receive {{'DOWN', M, _, _, W}} -> W after 60000 -> silence end end),
          Try(fun() -> M = monitor(process, {{mortal, '{B}'}}), {{mortal, '{B}'}} ! fun_end, receive {{'DOWN', M, _, _, W}} -> W after 60000 -> silence end end),
          Call(echo, alive)]"
    );
    let said = otp(port, Z, "outer", &code);
    let call = |name: &str, why: &str, what: &str| {
        format!("{{exit,{{{why},{{gen_server,call,[{{{name},'{B}'}},{what},5000]}}}}}}")
    };
    let halt = "{spawn,erlang,halt,[],";
    assert!(said.starts_with("[{error,{erpc,eperm}},{badrpc,{'EXIT',eperm}},"), "{said}");
    assert!(said.contains(&call("rex", "denied", "x")), "{said}");
    assert!(
        said.contains(&format!("{{exit,{{denied,{{gen_server,call,[{{net_kernel,'{B}'}},{halt}")),
        "{said}"
    );
    assert!(said.contains(&call("guarded", "denied", "x")), "{said}");
    assert!(!said.contains("late") && !said.contains("silence"), "{said}");
    assert!(said.ends_with(",{error,eperm},denied,denied,alive]"), "{said}");
    println!("{said}");
}

/// The protected node may ask for a process of a peer, and no rule lets the answer in: whoever asked would wait for ever.
#[test]
fn who_asks_for_a_process_and_may_not_hear_the_answer_hears_that() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", &RULES.replace("spawn_reply = \"accept\"", ""));
    let code = format!(
        "pong = net_adm:ping('{B}'),
         {{Took, Said}} = Call(echo, {{spawn_at, '{Z}'}}), true = Took < 5000, alive = Call(echo, alive), Said"
    );
    assert_eq!(otp(port, Z, "outer", &code), "{error,{erpc,eperm}}");
}

/// Whoever waits for an answer that may not pass leaves nothing behind in the node that gave it.
#[test]
fn monitors_of_denied_calls_are_taken_back() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let code = format!(
        "pong = net_adm:ping('{B}'),
         [{{exit, _}} = Try(fun() -> Call(echo, fun() -> ok end) end) || _ <- lists:seq(1, 20)],
         [{{exit, _}} = Try(fun() -> Call(funny, x) end) || _ <- lists:seq(1, 20)],
         Watchers = fun W(N) -> case {{Call(echo, watchers), Call(funny, watchers)}} of {{1, 1}} = All -> All; Other when N =:= 0 -> Other; _ -> timer:sleep(100), W(N - 1) end end,
         Watchers(600)"
    );
    // Itself, who asks.
    assert_eq!(otp(port, Z, "outer", &code), "{1,1}");
}

/// Each process counts its unlinks by itself, so that many have the same number. A node keeps what it has of a link until its unlink was seen.
#[test]
fn that_unlinks_of_many_processes_were_seen_is_told_to_each() {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let node = Node::protected(free_port());
    let port = gateway_of(config(node.port, "", RULES), "outer", None, |line| {
        SAID.lock().unwrap().push(line.to_owned());
    });
    let code = format!(
        "pong = net_adm:ping('{B}'), T = Call(mortal, pid), Me = self(),
         [spawn(fun() -> link(T), unlink(T), Me ! done end) || _ <- lists:seq(1, 200)],
         [receive done -> ok end || _ <- lists:seq(1, 200)], alive = Call(echo, alive)"
    );
    assert_eq!(otp(port, Z, "outer", &code), "alive");
    let denied: Vec<String> =
        SAID.lock().unwrap().iter().filter(|line| line.contains("denied")).cloned().collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[test]
fn who_may_not_come_in_does_not() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let ping = format!("net_adm:ping('{B}')");
    assert_eq!(otp(port, Z, "outer", &ping), "pong");
    assert_eq!(otp(port, Z, "inner", &ping), "pang");
    assert_eq!(otp(port, "x@127.0.0.1", "outer", &ping), "pang");
}

#[test]
fn long_messages_and_many_messages_come_whole_and_in_order() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "[limits]\nmessage_bytes = 67108864", RULES);
    let code = format!(
        "pong = net_adm:ping('{B}'), N = 50 * 1000 * 1000,
         N = Call(echo, {{length, binary:copy(<<1>>, N)}}), N = byte_size(Call(echo, {{make, N}})),
         [{{sink, '{B}'}} ! {{n, I}} || I <- lists:seq(1, 20000)],
         20000 = Call(sink, count), fine"
    );
    assert_eq!(otp(port, Z, "outer", &code), "fine");
}

#[test]
fn the_end_of_either_node_is_heard_on_the_other_side_and_a_restart_is_noticed() {
    let inner = free_port();
    let node = Node::protected(inner);
    let port = gateway(inner, "", RULES);
    let mark = std::env::temp_dir().join(format!("portcullis-gateway-{}", std::process::id()));
    let _ = std::fs::remove_file(&mark);
    let file = mark.to_str().unwrap().to_owned();
    let watch = std::thread::spawn(move || {
        let mark = file;
        let code = format!(
            "ok = net_kernel:monitor_nodes(true, [{{node_type, all}}]), pong = net_adm:ping('{B}'),
             Old = Call(echo, whoami), ok = file:write_file({mark:?}, <<>>),
             receive {{nodedown, '{B}', _}} -> ok after 60000 -> error(no_nodedown) end,
             pang = net_adm:ping('{B}'), ok = file:delete({mark:?}),
             %% It listens before its servers are there.
             Wait = fun W(0) -> error(not_back); W(N) -> case catch Call(echo, whoami) of P when is_pid(P) -> P; _ -> timer:sleep(100), W(N - 1) end end,
             New = Wait(600), again = Call(echo, again),
             {{node(Old) =:= node(New), Old =:= New}}"
        );
        otp(port, Z, "outer", &code)
    });
    eventually("it is connected", || mark.exists());
    drop(node);
    eventually("it has heard of the end", || !mark.exists());
    let _node = Node::protected(inner);
    assert_eq!(watch.join().unwrap(), "{true,false}");
    // The end of the peer is heard behind the gateway, and it may come again.
    let gone = format!("pong = net_adm:ping('{B}'), Call(echo, nodes)");
    assert_eq!(otp(port, "y@127.0.0.1", "outer", &gone), "['y@127.0.0.1']");
    assert_eq!(otp(port, Z, "outer", &gone), "['z@127.0.0.1']");
}

#[test]
fn a_handler_gets_what_was_for_another_and_can_answer() {
    let node = Node::protected(free_port());
    let rules =
        RULES.replace("reg_send = {", "# reg_send = {").replace("spawn_request = {", "# spawn_request = {");
    let rules = rules.replace(", \"guarded\"]", "]");
    let rules = rules
        .replace("send = \"accept\"\nalias", "send = { default = \"accept\", handler = \"guard\" }\nalias");
    let rules = format!(
        "{rules}\nreg_send = {{ accept = [\"guarded\"], handler = \"guard\" }}\nspawn_request = {{ accept = [\"erlang:halt/0\"], handler = \"guard\" }}\n[peer.\"y@127.0.0.1\".in]\nreg_send = \"accept\""
    );
    let port = gateway(node.port, "", &rules);
    let code = format!(
        "pong = net_adm:ping('{B}'), A = Call(guarded, question), {{guarded, '{B}'}} ! {{plain, here}}, timer:sleep(100),
         {{'EXIT', _}} = (catch erpc:call('{B}', os, cmd, [\"id\"])), {{A =:= {{guarded, question, #{{command => reg_send, direction => in, node => '{Z}', target => guarded}}, '{Z}'}}, A, node(self())}}"
    );
    let said = otp(port, Z, "outer", &code);
    assert!(said.starts_with("{true,") && said.ends_with(&format!(",'{Z}'}}")), "{said}");
    let last = "Call(guard, last)";
    let said = otp(port, "y@127.0.0.1", "outer", &format!("pong = net_adm:ping('{B}'), {last}"));
    assert!(said.contains("message => {plain,here}") && said.contains("target => guarded"), "{said}");
    let spawn = format!("pong = net_adm:ping('{B}'), Try(fun() -> spawn_link('{B}', erlang, halt, []) end)");
    assert_eq!(otp(port, Z, "outer", &spawn), "{error,eperm}");
    let said =
        otp(port, "y@127.0.0.1", "outer", &format!("pong = net_adm:ping('{B}'), {{{last}, Call(echo, x)}}"));
    assert!(said.contains("arguments => []") && said.contains("target => {erlang,halt,0}"), "{said}");
    assert!(said.contains("command => spawn_request") && said.ends_with(",x}"), "{said}");
}
