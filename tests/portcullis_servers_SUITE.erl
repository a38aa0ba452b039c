%% Servers with the real program: names, roles, ends, and what they tell.
-module(portcullis_servers_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/0, options/1, start/0, start/1, stop/1, answer/3, os_pid/1, signal/2, until/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [event_handler, telemetry, many_servers, stop_closes_the_program, dead_server, roles, role_that_is_not_there,
     other_nodes].

%% --- what is told ---------------------------------------------------------------------------------------------------

event_handler(_) ->
    Self = self(),
    Handler = fun(Event) -> Self ! {event, Event}, error(mistake) end,
    Server = start(#{event_handler => Handler, backoff => {10, 20}}),
    receive {event, {up, #{role := proc}}} -> ok end,
    signal(Server, "KILL"),
    receive {event, {down, {down, {exit_status, 137}}}} -> ok end,
    receive {event, {up, #{version := _}}} -> ok end,
    stop(Server).

telemetry(_) ->
    Forms = [merl:quote(Text) || Text <- ["-module(telemetry).", "-export([execute/3]).",
                                          "execute(N, M, D) -> telemetry_sink ! {N, M, D}, ok."]],
    {ok, telemetry, Binary} = compile:forms(Forms),
    true = register(telemetry_sink, self()),
    {module, telemetry} = code:load_binary(telemetry, "telemetry", Binary),
    try
        Server = start(#{backoff => {10, 20}}),
        receive {[portcullis, port, up], #{count := 1}, #{role := proc, hello := #{}}} -> ok end,
        {error, esrch} = portcullis:process(Server, {1, 1}, [pid]),
        receive {[portcullis, request, start], #{system_time := _}, #{operation := process, server := Server}} -> ok end,
        receive {[portcullis, request, stop], #{duration := D}, #{result := {error, esrch}}} when D > 0 -> ok end,
        catch portcullis:fold(Server, processes, #{}, fun(_, _) -> throw(x) end, 0),
        receive {[portcullis, request, exception], #{duration := _}, #{kind := throw, reason := x}} -> ok end,
        signal(Server, "KILL"),
        receive {[portcullis, port, down], #{count := 1}, #{reason := {down, {exit_status, 137}}}} -> ok end,
        stop(Server)
    after
        true = code:delete(telemetry),
        _ = code:purge(telemetry),
        true = unregister(telemetry_sink)
    end.

%% --- servers --------------------------------------------------------------------------------------------------------

many_servers(_) ->
    {ok, Nameless} = portcullis:start_link(options(#{name => undefined})),
    {ok, Default} = portcullis:start_link(maps:remove(name, options())),
    {ok, Global} = portcullis:start_link(options(#{name => {global, ?MODULE}})),
    ?assertEqual({error, {already_started, Default}}, portcullis:start_link(maps:remove(name, options()))),
    [?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid]))
     || Server <- [Nameless, Default, Global, portcullis, {global, ?MODULE}, {portcullis, node()}]],
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(1, [pid])),
    ?assertMatch({ok, #{uid := 0}}, portcullis:process(1)),
    ?assertMatch({ok, [#{pid := 1} | _]}, portcullis:processes()),
    ?assertMatch({ok, [#{pid := 1}], #{truncated := true}}, portcullis:query(processes, #{limit => 1})),
    %% The server is named and nothing else is, or the other way round.
    ?assertMatch({ok, #{uid := 0}}, portcullis:process(Nameless, 1)),
    ?assertMatch({ok, [#{pid := 1} | _]}, portcullis:processes({global, ?MODULE})),
    [?assertMatch({error, {denied_by_policy, <<"files.read">>, _}}, Fun(Nameless, "/etc/shadow"))
     || Fun <- [fun portcullis:file_open/2, fun portcullis:read_file/2]],
    [?assertMatch({error, {unsupported, <<"role net: ", _/binary>>}}, Fun(Nameless, What))
     || {Fun, What} <- [{fun portcullis:nft_list/2, tables}, {fun portcullis:nft_json/2, <<"{}">>}]],
    {ok, Watch} = portcullis:subscribe(Nameless, addresses),
    ok = portcullis:unsubscribe(Watch),
    ?assertMatch({error, {unsupported, <<"topic bans">>}}, portcullis:subscribe(Nameless, bans)),
    ?assertMatch({error, {unsupported, <<"topic bans">>}}, portcullis:subscribe(bans, [{every, 5}, {nonsense, [0]}])),
    ?assertMatch({ok, N, #{rows := N}}, portcullis:fold(processes, #{}, fun(_, Sum) -> Sum + 1 end, 0)),
    ?assertMatch({ok, _}, portcullis:receive_response(portcullis:send_request(info, #{}))),
    ?assertMatch({error, {bad_request, [table], {unknown_name, <<"no_such_table">>}}}, portcullis:query(no_such_table, #{})),
    ok = portcullis:stop(),
    [stop(Server) || Server <- [Nameless, Global]].

stop_closes_the_program(_) ->
    [begin
         Server = start(),
         Pid = os_pid(Server),
         Folder = filename:join("/proc", integer_to_list(Pid)),
         ?assert(filelib:is_dir(Folder)),
         Stop(Server),
         %% stop/1 returns when the port is closed.
         ?assert(Stop =/= fun portcullis:stop/1 orelse [] =:= [P || P <- erlang:ports(), erlang:port_info(P, os_pid) =:= {os_pid, Pid}]),
         until(fun() -> not filelib:is_dir(Folder) end)
     end || Stop <- [fun portcullis:stop/1, fun(Server) -> true = unlink(Server), true = exit(Server, kill) end]],
    ok = portcullis:stop(no_such_server).

dead_server(_) ->
    ?assertEqual({error, {down, {noproc, no_such_server}}}, portcullis:process(no_such_server, 1, [pid])),
    ?assertEqual({error, {down, {noproc, {global, no_such_server}}}}, portcullis:process({global, no_such_server}, 1, [pid])),
    ?assertMatch({error, {down, _}}, portcullis:info(no_such_server)),
    Server = start(),
    signal(Server, "STOP"),
    Id = portcullis:send_request(Server, info, #{}),
    stop(Server),
    ?assertMatch({error, {down, _}}, portcullis:receive_response(Id)).

%% Operations know their role; what both have is asked of the first, or of the one that is named.
roles(_) ->
    Both = start(#{roles => [net, proc], required => true}),
    ?assertMatch({ok, #{net := #{state := ready, hello := #{role := net}}, proc := #{state := ready}}}, portcullis:info(Both)),
    ?assertMatch({ok, _}, portcullis:process(Both, 1, [pid])),
    %% The client's table and the programs' are the same.
    {ok, Infos} = portcullis:info(Both),
    [?assert(lists:member(portcullis_codec:role(Operation), [any, Role]))
     || {Role, #{hello := #{operations := Operations}}} <- maps:to_list(Infos), Operation <- Operations],
    {ok, Before} = answer(Both, info, #{role => proc}),
    ?assertMatch({error, {unsupported, <<"make_tea">>}}, answer(Both, make_tea, #{})),
    {ok, After} = answer(Both, info, #{role => proc}),
    ?assertEqual(maps:get(requests, Before) + 1, maps:get(requests, After)),
    [?assertEqual({error, {bad_request, [role], {expected, role}}}, answer(Both, info, #{role => Role}))
     || Role <- [disk, "proc", 1]],
    ?assertMatch({error, {bad_request, [<<"role">>], unknown_key}}, answer(Both, process, #{pid => 1, role => net})),
    stop(Both).

%% What to type stands in the error.
role_that_is_not_there(_) ->
    [begin
         Server = start(#{roles => [Role]}),
         {error, {unsupported, What} = Error} = Ask(Server),
         ?assertNotEqual(nomatch, string:find(What, Type)),
         ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), Type)),
         ?assertMatch({error, {unsupported, What}}, answer(Server, info, #{role => Other})),
         stop(Server)
     end || {Role, Other, Type, Ask} <-
                [{net, proc, "{roles, [net,proc]}", fun(Server) -> portcullis:process(Server, 1, [pid]) end},
                 {net, proc, "{roles, [net,proc]}", fun(Server) -> portcullis:read_file(Server, "/etc/motd", #{}) end},
                 {proc, net, "{roles, [proc,net]}", fun(Server) -> portcullis:ping(Server, {127, 0, 0, 1}, #{}) end}]].

%% Who asks decodes, so a caller on another node needs the atoms there.
other_nodes(_) ->
    Paths = [filename:absname(Path) || Path <- code:get_path(), string:find(Path, "portcullis") =/= nomatch],
    {ok, Peer, _} = peer:start_link(#{connection => standard_io, wait_boot => 120000, args => ["-pa" | Paths]}),
    Server = start(#{name => other_nodes_server}),
    {ok, Body} = portcullis_codec:body(processes, #{}),
    Frames = frames(Server, Body),
    [?assertMatch({ok, _}, peer:call(Peer, portcullis_codec, decode, [Frame])) || Frame <- Frames],
    ok = peer:stop(Peer),
    stop(Server).

%% An answer as it comes from the wire.
frames(Server, Body) ->
    Tag = erlang:monitor(process, Server, [{alias, demonitor}]),
    ok = gen_server:cast(Server, {send, proc, self(), Tag, {Body, false}, 5000, any}),
    frames(Tag).

frames(Tag) ->
    receive
        {Tag, {rows, _, _, Frame}} -> [Frame | frames(Tag)];
        {Tag, {done, _, Frame}} -> [Frame]
    end.
