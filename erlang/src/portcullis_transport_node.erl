%% @private The program behind a node of Erlang distribution (`portcullis node'): a session there is spoken to as a port is, and a
%% process here stands between it and the connection, which must never wait for a network.
-module(portcullis_transport_node).
-behaviour(portcullis_transport).

-export([open/2, send/2, close/1, kill/1, message/2, os_pid/1]).

%% Frames that wait for the network; the connection keeps the others.
-define(WAITING_MAX, 64).
%% The node starts a program, which takes a few milliseconds; a node that cannot be reached takes `net_setuptime'.
-define(OPEN, 10000).

-spec open(node(), [portcullis_opts:role()]) -> {ok, pid()}.
open(Node, [Role]) ->
    Owner = self(),
    {ok, spawn_link(fun() -> connect(Owner, Node, Role) end)}.

-spec send(pid(), iodata()) -> ok | busy.
send(Session, Frame) ->
    case process_info(Session, message_queue_len) of
        {message_queue_len, Waiting} when Waiting >= ?WAITING_MAX -> busy;
        %% One that has gone says so by itself.
        _ -> Session ! {command, iolist_to_binary(Frame)}, ok
    end.

-spec close(pid()) -> ok.
close(Session) ->
    %% Unlinked first: an exit signal of a session that is closed on purpose is nobody's news.
    true = unlink(Session),
    Session ! close,
    ok.

-spec kill(pid()) -> ok.
kill(Session) ->
    true = unlink(Session),
    %% The node watches it, and ends the program that nobody speaks with any more.
    true = exit(Session, kill),
    ok.

-spec message(term(), pid()) -> {frame, binary()} | {closed, term()} | ignore.
message({Session, {data, Frame}}, Session) -> {frame, Frame};
message({'EXIT', Session, {shutdown, Reason}}, Session) -> {closed, Reason};
message({'EXIT', Session, Reason}, Session) -> {closed, Reason};
message(_, _) -> ignore.

-spec os_pid(pid()) -> undefined.
os_pid(_) ->
    undefined.

%% --- the process between --------------------------------------------------------------------------------------------

connect(Owner, Node, Role) ->
    _ = monitor(process, Owner),
    case call(Node, {open, Role}) of
        {ok, Remote} ->
            _ = monitor(process, Remote),
            serve(Owner, Node, Remote);
        {error, Reason} ->
            exit({shutdown, {node, Node, Reason}})
    end.

call(Node, Request) ->
    try gen_server:call({portcullis, Node}, Request, ?OPEN)
    catch
        exit:{{nodedown, Node}, _} -> {error, nodedown};
        exit:{Reason, _} -> {error, Reason}
    end.

serve(Owner, Node, Remote) ->
    receive
        {Remote, {data, Frame}} ->
            Owner ! {self(), {data, Frame}},
            serve(Owner, Node, Remote);
        {command, Frame} ->
            Remote ! {self(), {command, Frame}},
            serve(Owner, Node, Remote);
        close ->
            Remote ! {self(), close};
        {'DOWN', _, process, Owner, _} ->
            Remote ! {self(), close};
        {'DOWN', _, process, Remote, Reason} ->
            exit({shutdown, {node, Node, Reason}})
    end.
