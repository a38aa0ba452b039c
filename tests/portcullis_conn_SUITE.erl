%% The client against the real program. It is found as everywhere: in PORTCULLIS_BIN, installed, or in priv.
-module(portcullis_conn_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/0, start/0, start/1, stop/1, answer/3, os_pid/1, signal/2, ready/1, idle/1,
                                 until/1, of_five/1, within/2, within/3, messages/0]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [bare_port, hostile_frames_through_a_bare_port, mixed_callers, dying_callers, killed_port, killed_again_and_again,
     stopped_port, stuck_port, late_but_alive].

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
    {ok, Rows} = portcullis:processes(Server, #{columns => [pid], where => #{pid => [1, Own]}, timeout => 120000}),
    [#{pid := 1}, #{pid := Own}] = Rows;
mixed(Server, Own, Caller, N) ->
    case (Caller + N) rem 5 of
        0 -> {ok, #{pid := 1} = One} = process(Server, 1, [pid]), 1 = map_size(One);
        1 -> {ok, #{pid := Own, comm := _} = Two} = process(Server, Own, [pid, comm]), 2 = map_size(Two);
        2 -> {error, esrch} = process(Server, {Own, 1}, [pid]);
        3 -> {error, {bad_request, [items, 1], {unknown_column, <<"c", _/binary>>}}} = process(Server, 1, [column(N)]);
        4 -> {ok, #{requests := _}} = answer(Server, info, #{timeout => 120000})
    end.

process(Server, Pid, Items) ->
    portcullis:process(Server, Pid, #{items => Items, timeout => 120000}).

column(N) ->
    lists:nth(1 + N rem 3, [c1, c2, c3]).

%% A caller that is killed, or that gives up, disturbs nobody and leaves nothing behind.
dying_callers(_) ->
    Server = start(),
    Steady = spawn_monitor(fun() -> [{ok, #{pid := 1}} = process(Server, 1, [pid]) || _ <- lists:seq(1, 2000)] end),
    Answers = [begin
         {Pid, Monitor} = spawn_monitor(fun() -> [portcullis:processes(Server, #{}) || _ <- lists:seq(1, 100)] end),
         _ = portcullis:process(Server, 1, #{timeout => 1}),
         true = exit(Pid, kill),
         receive {'DOWN', Monitor, process, Pid, _} -> ok end,
         portcullis:receive_response(portcullis:send_request(Server, processes, #{}), 0)
     end || _ <- lists:seq(1, 50)],
    %% Whoever is not let run for a moment finds the answer there, but that is not what becomes of most.
    {Late, Others} = lists:partition(fun(Answer) -> Answer =:= {error, timeout} end, Answers),
    ?assertEqual([], [Answer || Answer <- Others, element(1, Answer) =/= ok]),
    ?assert(length(Late) > 25, length(Late)),
    {Pid, Monitor} = Steady,
    receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end,
    idle(Server),
    ?assertEqual([], messages()),
    stop(Server).

%% --- a port that goes away ------------------------------------------------------------------------------------------

killed_port(_) ->
    of_five(fun callers_hear_of_the_end/0),
    Server = start(#{backoff => {50, 100}}),
    signal(Server, "KILL"),
    until(fun() -> {ok, #{proc := #{downs := Downs}}} = portcullis:info(Server), Downs =:= 1 end),
    ready(Server),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    {ok, #{proc := #{downs := 1, state := ready} = Info}} = portcullis:info(Server),
    ?assertNot(maps:is_key(error, Info)),
    ?assertEqual([], messages()),
    stop(Server).

callers_hear_of_the_end() ->
    %% It does not come back while this is asked.
    Gone = start(#{backoff => {600000, 600000}}),
    signal(Gone, "STOP"),
    Pending = [portcullis:send_request(Gone, process, #{pid => 1}) || _ <- lists:seq(1, 20)]
        ++ [portcullis:send_request(Gone, processes, #{}) || _ <- lists:seq(1, 20)],
    within(2000, fun() ->
                         signal(Gone, "KILL"),
                         %% And not that their time is over.
                         [?assertEqual({error, {down, {exit_status, 137}}}, portcullis:receive_response(Id)) || Id <- Pending]
                 end),
    ?assertEqual({error, {down, {exit_status, 137}}}, portcullis:process(Gone, 1, [pid])),
    stop(Gone).

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
    Ask = fun() -> portcullis:process(Server, 1, #{items => [pid], timeout => 200}) end,
    ?assertEqual({error, timeout}, of_five(fun() -> within(200, 2000, Ask) end)),
    %% More than the pipe holds: the connection must not wait for room in it.
    Big = #{columns => [pid], where => #{comm => binary:copy(<<"x">>, 30000)}, timeout => 300},
    Ids = [portcullis:send_request(Server, processes, Big) || _ <- lists:seq(1, 200)],
    ?assertMatch({ok, #{proc := #{state := ready}}}, portcullis:info(Server)),
    [?assertEqual({error, timeout}, portcullis:receive_response(Id)) || Id <- Ids],
    signal(Server, "CONT"),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    idle(Server),
    ?assertEqual([], messages()),
    stop(Server).

%% It is killed and another one started: what the kernel or a signal holds must not hold the application.
stuck_port(_) ->
    Self = self(),
    Handler = fun({down, Error}) -> Self ! {down, Error}; (_) -> ok end,
    Server = start(#{stuck_timeout => 2000, backoff => {10, 20}, event_handler => Handler}),
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
    Server = start(#{stuck_timeout => 3000}),
    Pid = os_pid(Server),
    signal(Server, "STOP"),
    ?assertEqual({error, timeout}, portcullis:process(Server, 1, #{items => [pid], timeout => 50})),
    signal(Server, "CONT"),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    timer:sleep(3500),
    ?assertEqual(Pid, os_pid(Server)),
    stop(Server).
