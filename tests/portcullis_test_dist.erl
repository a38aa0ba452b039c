%% The installed program as a node or a gateway, and nodes of OTP beside it, for the suites that speak distribution with it. Its files are
%% root's, and of tests/fixtures/make.sh, as are the ports in them: scripts/test-all.sh gives each run a network of its own.
-module(portcullis_test_dist).

-export([init/1, file/2, start/3, run/3, line/1, stop/1, otp/2, otp/3, ours/0, on/4, unlinked/1, caught/3, timed/2, pong/2, before_ticks/1]).

-import(portcullis_test_server, [until/1, within/2]).

%% What is waited for without being the claim.
-define(PATIENCE, 120000).

init(Config) ->
    case os:getenv("PORTCULLIS_FIXTURES") of
        false -> {skip, "needs the fixtures of scripts/test-all.sh"};
        Fixtures -> [{fixtures, Fixtures} | Config]
    end.

file(Config, Name) -> filename:join(proplists:get_value(fixtures, Config), Name).

%% --- the program ----------------------------------------------------------------------------------------------------

%% As `node' or as `gateway': it is there when it says so.
start(Config, Command, File) ->
    Port = run(Config, Command, File),
    started(Port, "portcullis " ++ Command ++ ": ").

%% What its file may not have meant is said before.
started(Port, Front) ->
    Line = line(Port),
    case string:prefix(Line, Front) of
        "listens" -> Port;
        "note: " ++ _ -> started(Port, Front);
        _ -> ct:fail([Line | flush(Port)])
    end.

run(Config, Command, File) ->
    open_port({spawn_executable, file(Config, "ok/portcullis-proc")},
              [{args, [Command, "--config", file(Config, File)]}, {line, 400}, stderr_to_stdout, exit_status]).

line(Port) ->
    receive
        {Port, {data, {eol, Line}}} -> Line;
        {Port, {exit_status, Status}} -> ct:fail({ended, Status})
    after ?PATIENCE -> ct:fail(says_nothing)
    end.

%% Also of one that has ended by itself.
stop(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Pid} -> _ = os:cmd("kill " ++ integer_to_list(Pid));
        undefined -> ok
    end,
    until(fun() -> erlang:port_info(Port, os_pid) =:= undefined end),
    ct:pal("~p", [flush(Port)]).

flush(Port) ->
    receive {Port, What} -> [What | flush(Port)]
    after 0 -> []
    end.

%% --- nodes of OTP ---------------------------------------------------------------------------------------------------

otp(Name, Args) -> otp(Name, Args, []).

%% It looks nobody up but where the arguments say so. Seven seconds for a handshake are OTP's own choice, and few for a slow machine; who is
%% not told that the answer is no waits for the whole minute.
otp(Name, Args, Environment) ->
    More = ["-start_epmd", "false", "-kernel", "net_setuptime", "60"],
    Node = #{name => Name, host => "localhost", connection => standard_io, wait_boot => ?PATIENCE, args => Args ++ More,
             env => Environment},
    {ok, Peer, _} = peer:start(portcullis_test_nodes:release(Node)),
    Peer.

%% Arguments of one that has our modules, and those of the suites.
ours() -> ["-pa", portcullis_test_nodes:ebin(), filename:dirname(code:which(?MODULE))].

on(Peer, Module, Function, Args) -> peer:call(Peer, Module, Function, Args, ?PATIENCE).

pong(Peer, Node) -> until(fun() -> on(Peer, net_adm, ping, [Node]) =:= pong end).

%% Nodes give up a silent connection after 45 seconds at the earliest (net_ticktime): what is seen before that was said.
before_ticks(Done) -> within(40000, fun() -> until(Done) end).

%% --- what runs there ------------------------------------------------------------------------------------------------

%% A call from outside is a process of its own, whose end would be the server's.
unlinked(Options) ->
    {ok, Server} = portcullis:start_link(portcullis_test_server:options(maps:from_list(Options))),
    true = unlink(Server),
    {ok, Server}.

caught(Module, Function, Args) ->
    try apply(Module, Function, Args)
    catch Class:Reason -> {Class, Reason}
    end.

%% Without the way to that node and back.
timed(Within, Call) ->
    portcullis_test_server:quickest(Within, fun() -> apply(?MODULE, caught, Call) end).
