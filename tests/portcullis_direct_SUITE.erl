%% Operations without the client: the installed program as a hidden node, and OTP nodes beside it that have no module of ours and no path to one.
-module(portcullis_direct_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_dist, [stop/1, otp/3, on/4, pong/2]).
-import(portcullis_test_server, [until/1, quickest/2, within/2]).

-define(FAR, direct@localhost).
-define(S, {portcullis, ?FAR}).
-define(COOKIE, "CUTFLEAMHALYARD").

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [a_call_is_answered_without_any_module_of_ours, every_way_to_call_is_answered, a_cast_does_what_it_says,
     events_come_until_the_subscriber_ends, it_can_be_monitored_and_linked_to,
     what_is_denied_is_denied_at_once, both_sides_come_back, what_is_too_long_is_said].

%% Its file is written by root, with the other fixtures.
init_per_suite(Config) -> portcullis_test_dist:init(Config).

end_per_suite(_) -> ok.

init_per_testcase(_, Config) ->
    Far = start(Config),
    Near = near(),
    ?assertEqual(non_existing, on(Near, code, which, [portcullis])),
    [{far, Far}, {near, Near} | Config].

end_per_testcase(_, Config) ->
    %% One case ends it itself.
    _ = catch peer:stop(near(Config)),
    stop(proplists:get_value(far, Config)).

%% --- cases ----------------------------------------------------------------------------------------------------------

