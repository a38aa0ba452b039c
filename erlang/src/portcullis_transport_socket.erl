%% @private A program that a service manager starts for each connection to a unix socket (priv/systemd): for a BEAM that must not start
%% programs with capabilities. A process here owns the socket, as the connection must never wait for the other end to read.
-module(portcullis_transport_socket).
-behaviour(portcullis_transport).

-export([open/2, send/2, close/1, kill/1, message/2, os_pid/1]).

%% Frames that wait to be written; the connection keeps the others.
-define(WAITING_MAX, 64).
-define(CONNECT, 5000).

-spec open(Folder :: file:filename_all(), [portcullis_opts:role()]) -> {ok, pid()}.
open(Folder, [Role]) ->
    Owner = self(),
    Path = filename:join(Folder, atom_to_list(Role) ++ ".sock"),
    {ok, spawn_link(fun() -> connect(Owner, unicode:characters_to_binary(Path, unicode, file:native_name_encoding())) end)}.

-spec send(pid(), iodata()) -> ok | busy.
send(Between, Frame) ->
    case process_info(Between, message_queue_len) of
        {message_queue_len, Waiting} when Waiting >= ?WAITING_MAX -> busy;
        %% One that has gone says so by itself.
        _ -> Between ! {command, Frame}, ok
    end.

-spec close(pid()) -> ok.
close(Between) ->
    kill(Between).

%% The program ends with its input, which is closed with the process that owns the socket.
-spec kill(pid()) -> ok.
kill(Between) ->
    %% Unlinked first: an exit signal of what is closed on purpose is nobody's news.
    true = unlink(Between),
    true = exit(Between, kill),
    ok.

-spec message(term(), pid()) -> {frame, binary()} | {closed, term()} | ignore.
message({Between, {data, Frame}}, Between) -> {frame, Frame};
message({'EXIT', Between, {shutdown, Reason}}, Between) -> {closed, Reason};
message({'EXIT', Between, Reason}, Between) -> {closed, Reason};
message(_, _) -> ignore.

-spec os_pid(pid()) -> undefined.
os_pid(_) ->
    undefined.

%% --- the process between --------------------------------------------------------------------------------------------

connect(Owner, Path) ->
    _ = monitor(process, Owner),
    case gen_tcp:connect({local, Path}, 0, [local, binary, {packet, 4}, {active, true}], ?CONNECT) of
        {ok, Socket} -> serve(Owner, Path, Socket);
        {error, Reason} -> exit({shutdown, {socket, Path, Reason}})
    end.

serve(Owner, Path, Socket) ->
    receive
        {tcp, Socket, Frame} ->
            Owner ! {self(), {data, Frame}},
            serve(Owner, Path, Socket);
        {command, Frame} ->
            %% What comes meanwhile is read all the same, so that two full directions do not wait for each other.
            case gen_tcp:send(Socket, Frame) of
                ok -> serve(Owner, Path, Socket);
                %% The last frame may be a refusal: what has come is passed on before the end is.
                {error, _} -> drain(Owner, Path, Socket)
            end;
        {tcp_closed, Socket} ->
            exit({shutdown, {socket, Path, closed}});
        {tcp_error, Socket, Reason} ->
            exit({shutdown, {socket, Path, Reason}});
        {'DOWN', _, process, Owner, _} ->
            ok
    end.

drain(Owner, Path, Socket) ->
    receive
        {tcp, Socket, Frame} ->
            Owner ! {self(), {data, Frame}},
            drain(Owner, Path, Socket)
    after 0 ->
        exit({shutdown, {socket, Path, closed}})
    end.
