%% @private The caller's side of a request: asks, decodes the answer, grants credit. All of it runs in the process that
%% calls, so that a large answer or a slow fold costs nobody else.
-module(portcullis_request).

-export([ask/3, ask_one/4, ask_all/3, fold/5, send/3, send/4, stand/3, by_keeper/1, await/1, await/2, cancel/1, call/2]).
-export_type([id/0]).

%% No request lives longer: the longest deadline and some room. An answer that was received already is waited for in vain.
-define(LONGEST, 601000).
%% How much later than its deadline the end of a request can come.
-define(ROOM, 5000).
%% Half of the window that the port opens with: it is never empty while we keep up.
-define(CREDIT_BATCH, 8).

-record(request, {server :: portcullis:server(),
                  %% An atom, unless that is what failed.
                  operation :: term(),
                  %% The monitor of the server, and the alias that answers come to. A name that nobody has is monitored as
                  %% `undefined', which nobody can have: the monitor says `noproc'.
                  tag :: reference() | undefined,
                  failed :: portcullis:error() | undefined,
                  change = false :: boolean(),
                  started :: integer()}).

-opaque id() :: #request{}.

-type options() :: map() | [{atom(), term()}] | {map() | [{atom(), term()}], portcullis_opts:timeout_ms() | default}.
-type answer() :: {ok, term()} | {ok, [portcullis:row()], portcullis:meta()} | {error, portcullis:error()}.

%% Asks and waits. The reference goes to the receive as an argument of its own: the compiler sees then where it was made,
%% and the BEAM looks only at messages that came after it, however many others wait in the mailbox of the caller.
-spec ask(portcullis:server(), atom(), options()) -> answer().
ask(Server, Operation, Options) ->
    collected(Operation, run(Server, Operation, Options, any)).

%% Asks one port and no later one, unless that is `any'; says which has answered.
-spec ask_one(portcullis:server(), atom(), options(), reference() | any) ->
    {ok, term(), reference()} | {error, portcullis:error()}.
ask_one(Server, Operation, Options, Instance) ->
    case run(Server, Operation, Options, Instance) of
        {ok, _, Value, {_, Answered}} -> {ok, Value, Answered};
        {error, Error} -> {error, Error}
    end.

%% Where an answer can be rows or a value: the rows, of which a value has none, what ends them, and which port has answered.
-spec ask_all(portcullis:server(), atom(), options()) ->
    {ok, [portcullis:row()], term(), reference()} | {error, portcullis:error()}.
ask_all(Server, Operation, Options) ->
    case run(Server, Operation, Options, any) of
        {ok, Kept, Value, {_, Answered}} -> {ok, portcullis_rows:kept(Kept), Value, Answered};
        {error, Error} -> {error, Error}
    end.

%% Folds over the rows as they come. The port stays at most one window ahead of `Fun'.
-spec fold(portcullis:server(), atom(), options(), fun((portcullis:row(), Acc) -> Acc), Acc) ->
    {ok, Acc, portcullis:meta()} | {error, portcullis:error()}.
fold(Server, Table, Options, Fun, Acc0) ->
    case run(Server, Table, Options, any, fun(Rows, Acc) -> lists:foldl(Fun, Acc, Rows) end, Acc0) of
        {ok, Acc, Meta, _} -> {ok, Acc, Meta};
        {error, Error} -> {error, Error}
    end.

%% With all of its rows kept.
run(Server, Operation, Options, Instance) ->
    portcullis_rows:collecting(fun(Keep, None) -> run(Server, Operation, Options, Instance, Keep, None) end).

