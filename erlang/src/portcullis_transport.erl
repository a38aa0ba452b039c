%% @private How frames travel to a port program and back. The connection owns the messages; a transport only knows
%% which of them are its own.
-module(portcullis_transport).

-export_type([handle/0]).

-type handle() :: term().

%% A program and its arguments; a node and the role that is wanted of it.
-callback open(Program :: file:filename_all() | node(), Args :: [string() | binary() | portcullis_opts:role()]) ->
    {ok, handle()} | {error, term()}.

%% `busy': nothing was sent and the same frame can be tried later. A write never blocks the caller.
-callback send(handle(), iodata()) -> ok | busy.

-callback close(handle()) -> ok.

%% Ends a program that does not end by itself when it is closed.
-callback kill(handle()) -> ok.

%% What a message of the owner's mailbox means.
-callback message(term(), handle()) -> {frame, binary()} | {closed, Reason :: term()} | ignore.

-callback os_pid(handle()) -> pos_integer() | undefined.
