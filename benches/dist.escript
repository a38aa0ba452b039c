#!/usr/bin/env escript
%% -*- erlang -*-
%%! -name bench@127.0.0.1 -hidden -setcookie CUTFLEAMHALYARD -kernel inet_dist_use_interface {127,0,0,1}
%% Compares operations that are asked of a node of portcullis by plain messages with a call between two nodes of OTP, interleaved in one run and
%% on one core. Prints medians and ratios. Started by benches/run.sh, in a network of its own.
%%
%% usage: dist.escript PORTCULLIS NODE_FILE
-mode(compile).

-define(FAR, 'portcullis@127.0.0.1').
-define(S, {portcullis, ?FAR}).

main([Program, File]) ->
    start(Program, File),
    Otp = otp(),
    latency(Otp),
    throughput(Otp),
    requests(Otp),
    answers().

%% --- A call ----------------------------------------------------------------------------------------------------------

latency(Otp) ->
    {ok, Session} = gen_server:call(?S, {open, proc}),
    receive {Session, {data, _}} -> ok end,
    Frame = term_to_binary({req, 1, info, #{}, 5000}, [{minor_version, 2}]),
    [OtpT, InfoT, CopyT, SessionT] =
        rounds(20, 1000, [fun() -> gen_server:call({echo, Otp}, info) end,
                          fun() -> {ok, _} = gen_server:call(?S, info) end,
                          fun() -> {ok, _} = gen_server:call(?S, {info, #{}}) end,
                          fun() -> Session ! {self(), {command, Frame}}, receive {Session, {data, _}} -> ok end end]),
    Session ! {self(), close},
    io:format("~nthe cheapest call, p50 over 20 rounds of 1000~n"),
    row("OTP to OTP, gen_server:call", OtpT, OtpT),
    row("info, which the node answers itself", InfoT, OtpT),
    row("{info, #{}}, which a copy answers", CopyT, OtpT),
    row("the same as a frame of a session", SessionT, OtpT).

%% Sixteen callers at a time.
throughput(Otp) ->
    Many = fun(F) ->
        T = erlang:monotonic_time(microsecond),
        Callers = [spawn_monitor(fun() -> [F() || _ <- lists:seq(1, 1000)] end) || _ <- lists:seq(1, 16)],
        [receive {'DOWN', M, process, _, normal} -> ok end || {_, M} <- Callers],
        16000 * 1000000 div (erlang:monotonic_time(microsecond) - T)
    end,
    io:format("~nsixteen callers at a time, calls in a second~n"),
    [io:format("  ~-40ts ~8b~n", [Name, lists:max([Many(F) || _ <- [1, 2, 3]])])
     || {Name, F} <- [{"OTP to OTP", fun() -> gen_server:call({echo, Otp}, info) end},
                      {"info", fun() -> gen_server:call(?S, info) end},
                      {"{info, #{}}", fun() -> gen_server:call(?S, {info, #{}}) end}]].

%% --- Long ones -------------------------------------------------------------------------------------------------------

requests(Otp) ->
    Long = binary:copy(<<0>>, 40 bsl 20),
    [Refused, Echoed] =
        rounds(5, 1, [fun() -> {error, {too_long, 16777216, _}} = gen_server:call(?S, {nft_list, #{what => Long}}, 60000) end,
                      fun() -> gen_server:call({echo, Otp}, {size, Long}, 60000) end]),
    io:format("~na request of 40 MiB, median of 5~n"),
    row("OTP to OTP", Echoed, Echoed),
    row("refused: {error, {too_long, 16777216, _}}", Refused, Echoed).

answers() ->
    Argument = lists:duplicate(60000, $a),
    Crowd = [open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "read x", Argument]}]) || _ <- lists:seq(1, 240)],
    Ask = fun(Limit) ->
        Where = #{cmdline => {prefix, <<"/bin/sh">>}},
        gen_server:call(?S, {processes, #{columns => [pid, cmdline], where => Where, cell_max => 65536, limit => Limit},
                             #{timeout => 60000}}, 60000)
    end,
    {ok, {_, Rows}, _} = Ask(240),
    [T] = rounds(5, 1, [fun() -> {ok, _, _} = Ask(240) end]),
    Bytes = lists:sum([byte_size(C) || {_, C} <- Rows]),
    io:format("~nan answer of ~b rows and ~.1f MB, median of 5~n", [length(Rows), Bytes / 1.0e6]),
    row("{processes, ...}", T, T),
    More = [open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "read x", Argument]}]) || _ <- lists:seq(1, 60)],
    {error, {too_long, Most, _}} = Ask(300),
    io:format("  of 300 rows: {error, {too_long, ~b, _}}~n", [Most]),
    [port_close(P) || P <- Crowd ++ More].

%% --- Nodes -----------------------------------------------------------------------------------------------------------

start(Program, File) ->
    Port = open_port({spawn_executable, Program}, [{args, ["node", "--config", File]}, {line, 200}, stderr_to_stdout, exit_status]),
    receive {Port, {data, {eol, "portcullis node: listens"}}} -> ok; {Port, Other} -> error(Other) end,
    pong = net_adm:ping(?FAR).

%% A server of OTP that does as little as one can.
otp() ->
    Source = "-module(echo). -behaviour(gen_server). -export([start/0, init/1, handle_call/3, handle_cast/2]). "
             "start() -> gen_server:start({local, echo}, echo, [], []). init(_) -> {ok, #{peers => 1, sessions => 1}}. "
             "handle_call({size, B}, _, S) -> {reply, byte_size(B), S}; handle_call(info, _, S) -> {reply, {ok, S}, S}. "
             "handle_cast(_, S) -> {noreply, S}. ",
    {ok, Tokens, _} = erl_scan:string(Source),
    Forms = forms(Tokens, []),
    {ok, echo, Code} = compile:forms(Forms),
    Args = ["-setcookie", "CUTFLEAMHALYARD", "-hidden", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"],
    {ok, Peer, Node} = peer:start(#{name => otp, host => "127.0.0.1", longnames => true, connection => standard_io, args => Args}),
    {module, echo} = peer:call(Peer, code, load_binary, [echo, "echo", Code]),
    {ok, _} = peer:call(Peer, gen_server, start, [{local, echo}, echo, [], []]),
    pong = net_adm:ping(Node),
    Node.

forms([], _) -> [];
forms([{dot, _} = Dot | Rest], Form) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse([Dot | Form])),
    [Parsed | forms(Rest, [])];
forms([Token | Rest], Form) -> forms(Rest, [Token | Form]).

%% --- Measuring -------------------------------------------------------------------------------------------------------

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

row(Name, Micros, Floor) when Micros < 10000 -> io:format("  ~-42ts ~9.1f us  ~6.2f x~n", [Name, Micros, Micros / Floor]);
row(Name, Micros, Floor) -> io:format("  ~-42ts ~9.2f ms  ~6.2f x~n", [Name, Micros / 1000, Micros / Floor]).
