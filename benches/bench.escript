#!/usr/bin/env escript
%% -*- erlang -*-
%% Compares the port with its floor and its rivals, all in one run and interleaved, so that what else the machine does
%% hits all of them alike. Prints medians and ratios. Started by benches/run.sh, which builds and installs.
%%
%% usage: bench.escript latency PORT ECHO EBIN
%%        bench.escript table PORT FLOOR EBIN [PROCESSES]
-mode(compile).

main(["latency", Port, Echo, Ebin]) ->
    true = code:add_patha(Ebin),
    latency(Port, Echo),
    start(Port, Echo);
main(["table", Port, Floor, Ebin | Rest]) ->
    true = code:add_patha(Ebin),
    table(Port, Floor, case Rest of [N] -> list_to_integer(N); [] -> 2000 end).

%% --- The cheapest request ------------------------------------------------------------------------------------------

latency(Program, Echo) ->
    {ok, Server} = portcullis:start_link([{path, Program}, {name, {local, bench}}]),
    {ok, _} = portcullis:process(Server, 1, [pid]),
    Port = open_port_ready(Program),
    E = open_raw(Echo, []),
    Frame = term_to_binary({req, 1, info, #{}, 5000}, [{minor_version, 2}]),
    Ask = fun(P) -> fun() -> true = port_command(P, Frame), receive {P, {data, _}} -> ok end end end,
    Client = fun() ->
        Id = portcullis:send_request(Server, info, #{}),
        {ok, _} = portcullis:receive_response(Id, 5000)
    end,
    [EchoT, PortT, ClientT] = rounds(20, 1000, [Ask(E), Ask(Port), Client]),
    heading("cheapest request, p50 over 20 rounds of 1000"),
    row("echo port (floor)", EchoT, us, EchoT),
    row("portcullis, raw port", PortT, us, EchoT),
    row("portcullis, through the client", ClientT, us, EchoT),
    port_close(Port),
    port_close(E),
    portcullis:stop(Server).

%% --- Start -----------------------------------------------------------------------------------------------------------

start(Program, Echo) ->
    EchoStart = fun() ->
        P = open_raw(Echo, []),
        true = port_command(P, <<"x">>),
        receive {P, {data, _}} -> ok end,
        port_close(P)
    end,
    PortStart = fun() -> port_close(open_port_ready(Program)) end,
    [EchoT, PortT] = rounds(10, 20, [EchoStart, PortStart]),
    heading("start to first frame, p50 over 10 rounds of 20"),
    row("echo port", EchoT, us, EchoT),
    row("portcullis, hello", PortT, us, EchoT).

%% --- The process table -----------------------------------------------------------------------------------------------

table(Program, Floor, N) ->
    Sleepers = sleepers(N),
    {ok, Server} = portcullis:start_link([{path, Program}, {name, {local, bench}}]),
    {ok, Rows} = portcullis:processes(Server, #{}),
    F = open_raw(Floor, []),
    Scan = fun() -> true = port_command(F, <<"x">>), receive {F, {data, _}} -> ok end end,
    Port = fun() -> {ok, _} = portcullis:processes(Server, #{}) end,
    Ps = fun() -> os:cmd("ps -eo pid,ppid,comm,state,uid,rss,time,lstart,args --no-headers") end,
    Files = fun() -> files() end,
    Alone = fun(Fun) -> fun() -> alone(Fun) end end,
    [FloorT, PortT, PsT, FilesT] = rounds(41, 1, [Scan, Alone(Port), Alone(Ps), Alone(Files)]),
    heading(io_lib:format("process table, ~b processes, ten columns, median of 41", [length(Rows)])),
    row("open, read, close (floor)", FloorT, ms, FloorT),
    row("portcullis:processes()", PortT, ms, FloorT),
    row("os:cmd(\"ps\")", PsT, ms, FloorT),
    row("file:read_file", FilesT, ms, FloorT),
    io:format("  ps takes ~.1f times, file:read_file ~.1f times as long as portcullis~n", [PsT / PortT, FilesT / PortT]),
    portcullis:stop(Server),
    [port_close(S) || S <- Sleepers],
    ok.

%% In a process of its own, with a heap that owes nothing to the rounds before.
alone(Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> Fun(), exit(done) end),
    receive {'DOWN', Ref, process, Pid, done} -> ok end.

sleepers(N) ->
    %% One shell per hundred: each keeps its children until its input ends.
    Script = "for i in $(seq $1); do sleep 3600 & done; echo ready; read x; kill $(jobs -p)",
    Ports = [open_port({spawn_executable, "/bin/bash"}, [{args, ["-c", Script, "bash", "100"]}, {line, 80}]) || _ <- lists:seq(1, N div 100)],
    [receive {P, {data, {eol, "ready"}}} -> ok end || P <- Ports],
    Ports.

%% What a program without a port would do: the same ten columns by file:read_file.
files() ->
    {ok, Names} = file:list_dir("/proc"),
    lists:filtermap(fun([C | _] = Name) when C >= $0, C =< $9 -> one("/proc/" ++ Name); (_) -> false end, Names).

one(Dir) ->
    case {file:read_file(Dir ++ "/stat"), file:read_file_info(Dir), file:read_file(Dir ++ "/cmdline")} of
        {{ok, Stat}, {ok, Info}, {ok, Cmdline}} ->
            {Open, _} = binary:match(Stat, <<"(">>),
            {Close, _} = lists:last(binary:matches(Stat, <<")">>)),
            Comm = binary:part(Stat, Open + 1, Close - Open - 1),
            Rest = list_to_tuple(binary:split(binary:part(Stat, Close + 2, byte_size(Stat) - Close - 2), <<" ">>, [global])),
            Int = fun(I) -> binary_to_integer(element(I, Rest)) end,
            {true, #{pid => binary_to_integer(binary:part(Stat, 0, Open - 1)), comm => Comm, state => element(1, Rest),
                     ppid => Int(2), utime => Int(12), stime => Int(13), starttime => Int(20), rss => Int(22) * 4096,
                     uid => element(12, Info), cmdline => Cmdline}};
        _ -> false
    end.

%% --- Measuring -------------------------------------------------------------------------------------------------------

%% The median of every function in microseconds: the functions take turns, round by round, after one round that does not count.
rounds(Rounds, Times, Funs) ->
    Round = fun() -> [median([one_time(F) || _ <- lists:seq(1, Times)]) || F <- Funs] end,
    _ = Round(),
    All = [Round() || _ <- lists:seq(1, Rounds)],
    [median([lists:nth(I, R) || R <- All]) || I <- lists:seq(1, length(Funs))].

one_time(F) ->
    T = erlang:monotonic_time(nanosecond),
    F(),
    (erlang:monotonic_time(nanosecond) - T) / 1000.

median(L) -> lists:nth(length(L) div 2 + 1, lists:sort(L)).

open_raw(Program, Args) ->
    open_port({spawn_executable, Program}, [{args, Args}, {packet, 4}, binary]).

open_port_ready(Program) ->
    P = open_raw(Program, ["port", "--role", "proc"]),
    receive {P, {data, Hello}} -> {hello, _} = binary_to_term(Hello) end,
    P.

heading(Text) -> io:format("~n~ts~n", [Text]).

row(Name, Micros, us, Floor) -> io:format("  ~-34ts ~9.1f us  ~6.2f x~n", [Name, Micros, Micros / Floor]);
row(Name, Micros, ms, Floor) -> io:format("  ~-34ts ~9.2f ms  ~6.2f x~n", [Name, Micros / 1000, Micros / Floor]).
