#!/usr/bin/env escript
%% Records what two real OTP nodes say to each other, into the folder of this file. Run it in a network namespace of its own:
%%
%%     unshare --net sh -c 'ip link set lo up; escript tests/vectors/dist/record.escript'
%%
%% With `seeds FOLDER` it makes of the recording what the fuzz targets start from, a folder for each.
%%
%% This process stands between them, and takes the atom cache, fragments and what else the firewall never offers out of the flags of
%% both, which a digest does not cover. So every message is `p`, a control message and its payload, as the firewall sees them.
-mode(compile).

%% DFLAG_DIST_HDR_ATOM_CACHE, DFLAG_FRAGMENTS; the others that the firewall leaves out are not sent by these nodes.
-define(MASK, bnot (16#2000 bor 16#800000)).

main(["seeds", Target]) ->
    {ok, Text} = file:read_file(filename:join(filename:dirname(escript:script_name()), "otp-25.txt")),
    Lines = [{Way, binary:decode_hex(Hex)} || <<Way, " ", Hex/binary>> <- binary:split(Text, <<"\n">>, [global]), Way =/= $#],
    {Handshake, Messages} = lists:split(5, Lines),
    Seed = fun(Folder, Name, Bytes) ->
                   File = filename:join([Target, Folder, Name]),
                   ok = filelib:ensure_dir(File),
                   ok = file:write_file(File, Bytes)
           end,
    [Seed("dist_control", integer_to_list(N), [way(Way), Frame])
     || {N, {Way, Frame}} <- lists:enumerate(Messages), Frame =/= <<>>],
    Two = fun(Side) -> [[<<(byte_size(Frame)):16>>, Frame] || {Way, Frame} <- Handshake, Way =:= Side] end,
    Four = [[<<(byte_size(Frame)):32>>, Frame] || {_, Frame} <- Messages],
    [Seed("dist_handshake", [Side], [0, Two(Side)]) || Side <- "<>"],
    Seed("dist_frame", "a", [<<0, 7, 3>>, Two($>), Four]);
main([]) ->
    Folder = filename:dirname(escript:script_name()),
    {ok, File} = file:open(filename:join(Folder, "otp-" ++ erlang:system_info(otp_release) ++ ".txt"), [write]),
    io:format(File, "# Two nodes of OTP ~s, cookie \"secret\"; > from a@127.0.0.2 to b@127.0.0.1. Made by record.escript.~n",
              [erlang:system_info(otp_release)]),
    B = node_("b@127.0.0.1", "5001", "{127,0,0,1}", b()),
    ready(B),
    {ok, Listen} = gen_tcp:listen(5000, [binary, {active, false}, {ip, {127, 0, 0, 1}}, {packet, 2}, {reuseaddr, true}]),
    A = node_("a@127.0.0.2", "5000", "{127,0,0,2}", a()),
    Z = accepted(Listen, A),
    {ok, P} = gen_tcp:connect({127, 0, 0, 1}, 5001, [binary, {active, false}, {packet, 2}]),
    say(File, $>, pass(Z, P)),
    say(File, $<, pass(P, Z)),
    say(File, $<, pass(P, Z)),
    say(File, $>, pass(Z, P)),
    say(File, $<, pass(P, Z)),
    [ok = inet:setopts(S, [{packet, 4}, {active, true}]) || S <- [Z, P]],
    relay(File, Z, P, A),
    file:close(File).

way($>) -> 0;
way($<) -> 1.

accepted(Listen, A) ->
    case gen_tcp:accept(Listen, 10000) of
        {ok, Socket} -> Socket;
        {error, timeout} -> receive {A, Said} -> error(Said) after 0 -> error(silent) end
    end.

pass(From, To) ->
    {ok, Frame} = gen_tcp:recv(From, 0, 5000),
    Masked = masked(Frame),
    ok = gen_tcp:send(To, Masked),
    Masked.

masked(<<$N, Flags:64, Rest/binary>>) -> <<$N, (Flags band ?MASK):64, Rest/binary>>;
masked(Frame) -> Frame.

say(File, Direction, Frame) -> io:format(File, "~c ~s~n", [Direction, binary:encode_hex(Frame)]).

relay(File, Z, P, A) ->
    receive
        {tcp, Z, Frame} -> say(File, $>, Frame), ok = gen_tcp:send(P, Frame), relay(File, Z, P, A);
        {tcp, P, Frame} -> say(File, $<, Frame), ok = gen_tcp:send(Z, Frame), relay(File, Z, P, A);
        {A, {data, {eol, Line}}} -> io:format("~s~n", [Line]), relay(File, Z, P, A);
        {A, {exit_status, _}} -> ok;
        {tcp_closed, _} -> relay(File, Z, P, A)
    after 20000 -> error(silent)
    end.

node_(Name, Port, Interface, Eval) ->
    open_port({spawn_executable, os:find_executable("erl")},
              [{line, 1000}, exit_status, stderr_to_stdout,
               {args, ["-noshell", "-noinput", "-name", Name, "-setcookie", "secret", "-start_epmd", "false", "-erl_epmd_port", Port,
                       "-connect_all", "false", "-hidden",
                       "-kernel", "inet_dist_use_interface", Interface, "-eval", Eval]}]).

ready(Port) ->
    receive {Port, {data, {eol, "ready"}}} -> ok; {Port, Other} -> error(Other) after 10000 -> error(no_node) end.

%% The answering side: a server that can be called, told to send, to link and to end.
b() ->
    "F = fun Loop() -> receive"
    "  {'$gen_call', {_, [alias|R] = Tag}, Q} -> R ! {Tag, {ok, Q}}, Loop();"
    "  {pid, From} -> From ! {me, self()}, Loop();"
    "  {back, From} -> Ref = monitor(process, From), link(From), demonitor(Ref), unlink(From), From ! done, Loop();"
    "  {ask, From} -> From ! {reply, catch gen_server:call({asked, node(From)}, {a, question}, 2000)}, Loop();"
    "  {spawn, From} -> erpc:call(node(From), erlang, node, []), From ! done, Loop();"
    "  {die, From} -> From ! dying, exit(because);"
    "  _ -> Loop() end end,"
    "register(server, spawn(F)), register(other, spawn(F)), io:format(\"ready~n\").".

%% The asking side: one of everything.
a() ->
    "N = 'b@127.0.0.1', pong = net_adm:ping(N),"
    "{ok, hello} = gen_server:call({server, N}, hello),"
    "{ok, _} = gen_server:call({server, N}, #{key => [1, 2.5, -7, 1 bsl 70, <<\"bin\">>, <<5:3>>, \"text\", {}, fun lists:map/2]}),"
    "{server, N} ! {tuple, 'of', [atoms]},"
    "{server, N} ! {pid, self()}, receive {me, Pid} -> Pid end,"
    "Pid ! {to, a, pid},"
    "M = monitor(process, {server, N}), demonitor(M),"
    "M2 = monitor(process, Pid), demonitor(M2, [flush]),"
    "process_flag(trap_exit, true), link(Pid), unlink(Pid),"
    "Pid ! {back, self()}, receive done -> ok end,"
    "register(asked, spawn(fun() -> receive {'$gen_call', {_, [alias|R] = T}, _} -> R ! {T, fine} end end)),"
    "Pid ! {ask, self()}, receive {reply, fine} -> ok end,"
    "Pid ! {spawn, self()}, receive done -> ok end,"
    "'b@127.0.0.1' = erpc:call(N, erlang, node, []),"
    "4 = rpc:call(N, erlang, '+', [2, 2]),"
    "{_, _} = spawn_monitor(N, erlang, exit, [gone]), receive {'DOWN', _, _, _, gone} -> ok end,"
    "spawn_link(N, erlang, exit, [linked]), receive {'EXIT', _, linked} -> ok end,"
    "spawn(N, erlang, display, [by_group_leader]),"
    "catch erpc:call(N, no_module, no_function, []),"
    "W = spawn(N, timer, sleep, [60000]), exit(W, shutdown),"
    "group_leader(self(), W),"
    "Al = alias(), {server, N} ! {an, alias, Al},"
    "link(Pid), Pid ! {die, self()}, receive {'EXIT', Pid, because} -> ok end,"
    "monitor(process, Pid), receive {'DOWN', _, _, _, noproc} -> ok end,"
    "monitor(process, {nobody, N}), receive {'DOWN', _, _, _, noproc} -> ok end,"
    "seq_trace:set_token(label, 17), {other, N} ! traced, seq_trace:set_token([]),"
    "erpc:cast(N, fun() -> ok end),"
    "timer:sleep(300), io:format(\"recorded~n\"), halt().".
