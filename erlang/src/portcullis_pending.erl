%% @private The requests of one connection: those that the port works on, and those that wait for room.
-module(portcullis_pending).

-export([new/1, open/4, add/6, next/1, sent/2, rows/3, credit/3, done/3, withdraw/3, fail/2, find/2, is_sent/2, count/1]).
-export([tell/2]).
-export_type([pending/0, tag/0]).

%% Bytes of a request frame besides operation and arguments, at most.
-define(ENVELOPE, 32).

%% The alias of the caller's monitor: what is sent to it after the caller has stopped waiting vanishes.
-type tag() :: reference().

-record(request, {tag :: tag(),
                  owner :: reference(),
                  timer :: reference(),
                  deadline :: integer(),
                  body :: binary() | sent,
                  %% Chunks of rows that may still come.
                  credit = 0 :: non_neg_integer()}).

-record(pending, {requests = #{} :: #{portcullis_codec:request_id() => #request{}},
                  %% Ids without a frame on the wire, oldest first.
                  queue = queue:new() :: queue:queue(portcullis_codec:request_id()),
                  queued = 0 :: non_neg_integer(),
                  queue_limit :: non_neg_integer(),
                  in_flight = 0 :: non_neg_integer(),
                  %% 0 while there is no port: everything waits.
                  max_in_flight = 0 :: non_neg_integer(),
                  frame_max = 0 :: non_neg_integer(),
                  %% What a row answer starts with.
                  credit = 0 :: non_neg_integer(),
                  %% Never starts again, so that an answer cannot meet the request of an earlier connection.
                  next_id = 1 :: portcullis_codec:request_id()}).

-opaque pending() :: #pending{}.

-spec new(non_neg_integer()) -> pending().
new(QueueLimit) ->
    #pending{queue_limit = QueueLimit}.

%% The port has said what it takes.
-spec open(pos_integer(), pos_integer(), pos_integer(), pending()) -> pending().
open(MaxInFlight, FrameMax, Credit, Pending) ->
    Pending#pending{max_in_flight = MaxInFlight, frame_max = FrameMax, credit = Credit}.

%% `Guard' is when the caller is answered even if the port is silent.
-spec add(pid(), tag(), binary(), pos_integer(), pos_integer(), pending()) -> {ok, pending()} | {error, overloaded}.
add(_, _, _, _, _, #pending{queued = Queued, queue_limit = Limit, in_flight = InFlight, max_in_flight = Max})
  when Queued >= Limit, Queued - Limit >= Max - InFlight ->
    {error, overloaded};
add(Owner, Tag, Body, Timeout, Guard, #pending{next_id = Id, requests = Requests} = Pending) ->
    Request = #request{tag = Tag, body = Body,
                       owner = erlang:monitor(process, Owner, [{tag, {owner, Id}}]),
                       timer = erlang:start_timer(Guard, self(), {deadline, Id}),
                       deadline = erlang:monotonic_time(millisecond) + Timeout},
    {ok, Pending#pending{requests = Requests#{Id => Request}, next_id = Id + 1,
                         queue = queue:in(Id, Pending#pending.queue), queued = Pending#pending.queued + 1}}.

%% The oldest request that waits, as a frame, if the port has room for one more. Those that the port would not take are
%% answered here.
-spec next(pending()) -> {portcullis_codec:request_id(), iodata(), pending()} | {none, pending()}.
next(#pending{queued = 0} = Pending) -> {none, Pending};
next(#pending{in_flight = Max, max_in_flight = Max} = Pending) -> {none, Pending};
next(#pending{requests = Requests, queue = Queue, frame_max = FrameMax} = Pending) ->
    {value, Id} = queue:peek(Queue),
    #{Id := #request{body = Body, deadline = Deadline}} = Requests,
    case Deadline - erlang:monotonic_time(millisecond) of
        _ when byte_size(Body) + ?ENVELOPE > FrameMax ->
            next(drop(Id, {bad_request, [], {frame_too_long, FrameMax}}, Pending));
        Left when Left > 0 -> {Id, portcullis_codec:request(Id, Body, Left), Pending};
        _ -> next(drop(Id, timeout, Pending))
    end.

drop(Id, Error, Pending) ->
    {queued, Rest} = withdraw(Id, Error, Pending),
    Rest.

%% The frame that `next/1' gave is on its way.
-spec sent(portcullis_codec:request_id(), pending()) -> pending().
sent(Id, #pending{requests = Requests, queue = Queue, queued = Queued, in_flight = InFlight, credit = Credit} = Pending) ->
    #{Id := Request} = Requests,
    Pending#pending{requests = Requests#{Id := Request#request{body = sent, credit = Credit}},
                    queue = queue:drop(Queue), queued = Queued - 1, in_flight = InFlight + 1}.

