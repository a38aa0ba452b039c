%% The installed program in front of an OTP node, and OTP nodes that may, and may not, speak with that one through it.
-module(portcullis_gateway_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_dist, [stop/1, otp/2, on/4, pong/2, before_ticks/1]).
-import(portcullis_test_server, [quickest/2]).

-define(GUARDED, guarded@localhost).
-define(OUTER, "OUTERHALYARD").
-define(INNER, "INNERHALYARD").

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [the_guarded_node_answers_as_if_nobody_stood_between, nothing_is_left_of_its_privileges, who_may_not_is_told_at_once,
     a_node_that_wants_to_halt_all_others_halts_none, who_may_speak_with_a_server_does_not_own_it, long_and_many_messages, processes_watch_each_other,
     both_ends_are_heard_and_all_come_back, a_handler_answers_for_another, inside_tls_it_is_the_same,
     its_file_is_read_again_and_nobody_notices].

%% Its file is written by root, with the other fixtures.
init_per_suite(Config) -> portcullis_test_dist:init(Config).

end_per_suite(_) -> ok.

init_per_testcase(inside_tls_it_is_the_same, Config) ->
    Gateway = start(Config, "tls/gateway.toml"),
    [{gateway, Gateway}, {guarded, guarded()}, {near, near_inside_tls(Config, "near", "near@localhost.conf")} | Config];
init_per_testcase(_, Config) ->
    Gateway = start(Config, "gateway/gateway.toml"),
    [{gateway, Gateway}, {guarded, guarded()}, {near, near("near", ?OUTER)} | Config].

end_per_testcase(_, Config) ->
    _ = [catch peer:stop(proplists:get_value(Who, Config)) || Who <- [near, guarded]],
    stop(proplists:get_value(gateway, Config)).

%% --- cases ----------------------------------------------------------------------------------------------------------

the_guarded_node_answers_as_if_nobody_stood_between(Config) ->
    Near = near(Config),
    ?assertEqual(pong, on(Near, net_adm, ping, [?GUARDED])),
    ?assertEqual({answer, hello}, call(Near, hello)),
    ?assertEqual({[{?GUARDED, {answer, x}}], []}, on(Near, gen_server, multi_call, [[?GUARDED], gateway_echo, x])),
    ?assertEqual([], on(Near, erlang, nodes, [])),
    ?assertEqual([?GUARDED], on(Near, erlang, nodes, [hidden])),
    ?assertEqual(['near@localhost'], on(guarded(Config), erlang, nodes, [hidden])).

%% Three processes: one reads what peers say, one calls the guarded node, and the first of all reads the file again.
nothing_is_left_of_its_privileges(Config) ->
    {os_pid, First} = erlang:port_info(proplists:get_value(gateway, Config), os_pid),
    [_, _] = Others = children(First),
    Has = fun(Pid, Lines) ->
        {ok, Status} = file:read_file(["/proc/", integer_to_list(Pid), "/status"]),
        [?assertNotEqual(nomatch, re:run(Status, ["^", Line, "$"], [multiline]), {Pid, Line}) || Line <- Lines]
    end,
    [Has(Pid, ["CapPrm:\\s0+", "CapEff:\\s0+", "NoNewPrivs:\\s1"]) || Pid <- [First | Others]],
    [Has(Pid, ["Seccomp:\\s2"]) || Pid <- Others],
    %% Whichever of them ends, the others do, and with them every connection.
    ended_by(1, proplists:get_value(gateway, Config), Config),
    [ended_by(Which, start(Config, "gateway/gateway.toml"), Config) || Which <- [2, 3]].

ended_by(Which, Gateway, Config) ->
    pong(near(Config), ?GUARDED),
    {os_pid, First} = erlang:port_info(Gateway, os_pid),
    Processes = [First | children(First)],
    _ = os:cmd("kill -9 " ++ integer_to_list(lists:nth(Which, Processes))),
    before_ticks(fun() -> erlang:port_info(Gateway) =:= undefined end),
    before_ticks(fun() -> not lists:any(fun runs/1, Processes) end),
    [before_ticks(fun() -> on(Peer, erlang, nodes, [hidden]) =:= [] end) || Peer <- [near(Config), guarded(Config)]].

who_may_not_is_told_at_once(_) ->
    [begin
         Stranger = near(Name, Cookie),
         ?assertEqual(pang, quickest(2000, fun() -> on(Stranger, net_adm, ping, [?GUARDED]) end), Name),
         ok = peer:stop(Stranger)
     end || {Name, Cookie} <- [{"stranger", ?OUTER}, {"other", ?INNER}, {"other", "WRONG"}]].

