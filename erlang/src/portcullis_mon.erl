%% @doc What `cpu_sup', `memsup' and `disksup' of OTP's `os_mon' answer, from the tables of portcullis: no second program, and the limits of the
%% control group that this node is in count where they are tighter than the host.
%%
%% ```
%% ok = case portcullis_mon:alarms() of [] -> ok; Alarms -> logger:warning("~p", [Alarms]) end.
%% '''
%%
%% Each function has a form with the server first.
-module(portcullis_mon).

-export([avg1/0, avg1/1, avg5/0, avg5/1, avg15/0, avg15/1, nprocs/0, nprocs/1, util/1, util/2]).
-export([get_memory_data/0, get_memory_data/1, get_system_memory_data/0, get_system_memory_data/1]).
-export([get_disk_data/0, get_disk_data/1, get_disk_info/0, get_disk_info/1, get_disk_info/2]).
-export([check_disks/0, check_disks/1, check_disks/2]).
-export([limits/0, limits/1, alarms/0, alarms/1, alarms/2]).

-export_type([alarm/0, disk_alarm/0, thresholds/0, limits/0]).

-type answer(Value) :: Value | {error, portcullis:error()}.
-type limits() :: #{memory := non_neg_integer(), memory_used := non_neg_integer(), cpus := float()}.
%% Bytes that this node can have and that its group uses, and how many processors' time.
-type thresholds() :: #{memory => 0..100, load => number(), pressure => number()}.
%% Percent of the memory that there is for this node (80); load over 5 minutes for each processor of its own (2); percent of the last
%% 10 seconds in which something waited for memory or a disk (20).
-type alarm() :: {memory_high | load_high, float()} | {pressure_high, memory | io, float()}.
-type disk_alarm() :: {disk_almost_full | disk_timeout, Id :: string()}.
%% What `alarm_handler' knows an alarm by. `disksup' has the first of them.

-define(SERVER, portcullis).

%% @equiv avg1(portcullis)
-spec avg1() -> answer(non_neg_integer()).
avg1() -> avg1(?SERVER).

