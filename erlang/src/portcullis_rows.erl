%% @private Rows as they travel (tuples behind one list of columns) to rows as people use them (maps).
-module(portcullis_rows).

-export([reader/1, maps/2]).
-export_type([reader/0]).

-type reader() :: fun((tuple()) -> map()).

%% A literal map is made in one step and shares its keys with all others: eight times as fast as a list of pairs. The
%% default columns are what most calls ask for. `from_list' is fastest with its keys in order.
-spec reader([atom()]) -> reader().
reader([pid, ppid, comm, state, uid, rss, utime, stime, starttime, cmdline]) ->
    fun({Pid, Ppid, Comm, State, Uid, Rss, Utime, Stime, Starttime, Cmdline}) ->
            #{pid => Pid, ppid => Ppid, comm => Comm, state => State, uid => Uid, rss => Rss, utime => Utime,
              stime => Stime, starttime => Starttime, cmdline => Cmdline}
    end;
reader([object]) ->
    fun({Object}) -> #{object => Object} end;
reader(Columns) ->
    Width = length(Columns),
    Sorted = lists:sort(lists:zip(Columns, lists:seq(1, Width))),
    fun(Row) when tuple_size(Row) =:= Width ->
            maps:from_list([{Column, element(Position, Row)} || {Column, Position} <- Sorted])
    end.

%% Rows that are not of these columns are `malformed'.
-spec maps(reader(), [term()]) -> {ok, [map()]} | malformed.
maps(Reader, Rows) ->
    try {ok, [Reader(Row) || Row <- Rows]}
    catch error:_ -> malformed
    end.