%% What the RFC begins with.
a_node_that_wants_to_halt_all_others_halts_none(Config) ->
    Near = near(Config),
    pong = on(Near, net_adm, ping, [?GUARDED]),
    {Replies, Bad} = on(Near, rpc, multicall, [[?GUARDED], erlang, halt, []]),
    ?assertEqual({[{badrpc, {'EXIT', eperm}}], []}, {Replies, Bad}),
    true = on(Near, rpc, cast, [?GUARDED, erlang, halt, []]),
    Denied = fun(caught, Call) -> on(Near, portcullis_test_dist, timed, [100, Call]) end,
    ?assertEqual({error, {erpc, eperm}}, Denied(caught, [erpc, call, [?GUARDED, os, cmd, ["id"]]])),
    ?assertEqual({error, eperm}, Denied(caught, [erlang, spawn, [?GUARDED, erlang, halt, []]])),
    ?assertMatch({exit, {denied, _}}, Denied(caught, [gen_server, call, [{rex, ?GUARDED}, {call, os, cmd, ["id"], self()}]])),
    ?assertMatch({exit, {denied, _}},
                 Denied(caught, [gen_server, call, [{net_kernel, ?GUARDED}, {spawn, erlang, halt, [], self()}]])),
    ?assertMatch({exit, {denied, _}}, Denied(caught, [gen_server, call, [{gateway_echo, ?GUARDED}, fun erlang:halt/0]])),
    ?assertMatch({exit, {denied, _}}, Denied(caught, [gen_server, call, [{gateway_echo, ?GUARDED}, answer_with_a_fun]])),
    ?assertEqual({answer, alive}, call(Near, alive)).

%% A gen_server obeys some messages before its module sees them.
who_may_speak_with_a_server_does_not_own_it(Config) ->
    {Near, Guarded} = {near(Config), guarded(Config)},
    true = on(Guarded, erlang, unregister, [gateway_sink]),
    {ok, Server} = on(Guarded, gen_server, start, [{local, gateway_sink}, ?MODULE, secret, []]),
    To = {gateway_sink, ?GUARDED},
    Ask = fun(Function, Args) -> on(Near, ?MODULE, caught, [sys, Function, [To | Args]]) end,
    ?assertEqual({told, hello}, on(Near, gen_server, call, [To, hello])),
    ?assertEqual(secret, on(Guarded, sys, get_state, [gateway_sink])),
    File = filename:join(proplists:get_value(priv_dir, Config), "written"),
    [?assertMatch({Function, {exit, {denied, _}}}, {Function, Ask(Function, Args)})
     || {Function, Args} <- [{get_state, []}, {suspend, []}, {get_status, []}, {log_to_file, [File]}, {terminate, [kill]},
                             {replace_state, [fun(State) -> State end]}]],
    [on(Near, erlang, send, [To, Message])
     || Message <- [{system, x, suspend}, {'$gen_call', x, hello}, {'$gen_call', {x, y}, hello},
                    {'EXIT', on(Near, erlang, whereis, [init]), kill}]],
    ?assertEqual({told, again}, on(Near, gen_server, call, [To, again])),
    ?assertEqual({Server, secret}, {on(Guarded, erlang, whereis, [gateway_sink]), on(Guarded, sys, get_state, [gateway_sink])}),
    ?assertNot(filelib:is_file(File)).

long_and_many_messages(Config) ->
    Near = near(Config),
    Long = 50 * 1000 * 1000,
    ?assertEqual(Long, on(Near, ?MODULE, long, [Long])),
    ?assertEqual(20000, on(Near, ?MODULE, many, [20000])).

long(N) ->
    {answer, Bytes} = gen_server:call({gateway_echo, ?GUARDED}, binary:copy(<<7>>, N), 100000),
    byte_size(Bytes).

many(N) ->
    [{gateway_sink, ?GUARDED} ! {number, I} || I <- lists:seq(1, N)],
    gen_server:call({gateway_sink, ?GUARDED}, count, 100000).

processes_watch_each_other(Config) ->
    Near = near(Config),
    {_, Pid} = call(Near, process),
    ?assertEqual({{down, bye}, {exit, bye}}, on(Near, ?MODULE, watch, [Pid])),
    {_, Other} = call(Near, process),
    ?assertEqual(normal, on(Near, ?MODULE, watched, [Other])).

watch(Pid) ->
    process_flag(trap_exit, true),
    Monitor = monitor(process, Pid),
    true = link(Pid),
    Pid ! {die, bye},
    Down = receive {'DOWN', Monitor, process, Pid, Why} -> {down, Why} after 60000 -> silence end,
    Exit = receive {'EXIT', Pid, Reason} -> {exit, Reason} after 60000 -> silence end,
    {Down, Exit}.

