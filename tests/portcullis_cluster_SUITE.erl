%% The same question on several nodes, each with a server of its own.
-module(portcullis_cluster_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_nodes, [epmd/1, end_epmd/1, node/4, wait/1]).
-import(portcullis_test_dist, [on/4]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() -> [each_node_answers_for_itself, members_come_and_go, what_cannot_answer_says_why].

init_per_testcase(_, Config0) ->
    Config = [{epmd, epmd([])} | Config0],
    Peers = [node(Config, Name, [], []) || Name <- ["one", "two", "three"]],
    [First | Others] = Nodes = [on(Peer, erlang, node, []) || Peer <- Peers],
    [?assertEqual(pong, on(hd(Peers), net_adm, ping, [Other])) || Other <- Others],
    [{ok, _} = on(Peer, application, ensure_all_started, [portcullis]) || Peer <- Peers],
    [{peers, Peers}, {nodes, Nodes}, {first, First} | Config].

end_per_testcase(_, Config) ->
    [ok = peer:stop(Peer) || Peer <- proplists:get_value(peers, Config), is_process_alive(Peer)],
    end_epmd(proplists:get_value(epmd, Config)).

%% In the application's own supervisor, so that it stays when the call has ended.
start(Peer) ->
    {ok, Server} = on(Peer, supervisor, start_child, [portcullis_sup, portcullis:child_spec([{roles, [proc]}, {required, true}])]),
    Server.

each_node_answers_for_itself(Config) ->
    [One | _] = Peers = proplists:get_value(peers, Config),
    Nodes = proplists:get_value(nodes, Config),
    [start(Peer) || Peer <- Peers],
    Pids = [on(Peer, os, getpid, []) || Peer <- Peers],
    Answers = on(One, portcullis, multicall, [Nodes, info, #{role => proc, timeout => 60000}]),
    ?assertEqual(Nodes, [Node || {Node, {ok, #{requests := _}}} <- Answers]),
    Parents = [on(One, portcullis, multicall,
                         [[Node], process, #{pid => list_to_integer(Pid), items => [pid, comm], timeout => 60000}])
               || {Node, Pid} <- lists:zip(Nodes, Pids)],
    ?assertMatch([[{_, {ok, #{comm := <<"beam.smp">>}}}], [_], [_]], Parents),
    Rows = on(One, portcullis, multicall, [Nodes, query, #{table => load, columns => [load1], timeout => 60000}]),
    ?assertEqual(Nodes, [Node || {Node, {ok, [#{load1 := _}], #{rows := 1}}} <- Rows]).

members_come_and_go(Config) ->
    [One, Two | _] = proplists:get_value(peers, Config),
    [First, Second | _] = proplists:get_value(nodes, Config),
    Members = fun() -> on(One, portcullis_cluster, members, []) end,
    ?assertEqual([], Members()),
    ?assertEqual([], on(One, portcullis, multicall, [all, info, #{timeout => 60000}])),
    [start(Peer) || Peer <- [One, Two]],
    Both = lists:sort([First, Second]),
    _ = wait(fun() -> [yes || Members() =:= Both] end),
    ?assertEqual(Both, [Node || {Node, {ok, _}} <- on(One, portcullis, multicall, [all, info, #{role => proc, timeout => 60000}])]),
    ok = peer:stop(Two),
    _ = wait(fun() -> [yes || Members() =:= [First]] end).

what_cannot_answer_says_why(Config) ->
    [One | _] = proplists:get_value(peers, Config),
    [First, Second | _] = proplists:get_value(nodes, Config),
    start(One),
    %% A node of somebody else's, which has never heard of portcullis.
    {ok, Strange, Third} = peer:start_link(#{name => peer:random_name("strange"), host => "localhost", longnames => false,
                                             connection => standard_io,
                                             wait_boot => 120000, env => portcullis_test_nodes:epmd_of(Config, [{"ERL_LIBS", ""}])}),
    [_] = wait(fun() -> [yes || on(One, net_adm, ping, [Third]) =:= pong] end),
    ?assertMatch([{First, {ok, _}}, {Second, {error, {down, {noproc, _}}}}, {Third, {error, {unsupported, _}}},
                  {'nobody@localhost', {error, {down, noconnection}}}],
                 on(One, portcullis, multicall,
                           [[First, Second, Third, 'nobody@localhost'], info, #{role => proc, timeout => 60000}])),
    %% A mistake is each node's to refuse.
    ?assertMatch([{First, {error, {bad_request, [table], _}}}],
                 on(One, portcullis, multicall, [[First], query, #{table => no_such_table}])),
    ok = peer:stop(Strange).
