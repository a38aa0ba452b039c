%% What is told as it happens: differences of answers, processes, the end of one, pressure, changes of the network.
-module(portcullis_watch_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1, answer/3, until/1]).

-define(SERVER, watch_suite).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [whole_and_then_changes, key_is_added, nothing_lost_without_credit, processes_are_told, the_end_of_a_process,
     a_process_that_is_gone, an_end_that_came_at_once, pressure, changes_of_the_network, of_the_other_role, wrong_arguments].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => ?SERVER, required => true})),
    true = unlink(Server),
    Config.

end_per_suite(_) ->
    portcullis:stop(?SERVER).

end_per_testcase(_, _) ->
    until(fun() -> {ok, #{subscriptions := Count}} = answer(?SERVER, info, #{}), Count =:= 0 end).

%% --- differences ----------------------------------------------------------------------------------------------------

whole_and_then_changes(_) ->
    {Port, Pid} = sleeper(),
    Ref = subscribe(query, #{table => processes, every => 100, columns => [pid, state, starttime],
                             where => #{comm => <<"sleep">>}}),
    #{kind := query, table := processes, columns := [pid, state, starttime], removed := [], changed := [], last := true,
      truncated := false, skipped := _, time := Time, added := Added} = event(Ref),
    ?assert(abs(Time - erlang:system_time(microsecond)) < 60000000),
    ?assertMatch([#{state := sleeping, starttime := _}], [Row || #{pid := P} = Row <- Added, P =:= Pid]),
    "" = os:cmd("kill -STOP " ++ integer_to_list(Pid)),
    {#{state := sleeping}, #{state := stopped}} =
        until_told(Ref, fun(#{changed := Changed}) -> [Pair || {_, #{pid := P}} = Pair <- Changed, P =:= Pid] end),
    "" = os:cmd("kill -KILL " ++ integer_to_list(Pid)),
    #{pid := Pid} = until_told(Ref, fun(#{removed := Removed}) -> [Row || #{pid := P} = Row <- Removed, P =:= Pid] end),
    closed(Port),
    ok = portcullis:unsubscribe(Ref).

key_is_added(_) ->
    Ref = subscribe(query, [{table, mounts}, {every, 3600000}, {columns, [mount_point]}, {role, proc}]),
    #{columns := [mount_point, mount_id], added := [#{mount_id := Id, mount_point := Point} | _]} = event(Ref),
    ?assert(is_integer(Id) andalso is_binary(Point)),
    ok = portcullis:unsubscribe(Ref),
    One = subscribe(query, #{table => uptime, every => 100, columns => [uptime]}),
    ?assertMatch(#{added := [#{uptime := _}], changed := []}, event(One)),
    ?assertMatch(#{added := [], changed := [{#{uptime := A}, #{uptime := B}}]} when A < B, event(One)),
    ok = portcullis:unsubscribe(One).

nothing_lost_without_credit(_) ->
    Ref = subscribe(query, #{table => uptime, every => 100}),
    Events = [wait(Ref) || _ <- lists:seq(1, 64)],
    #{changed := [{_, Last}]} = lists:last(Events),
    ok = skipped_without_credit(Ref, Last, []),
    ok = portcullis:unsubscribe(Ref).

%% About four in half a second, of a program that is let run: the most of five counts.
skipped_without_credit(_, _, [_, _, _, _, _] = Few) -> error({skipped, Few});
skipped_without_credit(Ref, Last, Few) ->
    receive {portcullis, Ref, _} = More -> ct:fail(More) after 500 -> ok end,
    ok = portcullis:ack(Ref, 1),
    case wait(Ref) of
        #{changed := [{Last, _}], skipped := Skipped} when Skipped >= 3 -> ok;
        #{changed := [{Last, Next}], skipped := Skipped} -> skipped_without_credit(Ref, Next, [Skipped | Few])
    end.

%% --- processes ------------------------------------------------------------------------------------------------------

%% The kernel tells of them in the first namespaces only, which scripts/test-all.sh leaves.
processes_are_told(_) ->
    case portcullis:subscribe(?SERVER, processes, #{events => [fork, exec, exit], threads => false}) of
        {ok, Ref} ->
            {Port, Pid} = sleeper(),
            #{tid := Pid, time := _} = until_process(Ref, exec, Pid),
            "" = os:cmd("kill -KILL " ++ integer_to_list(Pid)),
            #{code := undefined, signal := 9, ppid := _} = until_process(Ref, exit, Pid),
            closed(Port),
            ok = portcullis:unsubscribe(Ref);
        {error, {unsupported, Why} = Error} ->
            ?assertNotEqual(nomatch, string:find(Why, "topic query")),
            ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "events of processes"))
    end.

the_end_of_a_process(_) ->
    {Port, Pid} = sleeper(),
    {ok, #{starttime := Started}} = portcullis:process(?SERVER, Pid, [starttime]),
    Ref = subscribe(exit, #{pid => {Pid, Started}}),
    "" = os:cmd("kill -KILL " ++ integer_to_list(Pid)),
    #{kind := exit, pid := Pid, starttime := Started, code := undefined, signal := Signal} = event(Ref),
    ?assert(Signal =:= 9 orelse Signal =:= undefined),
    closed(Port),
    %% It is over, and that is no failure.
    receive {portcullis, Ref, _} = More -> ct:fail(More) after 100 -> ok end,
    ok = portcullis:unsubscribe(Ref).

a_process_that_is_gone(_) ->
    {Port, Pid} = sleeper(),
    ?assertEqual({error, esrch}, portcullis:subscribe(?SERVER, exit, #{pid => {Pid, 1}})),
    Refs = [subscribe(exit, #{pid => Pid}) || _ <- lists:seq(1, 8)],
    ?assertEqual({error, overloaded}, portcullis:subscribe(?SERVER, exit, #{pid => Pid})),
    [ok = portcullis:unsubscribe(Ref) || Ref <- Refs],
    true = port_close(Port),
    "" = os:cmd("kill -KILL " ++ integer_to_list(Pid)),
    until(fun() -> portcullis:subscribe(?SERVER, exit, #{pid => {Pid, 1}}) =:= {error, esrch} end).

%% The event can be there before the call has returned.
an_end_that_came_at_once(_) ->
    lists:foreach(fun(_) ->
                          {Port, Pid} = sleeper(),
                          _ = spawn(fun() -> os:cmd("kill -KILL " ++ integer_to_list(Pid)) end),
                          case portcullis:subscribe(?SERVER, exit, #{pid => Pid}) of
                              {ok, Ref} -> #{pid := Pid} = event(Ref);
                              {error, esrch} -> ok
                          end,
                          closed(Port)
                  end, lists:seq(1, 20)).

%% --- what is short, and the network ----------------------------------------------------------------------------------

pressure(_) ->
    Options = #{resource => cpu, share => some, measure => stall, threshold => 1, every => 100},
    case portcullis:subscribe(?SERVER, pressure, Options) of
        {ok, Ref} ->
            Busy = [spawn(fun Loop() -> Loop() end) || _ <- lists:seq(1, 4 * erlang:system_info(schedulers_online))],
            Load = [open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "while :; do :; done"]}]) || _ <- lists:seq(1, 8)],
            %% Whatever comes of it, nobody is kept busy after it.
            Told = try event(Ref)
            after
                [exit(Pid, kill) || Pid <- Busy],
                [os:cmd("kill -KILL " ++ integer_to_list(Pid)) || Each <- Load, {os_pid, Pid} <- [erlang:port_info(Each, os_pid)]]
            end,
            #{kind := pressure, resource := cpu, share := some, measure := stall, state := above, value := Value, threshold := 1,
              time := _} = Told,
            ?assert(Value > 1),
            ok = portcullis:unsubscribe(Ref);
        {error, {unsupported, Why}} -> ?assertNotEqual(nomatch, string:find(Why, "psi=1"))
    end.

%% What they tell takes root to bring about: tests/watches does.
changes_of_the_network(_) ->
    Refs = [subscribe(Topic, #{}) || Topic <- [interfaces, addresses, routes, neighbours]],
    ?assertMatch({ok, #{subscriptions := 4}}, answer(?SERVER, info, #{})),
    [ok = portcullis:unsubscribe(Ref) || Ref <- Refs].

%% A server with both roles hears of them from the one that has them.
of_the_other_role(_) ->
    ?assertMatch({error, {unsupported, _}}, portcullis:subscribe(?SERVER, query, #{role => net, table => load, every => 100})).

wrong_arguments(_) ->
    Wrong = fun(Topic, Options) ->
                    {error, {bad_request, Path, Why}} = portcullis:subscribe(?SERVER, Topic, Options), {Path, Why}
            end,
    ?assertEqual({[every], {range, 100, 3600000}}, Wrong(query, #{table => load, every => 5})),
    ?assertEqual({[every], missing}, Wrong(query, #{table => load})),
    ?assertEqual({[table], {unknown_name, <<"colours">>}}, Wrong(query, #{table => colours, every => 100})),
    ?assertEqual({[columns, 1], {unknown_column, <<"colour">>}}, Wrong(query, #{table => load, every => 100, columns => [colour]})),
    ?assertEqual({[<<"colour">>], unknown_key}, Wrong(processes, #{colour => red})),
    ?assertMatch({[events, 1], {expected, _}}, Wrong(processes, #{events => [birth]})),
    ?assertEqual({[pid], missing}, Wrong(exit, #{})),
    ?assertMatch({[resource], {expected, _}}, Wrong(pressure, #{resource => gold, every => 100, threshold => 1})).

%% --- help -----------------------------------------------------------------------------------------------------------

subscribe(Topic, Options) ->
    {ok, Ref} = portcullis:subscribe(?SERVER, Topic, Options),
    Ref.

sleeper() ->
    Port = open_port({spawn_executable, "/bin/sleep"}, [{args, ["1000"]}, exit_status]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    %% The name is that of the program once it is executed, and it sleeps once it has found its libraries.
    until(fun() -> portcullis:process(?SERVER, Pid, [comm, state]) =:= {ok, #{comm => <<"sleep">>, state => sleeping}} end),
    {Port, Pid}.

closed(Port) ->
    receive {Port, {exit_status, _}} -> ok after 60000 -> ct:fail(still_there) end.

wait(Ref) ->
    receive {portcullis, Ref, {event, Event}} -> Event after 60000 -> ct:fail(nothing_told) end.

event(Ref) ->
    Event = wait(Ref),
    ok = portcullis:ack(Ref, 1),
    Event.

until_told(Ref, Find) ->
    case Find(event(Ref)) of
        [Found | _] -> Found;
        [] -> until_told(Ref, Find)
    end.

until_process(Ref, What, Pid) ->
    receive
        {portcullis, Ref, {event, #{kind := processes, events := Events}}} ->
            ok = portcullis:ack(Ref, 1),
            case [Event || #{event := E, pid := P} = Event <- Events, E =:= What, P =:= Pid] of
                [Event | _] -> Event;
                [] -> until_process(Ref, What, Pid)
            end
    after 60000 -> ct:fail(nothing_told)
    end.
