%% @doc What the host is busy with, for a person: `portcullis:top()' in the shell.
%%
%% Everything on it comes through the public API. What processes used is `process_rates': the program takes two samples that lie
%% `interval' apart, and none is mistaken for a later one of the same pid. What the policy does not grant, or another role has, is
%% left out.
-module(portcullis_top).

-export([run/2]).
%% For the tests.
-export([sample/2, screen/2]).

-export_type([options/0]).

-type options() :: #{interval => pos_integer(), times => pos_integer() | infinity, rows => pos_integer(),
                     sort => cpu | memory, width => pos_integer()}.
%% What {@link portcullis:top/2} takes: milliseconds between two samples (2000; 50 to 60000), how many screens (until Enter is pressed),
%% processes (20), by what they are sorted (`cpu'), characters of a line (the terminal's, or 100).
-type sample() :: #{processes := [portcullis:row()], rates := [portcullis:row()], cpus := {[portcullis:row()], [portcullis:row()]},
                    atom() => term()}.

-define(BAR, 30).
-define(COLUMNS, [pid, starttime, uid, state, rss, comm, cmdline]).
-define(INTERVAL, 2000).
%% How long the program may take beside waiting.
-define(GRACE, 10000).
%% Values that one condition takes.
-define(INODES, 4096).

%% @private
-spec run(portcullis:server(), options() | [{atom(), term()}]) -> ok | {error, portcullis:error()}.
run(Server, Asked) ->
    case portcullis_opts:own(Asked, known()) of
        {ok, Options} ->
            %% Who waits for Enter takes the next line that is typed, so that nobody does where there is nothing to draw.
            case portcullis_request:call(Server, info) of
                {ok, _} -> start(Server, Options);
                {error, Error} -> {error, Error}
            end;
        {error, Error} -> {error, Error}
    end.

known() ->
    Count = {fun(N) -> is_integer(N) andalso N > 0 end, {expected, <<"a number from 1 on">>}},
    #{interval => {fun(N) -> is_integer(N) andalso N >= 50 andalso N =< 60000 end, {range, 50, 60000}},
      times => {fun(N) -> N =:= infinity orelse (is_integer(N) andalso N >= 0) end, {expected, <<"a number, or infinity">>}},
      rows => Count, width => Count,
      sort => {fun(Word) -> Word =:= cpu orelse Word =:= memory end, {expected, <<"cpu or memory">>}}}.

start(Server, Options) ->
    Times = maps:get(times, Options, infinity),
    Stop = case Times of
        infinity -> on_enter();
        _ -> make_ref()
    end,
    again(Server, Options, Times, Stop).

%% Reading is what tells that somebody wants an end, and it waits: another process does it.
on_enter() ->
    Ref = make_ref(),
    Self = self(),
    _ = spawn_link(fun() -> _ = io:get_line(""), Self ! {Ref, stop} end),
    Ref.

again(_, _, 0, _) -> ok;
again(Server, Options, Times, Stop) ->
    Interval = maps:get(interval, Options, ?INTERVAL),
    %% A process of its own: when it is killed, what it has asked for is cancelled.
    Self = self(),
    {Pid, Ref} = spawn_monitor(fun() -> Self ! {self(), sample(Server, Interval)} end),
    receive
        {Stop, stop} ->
            true = erlang:demonitor(Ref, [flush]),
            true = exit(Pid, kill),
            ok;
        {Pid, {ok, Sample}} ->
            true = erlang:demonitor(Ref, [flush]),
            clear(Times),
            io:put_chars(screen(Sample, Options)),
            again(Server, Options, less(Times), Stop);
        {Pid, {error, Error}} ->
            true = erlang:demonitor(Ref, [flush]),
            {error, Error};
        {'DOWN', Ref, process, Pid, Reason} -> {error, {down, Reason}}
    end.

less(infinity) -> infinity;
less(Times) -> Times - 1.

%% A live table is drawn in one place; what is asked for once may go to a file.
clear(infinity) -> io:put_chars("\e[H\e[2J");
clear(_) -> ok.

