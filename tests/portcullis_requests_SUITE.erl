%% Requests to the real program: rows as they come, and every way in which a request ends.
-module(portcullis_requests_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [start/0, start/1, stop/1, answer/3, signal/2, idle/1, until/1, messages/0]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [slow_consumer, fold_that_raises, rows_as_maps, kept_rows, callers_mistakes, cancelled, overloaded, queue, late_replies, gen_server_calls,
     frame_too_long, deepest_request].

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
    Options = #{columns => [pid, cmdline], where => #{pid => Pids}, cell_max => 65536, timeout => 120000},
    Waiting = fun() -> {message_queue_len, Length} = process_info(self(), message_queue_len), Length end,
    Watch = fun(#{cmdline := Cmdline}, {Count, Most}) when byte_size(Cmdline) > 60000 ->
                    %% So long that a port without bounds would have sent everything.
                    [until(fun() -> Waiting() > 1 end) || Count =:= 0],
                    timer:sleep(20),
                    {Count + 1, max(Most, Waiting())}
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
    Waiting = [portcullis:send_request(Server, info, #{}) || _ <- lists:seq(1, 3)],
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

%% However many columns there are, a row is a map of them, and none has a cell of another.
rows_as_maps(_) ->
    [begin
         Columns = [list_to_atom("column_" ++ integer_to_list(N)) || N <- lists:seq(Width, 1, -1)],
         Reader = portcullis_rows:reader(Columns),
         %% Of others, of the same, of the first cell only, of the last only, of what there is not.
         Rows = [list_to_tuple(lists:seq(From, From + Width - 1)) || From <- [0, 7, 7]]
             ++ [setelement(Place, list_to_tuple(lists:seq(7, 6 + Width)), Cell)
                 || Place <- [1, Width], Cell <- [undefined, {1}, <<"x">>, -1]]
             ++ [erlang:make_tuple(Width, undefined)],
         Maps = [maps:from_list(lists:zip(Columns, tuple_to_list(Row))) || Row <- Rows],
         ?assertEqual({ok, Maps}, portcullis_rows:maps(Reader, Rows)),
         [?assertEqual(malformed, portcullis_rows:maps(Reader, [Odd]))
          || Odd <- [{}, list_to_tuple(lists:seq(0, Width)), [], Width], Odd =/= list_to_tuple(lists:seq(1, Width))],
         ?assertEqual(malformed, portcullis_rows:maps(Reader, [hd(Rows), {}])),
         ?assertEqual(malformed, portcullis_rows:maps(Reader, [hd(Rows) | {}]))
     end || Width <- [1, 2, 10, 11, 12, 13, 14, 31, 32, 33, 60]].

%% Who keeps many rows has room made for them in his heap, and finds its settings as he has left them.
kept_rows(_) ->
    Chunk = [#{n => N} || N <- lists:seq(1, 256)],
    Keeps = fun(Chunks, End) ->
                    fun(Keep, None) ->
                            Kept = lists:foldl(fun(_, Acc) -> Keep(Chunk, Acc) end, None, lists:seq(1, Chunks)),
                            End({length(portcullis_rows:kept(Kept)), hd(portcullis_rows:kept(Kept)), heap()})
                    end
            end,
    Return = fun(Value) -> Value end,
    Before = heap(),
    ?assertMatch({512, #{n := 1}, Before}, portcullis_rows:collecting(Keeps(2, Return))),
    {5120, _, More} = portcullis_rows:collecting(Keeps(20, Return)),
    ?assert(lists:all(fun({{_, Then}, {_, Now}}) -> Now > Then end, lists:zip(Before, More))),
    ?assertEqual(Before, heap()),
    ?assertThrow({5120, _, _}, portcullis_rows:collecting(Keeps(20, fun(Value) -> throw(Value) end))),
    ?assertEqual(Before, heap()),
    %% A heap that has a limit is nobody's to enlarge, and neither is one that is large already.
    Kept = fun(Options) ->
                   Exit = fun() -> exit({kept, heap(), portcullis_rows:collecting(Keeps(20, Return)), heap()}) end,
                   {_, Monitor} = spawn_opt(Exit, [monitor | Options]),
                   receive {'DOWN', Monitor, _, _, {kept, Old, {5120, _, During}, New}} -> {Old =:= During, Old =:= New} end
           end,
    ?assertEqual({false, true}, Kept([])),
    Limit = #{size => 10_000_000, kill => true, error_logger => false},
    ?assertEqual({true, true}, Kept([{max_heap_size, Limit}])),
    ?assertEqual({true, true}, Kept([{min_heap_size, 2_000_000}, {min_bin_vheap_size, 2_000_000}])).

heap() ->
    {garbage_collection, Settings} = process_info(self(), garbage_collection),
    [{Flag, Size} || {Flag, Size} <- Settings, Flag =:= min_heap_size orelse Flag =:= min_bin_vheap_size].

%% They are the caller's, and nobody else hears of them.
callers_mistakes(_) ->
    Server = start(),
    NoAtom = {error, {bad_request, [], {expected, atom}}},
    NoMap = {error, {bad_request, [], {expected, map}}},
    Other = portcullis:send_request(Server, processes, #{}),
    Id = portcullis:send_request(Server, info, #{}),
    [?assertError(badarg, portcullis:receive_response(Id, Wait)) || Wait <- [foo, -1, 1.0, {1}]],
    ?assertMatch({ok, _}, portcullis:receive_response(Id)),
    ?assertEqual(NoAtom, portcullis:query(Server, self(), #{})),
    ?assertEqual(NoAtom, portcullis:fold(Server, "processes", #{}, fun(_, Acc) -> Acc end, 0)),
    [?assertEqual({Args, NoMap}, {Args, answer(Server, info, Args)}) || Args <- [[{x, 1} | y], [x | y], x]],
    %% As a call to the server, which hands it on.
    [?assertEqual(NoMap, call(Server, {request, info, Args, 1000})) || Args <- [[{x, 1} | y], x]],
    ?assertEqual(NoAtom, call(Server, {request, {info}, #{}, 1000})),
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
    ?assertMatch({ok, #{comm := _}}, portcullis:process(Server, 1, [comm])),
    ?assertEqual([], messages()),
    stop(Server).

gen_server_calls(_) ->
    Server = start(),
    ?assertEqual({ok, #{pid => 1}}, call(Server, {request, process, #{pid => 1, items => [pid]}, 60000})),
    ?assertMatch({ok, [#{pid := 1}], #{rows := 1}},
                 call(Server, {request, processes, #{where => #{pid => 1}}, 60000})),
    ?assertMatch({error, {unsupported, <<"make_tea">>}}, call(Server, {request, make_tea, #{}, 60000})),
    ?assertMatch({error, {bad_request, [timeout], _}}, call(Server, {request, info, #{}, infinity})),
    ?assertMatch({error, {bad_request, [], _}}, call(Server, {request, info, not_a_map, 5000})),
    ?assertMatch({error, {bad_request, [], _}}, call(Server, make_tea)),
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

%% As whoever has no client does it.
call(Server, Request) -> gen_server:call(Server, Request, 60000).
