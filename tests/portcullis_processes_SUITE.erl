%% What the program says about processes, against what the system's own tools say.
-module(portcullis_processes_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [own_process, start_time_is_identity, same_as_ps, order_and_columns, conditions, limit, cells, unknown_columns,
     denied_by_policy, times].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(maps:remove(name, portcullis_test_server:options(#{required => true}))),
    true = unlink(Server),
    Config.

end_per_suite(_) ->
    portcullis:stop().

own_process(_) ->
    Own = own(),
    {ok, Process} = portcullis:process(Own, [pid, comm, uid, ppid, state, cmdline, argv, cwd, exe, num_threads, limits]),
    #{comm := Comm, cmdline := Cmdline, argv := Argv, cwd := Cwd, exe := Exe, limits := #{open_files := {Soft, _}}} = Process,
    {ok, Here} = file:get_cwd(),
    ?assertEqual(string:trim(os:cmd("cat /proc/" ++ os:getpid() ++ "/comm")), binary_to_list(Comm)),
    ?assertEqual(os:cmd("readlink /proc/" ++ os:getpid() ++ "/exe"), binary_to_list(Exe) ++ "\n"),
    ?assertEqual(Here, binary_to_list(Cwd)),
    ?assertEqual(Argv, binary:split(Cmdline, <<0>>, [global])),
    ?assert(is_integer(Soft) orelse Soft =:= unlimited),
    ?assertEqual(list_to_integer(string:trim(os:cmd("id -u"))), maps:get(uid, Process)).

start_time_is_identity(_) ->
    {ok, #{starttime := Start}} = portcullis:process(own(), [starttime]),
    ?assertMatch({ok, #{pid := _}}, portcullis:process({own(), Start}, [pid])),
    ?assertEqual({error, esrch}, portcullis:process({own(), Start + 1}, [pid])),
    ?assertEqual({error, esrch}, portcullis:process(4194304, [pid])).

%% They are snapshots of different moments: what was the same before and after must be so between them.
same_as_ps(_) ->
    Before = seen_by_ps(),
    {ok, Rows} = portcullis:processes(#{columns => [pid, ppid, uid]}),
    After = seen_by_ps(),
    Ours = maps:from_list([{Pid, {Ppid, Uid}} || #{pid := Pid, ppid := Ppid, uid := Uid} <- Rows]),
    Same = maps:filter(fun(Pid, Seen) -> maps:get(Pid, After, gone) =:= Seen end, Before),
    ?assert(map_size(Same) >= 3),
    ?assertEqual(Same, maps:with(maps:keys(Same), Ours)).

seen_by_ps() ->
    maps:from_list([{list_to_integer(Pid), {list_to_integer(Ppid), list_to_integer(Uid)}}
                    || Line <- string:lexemes(os:cmd("ps -e -o pid=,ppid=,uid="), "\n"),
                       [Pid, Ppid, Uid] <- [string:lexemes(Line, " ")]]).

order_and_columns(_) ->
    {ok, Rows, #{rows := Count, source := procfs, truncated := false}} = portcullis:query(processes, #{}),
    Pids = [Pid || #{pid := Pid} <- Rows],
    ?assertEqual({Count, lists:usort(Pids)}, {length(Rows), Pids}),
    Default = [cmdline, comm, pid, ppid, rss, starttime, state, stime, uid, utime],
    ?assertEqual([Default], lists:usort([lists:sort(maps:keys(Row)) || Row <- Rows])),
    Other = [vm_hwm, comm, nice, cap_eff],
    {ok, [Row | _]} = portcullis:processes([{columns, Other}, {limit, 1}]),
    ?assertEqual(lists:sort(Other), lists:sort(maps:keys(Row))).

conditions(_) ->
    Own = own(),
    Pids = fun(Where) -> {ok, Rows} = portcullis:processes(#{columns => [pid], where => Where}), [P || #{pid := P} <- Rows] end,
    {ok, #{comm := <<Start:3/binary, _/binary>>}} = portcullis:process(Own, [comm]),
    ?assertEqual([1, Own], Pids(#{pid => [Own, 1]})),
    ?assert(lists:member(Own, Pids(#{comm => {prefix, Start}}))),
    ?assertEqual([Own], Pids(#{pid => {range, Own, Own}})),
    ?assertNot(lists:member(Own, Pids(#{pid => {max, Own - 1}}))),
    ?assertEqual([], Pids(#{comm => <<"no such name">>})),
    ?assertEqual([], Pids(#{pid => [Own], comm => <<"no such name">>})).

limit(_) ->
    ?assertMatch({ok, [#{pid := 1}], #{rows := 1, truncated := true}}, portcullis:query(processes, #{limit => 1})),
    ?assertMatch({error, {bad_request, [limit], {range, 1, _}}}, portcullis:processes(#{limit => 0})).

cells(_) ->
    {ok, #{cmdline := {truncated, <<_, _, _>>}}} = portcullis:process(portcullis, own(), #{items => [cmdline], cell_max => 3}),
    {ok, [#{cmdline := {truncated, <<_>>}}]} = portcullis:processes(#{columns => [cmdline], where => #{pid => own()}, cell_max => 1}),
    ?assertMatch({error, {bad_request, [cell_max], {range, 1, 65536}}}, portcullis:processes(#{cell_max => 65537})).

%% Errors say where.
unknown_columns(_) ->
    ?assertEqual({error, {bad_request, [columns, 2], {unknown_column, <<"colour">>}}},
                 portcullis:processes(#{columns => [pid, colour]})),
    ?assertEqual({error, {bad_request, [items, 1], {unknown_column, <<"colour">>}}}, portcullis:process(1, [colour])),
    ?assertEqual({error, {bad_request, [columns, 2], duplicate}}, portcullis:processes(#{columns => [pid, pid]})),
    ?assertEqual({error, {bad_request, [columns], empty}}, portcullis:processes(#{columns => []})),
    ?assertEqual({error, {bad_request, [<<"colour">>], unknown_key}}, portcullis:processes(#{colour => red})),
    ?assertEqual({error, {bad_request, [where, limits], {not_comparable, limits}}},
                 portcullis:processes(#{where => #{limits => 1}})),
    ?assertEqual({error, {bad_request, [pid], {expected, pid}}}, portcullis:process(init, [pid])),
    ?assertEqual({error, {bad_request, [items], {expected, list}}}, portcullis:process(portcullis, 1, comm)),
    ?assertEqual({error, {bad_request, [timeout], {expected, integer}}}, portcullis:processes(#{timeout => infinity})).

denied_by_policy(_) ->
    {error, {denied_by_policy, Rule, _} = Error} = portcullis:process(own(), [environ]),
    ?assertEqual(<<"proc.environ">>, Rule),
    ?assertMatch(<<"The policy does not grant proc.environ. ", _/binary>>, portcullis:format_error(Error)).

%% hello has what makes times of clock ticks.
times(_) ->
    {ok, #{proc := #{hello := #{ticks_per_s := Ticks, boot_time := Boot}}}} = portcullis:info(),
    {ok, #{starttime := Start}} = portcullis:process(own(), [starttime]),
    Began = Boot + Start * 1000000 div Ticks,
    Age = erlang:system_time(microsecond) - Began,
    ?assert(Age > 0 andalso Age < 3600 * 1000000).

own() ->
    list_to_integer(os:getpid()).
