%% @private Rows as they travel (tuples behind one list of columns) to rows as people use them (maps).
-module(portcullis_rows).

-export([reader/1, maps/2]).
-export_type([reader/0]).

-type reader() :: fun((tuple()) -> map()).

%% Literal maps share one tuple of keys and are made in one step; the default columns are what most calls ask for.
-spec reader([atom()]) -> reader().
reader([pid, ppid, comm, state, uid, rss, utime, stime, starttime, cmdline]) ->
    fun({Pid, Ppid, Comm, State, Uid, Rss, Utime, Stime, Starttime, Cmdline}) ->
            #{pid => Pid, ppid => Ppid, comm => Comm, state => State, uid => Uid, rss => Rss, utime => Utime,
              stime => Stime, starttime => Starttime, cmdline => Cmdline}
    end;
reader(Columns) ->
    fun(Row) -> maps:from_list(lists:zip(Columns, tuple_to_list(Row))) end.

-spec maps(reader(), [tuple()]) -> [map()].
maps(Reader, Rows) ->
    [Reader(Row) || Row <- Rows].
