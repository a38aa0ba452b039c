#!/usr/bin/env escript
%% -*- erlang -*-
%% Compares the port with its floor and its rivals, all in one run and interleaved, so that what else the machine does
%% hits all of them alike. Prints midmeans and ratios. Started by benches/run.sh, which builds and installs.
%%
%% usage: bench.escript latency PORT ECHO EBIN
%%        bench.escript table PORT FLOOR EBIN [PROCESSES]
%%        bench.escript sockets PORT FLOOR EBIN CROWD
%%        bench.escript listening PORT EBIN CROWD
-mode(compile).

main(["latency", Port, Echo, Ebin]) ->
    true = code:add_patha(Ebin),
    latency(Port, Echo),
    start(Port, Echo);
main(["table", Port, Floor, Ebin | Rest]) ->
    true = code:add_patha(Ebin),
    table(Port, Floor, case Rest of [N] -> list_to_integer(N); [] -> 10000 end);
main(["sockets", Port, Floor, Ebin, Crowd]) ->
    true = code:add_patha(Ebin),
    sockets(Port, Floor, Crowd);
main(["listening", Port, Ebin, Crowd]) ->
    true = code:add_patha(Ebin),
    listening(Port, Crowd).

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
    [FloorT, PortT, PsT, FilesT] = rounds(21, 1, [Scan, Alone(Port), Alone(Ps), Alone(Files)]),
    heading(io_lib:format("process table, ~b processes, ten columns, midmean of 21 rounds", [length(Rows)])),
    row("open, read, close (floor)", FloorT, ms, FloorT),
    row("portcullis:processes()", PortT, ms, FloorT),
    row("os:cmd(\"ps\")", PsT, ms, FloorT),
    row("file:read_file", FilesT, ms, FloorT),
    io:format("  ps takes ~.1f times, file:read_file ~.1f times as long as portcullis~n", [PsT / PortT, FilesT / PortT]),
    second_sample(Program, Floor),
    portcullis:stop(Server),
    [port_close(S) || S <- Sleepers],
    ok.