a_call_is_answered_without_any_module_of_ours(Config) ->
    Near = near(Config),
    {ok, {[pid, comm], Rows}, #{rows := N}} = call(Near, {processes, #{columns => [pid, comm]}}),
    ?assertEqual(N, length(Rows)),
    ?assert(lists:all(fun({Pid, Comm}) -> is_integer(Pid) andalso is_binary(Comm) end, Rows)),
    {ok, {_, Listening}, #{}} = call(Near, {query, #{table => listening}, #{timeout => 20000}}),
    ?assert(length(Listening) > 0),
    {ok, {[object], []}, #{generation := _}} = call(Near, {nft_list, #{}}),
    ?assertEqual({error, esrch}, call(Near, {process, #{pid => 4194304}})),
    ?assertMatch({error, {denied_by_policy, <<"sysctl.read">>, _}}, call(Near, {sysctl_get, #{name => <<"net.ipv4.ip_forward">>}})),
    ?assertMatch({error, {bad_request, [pid], missing}}, call(Near, {process, #{}})),
    %% One copy for each role, however many ask.
    ?assertMatch({ok, #{sessions := 2, calls := 0}}, call(Near, info)).

every_way_to_call_is_answered(Config) ->
    Near = near(Config),
    Request = {process, #{pid => 1, items => [pid]}},
    Answer = {ok, #{pid => 1}},
    ?assertEqual(Answer, on(Near, gen_server, call, [?S, Request])),
    ?assertEqual(Answer, on(Near, gen_statem, call, [?S, Request])),
    ?assertEqual({ok, Answer}, on(Near, gen, call, [?S, '$gen_call', Request, 5000])),
    ?assertEqual({[{?FAR, Answer}], []}, on(Near, gen_server, multi_call, [[?FAR], portcullis, Request, 5000])),
    ?assertEqual({[{?FAR, Answer}], []}, on(Near, gen_server, multi_call, [[?FAR], portcullis, Request])),
    ?assertEqual({reply, Answer}, eval(Near, "gen_server:wait_response(gen_server:send_request(S, R), 60000).",
                                       [{'S', ?S}, {'R', Request}])),
    ?assertMatch({'EXIT', _}, quickest(1000, fun() -> eval(Near, "catch sys:get_state(S).", [{'S', ?S}]) end)),
    ?assertMatch({error, {bad_request, <<_/binary>>}}, call(Near, something)),
    ?assertEqual(pong, on(Near, net_adm, ping, [?FAR])).

%% What the policy says to it stands in the trail of the copy: it got there.
a_cast_does_what_it_says(Config) ->
    Near = near(Config),
    Code = "{ok, H} = gen_server:call(S, {subscribe, #{topic => audit}, #{role => net}}),"
           "ok = gen_server:cast(S, {ban, #{address => {192, 0, 2, 1}}}),"
           "receive {portcullis, H, {event, E}} -> E after 60000 -> silence end.",
    ?assertMatch(#{kind := audit, operation := <<"ban">>, decision := denied}, eval(Near, Code, [{'S', ?S}])),
    %% Nobody would have the answer to these.
    [ok = on(Near, gen_server, cast, [?S, Cast]) || Cast <- [{banned, #{}}, {processes, #{}}, something, {ban}]],
    until(fun() -> {ok, #{ignored := N}} = call(Near, info), N =:= 4 end).

events_come_until_the_subscriber_ends(Config) ->
    Near = near(Config),
    Subscribe = "{ok, H} = gen_server:call(S, {subscribe, #{topic => query, table => uptime, every => 100}}), ",
    Count = fun() -> {ok, #{subscriptions := N}} = call(Near, info), N end,
    ?assertMatch([#{kind := query, added := [_]}, #{kind := query}],
                 eval(Near, Subscribe ++
                            "Events = [receive {portcullis, H, {event, E}} -> E after 60000 -> silence end || _ <- [1, 2]],"
                            "ok = gen_server:call(S, {unsubscribe, H}), Events.", [{'S', ?S}])),
    ?assertEqual(0, Count()),
    %% Whoever evaluates it ends with it.
    _ = eval(Near, Subscribe ++ "H.", [{'S', ?S}]),
    until(fun() -> Count() =:= 0 end),
    ?assertMatch({error, {unsupported, _}}, call(Near, {subscribe, #{topic => nothing}})),
    ?assertMatch({error, {bad_request, _, _}}, call(Near, {subscribe, #{topic => query, table => nothing}})).

it_can_be_monitored_and_linked_to(Config) ->
    Near = near(Config),
    {ok, #{pid := Pid}} = call(Near, info),
    Code = "process_flag(trap_exit, true), M = monitor(process, S), N = monitor(process, P), link(P),"
           "quiet = receive X -> X after 300 -> quiet end, true = demonitor(N), true = register(watches, self()),"
           "Sort = fun({'DOWN', R, process, _, W}) when R =:= M -> {down, W}; ({'EXIT', R, W}) when R =:= P -> {exit, W} end,"
           "lists:sort([receive Y -> Sort(Y) after 60000 -> silence end || _ <- [1, 2]]).",
    Self = self(),
    spawn_link(fun() -> Self ! {ended, eval(Near, Code, [{'S', ?S}, {'P', Pid}])} end),
    until(fun() -> on(Near, erlang, whereis, [watches]) =/= undefined end),
    %% Before the ticks of a silent connection would tell (portcullis_test_dist:before_ticks/1).
    within(40000, fun() ->
        stop(proplists:get_value(far, Config)),
        receive {ended, Ends} -> ?assertEqual([{down, noconnection}, {exit, noconnection}], Ends) end
    end).

%% The terms are those of docs/distribution.md, and none takes as long as a person would notice.
what_is_denied_is_denied_at_once(Config) ->
    Near = near(Config),
    pong = on(Near, net_adm, ping, [?FAR]),
    Cases = [{erpc, {error, {erpc, eperm}}, "erpc:call(N, os, cmd, [\"id\"])"},
             {rpc, {badrpc, {'EXIT', eperm}}, "rpc:call(N, init, stop, [])"},
             {spawn, {error, eperm}, "receive {'DOWN', R, process, _, W} -> W after 60000 -> silence end",
              "{_, R} = erlang:spawn_opt(N, erlang, halt, [], [monitor]), "},
             {spawn_link, {error, eperm}, "receive {'EXIT', P, W} -> W after 60000 -> silence end",
              "process_flag(trap_exit, true), P = spawn_link(N, erlang, halt, []), "},
             {call, {exit, noproc}, "gen_server:call({rex, N}, x)"},
             {net_kernel, {exit, denied}, "gen_server:call({net_kernel, N}, x)"},
             {monitor, denied, "receive {'DOWN', M, process, _, W} -> W after 60000 -> silence end",
              "M = monitor(process, {init, N}), "}],
    [begin
         {Name, Expected, Expression} = {element(1, Case), element(2, Case), element(3, Case)},
         Before = case Case of {_, _, _, B} -> B; _ -> "" end,
         Code = "timer:tc(fun() -> try " ++ Before ++ Expression ++ " catch C:{X, {gen_server, _, _}} -> {C, X}; C:X -> {C, X} end end).",
         %% The quickest of five is about the program, and not about what else the machine does.
         Five = [{_, Said} | _] = lists:sort([eval(Near, Code, [{'N', ?FAR}]) || _ <- lists:seq(1, 5)]),
         {Us, _} = hd(Five),
         ct:pal("~s: ~0p after ~b us", [Name, Said, Us]),
         ?assertEqual({Name, [Expected]}, {Name, lists:usort([Each || {_, Each} <- Five])}),
         ?assert(Us < 100000, {Name, Us})
     end || Case <- Cases],
    ?assertMatch({ok, _}, call(Near, {info, #{}})).

both_sides_come_back(Config) ->
    Near = near(Config),
    {ok, _} = call(Near, {info, #{}}),
    ok = stop(proplists:get_value(far, Config)),
    ?assertMatch({exit, _}, eval(Near, "try gen_server:call(S, {info, #{}}) catch C:R -> {C, R} end.", [{'S', ?S}])),
    Far = start(Config),
    pong(Near, ?FAR),
    ?assertMatch({ok, #{requests := 1}}, call(Near, {info, #{}})),
    ok = peer:stop(Near),
    Again = near(),
    pong(Again, ?FAR),
    %% What was the other's ended with it.
    ?assertMatch({ok, #{requests := 1}}, call(Again, {info, #{}})),
    ?assertMatch({ok, #{sessions := 1}}, call(Again, info)),
    ok = peer:stop(Again),
    stop(Far).

what_is_too_long_is_said(Config) ->
    Near = near(Config),
    ?assertMatch({error, {too_long, 65536, <<_/binary>>}},
                 call(Near, {process, #{pid => 1, items => binary:copy(<<0>>, 100000)}})),
    ?assertMatch({ok, _}, call(Near, {info, #{}})).

%% --- nodes ----------------------------------------------------------------------------------------------------------

near(Config) -> proplists:get_value(near, Config).

%% It listens nowhere, knows the port of the other, and has the modules of OTP.
near() ->
    otp("near", ["-setcookie", ?COOKIE, "-erl_epmd_port", "9140", "-dist_listen", "false", "-hidden"],
        [{"ERL_LIBS", false}, {"ERL_FLAGS", false}, {"ERL_AFLAGS", false}]).

start(Config) -> portcullis_test_dist:start(Config, "node", "node/direct.toml").

call(Near, Request) -> on(Near, gen_server, call, [?S, Request, 60000]).

%% What that node makes of a text: no module but its own is asked.
eval(Near, Text, Bindings) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = on(Near, erl_eval, exprs, [Expressions, Bindings]),
    Value.
