//! Nodes of OTP without a module of ours.

use super::{NODE, as_tester, node, otp, script, support};

#[test]
fn operations_are_called_by_plain_messages() {
    let Some(f) = support::fixtures() else { return };
    let port = node("", Some(as_tester(&f)));
    let said = otp(
        port,
        "{ok, {[pid, comm], Rows}, #{rows := N}} = Call({processes, #{columns => [pid, comm]}}),
         {ok, {_, []}, #{rows := 0}} = Call({processes, #{columns => [pid], where => #{pid => [4194304]}}}),
         {ok, #{comm := _, pid := 1}} = Call({process, #{pid => 1, items => [pid, comm]}, #{timeout => 60000}}),
         {ok, Tables} = Call({tables, #{}}),
         {ok, {[load1, _ | _], [_]}, _} = Call({query, #{table => load}}),
         {ok, #{requests := _}} = Call({info, #{}}),
         {ok, #{sessions := 1, calls := 0, pid := Pid}} = Call(info),
         {ok, #{sessions := 1}} = gen_server:call(Pid, info),
         {N =:= length(Rows), N > 1, length(Tables) > 10,
          [element(2, catch Call(Request)) || Request <- [
             {processes, #{column => [pid]}}, {process, #{pid => 4194304}}, {nonsense, #{}}, {info, #{}, #{role => net}},
             {info, #{}, #{timeout => 0}}, {info, #{}, #{timeout => 1, timeout2 => 1}}, {info, [a]}, {info, #{a => self()}},
             {info, #{a => 1.5}}, {info, maps:from_list([{I, I} || I <- lists:seq(1, 65)])},
             {ban, #{address => {127,0,0,1}}}, {unsubscribe, x}]]}",
    );
    let start = "{start,<<\"role net is not served: the configuration names no program for it\">>}";
    let expected = format!(
        "{{true,true,true,[{{bad_request,[<<\"column\">>],{{unknown_key,<<\"columns\">>}}}},esrch,{{unsupported,<<\"nonsense\">>}},{start},\
         {{bad_request,[timeout],{{range,1,2147483647}}}},{{bad_request,[3,<<\"timeout2\">>],{{unknown_key,<<\"timeout\">>}}}},\
         {{bad_request,[args],{{expected,map}}}},{{bad_request,[],tag}},{{bad_request,[<<\"a\">>],unknown_key}},\
         {{bad_request,[],too_many_pairs}},{start},{{bad_request,[2],{{expected,<<\"a reference\">>}}}}]}}"
    );
    assert_eq!(said, expected);
}

#[test]
fn every_way_to_call_is_answered() {
    let Some(f) = support::fixtures() else { return };
    let port = node("", Some(as_tester(&f)));
    let said = otp(
        port,
        &format!(
            "S = {{portcullis, '{NODE}'}}, Q = {{process, #{{pid => 1, items => [pid]}}}},
             {{ok, A}} = gen_server:call(S, Q),
             {{ok, B}} = gen_statem:call(S, Q),
             {{ok, {{ok, C}}}} = gen:call(S, '$gen_call', Q, 60000),
             {{[{{'{NODE}', {{ok, D}}}}], []}} = gen_server:multi_call(['{NODE}'], portcullis, Q, 60000),
             {{reply, {{ok, E}}}} = gen_server:wait_response(gen_server:send_request(S, Q), 60000),
             S ! {{'$gen_call', {{self(), Tag = make_ref()}}, Q}},
             {{ok, F}} = receive {{Tag, X}} -> X after 60000 -> timeout end,
             {{Us, System}} = timer:tc(fun() -> catch sys:get_state(S) end),
             S ! hello, S ! {{'$gen_cast', hello}}, S ! {{system, x}}, ok = gen_server:cast(S, {{processes, #{{}}}}),
             {{ok, #{{ignored := Ignored}}}} = Call(info),
             pong = net_adm:ping('{NODE}'),
             {{lists:usort([A, B, C, D, E, F]), Us < 30000000, element(1, System), Ignored}}"
        ),
    );
    assert_eq!(said, "{[#{pid => 1}],true,'EXIT',2}");
}

#[test]
fn events_come_as_messages_until_nobody_wants_them() {
    let Some(f) = support::fixtures() else { return };
    let port = node("", Some(as_tester(&f)));
    let said = otp(
        port,
        "Topic = #{topic => query, table => uptime, every => 100},
         Event = fun(H) -> receive {portcullis, H, E} -> element(1, E) after 60000 -> silence end end,
         Count = fun() -> {ok, #{subscriptions := N}} = Call(info), N end,
         Wait = fun(W, N, Left) -> case Count() of N -> ok; O when Left =:= 0 -> {still, O}; _ -> timer:sleep(50), W(W, N, Left - 1) end end,
         {ok, H} = Call({subscribe, Topic}),
         true = is_reference(H),
         Events = [Event(H), Event(H), Event(H)],
         ok = Call({unsubscribe, H}), ok = Call({unsubscribe, H}),
         Zero = Count(),
         %% It ends with its subscriber.
         Self = self(),
         P = spawn(fun() -> Self ! Call({subscribe, Topic}), receive stop -> ok end end),
         {ok, _} = receive X -> X after 60000 -> timeout end,
         One = Count(), exit(P, kill), ok = Wait(Wait, 0, 1000),
         %% What happens once.
         Sleeper = open_port({spawn_executable, \"/bin/cat\"}, []),
         {os_pid, Os} = erlang:port_info(Sleeper, os_pid),
         {ok, Once} = Call({subscribe, #{topic => exit, pid => Os}}),
         port_close(Sleeper),
         Exit = [Event(Once), receive {portcullis, Once, Ended} -> Ended after 60000 -> silence end],
         Wrong = Call({subscribe, #{topic => nonsense}}),
         All = [element(1, Call({subscribe, Topic})) || _ <- lists:seq(1, 18)],
         {Events, Zero, One, Exit, element(2, Wrong), lists:usort(All), Count()}",
    );
    let expected =
        "{[event,event,event],0,1,[event,{ended,normal}],{unsupported,<<\"topic nonsense\">>},[error,ok],16}";
    assert_eq!(said, expected);
}

#[test]
fn sessions_and_calls_do_not_mix() {
    let Some(f) = support::fixtures() else { return };
    let port = node("", Some(as_tester(&f)));
    let said = otp(
        port,
        &format!(
            "{{ok, S}} = Call({{open, proc}}),
             Frame = fun() -> receive {{S, {{data, D}}}} -> binary_to_term(D) after 60000 -> timeout end end,
             Hello = element(1, Frame()),
             Ask = fun(Id) -> S ! {{self(), {{command, term_to_binary({{req, Id, info, #{{}}, 60000}}, [{{minor_version, 2}}])}}}} end,
             Both = [begin Ask(I), {{ok, #{{requests := A}}}} = Call({{info, #{{}}}}), {{ok, I, #{{requests := B}}}} = Frame(), {{A, B}} end || I <- lists:seq(1, 50)],
             %% A session's process is none that takes calls, and the copy behind calls is nobody's to speak with.
             {{error, {{bad_request, _}}}} = gen_server:call(S, info, 60000),
             S ! {{self(), close}},
             {{ok, #{{pid := Pid, sessions := 1}}}} = Call(info),
             M = monitor(process, Pid), N = monitor(process, {{portcullis, '{NODE}'}}), link(Pid),
             Quiet = receive {{'DOWN', _, _, _, _}} = Down -> Down after 300 -> quiet end,
             process_flag(trap_exit, true),
             true = erlang:disconnect_node('{NODE}'),
             Ends = lists:sort([receive {{'DOWN', R, _, _, W}} when R =:= M; R =:= N -> W; {{'EXIT', Pid, W}} -> W after 60000 -> silence end || _ <- [1, 2, 3]]),
             {{ok, #{{requests := 1}}}} = Call({{info, #{{}}}}),
             {{Hello, lists:last(Both), Quiet, Ends}}"
        ),
    );
    let gone = "[noconnection,noconnection,noconnection]";
    assert_eq!(said, format!("{{hello,{{50,50}},quiet,{gone}}}"));
}

#[test]
fn what_is_too_long_is_an_error_and_ends_nothing() {
    let Some(f) = support::fixtures() else { return };
    let said = otp(
        node("message_bytes = 4096", Some(as_tester(&f))),
        "{ok, {[pid], _}, _} = Call({query, #{table => processes, columns => [pid], limit => 2}}),
         {error, {too_long, 4096, Hint}} = Call({query, #{table => vmstat}}),
         {error, {too_long, 4096, Hint}} = Call({tables, #{}}),
         {match, _} = re:run(Hint, \"columns.*limit\"),
         {ok, #{calls := 0, sessions := 1}} = Call(info),
         [nodes(hidden)]",
    );
    assert_eq!(said, format!("[['{NODE}']]"));
    // Requests: more than a copy takes, and more than the network role takes, in a message that may come.
    let port = node("message_bytes = 67108864", Some(as_tester(&f)));
    let said = otp(
        port,
        "Long = fun(N) -> gen_server:call({portcullis, 'a@127.0.0.1'}, {process, #{pid => 1, x => binary:copy(<<0>>, N)}}, 60000) end,
         {error, {bad_request, [<<\"x\">>], unknown_key}} = Long(60000),
         {error, {too_long, 65536, _}} = Long(70000),
         {error, {too_long, 65536, _}} = Long(40 bsl 20),
         {error, {too_long, 16777216, _}} = gen_server:call({portcullis, 'a@127.0.0.1'}, {nft_list, #{what => binary:copy(<<0>>, 40 bsl 20)}}, 60000),
         [nodes(hidden)]",
    );
    assert_eq!(said, format!("[['{NODE}']]"));
}

/// A message that is longer than one may be has a sender who waits, and neighbours on its connection who have nothing to do with it.
#[test]
fn a_message_that_is_too_long_ends_no_connection() {
    let said = otp(
        node("message_bytes = 65536", None),
        "Ask = fun(N) -> (catch gen_server:call({portcullis, 'a@127.0.0.1'}, {query, #{x => binary:copy(<<0>>, N)}}, 30000)) end,
         pong = net_adm:ping('a@127.0.0.1'),
         [{Alone, Others}] = [begin
             Beside = [spawn_monitor(fun() -> exit(Call(info)) end) || _ <- lists:seq(1, 20)],
             Began = erlang:monotonic_time(millisecond),
             {'EXIT', {Why, _}} = Ask(N),
             {[Why, erlang:monotonic_time(millisecond) - Began < 20000],
              [receive {'DOWN', M, _, _, {ok, #{peers := 1}}} -> ok after 20000 -> none end || {_, M} <- Beside]}
         end || N <- [40 bsl 20]],
         {'EXIT', {denied, _}} = Ask(65537),
         {portcullis, 'a@127.0.0.1'} ! binary:copy(<<0>>, 1 bsl 20),
         P = spawn(fun() -> {ok, #{pid := Pid}} = Call(info), link(Pid), receive stop -> exit(binary:copy(<<0>>, 1 bsl 20)) end end),
         P ! stop, (fun W() -> case is_process_alive(P) of false -> ok; true -> timer:sleep(20), W() end end)(),
         pong = net_adm:ping('a@127.0.0.1'),
         {Alone, lists:usort(Others), nodes(hidden)}",
    );
    assert_eq!(said, format!("{{[denied,true],[ok],['{NODE}']}}"));
}

/// Who asks from a new process each time teaches the firewall of as many as can be remembered, if they are not forgotten.
#[test]
fn callers_that_have_ended_are_forgotten() {
    let Some(f) = support::fixtures() else { return };
    let port = node("learned = 64", Some(as_tester(&f)));
    let said = otp(
        port,
        &format!(
            "S = {{portcullis, '{NODE}'}},
             New = fun(F) -> {{P, M}} = spawn_monitor(fun() -> exit({{was, F()}}) end), receive {{'DOWN', M, process, P, {{was, R}}}} -> R end end,
             Calls = [New(fun() -> element(1, Call({{info, #{{}}}})) end) || _ <- lists:seq(1, 200)],
             Many = [New(fun() -> gen_server:multi_call(['{NODE}'], portcullis, info, 60000) end) || _ <- lists:seq(1, 200)],
             Casts = [New(fun() -> gen_server:cast(S, {{ban, #{{}}}}) end) || _ <- lists:seq(1, 200)],
             (fun W() -> case Call(info) of {{ok, #{{calls := 0}}}} -> ok; _ -> timer:sleep(20), W() end end)(),
             Subscriptions = [New(fun() -> {{ok, H}} = Call({{subscribe, #{{topic => query, table => load, every => 1000}}}}), Call({{unsubscribe, H}}) end) || _ <- lists:seq(1, 20)],
             {{lists:usort(Calls), lists:usort([element(2, M) || M <- Many]), lists:usort(Casts), lists:usort(Subscriptions), element(1, Call({{info, #{{}}}}))}}"
        ),
    );
    assert_eq!(said, "{[ok],[[]],[ok],[ok],ok}");
}

#[test]
fn a_copy_that_fails_is_told_to_everybody_who_waits() {
    // It ends at once, never says a word, says what no copy says.
    for (program, timeout, expected) in [
        ("exit 1", 50_000, "{error,{down,closed}}"),
        ("exec sleep 60 2>/dev/null", 500, "{error,timeout}"),
        ("printf '\\0\\0\\0\\03xyz'; exec sleep 60 2>/dev/null", 50_000, "{error,{down,closed}}"),
    ] {
        let port = node("", Some(script(program)));
        let code = format!(
            "{{Us, Said}} = timer:tc(fun() -> Call({{info, #{{}}, #{{timeout => {timeout}}}}}) end),
             {{Us < 40000000, Said}}"
        );
        assert_eq!(otp(port, &code), format!("{{true,{expected}}}"), "{program}");
    }
    // One that stops in the middle, with a change and a question under way.
    let Some(f) = support::fixtures() else { return };
    let folder = std::env::temp_dir().join(format!("portcullis-direct-pid-{}", std::process::id()));
    let begin = format!("echo $$ > {}; exec {} \"$@\"", folder.display(), as_tester(&f));
    let port = node("", Some(script(&begin)));
    let code = format!(
        "{{ok, _}} = Call({{info, #{{}}}}),
         {{ok, Pid}} = file:read_file({:?}),
         {{ok, H}} = Call({{subscribe, #{{topic => query, table => load, every => 1000}}}}),
         Self = self(),
         spawn(fun() -> Self ! {{said, Call({{query, #{{table => cpu_rates, interval => 50000}}, #{{timeout => 60000}}}})}} end),
         (fun W() -> case Call(info) of {{ok, #{{calls := 1}}}} -> ok; _ -> timer:sleep(20), W() end end)(),
         os:cmd(\"kill -9 \" ++ binary_to_list(Pid)),
         Said = receive {{said, S}} -> S after 60000 -> silence end,
         Ended = (fun E() -> receive {{portcullis, H, {{ended, R}}}} -> R; {{portcullis, H, _}} -> E() after 60000 -> silence end end)(),
         {{Said, Ended, element(1, Call({{info, #{{}}}}))}}",
        folder.to_str().unwrap()
    );
    assert_eq!(otp(port, &code), "{{error,{down,closed}},{down,closed},ok}");
}