%% What a sample of rates costs where descriptors are kept from the one before (`kept_descriptors' of the policy), against opening,
%% reading and closing what it reads.
second_sample(Program, Floor) ->
    Raw = open_port_ready(Program),
    F = open_raw(Floor, ["stat"]),
    Round = fun(_) ->
        T = erlang:monotonic_time(nanosecond),
        true = port_command(F, <<"x">>),
        receive {F, {data, _}} -> ok end,
        {(erlang:monotonic_time(nanosecond) - T) / 1000, rates(Raw)}
    end,
    _ = Round(0),
    {FloorTs, Samples} = lists:unzip(lists:map(Round, lists:seq(1, 41))),
    heading("second sample of process_rates, midmean of 41 rounds"),
    row("open, read, close of stat (floor)", midmean(FloorTs), ms, midmean(FloorTs)),
    row("portcullis, frames of a raw port", midmean(Samples), ms, midmean(FloorTs)),
    port_close(F),
    port_close(Raw).

%% Rows of one chunk, where none of them is long (docs/protocol.md).
-define(CHUNK_ROWS, 256).

%% Rows are read as they are sent, so that chunks which follow one another tell what theirs took; the last one waits until the
%% descriptors are closed, which a subscription keeps for its next sample.
rates(P) ->
    Args = #{table => process_rates, columns => [pid, cpu], interval => 500},
    true = port_command(P, term_to_binary({req, 1, query, Args, 60000}, [{minor_version, 2}])),
    {[_, Last | Before], All} = chunk_times(P, []),
    (Last - lists:last(Before)) / 1000 * All / (length(Before) * ?CHUNK_ROWS).

chunk_times(P, Times) ->
    receive
        {P, {data, <<131, 104, 4, 119, 4, "rows", _/binary>>}} ->
            _ = length(Times) rem 8 =:= 7 andalso port_command(P, term_to_binary({credit, 1, 8}, [{minor_version, 2}])),
            chunk_times(P, [erlang:monotonic_time(nanosecond) | Times]);
        {P, {data, End}} ->
            {ok, 1, #{rows := All}} = binary_to_term(End),
            {Times, All}
    end.

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

%% --- The table of sockets --------------------------------------------------------------------------------------------

%% What `ss -tuane` shows; without the last option it has neither owner nor inode.
-define(COLUMNS, [protocol, state, rqueue, wqueue, local_address, local_port, remote_address, remote_port, uid, inode]).

sockets(Program, Floor, Crowd) ->
    {ok, Server} = portcullis:start_link([{path, Program}, {name, {local, bench}}]),
    F = open_raw(Floor, []),
    Raw = open_port_ready(Program),
    All = #{protocol => [tcp, udp]},
    %% What ss of Debian 12 asks for: not the TCP sockets that have a port and nothing else.
    AsSs = All#{state => [established, syn_sent, syn_recv, fin_wait1, fin_wait2, time_wait, close, close_wait, last_ack, listen, closing]},
    [Floors, FloorAll] = [fun() -> true = port_command(F, What), receive {F, {data, _}} -> ok end end || What <- [<<"ss">>, <<"all">>]],
    [Frames, FramesAll] = [fun() -> {_, _} = stream(Raw, Where, fun() -> ok end) end || Where <- [AsSs, All]],
    Options = #{columns => ?COLUMNS, where => AsSs},
    Query = fun() -> {ok, _, _} = portcullis:query(Server, sockets, Options) end,
    Fold = fun() -> {ok, _, _} = portcullis:fold(Server, sockets, Options, fun(_, N) -> N + 1 end, 0) end,
    Ss = fun() -> os:cmd("ss -H -n -t -u -a -e") end,
    Alone = fun(Fun) -> fun() -> alone(Fun) end end,
    Crowds = [crowd(Crowd, 1000, 0), crowd(Crowd, 49000, 1)],
    {ok, Rows, _} = portcullis:query(Server, sockets, Options#{columns => [state]}),
    [FloorT, FramesT, FoldT, QueryT, SsT, FloorAllT, FramesAllT] =
        rounds(21, 1, [Floors, Frames, Alone(Fold), Alone(Query), Alone(Ss), FloorAll, FramesAll]),
    heading(io_lib:format("sockets, the ~b that ss lists, ten columns, midmean of 21 rounds", [length(Rows)])),
    row("received (floor)", FloorT, ms, FloorT),
    row("portcullis, frames of a raw port", FramesT, ms, FloorT),
    row("portcullis:fold(sockets), maps", FoldT, ms, FloorT),
    row("portcullis:query(sockets), kept", QueryT, ms, FloorT),
    row("os:cmd(\"ss\")", SsT, ms, FloorT),
    io:format("  ss takes ~.1f times as long as frames, ~.1f as fold, ~.1f as query, and says it as text~n",
              [SsT / FramesT, SsT / FoldT, SsT / QueryT]),
    heading("the same, and those that have a port and nothing else"),
    row("received (floor)", FloorAllT, ms, FloorAllT),
    row("portcullis, frames of a raw port", FramesAllT, ms, FloorAllT),
    {Streamed, Chunks} = stream(Raw, AsSs, fun() -> timer:sleep(2) end),
    {os_pid, Pid} = erlang:port_info(Raw, os_pid),
    {ok, Status} = file:read_file(["/proc/", integer_to_list(Pid), "/status"]),
    {match, [High]} = re:run(Status, "VmHWM:\\s*([0-9]+) kB", [{capture, all_but_first, list}]),
    io:format("~nto a reader that waits 2 ms after each of ~b chunks, ~b rows: the port had ~.1f MiB at most~n",
              [Chunks, Streamed, list_to_integer(High) / 1024]),
    [port_close(P) || P <- [Raw, F | Crowds]],
    portcullis:stop(Server).

%% Few and many cannot take turns by the request, but by the crowd: the machine is not the same from one to the other.
listening(Program, Crowd) ->
    {ok, Server} = portcullis:start_link([{path, Program}, {name, {local, bench}}]),
    Listening = fun() -> {ok, Found, _} = portcullis:query(Server, listening, #{where => #{protocol => tcp}}), length(Found) end,
    Few = crowd(Crowd, 1000, 0),
    {FewTs, ManyTs} = lists:unzip([listen(Listening, Crowd) || _ <- lists:seq(1, 7)]),
    %% A turn is as long as the core is slow just then; the quickest are of the same.
    {FewT, ManyT} = {lists:min(FewTs), lists:min(ManyTs)},
    heading("those that listen, p50, quickest of 7 turns"),
    row("among 1,000", FewT, us, FewT),
    row("among 50,000", ManyT, us, FewT),
    port_close(Few),
    portcullis:stop(Server).

%% Beside few, and beside many of which as many listen.
listen(Listening, Crowd) ->
    P50 = fun(Crowds) ->
                  timer:sleep(1000),
                  {[Time], Found} = {rounds(11, 20, [Listening]), Listening()},
                  [port_close(P) || P <- Crowds],
                  timer:sleep(1000),
                  {Time, Found}
          end,
    {Few, Found} = P50([crowd(Crowd, 0, N) || N <- lists:seq(11, 15)]),
    {Many, Found} = P50([crowd(Crowd, 49000, 1)]),
    {Few, Many}.

crowd(Program, Sockets, First) ->
    Args = [Program, integer_to_list(Sockets), integer_to_list(First)],
    P = open_port({spawn_executable, os:find_executable("python3")}, [{args, Args}, {line, 80}, exit_status]),
    receive {P, {data, {eol, "ready"}}} -> P; {P, {exit_status, _}} -> error(no_crowd) end.

%% All rows of the table by frames, with `Between` after each chunk; how many, and in how many chunks. Credit is given as the client gives it.
stream(P, Where, Between) ->
    Args = #{table => sockets, columns => ?COLUMNS, where => Where},
    true = port_command(P, term_to_binary({req, 1, query, Args, 60000}, [{minor_version, 2}])),
    chunks(P, Between, 0).

chunks(P, Between, Chunks) ->
    receive
        {P, {data, Frame}} ->
            case Frame of
                %% {rows, 1, ...}: read no further.
                <<131, 104, 4, 119, 4, "rows", _/binary>> -> more(P, Between, Chunks);
                <<131, 104, 4, 100, 4:16, "rows", _/binary>> -> more(P, Between, Chunks);
                _ ->
                    {ok, 1, #{rows := All}} = binary_to_term(Frame),
                    {All, Chunks}
            end
    end.

more(P, Between, Chunks) ->
    Between(),
    _ = Chunks rem 8 =:= 7 andalso port_command(P, term_to_binary({credit, 1, 8}, [{minor_version, 2}])),
    chunks(P, Between, Chunks + 1).

%% --- Measuring -------------------------------------------------------------------------------------------------------

%% Of every function the midmean of its rounds, in microseconds; a round is the median of so many calls. The functions take turns, round by
%% round, after one round that does not count.
rounds(Rounds, Times, Funs) ->
    Round = fun() -> [median([one_time(F) || _ <- lists:seq(1, Times)]) || F <- Funs] end,
    _ = Round(),
    All = [Round() || _ <- lists:seq(1, Rounds)],
    [midmean([lists:nth(I, R) || R <- All]) || I <- lists:seq(1, length(Funs))].

one_time(F) ->
    T = erlang:monotonic_time(nanosecond),
    F(),
    (erlang:monotonic_time(nanosecond) - T) / 1000.

median(L) -> lists:nth(length(L) div 2 + 1, lists:sort(L)).

%% The mean of the middle half. A core that is shared with other machines has two speeds, a third apart: a median is one of them by chance,
%% and the quotient of two medians anything in between.
midmean(L) ->
    Quarter = length(L) div 4,
    Middle = lists:sublist(lists:sort(L), Quarter + 1, length(L) - 2 * Quarter),
    lists:sum(Middle) / length(Middle).

open_raw(Program, Args) ->
    open_port({spawn_executable, Program}, [{args, Args}, {packet, 4}, binary]).

open_port_ready(Program) ->
    P = open_raw(Program, ["port", "--role", "proc"]),
    receive {P, {data, Hello}} -> {hello, _} = binary_to_term(Hello) end,
    P.

heading(Text) -> io:format("~n~ts~n", [Text]).

row(Name, Micros, us, Floor) -> io:format("  ~-34ts ~9.1f us  ~6.2f x~n", [Name, Micros, Micros / Floor]);
row(Name, Micros, ms, Floor) -> io:format("  ~-34ts ~9.2f ms  ~6.2f x~n", [Name, Micros / 1000, Micros / Floor]).
