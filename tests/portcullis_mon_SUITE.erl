%% What os_mon would say, beside what the kernel's files say.
-module(portcullis_mon_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1, until/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() -> [load, memory, busy_and_idle, alarms, no_server].

init_per_testcase(_, Config) ->
    {ok, Server} = portcullis:start_link(options(#{required => true})),
    [{server, Server} | Config].

end_per_testcase(_, _) -> ok.

server(Config) -> proplists:get_value(server, Config).

load(Config) ->
    %% It changes every five seconds.
    One = fun() -> {ok, Text} = file:read_file("/proc/loadavg"), hd(binary:split(Text, <<" ">>)) end,
    ok = until(fun() ->
                       {Before, Said, After} = {One(), portcullis_mon:avg1(server(Config)), One()},
                       ?assert(Before =/= After orelse Said =:= round(binary_to_float(Before) * 100) * 256 div 100, {Before, Said}),
                       Before =:= After
               end),
    [?assert(is_integer(portcullis_mon:F(server(Config)))) || F <- [avg5, avg15, nprocs]].

memory(Config) ->
    {ok, Text} = file:read_file("/proc/meminfo"),
    Kib = fun(Name) ->
        {match, [N]} = re:run(Text, [Name, ":\\s+(\\d+) kB"], [{capture, all_but_first, list}]),
        list_to_integer(N) * 1024
    end,
    Data = portcullis_mon:get_system_memory_data(server(Config)),
    ?assertEqual(Kib("MemTotal"), proplists:get_value(system_total_memory, Data)),
    ?assertEqual(Kib("SwapTotal"), proplists:get_value(total_swap, Data)),
    {Total, Used, undefined} = portcullis_mon:get_memory_data(server(Config)),
    ?assert(Used > 0 andalso Used =< Total andalso Total =< Kib("MemTotal")),
    #{cpus := Cpus} = portcullis_mon:limits(server(Config)),
    ?assert(Cpus > 0 andalso Cpus =< erlang:system_info(logical_processors_online)).

%% One process that does nothing else takes one processor, once it is let run.
busy_and_idle(Config) ->
    Spin = spawn(fun Loop() -> Loop() end),
    Most = 60 / erlang:system_info(logical_processors_online),
    try until(fun() ->
                      Busy = portcullis_mon:util(server(Config), 400),
                      ?assert(Busy >= 0.0 andalso Busy =< 100.0, Busy),
                      Busy > Most
              end)
    after exit(Spin, kill)
    end.

alarms(Config) ->
    ?assertEqual([], portcullis_mon:alarms(server(Config), #{memory => 100, load => 100000, pressure => 100})),
    ?assertMatch([{memory_high, Percent} | _] when Percent > 0, portcullis_mon:alarms(server(Config), #{memory => 0})),
    ?assertMatch([_ | _], portcullis_mon:alarms(server(Config), [{memory, 0}])),
    %% A threshold that nobody looks at would alarm nobody.
    [?assertMatch({_, {error, {bad_request, Path, _}}}, {Thresholds, portcullis_mon:alarms(server(Config), Thresholds)})
     || {Thresholds, Path} <- [{#{mem => 10}, [mem]}, {#{load => high}, [load]}, {[memory], []}, {80, []}]],
    [?assertEqual({error, {bad_request, [percent], {range, 0, 100}}}, portcullis_mon:check_disks(server(Config), Percent))
     || Percent <- [0.8, 101, -1, all]].

no_server(_) ->
    [?assertEqual({error, {down, {noproc, no_such_server}}}, apply(portcullis_mon, F, [no_such_server | More]))
     || {F, More} <- [{avg1, []}, {nprocs, []}, {util, [1]}, {get_memory_data, []}, {limits, []}, {alarms, [#{}]}]].