%% The other way: a process of the guarded node watches one of this.
watched(Pid) ->
    Mortal = spawn(fun() -> receive stop -> ok end end),
    Pid ! {watch, Mortal, self()},
    receive {Pid, watches} -> Mortal ! stop after 60000 -> error(silence) end,
    receive {Pid, Why} -> Why after 60000 -> silence end.

both_ends_are_heard_and_all_come_back(Config) ->
    Near = near(Config),
    ok = on(guarded(Config), ?MODULE, tell_of_nodes, []),
    {_, Old} = call(Near, whoami),
    true = on(Near, erlang, disconnect_node, [?GUARDED]),
    before_ticks(fun() -> on(guarded(Config), persistent_term, get, [nodes_down, 0]) =:= 1 end),
    ?assertEqual({answer, again}, call(Near, again)),
    Monitor = on(Near, ?MODULE, watch_node, [?GUARDED]),
    ok = peer:stop(guarded(Config)),
    before_ticks(fun() -> on(Near, ?MODULE, heard, [Monitor]) end),
    pang = quickest(2000, fun() -> on(Near, net_adm, ping, [?GUARDED]) end),
    Guarded = guarded(),
    pong(Near, ?GUARDED),
    {_, New} = call(Near, whoami),
    %% A pid of its start before is nobody's.
    ?assertNotEqual(Old, New),
    ?assertMatch({exit, {noproc, _}}, on(Near, portcullis_test_dist, caught, [gen_server, call, [Old, x]])),
    ok = peer:stop(Guarded).

tell_of_nodes() ->
    Self = self(),
    Watcher = spawn(fun() ->
                        ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
                        Self ! {self(), watches},
                        receive {nodedown, _, _} -> persistent_term:put(nodes_down, 1) end
                    end),
    receive {Watcher, watches} -> ok end.

watch_node(Node) ->
    Name = list_to_atom("watch" ++ integer_to_list(erlang:unique_integer([positive]))),
    Self = self(),
    Watcher = spawn(fun() ->
                        true = register(Name, self()),
                        true = monitor_node(Node, true),
                        Self ! {self(), watches},
                        receive {nodedown, Node} -> ok end
                    end),
    receive {Watcher, watches} -> Name end.

heard(Name) -> whereis(Name) =:= undefined.

