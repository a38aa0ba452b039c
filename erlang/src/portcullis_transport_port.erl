%% @private The program as an Erlang port: `{packet, 4}' frames on its stdin and stdout.
-module(portcullis_transport_port).
-behaviour(portcullis_transport).

-export([open/2, send/2, close/1, kill/1, message/2, os_pid/1]).

-spec open(file:filename_all(), [string() | binary()]) -> {ok, port()} | {error, term()}.
open(Program, Args) ->
    %% spawn_executable: no shell ever sees a path or an argument.
    Settings = [{args, Args}, {packet, 4}, binary, exit_status, use_stdio],
    try {ok, open_port({spawn_executable, Program}, Settings)}
    catch error:Reason -> {error, Reason}
    end.

-spec send(port(), iodata()) -> ok | busy.
send(Port, Frame) ->
    try port_command(Port, Frame, [nosuspend]) of
        true -> ok;
        false -> busy
    catch
        %% The port is gone; the message that says so is on its way.
        error:badarg -> ok
    end.

-spec close(port()) -> ok.
close(Port) ->
    %% Unlinked first: an exit signal of a port that is closed on purpose is nobody's news.
    true = unlink(Port),
    try port_close(Port) of true -> ok
    catch error:badarg -> ok
    end.

%% Killed first: the pid is its own until the port has seen its end. It has our uid, so that this needs no privilege.
-spec kill(port()) -> ok.
kill(Port) ->
    case os_pid(Port) of
        undefined -> ok;
        Pid -> _ = os:cmd("kill -9 " ++ integer_to_list(Pid)), ok
    end,
    close(Port).

%% A program that dies under a write gives `{'EXIT', Port, epipe}' and no exit status.
-spec message(term(), port()) -> {frame, binary()} | {closed, term()} | ignore.
message({Port, {data, Frame}}, Port) -> {frame, Frame};
message({Port, {exit_status, Status}}, Port) -> {closed, {exit_status, Status}};
message({'EXIT', Port, Reason}, Port) -> {closed, Reason};
message(_, _) -> ignore.

-spec os_pid(port()) -> pos_integer() | undefined.
os_pid(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Pid} when Pid > 0 -> Pid;
        _ -> undefined
    end.
