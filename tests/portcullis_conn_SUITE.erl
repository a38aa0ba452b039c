%% The client against the real program. It is found as everywhere: in PORTCULLIS_BIN, installed, or in priv.
-module(portcullis_conn_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [bare_port, hostile_frames_through_a_bare_port, mixed_callers, dying_callers, killed_port, killed_again_and_again,
     stopped_port, stuck_port, late_but_alive, slow_consumer, fold_that_raises, callers_mistakes, cancelled, overloaded, queue, late_replies, gen_server_calls, frame_too_long,
     deepest_request, event_handler, telemetry, many_servers, stop_closes_the_program, dead_server, roles, role_that_is_not_there, other_nodes].

%% --- without any client ---------------------------------------------------------------------------------------------

bare_port(_) ->
    Port = bare(),
    {hello, #{role := proc}} = receive {Port, {data, Hello}} -> binary_to_term(Hello) end,
    Request = {req, 1, process, #{pid => 1, items => [comm, uid]}, 5000},
    true = port_command(Port, term_to_binary(Request, [{minor_version, 2}])),
    {ok, 1, #{comm := Comm, uid := 0}} = receive {Port, {data, Reply}} -> binary_to_term(Reply) end,
    ?assert(is_binary(Comm)),
    true = port_close(Port).

%% Every one is answered under id 0, and the port lives.
hostile_frames_through_a_bare_port(_) ->
    _ = portcullis_codec:atoms(),
    Port = bare(),
    receive {Port, {data, _}} -> ok end,
    Files = filelib:wildcard(filename:join([filename:dirname(?FILE), "vectors", "hostile", "*.etf"])),
    ?assert(length(Files) > 20),
    [begin
         {ok, Frame} = file:read_file(File),
         true = port_command(Port, Frame),
         receive
             {Port, {data, Reply}} ->
                 ?assertMatch({_, {error, 0, {bad_frame, _, _}}}, {File, binary_to_term(Reply, [safe])});
             {Port, {exit_status, Status}} -> ct:fail({File, Status})
         end
     end || File <- Files],
    Bad = length(Files),
    true = port_command(Port, term_to_binary({req, 1, info, #{}, 5000}, [{minor_version, 2}])),
    receive {Port, {data, Info}} -> ?assertMatch({ok, 1, #{bad_frames := Bad}}, binary_to_term(Info, [safe])) end,
    true = port_close(Port).

bare() ->
    {ok, Config} = portcullis_opts:server(options()),
    {ok, Program, Source} = portcullis_program:find(proc, Config),
    open_port({spawn_executable, Program},
              [{args, portcullis_program:args(proc, Source, Config)}, {packet, 4}, binary, exit_status]).

%% --- many callers ---------------------------------------------------------------------------------------------------

%% Every reply is its caller's, and none is lost.
mixed_callers(_) ->
    Server = start(),
    Own = list_to_integer(os:getpid()),
    Callers = [spawn_monitor(fun() -> [mixed(Server, Own, Caller, N) || N <- lists:seq(1, 1000)] end)
               || Caller <- lists:seq(1, 64)],
    [receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end || {Pid, Monitor} <- Callers],
    idle(Server),
    stop(Server).

mixed(Server, Own, Caller, N) when (Caller + N) rem 50 =:= 0 ->
    {ok, Rows} = portcullis:processes(Server, #{columns => [pid], where => #{pid => [1, Own]}, timeout => 30000}),
    [#{pid := 1}, #{pid := Own}] = Rows;
mixed(Server, Own, Caller, N) ->
    case (Caller + N) rem 5 of
        0 -> {ok, #{pid := 1} = One} = process(Server, 1, [pid]), 1 = map_size(One);
        1 -> {ok, #{pid := Own, comm := _} = Two} = process(Server, Own, [pid, comm]), 2 = map_size(Two);
        2 -> {error, esrch} = process(Server, {Own, 1}, [pid]);
        3 -> {error, {bad_request, [items, 1], {unknown_column, <<"c", _/binary>>}}} = process(Server, 1, [column(N)]);
        4 -> {ok, #{requests := _}} = answer(Server, info, #{timeout => 30000})
    end.

process(Server, Pid, Items) ->
    portcullis:process(Server, Pid, #{items => Items, timeout => 30000}).

column(N) ->
    lists:nth(1 + N rem 3, [c1, c2, c3]).

%% A caller that is killed, or that gives up, disturbs nobody and leaves nothing behind.
dying_callers(_) ->
    Server = start(),
    Steady = spawn_monitor(fun() -> [{ok, #{pid := 1}} = process(Server, 1, [pid]) || _ <- lists:seq(1, 2000)] end),
    [begin
         {Pid, Monitor} = spawn_monitor(fun() -> [portcullis:processes(Server, #{}) || _ <- lists:seq(1, 100)] end),
         _ = portcullis:process(Server, 1, #{timeout => 1}),
         true = exit(Pid, kill),
         receive {'DOWN', Monitor, process, Pid, _} -> ok end,
         ?assertMatch({error, timeout},
                      portcullis:receive_response(portcullis:send_request(Server, processes, #{}), 0))
     end || _ <- lists:seq(1, 50)],
    {Pid, Monitor} = Steady,
    receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end,
    idle(Server),
    ?assertEqual([], messages()),
    stop(Server).

%% --- a port that goes away ------------------------------------------------------------------------------------------

killed_port(_) ->
    Server = start(#{backoff => {50, 100}}),
    signal(Server, "STOP"),
    Pending = [portcullis:send_request(Server, process, #{pid => 1}) || _ <- lists:seq(1, 20)]
        ++ [portcullis:send_request(Server, processes, #{}) || _ <- lists:seq(1, 20)],
    Began = erlang:monotonic_time(millisecond),
    signal(Server, "KILL"),
    [?assertEqual({error, {down, {exit_status, 137}}}, portcullis:receive_response(Id)) || Id <- Pending],
    ?assert(erlang:monotonic_time(millisecond) - Began < 2000),
    ?assertEqual({error, {down, {exit_status, 137}}}, portcullis:process(Server, 1, [pid])),
    ready(Server),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    {ok, #{proc := #{downs := 1, state := ready} = Info}} = portcullis:info(Server),
    ?assertNot(maps:is_key(error, Info)),
    ?assertEqual([], messages()),
    stop(Server).

%% Every caller hears of every request what became of it.
killed_again_and_again(_) ->
    Server = start(#{backoff => {5, 10}}),
    Callers = [spawn_monitor(fun() -> exit({count, lists:foldl(fun(N, Sum) -> restless(Server, N) + Sum end, 0,
                                                               lists:seq(1, 1000))})
                             end) || _ <- lists:seq(1, 16)],
    [begin
         signal(Server, "KILL"),
         until(fun() -> {ok, #{proc := #{downs := Downs, state := State}}} = portcullis:info(Server),
                        {Downs, State} =:= {Kill, ready}
               end)
     end || Kill <- lists:seq(1, 10)],
    Answered = [receive {'DOWN', Monitor, process, Pid, {count, Count}} -> Count end || {Pid, Monitor} <- Callers],
    ?assert(lists:sum(Answered) > 0),
    idle(Server),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    stop(Server).

restless(Server, N) ->
    Answer = case N rem 10 of
        0 -> portcullis:processes(Server, #{columns => [pid]});
        _ -> portcullis:process(Server, 1, [pid])
    end,
    case Answer of
        {ok, #{pid := 1}} -> 1;
        {ok, [#{pid := 1} | _]} -> 1;
        {error, {down, _}} -> erlang:yield(), 0
    end.

%% It cannot keep its own deadlines then.
stopped_port(_) ->
    Server = start(),
    signal(Server, "STOP"),
    {Time, Answer} = timer:tc(fun() -> portcullis:process(Server, 1, #{items => [pid], timeout => 200}) end),
    ?assertEqual({error, timeout}, Answer),
    ?assert(Time >= 200000 andalso Time < 2000000),
    %% More than the pipe holds: the connection must not wait for room in it.
    Big = #{columns => [pid], where => #{comm => binary:copy(<<"x">>, 30000)}, timeout => 300},
    Ids = [portcullis:send_request(Server, processes, Big) || _ <- lists:seq(1, 200)],
    ?assertMatch({ok, #{proc := #{state := ready}}}, portcullis:info(Server)),
    [?assertEqual({error, timeout}, portcullis:receive_response(Id)) || Id <- Ids],
    signal(Server, "CONT"),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, #{items => [pid], timeout => 10000})),
    idle(Server),
    ?assertEqual([], messages()),
    stop(Server).

%% It is killed and another one started: what the kernel or a signal holds must not hold the application.
stuck_port(_) ->
    Self = self(),
    Handler = fun({down, Error}) -> Self ! {down, Error}; (_) -> ok end,
    Server = start(#{stuck_timeout => 500, backoff => {10, 20}, event_handler => Handler}),
    Stuck = os_pid(Server),
    signal(Server, "STOP"),
    Ids = [portcullis:send_request(Server, process, #{pid => 1, timeout => 100}) || _ <- lists:seq(1, 10)],
    Long = portcullis:send_request(Server, processes, #{timeout => 60000}),
    [?assertEqual({error, timeout}, portcullis:receive_response(Id)) || Id <- Ids],
    ?assertEqual({error, {down, stuck}}, portcullis:receive_response(Long)),
    receive {down, Error} -> ?assertEqual({down, stuck}, Error) end,
    ready(Server),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    ?assertNotEqual(Stuck, os_pid(Server)),
    until(fun() -> not filelib:is_dir(filename:join("/proc", integer_to_list(Stuck))) end),
    ?assertEqual([], messages()),
    stop(Server).

%% A program that misses deadlines and answers in time after all is left alone, and so is one that nobody asks.
late_but_alive(_) ->
    Server = start(#{stuck_timeout => 1000}),
    Pid = os_pid(Server),
    signal(Server, "STOP"),
    ?assertEqual({error, timeout}, portcullis:process(Server, 1, #{items => [pid], timeout => 50})),
    signal(Server, "CONT"),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, #{items => [pid], timeout => 10000})),
    timer:sleep(1500),
    ?assertEqual(Pid, os_pid(Server)),
    stop(Server).

%% --- rows -----------------------------------------------------------------------------------------------------------

%% Each of these processes has a row of its own chunk: long arguments.
slow_consumer(_) ->
    Server = start(),
    Long = binary:copy(<<"x">>, 60000),
    Ports = [open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "read line", Long]}]) || _ <- lists:seq(1, 60)],
    Pids = [Pid || Port <- Ports, {os_pid, Pid} <- [erlang:port_info(Port, os_pid)]],
    %% Between fork and exec they still have the arguments of their parent.
    until(fun() ->
                  {ok, Started} = portcullis:processes(Server, #{columns => [comm], where => #{pid => Pids}}),
                  [] =:= [Comm || #{comm := Comm} <- Started, Comm =/= <<"sh">>]
          end),
    Options = #{columns => [pid, cmdline], where => #{pid => Pids}, cell_max => 65536, timeout => 30000},
    Watch = fun(#{cmdline := Cmdline}, {Count, Most}) when byte_size(Cmdline) > 60000 ->
                    %% So long that a port without bounds would have sent everything.
                    timer:sleep(20),
                    {message_queue_len, Waiting} = process_info(self(), message_queue_len),
                    {Count + 1, max(Most, Waiting)}
            end,
    {ok, {Count, Most}, Meta} = portcullis:fold(Server, processes, Options, Watch, {0, 0}),
    ?assertEqual({60, 60}, {Count, maps:get(rows, Meta)}),
    ?assert(Most > 1 andalso Most =< 16),
    {ok, #{in_flight := Idle}} = answer(Server, info, #{}),
    %% Who leaves takes the request along: it would wait for credit until its deadline.
    ?assertThrow(enough, portcullis:fold(Server, processes, Options, fun(_, _) -> throw(enough) end, 0)),
    until(fun() -> {ok, #{in_flight := InFlight}} = answer(Server, info, #{}), InFlight =:= Idle end),
    {ok, Rows, #{rows := 60}} = portcullis:query(Server, processes, Options),
    ?assertEqual(lists:sort(Pids), [Pid || #{pid := Pid} <- Rows]),
    [port_close(Port) || Port <- Ports],
    stop(Server).

fold_that_raises(_) ->
    Server = start(),
    [?assertException(Class, stop_here,
                      portcullis:fold(Server, processes, #{}, fun(_, _) -> erlang:Class(stop_here) end, 0))
     || Class <- [error, exit, throw]],
    idle(Server),
    ?assertEqual([], messages()),
    stop(Server).

%% --- ends of requests -----------------------------------------------------------------------------------------------

cancelled(_) ->
    Server = start(),
    signal(Server, "STOP"),
    Sent = portcullis:send_request(Server, processes, #{}),
    ok = portcullis:cancel(Sent),
    ?assertEqual({error, cancelled}, portcullis:receive_response(Sent)),
    signal(Server, "CONT"),
    Done = portcullis:send_request(Server, info, #{}),
    {ok, _} = answer(Server, info, #{}),
    ok = portcullis:cancel(Server, Done),
    ?assertMatch({ok, #{}}, portcullis:receive_response(Done)),
    idle(Server),
    ?assertEqual([], messages()),
    stop(Server).

overloaded(_) ->
    Server = start(#{max_in_flight => 1, queue_limit => 2}),
    signal(Server, "STOP"),
    Waiting = [portcullis:send_request(Server, info, #{timeout => 20000}) || _ <- lists:seq(1, 3)],
    ?assertEqual({error, overloaded}, answer(Server, info, #{})),
    ?assertMatch({ok, #{proc := #{in_flight := 1, queued := 2}}}, portcullis:info(Server)),
    signal(Server, "CONT"),
    [?assertMatch({ok, #{}}, portcullis:receive_response(Id)) || Id <- Waiting],
    stop(Server).

%% Those that wait for room get their turn, and keep their deadlines while they wait.
queue(_) ->
    Server = start(#{max_in_flight => 2}),
    Ids = [portcullis:send_request(Server, process, #{pid => 1, items => [pid]}) || _ <- lists:seq(1, 500)],
    [?assertEqual({ok, #{pid => 1}}, portcullis:receive_response(Id)) || Id <- Ids],
    signal(Server, "STOP"),
    Stuck = [portcullis:send_request(Server, info, #{timeout => 100}) || _ <- lists:seq(1, 10)],
    [?assertEqual({error, timeout}, portcullis:receive_response(Id)) || Id <- Stuck],
    ?assertMatch({ok, #{proc := #{queued := 0}}}, portcullis:info(Server)),
    signal(Server, "CONT"),
    idle(Server),
    stop(Server).

%% They are the caller's, and nobody else hears of them.
callers_mistakes(_) ->
    Server = start(),
    NoAtom = {error, {bad_request, [], {expected, atom}}},
    NoMap = {error, {bad_request, [], {expected, map}}},
    Other = portcullis:send_request(Server, processes, #{}),
    Id = portcullis:send_request(Server, info, #{}),
    [?assertError(badarg, portcullis:receive_response(Id, Wait)) || Wait <- [foo, -1, 1.0, {1}]],
    ?assertMatch({ok, _}, portcullis:receive_response(Id, 10000)),
    ?assertEqual(NoAtom, portcullis:query(Server, self(), #{})),
    ?assertEqual(NoAtom, portcullis:fold(Server, "processes", #{}, fun(_, Acc) -> Acc end, 0)),
    [?assertEqual({Args, NoMap}, {Args, answer(Server, info, Args)}) || Args <- [[{x, 1} | y], [x | y], x]],
    %% As a call to the server, which hands it on.
    [?assertEqual(NoMap, gen_server:call(Server, {request, info, Args, 1000})) || Args <- [[{x, 1} | y], x]],
    ?assertEqual(NoAtom, gen_server:call(Server, {request, {info}, #{}, 1000})),
    ?assertMatch({ok, _, _}, portcullis:receive_response(Other)),
    ?assertEqual([], messages()),
    stop(Server).

late_replies(_) ->
    Server = start(),
    signal(Server, "STOP"),
    ?assertEqual({error, timeout}, portcullis:process(Server, 1, #{items => [pid], timeout => 50})),
    ?assertEqual({error, timeout}, portcullis:receive_response(portcullis:send_request(Server, processes, #{}), 50)),
    signal(Server, "CONT"),
    %% Answers come in order here: after this one the late ones have been.
    ?assertMatch({ok, #{comm := _}}, portcullis:process(Server, 1, #{items => [comm], timeout => 10000})),
    ?assertEqual([], messages()),
    stop(Server).

gen_server_calls(_) ->
    Server = start(),
    ?assertEqual({ok, #{pid => 1}}, gen_server:call(Server, {request, process, #{pid => 1, items => [pid]}, 5000})),
    ?assertMatch({ok, [#{pid := 1}], #{rows := 1}},
                 gen_server:call(Server, {request, processes, #{where => #{pid => 1}}, 5000})),
    ?assertMatch({error, {unsupported, <<"make_tea">>}}, gen_server:call(Server, {request, make_tea, #{}, 5000})),
    ?assertMatch({error, {bad_request, [timeout], _}}, gen_server:call(Server, {request, info, #{}, infinity})),
    ?assertMatch({error, {bad_request, [], _}}, gen_server:call(Server, {request, info, not_a_map, 5000})),
    ?assertMatch({error, {bad_request, [], _}}, gen_server:call(Server, make_tea)),
    ?assertMatch({ok, #{}}, answer(Server, info, #{})),
    stop(Server).

frame_too_long(_) ->
    Server = start(),
    Long = #{where => #{comm => binary:copy(<<"x">>, 65536)}},
    ?assertEqual({error, {bad_request, [], {frame_too_long, 65536}}}, portcullis:processes(Server, Long)),
    Longest = #{where => #{comm => binary:copy(<<"x">>, 65000)}},
    ?assertEqual({ok, []}, portcullis:processes(Server, Longest)),
    stop(Server).

%% The client's bounds are the port's: what it lets pass is answered under its own id.
deepest_request(_) ->
    Server = start(),
    Nested = lists:foldl(fun(_, Inner) -> [Inner] end, [], lists:seq(1, 14)),
    ?assertMatch({error, {bad_request, [<<"x">>], unknown_key}}, answer(Server, info, #{x => Nested})),
    ?assertMatch({error, {bad_request, [x | _], too_deep}}, answer(Server, info, #{x => [Nested]})),
    ?assertMatch({error, {bad_request, [x], integer}}, answer(Server, info, #{x => 1 bsl 64})),
    ?assertMatch({error, {bad_request, [<<"x">>], unknown_key}}, answer(Server, info, #{x => (1 bsl 64) - 1})),
    ?assertMatch({error, {bad_request, [pid], {range, _, _}}}, portcullis:process(Server, 1 bsl 40, [pid])),
    stop(Server).

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
    ?assertMatch({ok, N, #{rows := N}}, portcullis:fold(processes, #{}, fun(_, Sum) -> Sum + 1 end, 0)),
    ?assertMatch({ok, _}, portcullis:receive_response(portcullis:send_request(info, #{}))),
    ?assertMatch({error, {unsupported, <<"table sockets">>}}, portcullis:query(sockets, #{})),
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
         ?assert(Stop =/= fun stop/1 orelse [] =:= [P || P <- erlang:ports(), erlang:port_info(P, os_pid) =:= {os_pid, Pid}]),
         until(fun() -> not filelib:is_dir(Folder) end)
     end || Stop <- [fun stop/1, fun(Server) -> true = unlink(Server), true = exit(Server, kill) end]],
    ok = portcullis:stop(no_such_server).

dead_server(_) ->
    ?assertEqual({error, {down, noproc}}, portcullis:process(no_such_server, 1, [pid])),
    ?assertEqual({error, {down, noproc}}, portcullis:process({global, no_such_server}, 1, [pid])),
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
    {ok, Peer, _} = peer:start_link(#{connection => standard_io, args => ["-pa" | Paths]}),
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

%% --- help -----------------------------------------------------------------------------------------------------------

options() -> options(#{}).

%% As root only for whoever has nothing else; the tests that count run as an ordinary user.
options(More) ->
    Root = os:cmd("id -u") =:= "0\n",
    maps:merge(#{name => undefined, args => ["--allow-root" || Root]}, More).

start() -> start(#{}).

start(More) ->
    {ok, Server} = portcullis:start_link(options(More)),
    _ = answer(Server, info, #{timeout => 10000}),
    Server.

stop(Server) -> ok = portcullis:stop(Server).

answer(Server, Operation, Args) ->
    portcullis:receive_response(portcullis:send_request(Server, Operation, Args)).

os_pid(Server) ->
    {ok, #{proc := #{os_pid := Pid}}} = portcullis:info(Server),
    Pid.

signal(Server, Signal) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ integer_to_list(os_pid(Server))).

ready(Server) ->
    until(fun() -> {ok, #{proc := #{state := State}}} = portcullis:info(Server), State =:= ready end).

idle(Server) ->
    until(fun() ->
                  {ok, #{proc := #{in_flight := InFlight, queued := Queued}}} = portcullis:info(Server),
                  {InFlight, Queued} =:= {0, 0}
          end).

until(Done) -> until(Done, 500).

until(Done, Tries) when Tries > 0 ->
    case Done() of
        true -> ok;
        false -> timer:sleep(10), until(Done, Tries - 1)
    end.

messages() ->
    {messages, Messages} = process_info(self(), messages),
    Messages.
