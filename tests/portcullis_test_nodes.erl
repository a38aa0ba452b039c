%% Nodes of the tests, each with an EPMD of its own if it is distributed, and what a checkup says of them.
-module(portcullis_test_nodes).

-export([release/1, free_port/0, epmd/1, end_epmd/1, listening/1, node/4, epmd_of/2, call/2, call/3, peer_checks/1, checks/1, check/2, program/3, ended/2,
         folder/2, ebin/0, wait/1]).

%% What is waited for without being the claim: a machine that does much else is slow.
-define(PATIENCE, 120000).

%% The options of a peer, with the `erl' of another release where the environment names one (scripts/debian13.sh).
release(Options) ->
    case os:getenv("PORTCULLIS_OTHER_ERL") of
        false -> Options;
        Erl -> Options#{exec => Erl}
    end.

%% On a port of its own: the host may have one.
epmd(Environment) ->
    Number = free_port(),
    {Port, Pid} = program("epmd", ["-port", integer_to_list(Number)], Environment),
    [_] = wait(fun() -> asked(gen_tcp:connect({127, 0, 0, 1}, Number, [binary, {active, false}])) end),
    {Port, Pid, Number}.

%% Below what the kernel hands out to those who connect: a port of theirs is taken again before its listener comes.
free_port() ->
    Number = 9999 + rand:uniform(20000),
    case gen_tcp:listen(Number, [{ip, {127, 0, 0, 1}}]) of
        {ok, Socket} ->
            ok = gen_tcp:close(Socket),
            Number;
        {error, eaddrinuse} ->
            free_port()
    end.

%% NAMES_REQ. It complains about who connects and says nothing.
asked({error, _}) -> [];
asked({ok, Socket}) ->
    ok = gen_tcp:send(Socket, <<1:16, $n>>),
    {ok, <<Number:32>>} = gen_tcp:recv(Socket, 4, ?PATIENCE),
    ok = gen_tcp:close(Socket),
    [Number].

end_epmd({Port, Pid, _}) ->
    ended(Port, Pid).

listening(Config) ->
    {_, _, Number} = proplists:get_value(epmd, Config),
    Number.

%% A node without one is not distributed.
node(Config, Name, Args, Environment) ->
    Named = case Name of
        undefined -> #{};
        _ -> #{name => peer:random_name(Name), host => "localhost", longnames => false}
    end,
    {ok, Peer, _} = peer:start_link(Named#{connection => standard_io, wait_boot => ?PATIENCE,
                                           args => ["-kernel", "net_setuptime", "60", "-pa", ebin() | Args],
                                           env => epmd_of(Config, Environment)}),
    Peer.

epmd_of(#{}, Environment) -> Environment;
epmd_of(Config, Environment) -> [{"ERL_EPMD_PORT", integer_to_list(listening(Config))} | Environment].

call(Peer, Function) -> call(Peer, Function, []).
call(Peer, Function, Args) -> peer:call(Peer, portcullis_checkup, Function, Args, ?PATIENCE).

peer_checks(Peer) ->
    {_, Checks} = peer:call(Peer, portcullis_checkup, run, [[{path, "/nonexistent"}]], ?PATIENCE),
    Checks.

checks(Who) ->
    {_, Checks} = portcullis_checkup:run(Who),
    Checks.

check(Name, Checks) ->
    case [Check || #{check := N} = Check <- Checks, N =:= Name] of
        [Check | _] -> Check;
        [] -> none
    end.

%% A program in the foreground, and its pid: nothing stays when the case has ended.
program(Name, Args, Environment) ->
    Port = open_port({spawn_executable, os:find_executable(Name)}, [{args, Args}, {env, Environment}, exit_status]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    {Port, Pid}.

ended(Port, Pid) ->
    true = port_close(Port),
    "" = os:cmd("kill " ++ integer_to_list(Pid)),
    ok.

folder(Config, Name) ->
    Folder = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = filelib:ensure_path(Folder),
    Folder.

ebin() -> filename:dirname(code:which(portcullis)).

%% Until it finds something.
wait(Fun) -> wait(Fun, erlang:monotonic_time(millisecond) + ?PATIENCE).

wait(Fun, Deadline) ->
    case Fun() of
        [] ->
            _ = erlang:monotonic_time(millisecond) < Deadline orelse error({never, Fun}),
            timer:sleep(50),
            wait(Fun, Deadline);
        Found -> Found
    end.
