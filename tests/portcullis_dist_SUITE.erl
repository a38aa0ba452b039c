%% Filters at run time: the installed program as a hidden node, OTP nodes around it, and every example of the RFC, asked first and then sent.
-module(portcullis_dist_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_dist, [stop/1, otp/3, ours/0, on/4, pong/2]).
-import(portcullis_test_server, [until/1, quickest/2]).

-define(WALL, wall@localhost).
-define(APP, app@localhost).
-define(OPS, ops@localhost).
-define(COOKIE, "CUTFLEAMHALYARD").
%% As the files of the fixture have it.
-define(EPMD, "9131").
-define(COMMANDS, [alias_send, demonitor, exit, exit2, group_leader, link, monitor, monitor_exit, reg_send, send, spawn_reply,
                   spawn_request, unlink, unlink_ack]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [coarse_filters, fine_filters, a_filter_is_tested_added_and_tested_again, filters_that_go, defaults_for_all, handlers,
     statistics_in_the_shape_of_the_rfc, who_may_ask_and_what_is_none, filters_outlive_the_connection, one_line_that_halts_three_nodes,
     examples_of_the_documentation].

init_per_suite(Config) -> portcullis_test_dist:init(Config).

end_per_suite(_) -> ok.

init_per_testcase(Case, Config) ->
    Epmd = open_port({spawn_executable, os:find_executable("epmd")}, [{args, ["-port", ?EPMD]}, exit_status]),
    until(fun() -> listens(list_to_integer(?EPMD)) end),
    Rules = case lists:member(Case, [filters_outlive_the_connection, one_line_that_halts_three_nodes]) of
        true -> "closed.toml";
        false -> "open.toml"
    end,
    Wall = portcullis_test_dist:start(Config, "node", "filters/" ++ Rules),
    {App, Ops} = {start(app), start(ops)},
    %% The port mapper knows it a moment after it listens.
    [until(fun() -> on(Peer, net_kernel, connect_node, [?WALL]) end) || Peer <- [App, Ops]],
    [{epmd, Epmd}, {wall, Wall}, {app, App}, {ops, Ops} | Config].

end_per_testcase(_, Config) ->
    [ok = peer:stop(Peer) || Name <- [app, ops], Peer <- [proplists:get_value(Name, Config)], is_process_alive(Peer)],
    [stop(proplists:get_value(Name, Config)) || Name <- [wall, epmd]].

%% --- the examples of the RFC ----------------------------------------------------------------------------------------

%% net_kernel:set_filter(Node, Command, reject), each of the seven: asked, sent, denied, asked and sent again.
coarse_filters(Config) ->
    Session = session(Config),
    [begin
         Target = case Command of
             reg_send -> portcullis;
             spawn_request -> {erlang, now, 0};
             _ -> '_'
         end,
         %% Asked by another: who is denied monitors, calls nobody.
         ?assertEqual(accept, ops(Config, test_filter, [?APP, Command, Target]), Command),
         ?assertEqual({1, 0}, counted(Config, Command, Session), Command),
         ?assertEqual(accept, ops(Config, set_filter, [?APP, Command, deny]), Command),
         ?assertEqual(deny, ops(Config, test_filter, [?APP, Command, Target]), Command),
         ?assertEqual({deny, runtime}, ops(Config, explain_filter, [?APP, Command, Target]), Command),
         ?assertEqual({0, 1}, counted(Config, Command, Session), Command),
         ?assertEqual(deny, ops(Config, set_filter, [?APP, Command, deny]), Command)
     end || Command <- [link, group_leader, monitor, send, spawn_request, alias_send, reg_send]].

%% add_filter for reg_send and spawn_request.
fine_filters(Config) ->
    Spawn = fun(Function, Arity) -> {spawn, {my_mod, Function, Arity}} end,
    Filters = [{reg_send, my_secret_process, deny, {reg_send, my_secret_process}},
               {reg_send, my_public_process, accept, {reg_send, my_public_process}},
               {spawn_request, {my_mod, my_fun, 0}, accept, Spawn(my_fun, 0)},
               {spawn_request, {my_mod, my_fun, 1}, deny, Spawn(my_fun, 1)}],
    [?assertEqual(accept, app(Config, add_filter, [?APP, Command, Target, Filter])) || {Command, Target, Filter, _} <- Filters],
    Agreed = fun(Command, Target, Filter, Send) ->
        ?assertEqual(Filter, app(Config, test_filter, [Command, Target])),
        Expected = case Filter of accept -> {1, 0}; deny -> {0, 1} end,
        ?assertEqual(Expected, counted(Config, Command, Send), {Command, Target})
    end,
    [Agreed(Command, Target, Filter, Send) || {Command, Target, Filter, Send} <- Filters],
    %% Names are exact, and an arity is another function.
    Agreed(reg_send, my_secret_processes, accept, {reg_send, my_secret_processes}),
    Agreed(spawn_request, {my_mod, my_fun, 2}, accept, Spawn(my_fun, 2)),
    %% A function of any arity, and all of a module.
    ?assertEqual(accept, app(Config, add_filter, [?APP, spawn_request, {my_mod, your_fun, '_'}, deny])),
    Agreed(spawn_request, {my_mod, your_fun, 3}, deny, Spawn(your_fun, 3)),
    ?assertEqual(accept, app(Config, add_filter, [?APP, spawn_request, {my_mod, '_', '_'}, deny])),
    Agreed(spawn_request, {my_mod, any_fun, 0}, deny, Spawn(any_fun, 0)),
    Agreed(spawn_request, {my_mod, my_fun, 0}, accept, Spawn(my_fun, 0)).

%% The three lines of the RFC's shell, with deny for reject.
a_filter_is_tested_added_and_tested_again(Config) ->
    ?assertEqual(accept, app(Config, test_filter, [reg_send, my_secret_process])),
    ?assertEqual(accept, app(Config, add_filter, [?APP, reg_send, my_secret_process, deny])),
    ?assertEqual(deny, app(Config, test_filter, [reg_send, my_secret_process])),
    ?assertEqual([{node, in, reg_send, <<"my_secret_process">>, deny}], app(Config, filters, [?APP])),
    %% Who is denied hears it at once.
    App = proplists:get_value(app, Config),
    ?assertMatch({ok, #{}}, on(App, ?MODULE, caught, [{portcullis, ?WALL}, info])),
    ?assertEqual(accept, app(Config, add_filter, [?APP, reg_send, portcullis, deny])),
    ?assertMatch({exit, {denied, _}}, quickest(2000, fun() -> on(App, ?MODULE, caught, [{portcullis, ?WALL}, info]) end)).

%% By a node that may ask for others too. After the one that denies all by default nobody is answered.
examples_of_the_documentation(Config) ->
    Examples = [Code || {_, Code} <- portcullis_test_examples:of_module(portcullis_dist)],
    {Last, First} = lists:partition(fun(Code) -> string:find(Code, "set_default_filter") =/= nomatch end, Examples),
    ?assertMatch({[_], [_, _ | _]}, {Last, First}),
    Here = fun(Code) -> re:replace(re:replace(Code, "'portcullis@host'", atom_to_list(?WALL), [global]), "'app@host'", atom_to_list(?APP)) end,
    [?assertMatch(#{}, on(proplists:get_value(ops, Config), portcullis_test_examples, evaluate, [Here(Code)])) || Code <- First ++ Last].

%% del_filter: one that accepts goes, one that denies is root's to give back.
filters_that_go(Config) ->
    [?assertEqual(accept, app(Config, add_filter, [?APP | Filter]))
     || Filter <- [[reg_send, my_secret_process, deny], [reg_send, my_public_process, accept],
                   [spawn_request, {my_mod, my_fun, 0}, accept], [spawn_request, {my_mod, my_fun, 1}, deny]]],
    ?assertEqual(accept, app(Config, del_filter, [?APP, reg_send, my_public_process])),
    ?assertEqual(accept, app(Config, del_filter, [?APP, spawn_request, {my_mod, my_fun, 0}])),
    [begin
         ?assertMatch({error, {loosens, <<_/binary>>}}, app(Config, del_filter, [?APP | Filter])),
         ?assertEqual(deny, app(Config, test_filter, Filter))
     end || Filter <- [[reg_send, my_secret_process], [spawn_request, {my_mod, my_fun, 1}]]],
    ?assertEqual(accept, app(Config, set_filter, [?APP, reg_send, accept])),
    ?assertEqual(accept, app(Config, set_filter, [?APP, exit2, deny])),
    {error, Loosens} = app(Config, set_filter, [?APP, exit2, accept]),
    ?assertMatch(<<"The node did not do it (loosens): it would accept", _/binary>>, portcullis:format_error(Loosens)).

%% set_default_filter('_', '_', drop), set_default_filter(spawn_request, {my_dist_auth_module, authenticate, 1}, accept): in the order that
%% never loosens. It holds for nodes that were never connected.
defaults_for_all(Config) ->
    Login = {my_dist_auth_module, authenticate, 1},
    %% The verbs have to come through too.
    ?assertEqual(accept, ops(Config, set_default_filter, [reg_send, portcullis, accept])),
    ?assertEqual(accept, ops(Config, set_default_filter, [monitor, portcullis, accept])),
    ?assertEqual(accept, ops(Config, set_default_filter, [spawn_request, Login, accept])),
    ?assertEqual(accept, ops(Config, set_default_filter, ['_', '_', deny])),
    ?assertMatch({error, {loosens, _}}, ops(Config, set_default_filter, ['_', '_', accept])),
    [begin
         ?assertEqual(accept, ops(Config, test_filter, [Node, spawn_request, Login])),
         ?assertEqual(deny, ops(Config, test_filter, [Node, spawn_request, {erlang, halt, 0}])),
         ?assertEqual(deny, ops(Config, test_filter, [Node, reg_send, rex]))
     end || Node <- [?APP, ?OPS, foo@localhost]],
    ?assertEqual({1, 0}, counted(Config, spawn_request, {spawn, Login})),
    ?assertEqual({0, 1}, counted(Config, spawn_request, {spawn, {erlang, halt, 0}})).

%% set_handler(Node, spawn_request, my_spawn_request_handler), and the other four: nobody is behind this node.
handlers(Config) ->
    [?assertMatch({error, {no_protected_node, <<_/binary>>}}, ops(Config, set_handler, [?APP, Command, my_dist_handler]))
     || Command <- [reg_send, group_leader, send, spawn_request, alias_send]],
    ?assertMatch({error, {not_permitted, <<_/binary>>}}, app(Config, set_handler, [?APP, reg_send, my_dist_handler])).

statistics_in_the_shape_of_the_rfc(Config) ->
    {error, {down, _}} = on(proplists:get_value(app, Config), portcullis_dist, statistics, [nobody@localhost]),
    Statistics = app(Config, statistics, []),
    ?assertEqual(?COMMANDS, [Command || {Command, [{accept, A}, {deny, D}]} <- Statistics, is_integer(A), is_integer(D)]),
    ?assertEqual({0, 0}, row(link, ops(Config, statistics, [foo@localhost]))),
    #{in := In, out := Out} = ops(Config, counters, [?APP]),
    ?assertMatch(#{statistics := [_ | _], reasons := #{}, handled := 0, malformed := 0}, In),
    ?assertMatch({Answers, 0} when Answers > 0, row(alias_send, maps:get(statistics, Out))),
    {Own, _} = row(reg_send, ops(Config, statistics, [?OPS])),
    {All, _} = row(reg_send, ops(Config, statistics, ['_'])),
    ?assert(All > Own).

who_may_ask_and_what_is_none(Config) ->
    [?assertMatch({error, {not_permitted, <<_/binary>>}}, app(Config, Function, Args))
     || {Function, Args} <- [{set_filter, [?OPS, link, deny]}, {test_filter, [?OPS, link, '_']}, {statistics, ['_']},
                             {counters, [?OPS]}, {set_default_filter, ['_', '_', deny]}]],
    [?assertMatch({error, {bad_request, <<_/binary>>}}, ops(Config, Function, Args))
     || {Function, Args} <- [{set_filter, [?APP, link, reject]}, {set_filter, [?APP, lnk, deny]}, {set_filter, [app, link, deny]},
                             {set_filter, ["app@localhost", link, deny]}, {add_filter, [?APP, link, x, deny]},
                             {add_filter, [?APP, spawn_request, {m, f, 256}, deny]}, {test_filter, [?APP, inward, link, '_']},
                             {test_filter, [?APP, reg_send, [x]]}]],
    ?assertMatch({error, {unknown_node, <<_/binary>>}}, ops(Config, counters, [stranger@localhost])).

%% --- what stays -----------------------------------------------------------------------------------------------------

filters_outlive_the_connection(Config) ->
    App = proplists:get_value(app, Config),
    ?assertEqual(pong, on(App, net_adm, ping, [?WALL])),
    ?assertEqual(accept, ops(Config, add_filter, [?APP, monitor, rex, deny])),
    ?assertEqual({0, 1}, counted(Config, monitor, {monitor, rex})),
    Before = ops(Config, counters, [?APP]),
    true = on(App, erlang, disconnect_node, [?WALL]),
    pong(App, ?WALL),
    ?assertEqual(deny, app(Config, test_filter, [monitor, rex])),
    ?assertEqual({0, 1}, counted(Config, monitor, {monitor, rex})),
    #{in := #{statistics := Rows, reasons := #{runtime := 2}}} = ops(Config, counters, [?APP]),
    [begin
         #{in := #{statistics := Earlier}} = Before,
         {{A, D}, {Accepted, Denied}} = {row(Command, Earlier), row(Command, Rows)},
         ?assert(Accepted >= A andalso Denied >= D, Command)
     end || Command <- ?COMMANDS],
    %% Another start of the node is the same name.
    ok = peer:stop(App),
    Again = start(app),
    ?assertEqual(deny, on(Again, portcullis_dist, test_filter, [?WALL, monitor, rex])),
    ok = peer:stop(Again).

%% The scenario of the RFC: one line on foo halts bar, baz and foo. The wall lives, and whoever is beside it.
one_line_that_halts_three_nodes(Config) ->
    Ops = proplists:get_value(ops, Config),
    Nodes = [{Name, start(Name)} || Name <- [foo, bar, baz]],
    Foo = proplists:get_value(foo, Nodes),
    Bar = proplists:get_value(bar, Nodes),
    [?assertEqual(pong, on(Bar, net_adm, ping, [Other])) || Other <- [baz@localhost, ?WALL]],
    ?assertEqual(pong, on(Foo, net_adm, ping, [?WALL])),
    ?assertEqual(pong, on(Ops, net_adm, ping, [?WALL])),
    Monitors = [monitor(process, Peer) || {_, Peer} <- Nodes],
    ok = peer:cast(Foo, ?MODULE, halt_all, [bar@localhost]),
    [receive {'DOWN', Monitor, process, _, _} -> ok after 120000 -> ct:fail(still_there) end || Monitor <- Monitors],
    ?assertEqual(pong, on(Ops, net_adm, ping, [?WALL])),
    Denied = [element(2, row(spawn_request, ops(Config, statistics, [Node]))) || Node <- [foo@localhost, bar@localhost, baz@localhost]],
    ?assert(lists:sum(Denied) >= 1, Denied),
    ?assertEqual({0, 0}, row(spawn_request, ops(Config, statistics, [?OPS]))),
    %% And once more at the wall itself: it is told at once.
    Halt = fun() -> on(Ops, ?MODULE, caught, [fun() -> erpc:call(?WALL, erlang, halt, [1], 60000) end]) end,
    ?assertEqual({error, {erpc, eperm}}, quickest(2000, Halt)),
    ?assertEqual(pong, on(Ops, net_adm, ping, [?WALL])).

%% The line of the RFC, but that hidden nodes are asked too, as the wall is one; and that each node is pinged behind the message: one that halts at once loses
%% what it has just said.
halt_all(Bar) ->
    erpc:cast(Bar, fun Halt() ->
        Nodes = nodes([visible, hidden]),
        erpc:multicast(Nodes, Halt),
        _ = [net_adm:ping(Node) || Node <- Nodes],
        erlang:halt(1)
    end).

%% --- messages -------------------------------------------------------------------------------------------------------

%% A pid behind the wall: a session, whose owner lives on.
session(Config) ->
    on(proplists:get_value(app, Config), ?MODULE, held, []).

held() ->
    Asker = self(),
    _ = spawn(fun() ->
        {ok, Session} = gen_server:call({portcullis, ?WALL}, {open, proc}),
        Asker ! {session, Session},
        receive never -> ok end
    end),
    receive {session, Session} -> Session after 60000 -> error(no_session) end.

%% Sends a message of that command, and answers how many of it were accepted and denied by that.
counted(Config, Command, What) ->
    {Accepted, Denied} = row(Command, ops(Config, statistics, [?APP])),
    ok = on(proplists:get_value(app, Config), ?MODULE, send, [Command, What]),
    Counted = fun() ->
        {A, D} = row(Command, ops(Config, statistics, [?APP])),
        [{A - Accepted, D - Denied} || {A, D} =/= {Accepted, Denied}]
    end,
    [Found] = portcullis_test_nodes:wait(Counted),
    Found.

send(link, Session) ->
    process_flag(trap_exit, true),
    true = link(Session),
    true = unlink(Session),
    ok;
send(group_leader, Session) -> true = group_leader(self(), Session), ok;
send(monitor, {monitor, Name}) -> _ = monitor(process, {Name, ?WALL}), ok;
send(monitor, Session) -> _ = monitor(process, Session), ok;
send(send, Session) -> _ = (Session ! hello), ok;
send(alias_send, Session) -> _ = (mark(Session) ! hello), ok;
send(reg_send, {reg_send, Name}) -> _ = ({Name, ?WALL} ! hello), ok;
send(reg_send, _) -> _ = ({portcullis, ?WALL} ! hello), ok;
send(spawn_request, {spawn, {Module, Function, Arity}}) ->
    _ = spawn_request(?WALL, Module, Function, lists:duplicate(Arity, []), [{reply, no}]),
    ok;
send(spawn_request, _) -> send(spawn_request, {spawn, {erlang, now, 0}}).

%% The reference under which a session monitors its owner: the one of the wall's that this node was told of.
mark(Session) ->
    <<131, 88, 119, Length, Name:Length/binary, Id:32, 0:32, Creation:32>> = term_to_binary(Session, [{minor_version, 2}]),
    binary_to_term(<<131, 90, 3:16, 119, Length, Name/binary, Creation:32, Id:32, 0:32, 0:32>>).

caught(Fun) when is_function(Fun) ->
    try Fun()
    catch error:Reason -> {error, Reason}
    end.

caught(To, Request) ->
    try gen_server:call(To, Request, 60000)
    catch Class:Reason -> {Class, Reason}
    end.

row(Command, Statistics) ->
    {Command, [{accept, Accepted}, {deny, Denied}]} = lists:keyfind(Command, 1, Statistics),
    {Accepted, Denied}.

%% --- nodes ----------------------------------------------------------------------------------------------------------

app(Config, Function, Args) -> on(proplists:get_value(app, Config), portcullis_dist, Function, [?WALL | Args]).
ops(Config, Function, Args) -> on(proplists:get_value(ops, Config), portcullis_dist, Function, [?WALL | Args]).

start(Name) ->
    otp(Name, ["-setcookie", ?COOKIE | ours()], [{"ERL_EPMD_PORT", ?EPMD}]).

listens(Number) ->
    case gen_tcp:connect({127, 0, 0, 1}, Number, []) of
        {ok, Socket} -> gen_tcp:close(Socket) =:= ok;
        {error, _} -> false
    end.