run(Server, Operation, Options, Instance, Fun, Acc) ->
    case encode(Operation, Options) of
        {ok, Role, Timeout, Sent} ->
            Tag = erlang:monitor(process, portcullis_server:where(Server), [{alias, demonitor}]),
            Request = sent(Server, self(), Operation, Tag, {Role, Sent, Timeout, Instance}),
            try finished(Request, chunks(Tag, Request, undefined, 1, Fun, Acc, deadline(longest(Timeout))))
            catch
                Class:Reason:Stack ->
                    ok = abandon(Request),
                    ok = event(exception, Request, #{kind => Class, reason => Reason, stacktrace => Stack}),
                    erlang:raise(Class, Reason, Stack)
            end;
        {error, Error} -> finished(failed(Server, Operation, Error), {error, Error})
    end.

%% Asks without waiting.
-spec send(portcullis:server(), atom(), options()) -> id().
send(Server, Operation, Options) ->
    send(Server, self(), Operation, Options).

%% For `Owner': the request is cancelled when that process ends.
-spec send(portcullis:server(), pid(), term(), term()) -> id().
send(Server, Owner, Operation, Options) ->
    case encode(Operation, Options) of
        {ok, Role, Timeout, Sent} ->
            Tag = erlang:monitor(process, portcullis_server:where(Server), [{alias, demonitor}]),
            sent(Server, Owner, Operation, Tag, {Role, Sent, Timeout, any});
        {error, Error} -> failed(Server, Operation, Error)
    end.

%% Sends a request that stands until its sender or its port ends. What comes of it comes as messages under the tag; the
%% port says nothing when it takes it.
-spec stand(portcullis:server(), atom(), map()) -> {ok, portcullis_pending:tag()} | {error, portcullis:error()}.
stand(Server, Operation, Args) ->
    case request(Operation, Args) of
        {ok, Role, Sent} ->
            Tag = erlang:monitor(process, portcullis_server:where(Server), [{alias, demonitor}]),
            ok = gen_server:cast(Server, {send, Role, self(), Tag, Sent, infinity, any}),
            {ok, Tag};
        {error, Error} -> {error, Error}
    end.

%% Asks from a process that then keeps, for whoever calls, what came of it. Its first word, `{self(), Answer}', is the answer.
-spec by_keeper(fun((Caller :: pid()) -> ok)) -> {ok, term()} | {error, portcullis:error()}.
by_keeper(Start) ->
    Caller = self(),
    {Keeper, Monitor} = spawn_monitor(fun() -> Start(Caller) end),
    receive
        {Keeper, Answer} ->
            true = erlang:demonitor(Monitor, [flush]),
            Answer;
        {'DOWN', Monitor, process, Keeper, Reason} -> {error, {down, Reason}}
    end.

%% Waits until the request has ended, which its deadline guarantees.
-spec await(id()) -> answer().
await(Request) ->
    await(Request, infinity).

%% Waits for at most `Wait' milliseconds; a request that is not done by then is cancelled.
-spec await(id(), timeout()) -> answer().
await(#request{operation = Operation, tag = undefined, failed = Error} = Request, _) ->
    collected(Operation, finished(Request, {error, Error}));
await(#request{operation = Operation, tag = Tag} = Request, Wait) ->
    Answer = portcullis_rows:collecting(
               fun(Keep, None) -> chunks(Tag, Request, undefined, 1, Keep, None, deadline(Wait)) end),
    collected(Operation, finished(Request, Answer)).

%% The answer becomes `{error, cancelled}', unless it was on its way already.
-spec cancel(id()) -> ok.
cancel(#request{tag = undefined}) -> ok;
cancel(#request{server = Server, tag = Tag}) -> gen_server:cast(Server, {cancel, Tag}).

%% A question to the server itself.
-spec call(portcullis:server(), info | config) -> term().
call(Server, Question) ->
    try gen_server:call(Server, Question)
    catch
        exit:{noproc, _} -> {error, {down, {noproc, Server}}};
        exit:{Reason, _} -> {error, {down, Reason}}
    end.

%% --- the question ---------------------------------------------------------------------------------------------------

%% An answer to `subscribe' would never come.
encode(subscribe, _) -> {error, {unsupported, <<"subscribe as a request: call portcullis:subscribe/2">>}};
%% How long it lasts is an argument here.
encode(ban, Options) when not is_tuple(Options) -> encode(ban, {Options, default});
encode(Operation, Options) ->
    case portcullis_opts:call(Options) of
        {ok, Timeout, Args} ->
            case request(Operation, Args) of
                {ok, Role, Sent} -> {ok, Role, Timeout, Sent};
                {error, Error} -> {error, Error}
            end;
        {error, Error} -> {error, Error}
    end.

request(Operation, Args) ->
    case portcullis_opts:role(Operation, Args) of
        {ok, Role, Rest} ->
            case portcullis_codec:body(Operation, Rest) of
                {ok, Body} -> {ok, Role, {Body, portcullis_codec:is_change(Operation, Rest)}};
                {error, Error} -> {error, Error}
            end;
        {error, Error} -> {error, Error}
    end.

sent(Server, Owner, Operation, Tag, {Role, {_, Change} = Sent, Timeout, Instance}) ->
    Request = started(#request{server = Server, operation = Operation, tag = Tag, change = Change,
                               started = erlang:monotonic_time()}),
    ok = gen_server:cast(Server, {send, Role, Owner, Tag, Sent, Timeout, Instance}),
    Request.

%% --- the answer -----------------------------------------------------------------------------------------------------

%% `Count' is the number of the chunk that comes next.
chunks(Tag, Request, Reader, Count, Fun, Acc, Deadline) ->
    receive
        {Tag, {rows, Connection, Id, Frame}} ->
            case read(Frame, Reader) of
                {ok, Next, Rows} ->
                    Folded = Fun(Rows, Acc),
                    ok = grant(Connection, Id, Count),
                    chunks(Tag, Request, Next, Count + 1, Fun, Folded, Deadline);
                {malformed, What} ->
                    ok = abandon(Request),
                    malformed(Connection, What, Request)
            end;
        {Tag, {done, Source, Frame}} ->
            true = erlang:demonitor(Tag, [flush]),
            end_of_answer(Frame, Acc, Source, Request);
        {Tag, {error, Error}} ->
            true = erlang:demonitor(Tag, [flush]),
            {error, Error};
        {'DOWN', Tag, process, _, noproc} ->
            {error, {down, {noproc, Request#request.server}}};
        {'DOWN', Tag, process, _, Reason} ->
            {error, outcome(Request, {down, Reason})}
    after left(Deadline) ->
            ok = abandon(Request),
            {error, outcome(Request, timeout)}
    end.

%% Without the connection, which knows whether it was sent, a change may be made.
outcome(#request{change = true}, _) -> {unknown_outcome, undefined};
outcome(_, Error) -> Error.

collected(Operation, {ok, Kept, Value, _}) ->
    Rows = portcullis_rows:kept(Kept),
    case portcullis_codec:is_table(Operation) orelse (Rows =/= [] andalso not portcullis_codec:is_value(Operation)) of
        true -> {ok, Rows, Value};
        false -> {ok, Value}
    end;
collected(_, {error, Error}) -> {error, Error}.

read(Frame, Reader) ->
    case portcullis_codec:decode(Frame) of
        {ok, {rows, _, same, Rows}} when Reader =/= undefined -> read_rows(Reader, Rows);
        {ok, {rows, _, Columns, Rows}} when is_list(Columns) -> read_rows(portcullis_rows:reader(Columns), Rows);
        {ok, _} -> {malformed, rows};
        malformed -> {malformed, Frame}
    end.

read_rows(Reader, Rows) ->
    case portcullis_rows:maps(Reader, Rows) of
        {ok, Maps} -> {ok, Reader, Maps};
        malformed -> {malformed, rows}
    end.

end_of_answer(Frame, Acc, {Connection, _} = Source, Request) ->
    case portcullis_codec:decode(Frame) of
        {ok, {ok, _, Value}} -> {ok, Acc, Value, Source};
        {ok, {error, _, Error}} -> {error, Error};
        _ -> malformed(Connection, Frame, Request)
    end.

%% The connection closes a port that breaks the protocol.
malformed(Connection, What, Request) ->
    _ = Connection ! {malformed, What},
    {error, outcome(Request, {down, {protocol, malformed_frame}})}.

grant(Connection, Id, Count) when Count rem ?CREDIT_BATCH =:= 0 ->
    _ = Connection ! {credit, Id, ?CREDIT_BATCH},
    ok;
grant(_, _, _) ->
    ok.

%% Nothing of the request reaches this process after this.
abandon(#request{tag = undefined}) -> ok;
abandon(#request{tag = Tag} = Request) ->
    ok = cancel(Request),
    true = erlang:demonitor(Tag, [flush]),
    forget(Tag).

forget(Tag) ->
    receive {Tag, _} -> forget(Tag)
    after 0 -> ok
    end.

%% The connection answers at the deadline of the request, or some time later if the port does not. What is no server of ours
%% answers nothing.
longest(Timeout) when is_integer(Timeout) -> Timeout + ?ROOM;
longest(default) -> infinity.

deadline(infinity) -> deadline(?LONGEST);
deadline(Wait) when is_integer(Wait), Wait >= 0 -> erlang:monotonic_time(millisecond) + Wait;
deadline(_) -> error(badarg).

left(Deadline) -> max(0, Deadline - erlang:monotonic_time(millisecond)).

%% --- telemetry ------------------------------------------------------------------------------------------------------

failed(Server, Operation, Error) ->
    started(#request{server = Server, operation = Operation, failed = Error, started = erlang:monotonic_time()}).

started(#request{server = Server, operation = Operation} = Request) ->
    ok = portcullis_events:telemetry([portcullis, request, start], #{system_time => erlang:system_time()},
                                     #{server => Server, operation => Operation}),
    Request.

finished(Request, Answer) ->
    Result = case Answer of {error, Error} -> {error, Error}; _ -> ok end,
    ok = event(stop, Request, #{result => Result}),
    Answer.

event(Name, #request{server = Server, operation = Operation, started = Started}, Metadata) ->
    portcullis_events:telemetry([portcullis, request, Name],
                                #{duration => erlang:monotonic_time() - Started},
                                Metadata#{server => Server, operation => Operation}).
