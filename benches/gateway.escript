#!/usr/bin/env escript
%% Run by gateway.sh. Two pairs of nodes take turns: z and c, which are connected directly, and z and b, with the gateway between them.
-mode(compile).

main(_) ->
    os:putenv("HOME", "/nonexistent"),
    Serve = "register(echo, spawn(fun() -> F = fun(F) -> receive {_, From, {size, X}} -> gen:reply(From, byte_size(X)), F(F);"
        " {_, From, X} -> gen:reply(From, X), F(F); _ -> F(F) end end, F(F) end)), receive after infinity -> ok end.",
    _ = [open_port({spawn_executable, os:find_executable("erl")},
                   [{args, ["-noinput", "-hidden", "-name", Name, "-setcookie", "inner", "-start_epmd", "false", "-erl_epmd_port", Port,
                            "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-eval", Serve]}])
         || {Name, Port} <- [{"b@127.0.0.1", "9121"}, {"c@127.0.0.1", "9122"}]],
    timer:sleep(1500),
    %% One node for both would ask one port for both.
    Peers = [{What, start(Port, Cookie), list_to_atom(Node)}
             || {What, Port, Cookie, Node} <- [{direct, "9122", "inner", "c@127.0.0.1"}, {gateway, "9120", "outer", "b@127.0.0.1"}]],
    Rounds = [{What, ask(Peer, Node)} || _ <- lists:seq(1, 7), {What, Peer, Node} <- Peers],
    Of = fun(What, Key) -> median([maps:get(Key, Row) || {W, Row} <- Rounds, W =:= What]) end,
    _ = [begin
             {D, G} = {Of(direct, Key), Of(gateway, Key)},
             io:format("~-28s direct ~10.1f   gateway ~10.1f   ~.2f x~n", [Text, D * 1.0, G * 1.0, G / D])
         end || {Key, Text} <- [{p50, "call, p50, us"}, {p99, "call, p99, us"}, {parallel, "16 callers, calls/s"},
                                {sends, "sends of 100 bytes, 1/s"}, {mega, "calls of 1 MB, MB/s"}]],
    halt().

start(Port, Cookie) ->
    {ok, Peer, _} = peer:start(#{name => z, host => "127.0.0.1", longnames => true, connection => standard_io,
                                 args => ["-setcookie", Cookie, "-start_epmd", "false", "-erl_epmd_port", Port,
                                          "-dist_listen", "false", "-hidden"]}),
    {Module, Binary, File} = worker(),
    {module, Module} = peer:call(Peer, code, load_binary, [Module, File, Binary]),
    Peer.

worker() ->
    Text =
        "-module(worker).\n-export([run/1]).\n"
        "run(N) -> pong = net_adm:ping(N), E = {echo, N}, C = fun(X) -> gen_server:call(E, X, 60000) end,"
        "  _ = [C(x) || _ <- lists:seq(1, 500)],"
        "  T = lists:sort([begin A = erlang:monotonic_time(nanosecond), C(I), erlang:monotonic_time(nanosecond) - A end"
        "    || I <- lists:seq(1, 5000)]),"
        "  {P, _} = timer:tc(fun() -> Ps = [spawn_monitor(fun() -> [C(I) || I <- lists:seq(1, 1000)] end) || _ <- lists:seq(1, 16)],"
        "    [receive {'DOWN', R, _, _, normal} -> ok end || {_, R} <- Ps] end),"
        "  B = binary:copy(<<7>>, 100), {S, _} = timer:tc(fun() -> [E ! B || _ <- lists:seq(1, 100000)], C(x) end),"
        "  M = binary:copy(<<7>>, 1000000), {L, _} = timer:tc(fun() -> [C({size, M}) || _ <- lists:seq(1, 200)] end),"
        "  #{p50 => lists:nth(2500, T) / 1000, p99 => lists:nth(4950, T) / 1000, parallel => 16000 * 1.0e6 / P,"
        "    sends => 100000 * 1.0e6 / S, mega => 200 * 1.0e6 / L}.",
    {ok, Tokens, _} = erl_scan:string(Text),
    Forms = forms(Tokens, []),
    {ok, Module, Binary} = compile:forms(Forms),
    {Module, Binary, "worker"}.

forms([], Forms) -> lists:reverse(Forms);
forms(Tokens, Forms) ->
    {Form, [Dot | Rest]} = lists:splitwith(fun(T) -> element(1, T) =/= dot end, Tokens),
    {ok, Parsed} = erl_parse:parse_form(Form ++ [Dot]),
    forms(Rest, [Parsed | Forms]).

ask(Peer, Node) -> peer:call(Peer, worker, run, [Node], 120000).

median(List) -> lists:nth(length(List) div 2 + 1, lists:sort(List)).