%% @private Everything that one screen needs, and what happened in an interval.
-spec sample(portcullis:server(), pos_integer()) -> {ok, sample()} | {error, portcullis:error()}.
sample(Server, Interval) ->
    Before = rows(Server, cpus, #{}),
    Asked = #{columns => [pid, starttime, cpu], interval => Interval, timeout => Interval + ?GRACE},
    case portcullis:query(Server, process_rates, Asked) of
        {ok, Rates, _} ->
            Cpus = {Before, rows(Server, cpus, #{})},
            case portcullis:processes(Server, #{columns => ?COLUMNS}) of
                {ok, Processes} ->
                    Others = maps:from_list([{Table, rows(Server, Table, #{})} || Table <- [memory, load, listening, banned]]),
                    {Holders, Hidden} = holders(Server, maps:get(listening, Others)),
                    {ok, Others#{processes => Processes, rates => Rates, cpus => Cpus, holders => Holders, hidden => Hidden}};
                {error, Error} -> {error, Error}
            end;
        {error, Error} -> {error, Error}
    end.

rows(Server, Table, Options) ->
    case portcullis:query(Server, Table, Options) of
        {ok, Rows, _} -> Rows;
        {error, _} -> []
    end.

%% Who has the sockets that listen, as far as the policy shows it, and whether there are processes that it does not show.
holders(Server, Listening) ->
    case lists:sublist(lists:usort([Inode || #{inode := Inode} <- Listening, is_integer(Inode)]), ?INODES) of
        [] -> {[], false};
        Inodes ->
            case portcullis:query(Server, process_sockets, #{columns => [inode, pid], where => #{inode => {any_of, Inodes}}}) of
                {ok, Rows, #{denied := Denied}} -> {Rows, Denied > 0};
                {error, _} -> {[], true}
            end
    end.

%% @private The sample as text.
-spec screen(sample(), options()) -> unicode:chardata().
screen(#{processes := Processes, rates := Rates, cpus := {Before, After}} = Sample, Options) ->
    Cpus = maps:from_list([{{Pid, Start}, Cpu} || #{pid := Pid, starttime := Start, cpu := Cpu} <- Rates]),
    Shares = [{share(Row, Cpus), Row} || Row <- Processes],
    Width = maps:get(width, Options, width()),
    Sorted = lists:sublist(lists:reverse(lists:sort(order(maps:get(sort, Options, cpu)), Shares)),
                           maps:get(rows, Options, 20)),
    [[cut(Line, Width), $\n] || Line <- head(busy(Before, After), Sample) ++ [titles() | [line(Share, Row) || {Share, Row} <- Sorted]]].

%% A number is less than an atom: what has no share comes last.
order(cpu) -> fun({A, _}, {B, _}) -> is_atom(A) orelse (is_number(B) andalso A =< B) end;
order(memory) -> fun({_, #{rss := A}}, {_, #{rss := B}}) -> A =< B end.

%% How many of the ticks of all processors were used, and how many processors there are.
busy(Before, After) ->
    {All0, Idle0} = ticks(Before),
    {All1, Idle1} = ticks(After),
    All = All1 - All0,
    %% Within a short interval no tick may have passed.
    Share = case All > 0 of
        true -> max(0.0, 1 - (Idle1 - Idle0) / All);
        false -> 0.0
    end,
    {Share, max(1, length(After) - 1)}.

ticks(Rows) ->
    case [Row || #{cpu := all} = Row <- Rows] of
        [#{idle := Idle, iowait := Wait} = Row] ->
            %% What guests had is in `user' and `nice' already.
            {lists:sum([maps:get(K, Row) || K <- [user, nice, system, irq, softirq, steal]]) + Idle + Wait, Idle + Wait};
        [] -> {0, 0}
    end.

%% Of one processor, as top(1) counts; none of a process that began after the first sample.
share(#{pid := Pid, starttime := Start}, Cpus) ->
    case Cpus of
        #{{Pid, Start} := Cpu} when is_integer(Cpu) -> Cpu / 100;
        _ -> undefined
    end.

head({Share, Processors}, #{processes := Processes} = Now) ->
    Running = length([Row || #{state := running} = Row <- Processes]),
    [io_lib:format("~s  ~b processes, ~b running~ts", [clock(), length(Processes), Running, load(Now)]),
     io_lib:format("cpu ~ts ~5.1f % of ~b", [bar(Share), 100.0 * Share, Processors])
     | memory(Now) ++ listening(Now) ++ bans(Now) ++ [""]].

clock() ->
    {_, {H, M, S}} = calendar:local_time(),
    io_lib:format("~2..0b:~2..0b:~2..0b", [H, M, S]).

load(#{load := [#{load1 := One, load5 := Five, load15 := Fifteen}]}) ->
    io_lib:format(", load ~.2f ~.2f ~.2f", [N / 100 || N <- [One, Five, Fifteen]]);
load(_) -> "".

memory(#{memory := [#{mem_total := Total, mem_available := Available}]}) when is_integer(Total), is_integer(Available) ->
    Used = Total - Available,
    [io_lib:format("mem ~ts ~ts of ~ts", [bar(Used / Total), bytes(Used), bytes(Total)])];
memory(_) -> [].

listening(#{listening := Rows, processes := Processes} = Sample) ->
    Names = maps:from_list([{Pid, Name} || #{pid := Pid, comm := Name} <- Processes]),
    Holders = maps:from_list([{Inode, Pid} || #{inode := Inode, pid := Pid} <- maps:get(holders, Sample, [])]),
    Hidden = maps:get(hidden, Sample, false),
    Ports = lists:usort([{Port, Protocol, holder(Row, Holders, Names, Hidden)}
                         || #{protocol := Protocol, local_port := Port} = Row <- Rows]),
    case Ports of
        [] -> [];
        _ ->
            ["listening " ++ lists:join(" ", [io_lib:format("~ts/~b~ts", [P, N, Who]) || {N, P, Who} <- Ports])
             | ["(uid N): whose process this is the policy hides; level = \"full\" shows it"
                || Hidden, lists:any(fun({_, _, Who}) -> lists:prefix("(uid ", Who) end, Ports)]]
    end.

%% Nothing would read as nobody: the owner of a socket is seen by all.
holder(#{inode := Inode} = Row, Holders, Names, Hidden) ->
    case {Holders, Row} of
        {#{Inode := Pid}, _} -> lists:flatten(io_lib:format("(~ts ~b)", [name(maps:get(Pid, Names, <<"?">>)), Pid]));
        {_, #{uid := Uid}} when Hidden, is_integer(Inode), is_integer(Uid) -> lists:flatten(io_lib:format("(uid ~b)", [Uid]));
        _ -> ""
    end;
holder(_, _, _, _) -> "".

bans(#{banned := []}) -> [];
bans(#{banned := Bans}) -> [io_lib:format("banned ~b", [length(Bans)])].

titles() -> line("PID", "UID", "S", "CPU %", "RSS", "", "NAME", "COMMAND").

line(Share, #{pid := Pid, uid := Uid, state := State, rss := Rss, comm := Comm, cmdline := Command}) ->
    {Text, Bar} = case Share of
        undefined -> {"-", ""};
        _ -> {io_lib:format("~.1f", [Share]), bar(Share / 100, 10)}
    end,
    line(number(Pid), number(Uid), letter(State), Text, bytes(Rss), Bar, name(Comm), command(Command)).

line(Pid, Uid, State, Share, Rss, Bar, Name, Command) ->
    io_lib:format("~8ts ~6ts ~1ts ~6ts ~-10ts ~10ts  ~-15ts  ~ts", [Pid, Uid, State, Share, Bar, Rss, Name, Command]).

letter(disk_sleep) -> "D";
letter(tracing_stop) -> "t";
letter(stopped) -> "T";
letter(State) when is_atom(State) -> string:uppercase(string:slice(atom_to_list(State), 0, 1));
letter(_) -> "?".

bar(Share) -> bar(Share, ?BAR).

bar(Share, Width) ->
    Full = max(0, min(Width, round(Share * Width))),
    case Width of
        ?BAR -> [$[, lists:duplicate(Full, $|), lists:duplicate(Width - Full, $\s), $]];
        _ -> lists:duplicate(Full, $|)
    end.

number(N) when is_integer(N) -> integer_to_list(N);
number(_) -> "-".

bytes(N) when not is_integer(N) -> "-";
bytes(N) when N >= 1 bsl 30 -> io_lib:format("~.1f GiB", [N / (1 bsl 30)]);
bytes(N) -> io_lib:format("~.1f MiB", [N / (1 bsl 20)]).

command({truncated, Bytes}) -> command(Bytes);
command(Bytes) when is_binary(Bytes), Bytes =/= <<>> -> name(binary:replace(Bytes, <<0>>, <<" ">>, [global]));
command(_) -> "".

%% Whoever started a process chose it: what is not printable does not reach the terminal.
name(Bytes) when is_binary(Bytes) ->
    Text = case unicode:characters_to_list(Bytes) of
        Characters when is_list(Characters) -> Characters;
        _ -> binary_to_list(Bytes)
    end,
    [case io_lib:printable_unicode_list([C]) andalso C >= 32 andalso C < 16#2000 of
         true -> C;
         false -> $?
     end || C <- Text];
name(_) -> "?".

width() ->
    case io:columns() of
        {ok, Columns} -> Columns;
        {error, _} -> 100
    end.

cut(Line, Width) -> string:slice(unicode:characters_to_list(Line), 0, Width).
