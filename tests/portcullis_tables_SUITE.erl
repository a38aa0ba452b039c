%% The tables of the kernel's state through the port: every one that it tells of can be read, with the columns that it tells.
-module(portcullis_tables_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [every_table_is_read, rates_take_two_samples, conditions_and_columns, bytes_as_they_are, unknown_names, text_in_conditions, without_options].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(maps:remove(name, portcullis_test_server:options(#{required => true}))),
    true = unlink(Server),
    Config.

end_per_suite(_) ->
    portcullis:stop().

every_table_is_read(_) ->
    {ok, Tables} = portcullis:tables(),
    ?assertEqual(lists:sort(portcullis_atoms:table_names()), lists:sort([Name || #{name := Name} <- Tables])),
    %% The policy of this run denies one of them, which portcullis_disk_SUITE reads.
    {[_], Others} = lists:partition(fun(#{name := Name}) -> Name =:= disk_usage end, Tables),
    lists:foreach(fun read/1, Others).

read(#{name := Name, source := Source, columns := Columns, sampled := Sampled}) ->
    Options = maps:from_list([{interval, 50} || Sampled]),
    case portcullis:query(Name, Options) of
        %% Whose environments are shown, the policy says by name.
        {error, {denied_by_policy, <<"proc.environ">>, _}} when Name =:= environ -> ok;
        {ok, Rows, #{rows := Count, source := Source, truncated := false}} ->
            ?assertEqual(Count, length(Rows)),
            Names = lists:sort([Column || {Column, _, _} <- Columns]),
            ?assertEqual([], [Name || Row <- Rows, not are_names(Name, maps:keys(Row), Names)]),
            Wrong = [{Name, Column, Cell}
                     || Row <- Rows, {Column, Kind, _} <- Columns, #{Column := Cell} <- [Row], not is_cell(Kind, Cell)],
            ?assertEqual([], Wrong),
            %% Each column by itself, so that a reader that leaves out what nobody wants leaves out nothing else.
            lists:foreach(fun({Column, _, _}) -> read(Name, Column, Options) end, Columns)
    end.

read(Name, Column, Options) ->
    case portcullis:query(Name, Options#{columns => [Column], limit => 3}) of
        {error, {denied_by_policy, <<"proc.environ">>, _}} when Column =:= environ -> ok;
        {ok, Some, _} -> ?assertEqual([], [Row || Row <- Some, maps:keys(Row) =/= [Column]])
    end.

%% The table of processes answers ten columns unless it is told.
are_names(processes, Keys, Names) -> length(Keys) =:= 10 andalso Keys -- Names =:= [];
are_names(_, Keys, Names) -> lists:sort(Keys) =:= Names.

rates_take_two_samples(_) ->
    Start = erlang:monotonic_time(millisecond),
    {ok, Rows, #{duration := Duration}} = portcullis:query(process_rates, #{columns => [pid, cpu, interval], interval => 300}),
    ?assert(erlang:monotonic_time(millisecond) - Start >= 300 andalso Duration >= 300000),
    ?assert(lists:any(fun(#{interval := Micros}) -> is_integer(Micros) andalso Micros >= 150000 end, Rows)),
    ?assertMatch({error, {bad_request, _, unknown_key}}, portcullis:query(processes, #{interval => 100})),
    [?assertEqual({error, {bad_request, [interval], Why}}, portcullis:query(Table, Options))
     || {Table, Options, Why} <- [{load, #{interval => 100}, not_sampled},
                                  {cpu_rates, #{interval => 49}, {range, 50, 60000}},
                                  {cpu_rates, #{interval => 60001}, {range, 50, 60000}},
                                  {cpu_rates, #{interval => second}, {expected, integer}},
                                  {cpu_rates, #{interval => 2000, timeout => 1000}, {range, 50, 999}}]].

%% What does not apply, or was refused; a limit may be none, and `all' is no number of a processor.
is_cell(_, undefined) -> true;
is_cell(_, {error, Errno}) -> is_atom(Errno);
is_cell(number, Cell) -> is_integer(Cell) orelse lists:member(Cell, [unlimited, all]);
is_cell(binary, {truncated, Cell}) -> is_binary(Cell);
is_cell(binary, Cell) -> is_binary(Cell) orelse Cell =:= redacted;
is_cell(atom, Cell) -> is_atom(Cell);
is_cell(address, Cell) -> is_tuple(Cell);
is_cell(compound, {truncated, Cell}) -> is_list(Cell);
is_cell(compound, Cell) -> is_list(Cell) orelse is_map(Cell) orelse is_tuple(Cell).

conditions_and_columns(_) ->
    Query = fun(Table, Where) -> {ok, Rows, _} = portcullis:query(Table, #{where => Where}), Rows end,
    [#{mount_point := <<"/proc">>, fs_type := <<"proc">>} | _] = Query(mounts, #{mount_point => <<"/proc">>}),
    ?assertEqual([all], [Cpu || #{cpu := Cpu} <- Query(cpus, #{})] -- lists:seq(0, 8191)),
    [#{cpu := 0}] = Query(cpus, #{cpu => 0}),
    [#{name := <<"nr_free_pages">>, value := Free}] = Query(vmstat, #{name => <<"nr_free_pages">>}),
    ?assert(Free > 0),
    ?assertEqual([], Query(pressure, #{resource => irq, share => some})),
    ?assert(lists:all(fun(#{nodev := Nodev}) -> Nodev end, Query(filesystems, #{nodev => true}))),
    {ok, [Row], _} = portcullis:query(memory, #{columns => [mem_free, mem_total]}),
    ?assertMatch(#{mem_free := F, mem_total := T} when F < T, Row).

bytes_as_they_are(_) ->
    {ok, [#{cmdline := Cmdline, hostname := Hostname}], _} = portcullis:query(kernel, #{}),
    {ok, File} = file:read_file("/proc/cmdline"),
    {ok, Name} = file:read_file("/proc/sys/kernel/hostname"),
    ?assertEqual({File, Name}, {<<Cmdline/binary, "\n">>, <<Hostname/binary, "\n">>}),
    {ok, [#{cmdline := {truncated, <<_:2/binary>>}}], #{cut := 1}} =
        portcullis:query(kernel, #{columns => [cmdline], cell_max => 2}).

unknown_names(_) ->
    ?assertEqual({error, {bad_request, [table], {unknown_name, <<"colours">>}}}, portcullis:query(colours, #{})),
    ?assertMatch({error, {bad_request, [columns, 1], {unknown_column, <<"colour">>}}},
                 portcullis:query(memory, #{columns => [colour]})),
    ?assertMatch({error, {bad_request, [where, counts], {not_comparable, counts}}},
                 portcullis:query(interrupts, #{where => #{counts => 1}})).

%% A string is a list of numbers: it is the text where that can be meant, and an error elsewhere, never an answer without rows.
text_in_conditions(_) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listener),
    Ask = fun(Where) -> portcullis:query(listening, #{columns => [local_port], where => Where}) end,
    [?assertMatch({Where, {ok, [#{local_port := Port}], _}}, {Where, Ask(Where)})
     || Where <- [#{local_port => Port, local_address => "127.0.0.1"}, #{local_port => Port, local_address => <<"127.0.0.1">>},
                  #{local_port => [Port, 1], local_address => ["10.0.0.9", "127.0.0.1"]}, #{local_port => {any_of, [Port, 48]}},
                  #{local_port => [48, Port]}, #{local_port => Port, local_address => {any_of, [{127, 0, 0, 1}]}}]],
    [begin
         {error, {bad_request, [where | Path], _} = Error} = Ask(Where),
         Text = portcullis:format_error(Error),
         ?assertNotEqual({Where, nomatch}, {Where, string:find(Text, Part)})
     end || {Where, Path, Part} <- [{#{local_port => integer_to_list(Port)}, [local_port], ["a number such as ", integer_to_list(Port)]},
                                    {#{local_port => "80"}, [local_port], "write {any_of, List}"}, {#{uid => "root"}, [uid], "\"root\" is a text"},
                                    {#{local_port => ["80", "443"]}, [local_port, 1], "a number such as 80"},
                                    {#{protocol => "tcp"}, [protocol], "as an atom"}, {#{protocol => <<"tcp">>}, [protocol], "tcp"},
                                    {#{local_address => "127.0.0.300"}, [local_address], "300 is more than 255"},
                                    {#{local_prot => 80}, [], "did you mean local_port?"}]],
    ok = gen_tcp:close(Listener),
    Own = list_to_integer(os:getpid()),
    {ok, [#{comm := Comm}]} = portcullis:processes(#{columns => [comm], where => #{pid => Own}}),
    Named = fun(Condition) -> portcullis:processes(#{columns => [pid], where => #{pid => Own, comm => Condition}}) end,
    String = binary_to_list(Comm),
    [?assertEqual({Condition, {ok, [#{pid => Own}]}}, {Condition, Named(Condition)})
     || Condition <- [Comm, String, [String, "none"], {prefix, lists:sublist(String, 2)}, {any_of, [String]}]],
    ?assertEqual({ok, []}, Named("none")),
    ?assertEqual({ok, []}, Named([])).

without_options(_) ->
    {ok, [#{load1 := _}], _} = portcullis:query(load),
    {ok, [#{load1 := _}], _} = portcullis:query(portcullis, load),
    {ok, [#{load1 := _}], _} = portcullis:query(whereis(portcullis), load),
    {ok, [#{load1 := _}], _} = portcullis:query(load, []),
    ?assertEqual({error, {down, {noproc, nobody}}}, portcullis:query(nobody, load)),
    ?assertEqual({error, {bad_request, [], {expected, map}}}, portcullis:query(load, 5)),
    ?assertEqual({error, {down, {noproc, nobody}}}, portcullis:top(nobody)),
    ?assertMatch({error, {bad_request, [], _}}, portcullis:top(5)).
