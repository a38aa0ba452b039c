%% @private Files that a port has opened. Each has a keeper, a process that gives the handle back when the process that
%% opened the file ends. A handle counts for one port: the next one gives the same numbers to other files.
-module(portcullis_file).

-export([open/3, read/2, close/1, read_whole/3]).
-export_type([file/0]).

%% The longest read that the port takes.
-define(LENGTH_MAX, 524288).
-define(WHOLE_MAX, 16777216).

-record(file, {server :: portcullis:server(),
               instance :: reference(),
               handle :: pos_integer(),
               keeper :: pid()}).

-opaque file() :: #file{}.

-type options() :: map() | [{atom(), term()}].

%% The keeper asks, so that there is no moment at which a file is open and nobody keeps it.
-spec open(portcullis:server(), file:filename_all(), options()) -> {ok, file()} | {error, portcullis:error()}.
open(Server, Path, Options) ->
    case bytes(Path) of
        {ok, Bytes} ->
            Args = portcullis_opts:with(path, Bytes, Options),
            portcullis_request:by_keeper(fun(Owner) -> keeper(Owner, Server, Args) end);
        error -> {error, {bad_request, [path], {expected, path}}}
    end.

bytes(Path) when is_binary(Path) -> {ok, Path};
bytes(Path) when is_list(Path) ->
    try unicode:characters_to_binary(Path) of
        Bytes when is_binary(Bytes) -> {ok, Bytes};
        _ -> error
    catch error:badarg -> error
    end;
bytes(_) -> error.

keeper(Owner, Server, Args) ->
    Monitor = erlang:monitor(process, Owner),
    case portcullis_request:ask_one(Server, file_open, Args, any) of
        {ok, #{handle := Handle}, Instance} ->
            File = #file{server = Server, instance = Instance, handle = Handle, keeper = self()},
            _ = Owner ! {self(), {ok, File}},
            keep(File, Monitor);
        {ok, _, _} -> _ = Owner ! {self(), malformed()}, ok;
        {error, Error} -> _ = Owner ! {self(), {error, Error}}, ok
    end.

keep(File, Monitor) ->
    receive
        closed -> ok;
        {'DOWN', Monitor, process, _, _} -> _ = close(File), ok
    end.

-spec read(file(), options()) -> {ok, binary()} | {error, portcullis:error()}.
read(#file{server = Server, instance = Instance, handle = Handle, keeper = Keeper}, Options) ->
    Args = portcullis_opts:with(handle, Handle, Options),
    Answer = portcullis_request:ask_one(Server, file_read, Args, Instance),
    case Answer of
        {ok, Bytes, _} when is_binary(Bytes) -> {ok, Bytes};
        %% The port has closed what lay idle, or is another one: there is nothing to keep any more.
        {error, {posix, ebadf, _} = Closed} -> _ = Keeper ! closed, {error, Closed};
        {error, stale} -> _ = Keeper ! closed, {error, stale};
        {ok, _, _} -> malformed();
        {error, Error} -> {error, Error}
    end.

%% What is gone, with its port or by itself, is closed.
-spec close(file()) -> ok | {error, timeout | overloaded}.
close(#file{server = Server, instance = Instance, handle = Handle, keeper = Keeper}) ->
    case portcullis_request:ask_one(Server, file_close, #{handle => Handle}, Instance) of
        {error, Error} when Error =:= timeout; Error =:= overloaded -> {error, Error};
        _ -> _ = Keeper ! closed, ok
    end.

-spec read_whole(portcullis:server(), file:filename_all(), options()) -> {ok, binary()} | {error, portcullis:error()}.
read_whole(Server, Path, Options) ->
    case portcullis_opts:calls(Options) of
        {ok, Each, Args} ->
            case maps:get(max_bytes, Args, ?WHOLE_MAX) of
                Max when is_integer(Max), Max >= 0 ->
                    whole(open(Server, Path, maps:merge(maps:remove(max_bytes, Args), Each)), Max, Each);
                _ -> {error, {bad_request, [max_bytes], {expected, integer}}}
            end;
        {error, Error} -> {error, Error}
    end.

whole({ok, File}, Max, Each) ->
    try read_on(File, Max, Each, <<>>)
    after _ = close(File)
    end;
whole({error, Error}, _, _) -> {error, Error}.

%% One byte more than is wanted tells a file that ends there from one that goes on.
read_on(File, Max, Each, Sofar) ->
    case read(File, Each#{length => min(?LENGTH_MAX, Max - byte_size(Sofar) + 1)}) of
        {ok, <<>>} -> {ok, Sofar};
        {ok, Bytes} when byte_size(Sofar) + byte_size(Bytes) > Max ->
            {error, {posix, efbig, portcullis_error:text("the file is longer than max_bytes, ~b", [Max])}};
        {ok, Bytes} -> read_on(File, Max, Each, <<Sofar/binary, Bytes/binary>>);
        {error, Error} -> {error, Error}
    end.

malformed() -> {error, {down, {protocol, malformed_frame}}}.
