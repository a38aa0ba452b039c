%% A server behind a node of distribution: the installed program as a hidden node, and OTP nodes that may, and may not, speak with it.
-module(portcullis_node_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_dist, [stop/1, otp/2, ours/0, on/4, pong/2, before_ticks/1]).
-import(portcullis_test_server, [until/1, quickest/2]).

-define(FAR, far@localhost).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [a_server_behind_the_node_answers_like_a_local_one, rows_of_a_slow_reader_come_whole, what_ends_here_ends_there,
     a_server_comes_back_with_its_node, who_may_not_is_told_at_once, the_policy_narrows_what_a_peer_may_ask, nothing_else_of_the_node_can_be_reached].

%% Its file is written by root, with the other fixtures.
init_per_suite(Config) -> portcullis_test_dist:init(Config).

end_per_suite(_) -> ok.

init_per_testcase(_, Config) ->
    [{far, start(Config)}, {near, near("near", "CUTFLEAMHALYARD")} | Config].

end_per_testcase(_, Config) ->
    ok = peer:stop(near(Config)),
    stop(proplists:get_value(far, Config)).

%% --- cases ----------------------------------------------------------------------------------------------------------

a_server_behind_the_node_answers_like_a_local_one(Config) ->
    Near = near(Config),
    ?assertEqual(pong, on(Near, net_adm, ping, [?FAR])),
    Server = server(Near),
    {ok, Rows} = on(Near, portcullis, processes, [Server, #{columns => [pid, comm]}]),
    ?assert(length(Rows) > 1),
    {ok, [#{load1 := _}], #{rows := 1}} = on(Near, portcullis, query, [Server, load, #{}]),
    ?assertMatch({error, {bad_request, _, _}}, on(Near, portcullis, query, [Server, nothing, #{}])),
    ?assertMatch({ok, #{proc := #{state := ready}}}, on(Near, portcullis, info, [Server])),
    %% Hidden: nobody is connected with it, or told of it, by itself.
    ?assertEqual([], on(Near, erlang, nodes, [])),
    ?assertEqual([?FAR], on(Near, erlang, nodes, [hidden])).

%% Chunks need credit, which travels too.
rows_of_a_slow_reader_come_whole(Config) ->
    Near = near(Config),
    Server = server(Near),
    %% Here, and not on the peer: that may be where no program keeps its capabilities.
    {ok, Local} = portcullis:start_link(portcullis_test_server:options()),
    {ok, Rows, _} = count(Local),
    ok = gen:stop(Local),
    ?assertMatch({ok, Rows, _}, on(Near, ?MODULE, count, [Server])).

count(Server) ->
    portcullis:fold(Server, vmstat, #{timeout => 100000}, fun(_, N) -> timer:sleep(1), N + 1 end, 0).

%% A session ends with its server, and with its connection.
what_ends_here_ends_there(Config) ->
    Near = near(Config),
    _ = [server(Near) || _ <- [1, 2, 3]],
    ?assertEqual(3, sessions(Near)),
    Server = server(Near),
    ok = on(Near, gen, stop, [Server]),
    before_ticks(fun() -> sessions(Near) =:= 3 end),
    true = on(Near, erlang, disconnect_node, [?FAR]),
    pong(Near, ?FAR),
    before_ticks(fun() -> sessions(Near) =:= 3 end).

a_server_comes_back_with_its_node(Config) ->
    Near = near(Config),
    %% One that is required ends with its program.
    {ok, Server} = on(Near, portcullis_test_dist, unlinked, [[{name, undefined}, {transport, {node, ?FAR}}]]),
    Ask = fun() -> on(Near, portcullis, query, [Server, load, #{}]) end,
    until(fun() -> element(1, Ask()) =:= ok end),
    ok = stop(proplists:get_value(far, Config)),
    before_ticks(fun() -> element(1, Ask()) =:= error end),
    {error, Error} = Ask(),
    ?assertMatch({down, _}, Error),
    Text = iolist_to_binary(on(Near, portcullis, format_error, [Error])),
    ?assertNotEqual(nomatch, binary:match(Text, <<"far@localhost">>), Text),
    Far = start(Config),
    until(fun() -> element(1, Ask()) =:= ok end),
    stop(Far).

who_may_not_is_told_at_once(_) ->
    [begin
         Stranger = near(Name, Cookie),
         ?assertEqual(pang, quickest(2000, fun() -> on(Stranger, net_adm, ping, [?FAR]) end), Name),
         {ok, Server} = on(Stranger, portcullis_test_dist, unlinked, [[{name, undefined}, {transport, {node, ?FAR}}]]),
         ?assertMatch({error, {down, {node, ?FAR, _}}}, on(Stranger, portcullis, query, [Server, load, #{}])),
         ok = peer:stop(Stranger)
     end || {Name, Cookie} <- [{"stranger", "CUTFLEAMHALYARD"}, {"near", "WRONG"}]].

the_policy_narrows_what_a_peer_may_ask(Config) ->
    Few = near("few", "CUTFLEAMHALYARD"),
    Server = server(Few),
    ?assertMatch({ok, [_], _}, on(Few, portcullis, query, [Server, load, #{}])),
    {error, Error} = on(Few, portcullis, processes, [Server, #{}]),
    ?assertMatch({denied_by_policy, <<"peer.operations">>, _}, Error),
    Text = iolist_to_binary(on(Few, portcullis, format_error, [Error])),
    ?assertNotEqual(nomatch, binary:match(Text, <<"[peer.\"few@localhost\"], has operations = [query]">>), Text),
    ?assertMatch({error, {denied_by_policy, <<"peer.tables">>, _}},
                 on(Few, portcullis, query, [Server, sockets, #{}])),
    ok = peer:stop(Few),
    %% Another node is another principal.
    ?assertMatch({ok, [_ | _]}, on(near(Config), portcullis, processes, [server(near(Config)), #{}])).

nothing_else_of_the_node_can_be_reached(Config) ->
    Near = near(Config),
    pong = on(Near, net_adm, ping, [?FAR]),
    Denied = fun(caught, Call) -> on(Near, portcullis_test_dist, timed, [500, Call]) end,
    ?assertEqual({error, {erpc, eperm}}, Denied(caught, [erpc, call, [?FAR, os, cmd, ["id"]]])),
    ?assertEqual({badrpc, {'EXIT', eperm}}, Denied(caught, [rpc, call, [?FAR, init, stop, []]])),
    %% The rules let everything be monitored, and rex is not there.
    ?assertMatch({exit, {noproc, _}}, Denied(caught, [gen_server, call, [{rex, ?FAR}, x]])),
    ?assertMatch({exit, {denied, _}}, Denied(caught, [gen_server, call, [{net_kernel, ?FAR}, x]])),
    %% Neither a call of several nodes nor `sys', both of which wait for ever, waits for what is denied.
    %% From OTP 26 on a call of several nodes says nothing by which its monitor could be told.
    Old = list_to_integer(on(Near, erlang, system_info, [otp_release])) < 26,
    [?assertEqual({[], [?FAR]}, Denied(caught, [gen_server, multi_call, [[?FAR], net_kernel, x]])) || Old],
    ?assertMatch({exit, {denied, _}}, Denied(caught, [sys, get_state, [{net_kernel, ?FAR}, infinity]])),
    ?assertMatch({error, {bad_request, <<_/binary>>}}, Denied(caught, [gen_server, call, [{portcullis, ?FAR}, x]])),
    ?assertMatch({error, {start, <<"role net is not served", _/binary>>}},
                 Denied(caught, [gen_server, call, [{portcullis, ?FAR}, {open, net}]])),
    ?assertEqual(pong, on(Near, net_adm, ping, [?FAR])).

%% --- nodes ----------------------------------------------------------------------------------------------------------

near(Config) -> proplists:get_value(near, Config).

%% It listens nowhere and knows the port of the other.
near(Name, Cookie) ->
    Peer = otp(Name, ["-setcookie", Cookie, "-erl_epmd_port", "9107", "-dist_listen", "false", "-hidden" | ours()]),
    {ok, _} = on(Peer, application, ensure_all_started, [portcullis]),
    Peer.

server(Near) ->
    {ok, Server} = on(Near, portcullis_test_dist, unlinked, [[{name, undefined}, {transport, {node, ?FAR}}, {required, true}]]),
    Server.

sessions(Near) ->
    {ok, #{sessions := Sessions}} = on(Near, gen_server, call, [{portcullis, ?FAR}, info]),
    Sessions.

start(Config) -> portcullis_test_dist:start(Config, "node", "node/node.toml").
