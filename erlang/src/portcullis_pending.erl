%% @private The requests of one connection: those that the port works on, those that wait for room, and standing ones,
%% the subscriptions, which have no deadline and take nobody's place.
-module(portcullis_pending).

-export([new/1, open/5, add/8, next/1, sent/2, rows/3, event/4, credit/3, done/3, withdraw/3, fail/2, find/2, is_sent/2,
         count/1]).
-export([tell/2]).
-export_type([pending/0, tag/0, source/0]).

%% Bytes of a request frame besides operation and arguments, at most.
-define(ENVELOPE, 32).
%% The port sends a subscription that many events before the first credit, and counts no credit above the other.
-define(EVENTS, 64).
-define(CREDIT_MAX, (1 bsl 20)).
%% What a frame has to name as its deadline; the port does not look at it for a subscription.
-define(STANDING, 600000).

%% The alias of the caller's monitor: what is sent to it after the caller has stopped waiting vanishes.
-type tag() :: reference().

%% The connection, and which of its ports: what one port has given means nothing to the next.
-type source() :: {pid(), reference()}.

-record(request, {tag :: tag(),
                  owner :: reference(),
                  timer :: reference() | undefined,
                  %% `infinity' makes it a standing one.
                  deadline :: integer() | infinity,
                  body :: binary() | sent,
                  %% Something may be different after it.
                  change :: boolean(),
                  %% Chunks of rows, or events, that may still come.
                  credit = 0 :: non_neg_integer(),
                  %% How often it may still be told of lost events before it is given an event, or gives credit; and how many
                  %% it has not been told of, which it is then.
                  losses = ?EVENTS :: non_neg_integer(),
                  untold = 0 :: non_neg_integer()}).

-record(pending, {requests = #{} :: #{portcullis_codec:request_id() => #request{}},
                  %% Ids without a frame on the wire, oldest first.
                  queue = queue:new() :: queue:queue(portcullis_codec:request_id()),
                  queued = 0 :: non_neg_integer(),
                  queue_limit :: non_neg_integer(),
                  in_flight = 0 :: non_neg_integer(),
                  standing = 0 :: non_neg_integer(),
                  %% 0 while there is no port: everything waits.
                  max_in_flight = 0 :: non_neg_integer(),
                  %% The port's own bound, which counts the standing ones.
                  places = 0 :: non_neg_integer(),
                  instance :: reference() | undefined,
                  frame_max = 0 :: non_neg_integer(),
                  %% What a row answer starts with.
                  credit = 0 :: non_neg_integer(),
                  %% Never starts again, so that an answer cannot meet the request of an earlier connection.
                  next_id = 1 :: portcullis_codec:request_id()}).

-opaque pending() :: #pending{}.

-spec new(non_neg_integer()) -> pending().
new(QueueLimit) ->
    #pending{queue_limit = QueueLimit}.

%% The port has said what it takes: `Limit' is ours, `Places' the port's own.
-spec open(pos_integer(), pos_integer(), pos_integer(), pos_integer(), pending()) -> pending().
open(Limit, Places, FrameMax, Credit, Pending) ->
    Pending#pending{max_in_flight = min(Limit, Places), places = Places, frame_max = FrameMax, credit = Credit,
                    instance = make_ref()}.

%% `Guard' is when the caller is answered even if the port is silent. A request for one port only (`Instance') is stale
%% when that port is gone: it is not for the next one, and what waits here never outlives its port.
-spec add(pid(), tag(), binary(), boolean(), pos_integer() | infinity, pos_integer() | infinity, reference() | any,
          pending()) ->
    {ok, pending()} | {error, overloaded | stale}.
add(_, _, _, _, _, _, Instance, #pending{instance = Current}) when Instance =/= any, Instance =/= Current ->
    {error, stale};
add(_, _, _, _, _, _, _, #pending{queued = Queued, queue_limit = Limit, in_flight = InFlight, max_in_flight = Max})
  when Queued >= Limit, Queued - Limit >= Max - InFlight ->
    {error, overloaded};
add(Owner, Tag, Body, Change, Timeout, Guard, _, #pending{next_id = Id, requests = Requests} = Pending) ->
    Request = #request{tag = Tag, body = Body, change = Change,
                       owner = erlang:monitor(process, Owner, [{tag, {owner, Id}}]),
                       timer = timer(Guard, Id), deadline = deadline(Timeout)},
    {ok, Pending#pending{requests = Requests#{Id => Request}, next_id = Id + 1,
                         queue = queue:in(Id, Pending#pending.queue), queued = Pending#pending.queued + 1}}.

timer(infinity, _) -> undefined;
timer(Guard, Id) -> erlang:start_timer(Guard, self(), {deadline, Id}).

deadline(infinity) -> infinity;
deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

%% The oldest request that waits, as a frame, if the port has room for one more. Those that the port would not take are
%% answered here.
-spec next(pending()) -> {portcullis_codec:request_id(), iodata(), pending()} | {none, pending()}.
next(#pending{queued = 0} = Pending) -> {none, Pending};
next(#pending{in_flight = InFlight, max_in_flight = Max, places = Places, standing = Standing} = Pending)
  when InFlight >= Max; InFlight > 0, InFlight >= Places - Standing ->
    {none, Pending};
next(#pending{requests = Requests, queue = Queue, frame_max = FrameMax} = Pending) ->
    {value, Id} = queue:peek(Queue),
    #{Id := #request{body = Body, deadline = Deadline}} = Requests,
    case left(Deadline) of
        _ when byte_size(Body) + ?ENVELOPE > FrameMax ->
            next(drop(Id, {bad_request, [], {frame_too_long, FrameMax}}, Pending));
        Left when Left > 0 -> {Id, portcullis_codec:request(Id, Body, Left), Pending};
        _ -> next(drop(Id, timeout, Pending))
    end.

left(infinity) -> ?STANDING;
left(Deadline) -> Deadline - erlang:monotonic_time(millisecond).

drop(Id, Error, Pending) ->
    {queued, Rest} = withdraw(Id, Error, Pending),
    Rest.

%% The frame that `next/1' gave is on its way.
-spec sent(portcullis_codec:request_id(), pending()) -> pending().
sent(Id, #pending{requests = Requests, queue = Queue, queued = Queued, credit = Credit} = Pending) ->
    #{Id := Request} = Requests,
    Sent = Request#request{body = sent, credit = case Request#request.deadline of infinity -> ?EVENTS; _ -> Credit end},
    ok = announce(Id, Sent),
    count(Sent, 1, Pending#pending{requests = Requests#{Id := Sent}, queue = queue:drop(Queue), queued = Queued - 1}).

%% Who holds a standing request gives credit for it before anything has come.
announce(Id, #request{deadline = infinity, tag = Tag}) -> tell(Tag, {sent, self(), Id});
announce(_, _) -> ok.

count(#request{deadline = infinity}, N, #pending{standing = Standing} = Pending) -> Pending#pending{standing = Standing + N};
count(_, N, #pending{in_flight = InFlight} = Pending) -> Pending#pending{in_flight = InFlight + N}.

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

%% Hands on an event of a subscription, in the same bounds, or how many it has missed. A port tells of those as often as it
%% loses some: what would be too many messages is added up.
-spec event(event | lost, portcullis_codec:request_id(), binary(), pending()) -> {ok, pending()} | no_credit.
event(Kind, Id, Frame, #pending{requests = Requests} = Pending) ->
    case Requests of
        #{Id := #request{body = sent, deadline = infinity, tag = Tag} = Request} ->
            case event(Kind, Id, Frame, Tag, Request) of
                no_credit -> no_credit;
                Charged -> {ok, Pending#pending{requests = Requests#{Id := Charged}}}
            end;
        _ -> {ok, Pending}
    end.

event(event, _, _, _, #request{credit = 0}) -> no_credit;
event(event, Id, Frame, Tag, #request{credit = Credit} = Request) ->
    Told = told(Id, Request),
    ok = tell(Tag, {event, self(), Frame}),
    Told#request{credit = Credit - 1};
event(lost, _, Frame, _, #request{losses = 0, untold = Untold} = Request) ->
    case portcullis_codec:decode(Frame) of
        {ok, {lost, _, N}} -> Request#request{untold = Untold + N};
        _ -> no_credit
    end;
event(lost, _, Frame, Tag, #request{losses = Losses} = Request) ->
    ok = tell(Tag, {event, self(), Frame}),
    Request#request{losses = Losses - 1}.

told(Id, #request{tag = Tag, untold = Untold} = Request) ->
    _ = [tell(Tag, {event, self(), term_to_binary({lost, Id, Untold}, [{minor_version, 2}])}) || Untold > 0],
    Request#request{losses = ?EVENTS, untold = 0}.

%% Whoever asked has read that many chunks or events, and takes as many more.
-spec credit(portcullis_codec:request_id(), pos_integer(), pending()) -> {ok, pending()} | error.
credit(Id, More, #pending{requests = Requests} = Pending) ->
    case Requests of
        #{Id := #request{body = sent, credit = Credit} = Request} ->
            Granted = told(Id, Request#request{credit = min(Credit + More, ?CREDIT_MAX)}),
            {ok, Pending#pending{requests = Requests#{Id := Granted}}};
        _ -> error
    end.

%% Hands the end of an answer to whoever asked. Late ones, for requests that were withdrawn, find nobody.
-spec done(portcullis_codec:request_id(), binary(), pending()) -> pending().
done(Id, Frame, #pending{requests = Requests, instance = Instance} = Pending) ->
    case Requests of
        #{Id := #request{body = sent, tag = Tag} = Request} ->
            ok = release(Request),
            ok = tell(Tag, {done, {self(), Instance}, Frame}),
            count(Request, -1, Pending#pending{requests = maps:remove(Id, Requests)});
        _ -> Pending
    end.

%% Ends a request from this side, and says whether the port knows of it. A change that the port knows of may be made.
-spec withdraw(portcullis_codec:request_id(), portcullis:error(), pending()) -> {sent | queued | unknown, pending()}.
withdraw(Id, Error, #pending{requests = Requests, queue = Queue} = Pending) ->
    case maps:take(Id, Requests) of
        {#request{tag = Tag, body = Body} = Request, Rest} ->
            ok = release(Request),
            ok = tell(Tag, {error, outcome(Id, Request, Error)}),
            case Body of
                sent -> {sent, count(Request, -1, Pending#pending{requests = Rest})};
                _ -> {queued, Pending#pending{requests = Rest, queue = queue:delete(Id, Queue),
                                              queued = Pending#pending.queued - 1}}
            end;
        error -> {unknown, Pending}
    end.

%% The connection is lost: every request ends, and none is taken until {@link open/5}.
-spec fail(portcullis:error(), pending()) -> pending().
fail(Error, #pending{requests = Requests, queue_limit = QueueLimit, next_id = Next}) ->
    ok = lists:foreach(fun({Id, #request{tag = Tag} = Request}) ->
                               ok = release(Request),
                               tell(Tag, {error, outcome(Id, Request, Error)})
                       end, maps:to_list(Requests)),
    #pending{queue_limit = QueueLimit, next_id = Next}.

outcome(Id, #request{body = sent, change = true}, _) -> {unknown_outcome, Id};
outcome(_, _, Error) -> Error.

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

%% Without the standing ones.
-spec count(pending()) -> {InFlight :: non_neg_integer(), Queued :: non_neg_integer()}.
count(#pending{in_flight = InFlight, queued = Queued}) ->
    {InFlight, Queued}.

-spec tell(tag(), term()) -> ok.
tell(Tag, Message) ->
    _ = Tag ! {Tag, Message},
    ok.

release(#request{owner = Owner, timer = Timer}) ->
    true = erlang:demonitor(Owner, [flush]),
    _ = [erlang:cancel_timer(Timer, [{async, true}, {info, false}]) || Timer =/= undefined],
    ok.