%% @doc The load over the last minute times 256, as `cpu_sup' has it.
-spec avg1(portcullis:server()) -> answer(non_neg_integer()).
avg1(Server) -> load(Server, load1).

%% @equiv avg5(portcullis)
-spec avg5() -> answer(non_neg_integer()).
avg5() -> avg5(?SERVER).

%% @doc The same over 5 minutes.
-spec avg5(portcullis:server()) -> answer(non_neg_integer()).
avg5(Server) -> load(Server, load5).

%% @equiv avg15(portcullis)
-spec avg15() -> answer(non_neg_integer()).
avg15() -> avg15(?SERVER).

%% @doc The same over 15 minutes.
-spec avg15(portcullis:server()) -> answer(non_neg_integer()).
avg15(Server) -> load(Server, load15).

load(Server, Column) ->
    one(Server, load, [Column], fun(#{Column := Hundredths}) -> Hundredths * 256 div 100 end).

%% @equiv nprocs(portcullis)
-spec nprocs() -> answer(non_neg_integer()).
nprocs() -> nprocs(?SERVER).

%% @doc Threads of the host, which is what `cpu_sup:nprocs/0' counts on Linux.
-spec nprocs(portcullis:server()) -> answer(non_neg_integer()).
nprocs(Server) -> one(Server, load, [tasks], fun(#{tasks := Tasks}) -> Tasks end).

%% @equiv util(portcullis, Milliseconds)
-spec util(pos_integer()) -> answer(float()).
util(Milliseconds) -> util(?SERVER, Milliseconds).

%% @doc Percent of all processors' time that was used in the next so many milliseconds. The caller waits.
-spec util(portcullis:server(), pos_integer()) -> answer(float()).
util(Server, Milliseconds) ->
    case ticks(Server) of
        {error, Error} -> {error, Error};
        {All0, Idle0} ->
            receive after Milliseconds -> ok end,
            case ticks(Server) of
                {error, Error} -> {error, Error};
                {All, _} when All =< All0 -> 0.0;
                {All, Idle} -> max(0.0, 100 * (1 - (Idle - Idle0) / (All - All0)))
            end
    end.

ticks(Server) ->
    Columns = [user, nice, system, idle, iowait, irq, softirq, steal],
    one(Server, cpus, Columns, fun(#{idle := Idle, iowait := Wait} = All) -> {lists:sum(maps:values(All)), Idle + Wait} end).

%% @equiv get_memory_data(portcullis)
-spec get_memory_data() -> answer({non_neg_integer(), non_neg_integer(), undefined}).
get_memory_data() -> get_memory_data(?SERVER).

%% @doc Bytes of memory that this node can have, and that are in use. `memsup' also names the process that uses most: ask the
%% table `processes' for that.
-spec get_memory_data(portcullis:server()) -> answer({non_neg_integer(), non_neg_integer(), undefined}).
get_memory_data(Server) ->
    case limits(Server) of
        #{memory := Total, memory_used := Used} -> {Total, Used, undefined};
        {error, Error} -> {error, Error}
    end.

%% @equiv get_system_memory_data(portcullis)
-spec get_system_memory_data() -> answer([{atom(), non_neg_integer()}]).
get_system_memory_data() -> get_system_memory_data(?SERVER).

%% @doc The host's memory in bytes, under the names that `memsup' has for it.
-spec get_system_memory_data(portcullis:server()) -> answer([{atom(), non_neg_integer()}]).
get_system_memory_data(Server) ->
    Names = [{system_total_memory, mem_total}, {total_memory, mem_total}, {free_memory, mem_free},
             {available_memory, mem_available}, {buffered_memory, buffers}, {cached_memory, cached},
             {total_swap, swap_total}, {free_swap, swap_free}],
    one(Server, memory, lists:usort([Column || {_, Column} <- Names]),
        fun(Row) -> [{Name, Bytes} || {Name, Column} <- Names, Bytes <- [maps:get(Column, Row)], is_integer(Bytes)] end).

%% @equiv get_disk_data(portcullis)
-spec get_disk_data() -> answer([{Id :: string(), KByte :: non_neg_integer(), Capacity :: 0..100}]).
get_disk_data() -> get_disk_data(?SERVER).

%% @doc Each file system with its size in KiB and how many percent of it are used, as df(1) rounds: `{Id, KByte, Capacity}', where `Id' is
%% its mount point. It takes `disk_usage = true' in the policy. What is mounted twice is answered once, at its shortest mount point; what
%% has no size, and images (squashfs), are left out, and so is what does not answer: {@link check_disks/2} names those. Never waits
%% longer than the request may.
-spec get_disk_data(portcullis:server()) ->
    answer([{Id :: string(), KByte :: non_neg_integer(), Capacity :: 0..100}]).
get_disk_data(Server) ->
    case get_disk_info(Server, all) of
        {error, Error} -> {error, Error};
        Disks -> [{Id, Total, Capacity} || {Id, Total, _, Capacity} <- Disks]
    end.

-type disk_info() :: {Id :: string(), TotalKiB :: non_neg_integer(), AvailableKiB :: non_neg_integer(), Capacity :: 0..100}.

%% @equiv get_disk_info(portcullis, all)
-spec get_disk_info() -> answer([disk_info()]).
get_disk_info() -> get_disk_info(?SERVER, all).

%% @equiv get_disk_info(portcullis, Path)
-spec get_disk_info(Path :: string() | binary()) -> answer([disk_info()]).
get_disk_info(Path) -> get_disk_info(?SERVER, Path).

%% @doc The same with what is available to who has no privilege, in KiB; or only that of the file system that `Path' is on, under the path
%% as it was given. The path is compared with mount points and not looked at: a symbolic link in it is not followed. A relative path, and one whose
%% file system does not answer, is `[{Path, 0, 0, 0}]', as `disksup' has it.
-spec get_disk_info(portcullis:server(), all | string() | binary()) -> answer([disk_info()]).
get_disk_info(Server, What) ->
    case disks(Server) of
        {error, Error} -> {error, Error};
        Disks when What =:= all -> [disk(Id, Disk) || #{id := Id, size := Size} = Disk <- once(Disks), Size > 0];
        Disks -> [disk_of(What, Disks)]
    end.

disks(Server) ->
    Columns = [mount_id, mount_point, major, minor, fs_type, size, used, available],
    one(Server, disk_usage, #{columns => Columns}, fun(Rows) -> [Row#{id => text(Point)} || #{mount_point := Point} = Row <- Rows] end).

%% The shortest mount point of each device, and of the same length the first.
once(Disks) ->
    Answered = [Disk || #{size := Size, fs_type := Type} = Disk <- Disks, is_integer(Size), Type =/= <<"squashfs">>],
    Keyed = lists:sort([{{Major, Minor}, byte_size(Point), Id, Disk}
                        || #{major := Major, minor := Minor, mount_point := Point, mount_id := Id} = Disk <- Answered]),
    Firsts = lists:foldl(fun({Device, _, Id, Disk}, Seen) ->
                                 case lists:keymember(Device, 1, Seen) of
                                     true -> Seen;
                                     false -> [{Device, Id, Disk} | Seen]
                                 end
                         end, [], Keyed),
    [Disk || {_, _, Disk} <- lists:keysort(2, Firsts)].

disk(Id, #{size := Size, used := Used, available := Available}) ->
    {Id, Size div 1024, Available div 1024, capacity(Used, Available)}.

%% Rounded up, of what there is for everybody (coreutils, src/df.c).
capacity(_, 0) -> 100;
capacity(Used, Available) -> min(100, (100 * Used + Used + Available - 1) div (Used + Available)).

%% The deepest mount above the path, of those at one place the one that is seen.
disk_of(Path, Disks) ->
    Bytes = iolist_to_binary([case is_list(Path) of true -> unicode:characters_to_binary(Path); false -> Path end]),
    Above = [{byte_size(Point), is_integer(Size), Disk}
             || #{mount_point := Point, size := Size} = Disk <- Disks, is_above(Point, Bytes)],
    case lists:sort(Above) of
        [_ | _] = Sorted ->
            case lists:last(Sorted) of
                {_, true, Disk} -> disk(Path, Disk);
                _ -> {Path, 0, 0, 0}
            end;
        [] -> {Path, 0, 0, 0}
    end.

is_above(<<"/">>, <<"/", _/binary>>) -> true;
is_above(Point, Path) ->
    Size = byte_size(Point),
    case Path of
        Point -> true;
        <<Point:Size/binary, "/", _/binary>> -> true;
        _ -> false
    end.

text(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        Text when is_list(Text) -> Text;
        _ -> binary_to_list(Bytes)
    end.

%% @equiv check_disks(portcullis, 80)
-spec check_disks() -> answer([disk_alarm()]).
check_disks() -> check_disks(?SERVER, 80).

%% @equiv check_disks(portcullis, Percent)
-spec check_disks(0..100) -> answer([disk_alarm()]).
check_disks(Percent) -> check_disks(?SERVER, Percent).

%% @doc The file systems that are fuller than so many percent, and those that do not answer. Where `alarm_handler' runs (application
%% `sasl'), an alarm `{Alarm, []}' is set for each that has none, and one that no longer holds is cleared; what could not be asked this time
%% keeps what it has. Call it from a timer, as often as `disksup' would look: every half hour.
-spec check_disks(portcullis:server(), 0..100) -> answer([disk_alarm()]).
check_disks(Server, Percent) when is_integer(Percent), Percent >= 0, Percent =< 100 ->
    case disks(Server) of
        {error, Error} -> {error, Error};
        Disks ->
            Full = [{disk_almost_full, Id} || #{id := Id} = Disk <- once(Disks), {_, Total, _, Capacity} <- [disk(Id, Disk)],
                                              Total > 0, Capacity > Percent],
            Silent = lists:usort([{disk_timeout, Id} || #{id := Id, size := {error, timeout}} <- Disks]),
            %% A late one may be as full as it was, and one that could not be asked may still be late.
            Unknown = [{disk_almost_full, Id} || {disk_timeout, Id} <- Silent]
                ++ [{Alarm, Id} || #{id := Id, size := {error, busy}} <- Disks, Alarm <- [disk_almost_full, disk_timeout]],
            tell(whereis(alarm_handler), Full ++ Silent, Unknown),
            Full ++ Silent
    end;
check_disks(_, _) -> {error, {bad_request, [percent], {range, 0, 100}}}.

tell(undefined, _, _) -> ok;
tell(_, Alarms, Unknown) ->
    %% Not called by its name: `sasl' is not among the applications that this one needs.
    Handler = alarm_handler,
    %% Another handler in its place need not know which alarms there are.
    Set = case Handler:get_alarms() of
        Known when is_list(Known) -> [Alarm || {{Name, _} = Alarm, _} <- Known, Name =:= disk_almost_full orelse Name =:= disk_timeout];
        _ -> []
    end,
    lists:foreach(fun(Alarm) -> ok = Handler:set_alarm({Alarm, []}) end, Alarms -- Set),
    lists:foreach(fun(Alarm) -> ok = Handler:clear_alarm(Alarm) end, (Set -- Alarms) -- Unknown).

%% @equiv limits(portcullis)
-spec limits() -> answer(limits()).
limits() -> limits(?SERVER).

%% @doc What this node can have: the host's, or less where a control group above it says so.
-spec limits(portcullis:server()) -> answer(limits()).
limits(Server) ->
    Host = one(Server, memory, [mem_total, mem_available],
               fun(#{mem_total := Total, mem_available := Available}) -> {Total, Total - Available} end),
    Own = one(Server, own_limits, [memory_max, memory_current, cpu_quota, cpu_period], fun(Row) -> Row end),
    Cpus = one(Server, cpus, #{columns => [cpu]}, fun length/1),
    case [Error || {error, Error} <- [Host, Own, Cpus]] of
        [Error | _] -> {error, Error};
        [] -> limits(Host, Own, Cpus - 1)
    end.

limits({Total, Used}, #{memory_max := Max, memory_current := Current} = Own, Cpus) ->
    Memory = case is_integer(Max) andalso is_integer(Current) andalso Max < Total of
        true -> #{memory => Max, memory_used => Current};
        false -> #{memory => Total, memory_used => Used}
    end,
    Memory#{cpus => cpus(Own, Cpus)}.

cpus(#{cpu_quota := Quota, cpu_period := Period}, Cpus) when is_integer(Quota), is_integer(Period), Period > 0 ->
    min(Quota / Period, float(Cpus));
cpus(_, Cpus) -> float(Cpus).

%% @equiv alarms(portcullis, #{})
-spec alarms() -> answer([alarm()]).
alarms() -> alarms(?SERVER, #{}).

%% @equiv alarms(portcullis, Thresholds)
-spec alarms(thresholds()) -> answer([alarm()]).
alarms(Thresholds) -> alarms(?SERVER, Thresholds).

%% @doc What is above its threshold now. Who wants to be told asks from a timer, and hands it to `alarm_handler' or a log.
-spec alarms(portcullis:server(), thresholds()) -> answer([alarm()]).
alarms(Server, Asked) ->
    Number = {fun(N) -> is_number(N) andalso N >= 0 end, {expected, <<"a number from 0 on">>}},
    case portcullis_opts:own(Asked, #{memory => Number, load => Number, pressure => Number}) of
        {ok, Thresholds} -> exceeded(Server, Thresholds);
        {error, Error} -> {error, Error}
    end.

exceeded(Server, Thresholds) ->
    case {limits(Server), avg5(Server), portcullis:query(Server, pressure, #{where => #{share => some}})} of
        {#{memory := Total, memory_used := Used, cpus := Cpus}, Load, {ok, Pressure, _}} when is_integer(Load) ->
            above(memory_high, 100 * Used / max(1, Total), maps:get(memory, Thresholds, 80))
            ++ above(load_high, Load / 256 / max(0.01, Cpus), maps:get(load, Thresholds, 2))
            ++ [{pressure_high, Resource, Avg / 100} || #{resource := Resource, avg10 := Avg} <- Pressure,
                Resource =:= memory orelse Resource =:= io, Avg / 100 > maps:get(pressure, Thresholds, 20)];
        {{error, Error}, _, _} -> {error, Error};
        {_, {error, Error}, _} -> {error, Error};
        {_, _, {error, Error}} -> {error, Error}
    end.

above(Name, Value, Threshold) when Value > Threshold -> [{Name, Value}];
above(_, _, _) -> [].

%% The first row of a table, or with a map all of them, made into something.
one(Server, Table, Columns, Make) when is_list(Columns) ->
    one(Server, Table, #{columns => Columns, limit => 1}, fun([Row]) -> Make(Row) end);
one(Server, Table, Options, Make) ->
    case portcullis:query(Server, Table, Options) of
        {ok, Rows, _} -> Make(Rows);
        {error, Error} -> {error, Error}
    end.