%% For `other' the file has a handler of all that is sent to names.
a_handler_answers_for_another(Config) ->
    Other = near("other", ?OUTER),
    pong = on(Other, net_adm, ping, [?GUARDED]),
    ?assertEqual({guarded, question, gateway_echo, 'other@localhost', 'other@localhost'}, call(Other, question)),
    %% Nothing reached the one whom it was for.
    ?assertNotMatch({answer, _}, call(Other, question)),
    ?assertEqual({answer, question}, call(near(Config), question)),
    ok = peer:stop(Other).

%% The guarded node has no TLS, and the peer knows nothing else.
inside_tls_it_is_the_same(Config) ->
    Near = near(Config),
    ?assertEqual(pong, on(Near, net_adm, ping, [?GUARDED])),
    ?assertEqual({answer, hello}, call(Near, hello)),
    ?assertEqual({badrpc, {'EXIT', eperm}}, on(Near, rpc, call, [?GUARDED, erlang, halt, []])),
    ?assertMatch({exit, {denied, _}}, on(Near, portcullis_test_dist, caught, [gen_server, call, [{rex, ?GUARDED}, x]])),
    Long = 20 * 1000 * 1000,
    ?assertEqual(Long, on(Near, ?MODULE, long, [Long])),
    ?assertEqual(20000, on(Near, ?MODULE, many, [20000])),
    true = on(Near, erlang, disconnect_node, [?GUARDED]),
    before_ticks(fun() -> on(guarded(Config), erlang, nodes, [hidden]) =:= [] end),
    ?assertEqual({answer, again}, call(Near, again)),
    [begin
         ?assertEqual(pang, quickest(10000, fun() -> on(Stranger, net_adm, ping, [?GUARDED]) end), Why),
         ok = peer:stop(Stranger)
     end || {Why, Stranger} <- [{"another's certificate", near_inside_tls(Config, "other", "near@localhost.conf")},
                                {"no TLS", near("other", ?OUTER)}]],
    ?assertEqual({answer, alive}, call(Near, alive)).

%% The file is root's: that a changed one holds is tried in tests/dist_gateway_reload.rs.
its_file_is_read_again_and_nobody_notices(Config) ->
    Near = near(Config),
    Gateway = proplists:get_value(gateway, Config),
    {_, Before} = call(Near, whoami),
    {os_pid, First} = erlang:port_info(Gateway, os_pid),
    _ = os:cmd("kill -HUP " ++ lists:join(" ", [integer_to_list(Pid) || Pid <- [First | children(First)]])),
    receive {Gateway, {data, {eol, "portcullis gateway: the file was read again"}}} -> ok
    after 60000 -> ct:fail(silence)
    end,
    ?assertEqual({answer, Before}, call(Near, whoami)),
    %% The process that calls the guarded node goes on, too.
    true = on(Near, erlang, disconnect_node, [?GUARDED]),
    ?assertEqual({answer, again}, call(Near, again)).

%% --- what runs on the nodes -----------------------------------------------------------------------------------------

call(Peer, Request) ->
    on(Peer, gen_server, call, [{gateway_echo, ?GUARDED}, Request]).

caught(Module, Function, Args) ->
    try apply(Module, Function, Args)
    catch Class:Reason -> {Class, Reason}
    end.

timed(Function, Args) ->
    timer:tc(?MODULE, Function, Args).

serve() ->
    _ = [begin
             Pid = spawn(?MODULE, Function, [0]),
             true = register(Name, Pid)
         end || {Name, Function} <- [{gateway_echo, echo}, {gateway_sink, sink}, {gateway_guard, guard}]],
    ok.

echo(N) ->
    receive
        {'$gen_call', From, whoami} -> gen:reply(From, {answer, self()});
        {'$gen_call', From, process} -> gen:reply(From, {answer, spawn(?MODULE, mortal, [])});
        {'$gen_call', From, answer_with_a_fun} -> gen:reply(From, fun erlang:halt/0);
        {'$gen_call', From, Request} -> gen:reply(From, {answer, Request});
        _ -> ok
    end,
    ?MODULE:echo(N).

init(State) -> {ok, State}.
handle_call(Request, _, State) -> {reply, {told, Request}, State}.
handle_cast(_, State) -> {noreply, State}.

sink(N) ->
    receive
        {'$gen_call', From, count} -> gen:reply(From, N), ?MODULE:sink(N);
        {number, M} when M =:= N + 1 -> ?MODULE:sink(M);
        Other -> ?MODULE:sink({out_of_order, N, Other})
    end.

guard(N) ->
    receive
        {portcullis_dist, handled, #{direction := in, command := reg_send, from := Pid, node := Node, target := Target,
                                     message := {'$gen_call', From, Request}}} ->
            gen:reply(From, {guarded, Request, Target, Node, node(Pid)});
        _ -> ok
    end,
    ?MODULE:guard(N).

mortal() ->
    receive
        {die, Why} -> exit(Why);
        {watch, Pid, Teller} ->
            Monitor = monitor(process, Pid),
            Teller ! {self(), watches},
            receive {'DOWN', Monitor, process, Pid, Why} -> Teller ! {self(), Why} end
    end.

%% --- nodes ----------------------------------------------------------------------------------------------------------

near(Config) -> proplists:get_value(near, Config).
guarded(Config) -> proplists:get_value(guarded, Config).

%% It listens nowhere and knows the port of the gateway.
near(Name, Cookie) ->
    node(Name, ["-setcookie", Cookie, "-erl_epmd_port", "9120", "-dist_listen", "false"]).

near_inside_tls(Config, Name, Options) ->
    File = filename:join([proplists:get_value(fixtures, Config), "tls", Options]),
    node(Name, ["-setcookie", ?OUTER, "-erl_epmd_port", "9120", "-dist_listen", "false", "-proto_dist", "inet_tls",
                "-ssl_dist_optfile", File, "-kernel", "logger_level", "none"]).

guarded() ->
    Guarded = node("guarded", ["-setcookie", ?INNER, "-erl_epmd_port", "9121", "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
                               "-kernel", "dist_auto_connect", "never"]),
    ok = on(Guarded, ?MODULE, serve, []),
    Guarded.

node(Name, Args) ->
    otp(Name, Args ++ ["-pa", filename:dirname(code:which(?MODULE))]).

start(Config, File) -> portcullis_test_dist:start(Config, "gateway", File).

children(Pid) ->
    Id = integer_to_list(Pid),
    {ok, Text} = file:read_file(["/proc/", Id, "/task/", Id, "/children"]),
    [binary_to_integer(Child) || Child <- binary:split(Text, <<" ">>, [global, trim_all])].

%% A zombie has ended: whether it is reaped is up to its new parent.
runs(Pid) ->
    case file:read_file(["/proc/", integer_to_list(Pid), "/stat"]) of
        {ok, Stat} -> string:find(Stat, ") Z ") =:= nomatch;
        {error, _} -> false
    end.
