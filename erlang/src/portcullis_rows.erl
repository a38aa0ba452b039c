%% @private Rows as they travel (tuples behind one list of columns) to rows as people use them (maps), and those that are kept until
%% all have come.
-module(portcullis_rows).

-export([reader/1, maps/2, collecting/1, kept/1]).
-export_type([reader/0, kept/0]).

%% Fails where the rows are not of its columns.
-type reader() :: fun(([tuple()]) -> [map()]).

%% Chunks of rows, the last one first; how many rows they are, and from how many on there is to be more room for them.
-type kept() :: {non_neg_integer(), pos_integer(), [[portcullis:row()]]}.

%% Maps that are made from one another share their keys; from here on, what is written to change one key after the other may
%% cost more than that saves (50,000 kept rows of 16 columns that all differ: 110 ms against 48).
-define(SHARED_MAX, 12).

%% So many rows the heap of any process may grow for as it does.
-define(FEW, 1024).

%% Words of a kept row of ten columns.
-define(ROW, 24).

%% Where the settings of the caller's heap wait until they are set back.
-define(HEAP, '$portcullis_heap').

%% A literal map is made in one step and shares its keys with all others: eight times as fast as a list of pairs. The
%% default columns are what most calls ask for. `from_list' is fastest with its keys in order.
-spec reader([atom()]) -> reader().
reader([pid, ppid, comm, state, uid, rss, utime, stime, starttime, cmdline]) ->
    Map = fun({Pid, Ppid, Comm, State, Uid, Rss, Utime, Stime, Starttime, Cmdline}) ->
                  #{pid => Pid, ppid => Ppid, comm => Comm, state => State, uid => Uid, rss => Rss, utime => Utime,
                    stime => Stime, starttime => Starttime, cmdline => Cmdline}
          end,
    fun(Rows) -> lists:map(Map, Rows) end;
reader([object]) ->
    fun(Rows) -> lists:map(fun({Object}) -> #{object => Object} end, Rows) end;
reader(Columns) ->
    Width = length(Columns),
    Sorted = lists:sort(lists:zip(Columns, lists:seq(1, Width))),
    reader(Width, Sorted).

reader(Width, Sorted) when Width =< ?SHARED_MAX ->
    %% A row to begin with, and its map.
    Row = erlang:make_tuple(Width, undefined),
    Map = maps:from_list([{Column, undefined} || {Column, _} <- Sorted]),
    fun(Rows) -> following(Rows, Sorted, Row, Map) end;
reader(Width, Sorted) ->
    Map = fun(Row) when tuple_size(Row) =:= Width ->
                  maps:from_list([{Column, element(Position, Row)} || {Column, Position} <- Sorted])
          end,
    fun(Rows) -> lists:map(Map, Rows) end.

%% Rows of a table are much like those before them: the map of the last one is changed where they differ, and what is the same is
%% there once.
following([Row | Rows], Sorted, Before, Map) when tuple_size(Row) =:= tuple_size(Before) ->
    Next = changed(Sorted, Row, Before, Map),
    [Next | following(Rows, Sorted, Row, Next)];
following([], _, _, _) -> [].

changed([{Column, Position} | Columns], Row, Before, Map) ->
    case element(Position, Row) of
        Same when Same =:= element(Position, Before) -> changed(Columns, Row, Before, Map);
        Other -> changed(Columns, Row, Before, Map#{Column := Other})
    end;
changed([], _, _, Map) -> Map.

%% Rows that are not of these columns are `malformed'.
-spec maps(reader(), [term()]) -> {ok, [map()]} | malformed.
maps(Reader, Rows) ->
    try {ok, Reader(Rows)}
    catch error:_ -> malformed
    end.

%% Calls `Fun' with what keeps rows for an answer that is wanted whole, and with nothing kept. What that changes of the caller's
%% heap is as before behind it.
-spec collecting(fun((fun(([portcullis:row()], kept()) -> kept()), kept()) -> Answer)) -> Answer.
collecting(Fun) ->
    try Fun(fun keep/2, {0, ?FEW, []})
    after
        case erase(?HEAP) of
            undefined -> ok;
            Before -> [process_flag(Flag, Size) || {Flag, Size} <- Before]
        end
    end.

-spec kept(kept()) -> [portcullis:row()].
kept({_, _, Chunks}) ->
    lists:append(lists:reverse(Chunks)).

keep(Rows, {Count, More, Chunks}) when Count >= More ->
    ok = make_room(2 * Count * ?ROW),
    keep(Rows, {Count, 2 * More, Chunks});
keep(Rows, {Count, More, Chunks}) ->
    {Count + length(Rows), More, [Rows | Chunks]}.

%% A heap that is kept full grows by a fifth at a time, and for every so many frames that were read, and each time all that is kept
%% is copied: that was half of the time of 50,000 rows. So there is room for as many again. The limit that somebody has set for a
%% heap is not ours to come near to.
make_room(Words) ->
    {garbage_collection, Settings} = process_info(self(), garbage_collection),
    {max_heap_size, #{size := Limit}} = lists:keyfind(max_heap_size, 1, Settings),
    Before = [{Flag, Size} || {Flag, Size} <- Settings, Flag =:= min_heap_size orelse Flag =:= min_bin_vheap_size],
    case Limit =:= 0 andalso [Flag || {Flag, Size} <- Before, Size < Words] of
        [_ | _] = Flags ->
            _ = get(?HEAP) =:= undefined andalso put(?HEAP, Before),
            lists:foreach(fun(Flag) -> process_flag(Flag, Words) end, Flags);
        _ -> ok
    end.