%% Hands a chunk of rows to whoever asked. One that nobody has allowed would fill the mailbox of a slow caller.
-spec rows(portcullis_codec:request_id(), binary(), pending()) -> {ok, pending()} | no_credit.
rows(Id, Frame, #pending{requests = Requests} = Pending) ->
    case Requests of
        #{Id := #request{body = sent, credit = 0}} -> no_credit;
        #{Id := #request{body = sent, tag = Tag, credit = Credit} = Request} ->
            ok = tell(Tag, {rows, self(), Id, Frame}),
            {ok, Pending#pending{requests = Requests#{Id := Request#request{credit = Credit - 1}}}};
        _ -> {ok, Pending}
    end.

%% Whoever asked has read that many chunks, and takes as many more.
-spec credit(portcullis_codec:request_id(), pos_integer(), pending()) -> {ok, pending()} | error.
credit(Id, Chunks, #pending{requests = Requests} = Pending) ->
    case Requests of
        #{Id := #request{body = sent, credit = Credit} = Request} ->
            {ok, Pending#pending{requests = Requests#{Id := Request#request{credit = Credit + Chunks}}}};
        _ -> error
    end.

%% Hands the end of an answer to whoever asked. Late ones, for requests that were withdrawn, find nobody.
-spec done(portcullis_codec:request_id(), binary(), pending()) -> pending().
done(Id, Frame, #pending{requests = Requests, in_flight = InFlight} = Pending) ->
    case Requests of
        #{Id := #request{body = sent, tag = Tag} = Request} ->
            ok = release(Request),
            ok = tell(Tag, {done, self(), Frame}),
            Pending#pending{requests = maps:remove(Id, Requests), in_flight = InFlight - 1};
        _ -> Pending
    end.

%% Ends a request from this side, and says whether the port knows of it.
-spec withdraw(portcullis_codec:request_id(), portcullis:error(), pending()) -> {sent | queued | unknown, pending()}.
withdraw(Id, Error, #pending{requests = Requests, queue = Queue} = Pending) ->
    case maps:take(Id, Requests) of
        {#request{tag = Tag, body = Body} = Request, Rest} ->
            ok = release(Request),
            ok = tell(Tag, {error, Error}),
            case Body of
                sent -> {sent, Pending#pending{requests = Rest, in_flight = Pending#pending.in_flight - 1}};
                _ -> {queued, Pending#pending{requests = Rest, queue = queue:delete(Id, Queue),
                                              queued = Pending#pending.queued - 1}}
            end;
        error -> {unknown, Pending}
    end.

%% The connection is lost: every request ends, and none is taken until {@link open/4}.
-spec fail(portcullis:error(), pending()) -> pending().
fail(Error, #pending{requests = Requests, queue_limit = QueueLimit, next_id = Next}) ->
    ok = lists:foreach(fun(#request{tag = Tag} = Request) ->
                               ok = release(Request),
                               tell(Tag, {error, Error})
                       end, maps:values(Requests)),
    #pending{queue_limit = QueueLimit, next_id = Next}.

%% Only for cancels before the first answer, which are rare: a second index would cost every request.
-spec find(tag(), pending()) -> {ok, portcullis_codec:request_id()} | error.
find(Tag, #pending{requests = Requests}) ->
    case [Id || {Id, #request{tag = T}} <- maps:to_list(Requests), T =:= Tag] of
        [Id] -> {ok, Id};
        [] -> error
    end.

-spec is_sent(portcullis_codec:request_id(), pending()) -> boolean().
is_sent(Id, #pending{requests = Requests}) ->
    case Requests of
        #{Id := #request{body = sent}} -> true;
        _ -> false
    end.

-spec count(pending()) -> {InFlight :: non_neg_integer(), Queued :: non_neg_integer()}.
count(#pending{in_flight = InFlight, queued = Queued}) ->
    {InFlight, Queued}.

-spec tell(tag(), term()) -> ok.
tell(Tag, Message) ->
    _ = Tag ! {Tag, Message},
    ok.

release(#request{owner = Owner, timer = Timer}) ->
    true = erlang:demonitor(Owner, [flush]),
    _ = erlang:cancel_timer(Timer, [{async, true}, {info, false}]),
    ok.
