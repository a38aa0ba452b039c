%% @private One connection to one program: starts it, waits for its hello, routes answers, starts it again.
%%
%% It is a router and never blocks: callers encode their requests and decode their answers, writes are refused rather
%% than waited for, and rows go to the caller as they came. What it keeps of a request is in {@link portcullis_pending}.
-module(portcullis_conn).
-behaviour(gen_statem).

-export([start_link/2, stop/1, await/1, info/1, transport/1]).
-export([init/1, callback_mode/0, handle_event/4, terminate/3]).

%% The port ends requests at their deadline; if it cannot (it was stopped by a signal), this much later we do.
-define(GRACE, 200).
%% A write that the pipe had no room for is tried again after this time, or when the port has sent something.
-define(BUSY_RETRY, 5).
-define(PROTOCOL, 1).
%% The longest frame until hello says otherwise.
-define(REPLY_MAX, 1048576).
%% Chunks of rows that a port may send unasked, where hello does not say.
-define(CREDIT, 16).
%% execve(2) failed: erl_child_setup ends with its errno.
-define(EACCES, 13).

-record(data, {role :: portcullis_opts:role(),
               config :: portcullis_opts:config(),
               transport :: module(),
               handle :: portcullis_transport:handle() | undefined,
               program :: file:filename_all() | undefined,
               source :: portcullis_program:source() | undefined,
               hello :: map() | undefined,
               reply_max = ?REPLY_MAX :: pos_integer(),
               pending :: portcullis_pending:pending(),
               %% Control frames that the pipe had no room for, newest first. While there are any, nothing overtakes them.
               unsent = [] :: [iodata()],
               retry :: reference() | undefined,
               %% It missed a deadline of its own, and has sent nothing since.
               overdue = false :: boolean(),
               awaiting = [] :: [gen_statem:from()],
               error :: portcullis:error() | undefined,
               attempts = 0 :: non_neg_integer(),
               downs = 0 :: non_neg_integer(),
               up_since :: integer() | undefined}).

-type state() :: connecting | ready | backoff.

-spec start_link(portcullis_opts:role(), portcullis_opts:config()) -> {ok, pid()}.
start_link(Role, Config) ->
    {ok, _} = gen_statem:start_link(?MODULE, {Role, Config}, []).

-spec stop(pid()) -> ok.
stop(Connection) ->
    try gen_statem:stop(Connection)
    catch exit:_ -> ok
    end.

%% Waits for the first hello, or for why there is none. One that has ended has told its owner, who traps exits, as it does here.
-spec await(pid()) -> ok | {error, portcullis:error()}.
await(Connection) ->
    try gen_statem:call(Connection, await)
    catch
        exit:{{shutdown, Error}, _} -> {error, Error};
        exit:{noproc, _} ->
            receive {'EXIT', Connection, {shutdown, Error}} -> {error, Error}
            after 0 -> {error, {down, noproc}}
            end
    end.

-spec info(pid()) -> map().
info(Connection) ->
    gen_statem:call(Connection, info).

-spec callback_mode() -> handle_event_function.
callback_mode() ->
    handle_event_function.

-spec init({portcullis_opts:role(), portcullis_opts:config()}) ->
    {ok, state(), #data{}, [gen_statem:action()]}.
init({Role, #{queue_limit := QueueLimit} = Config}) ->
    _ = process_flag(trap_exit, true),
    ok = logger:set_process_metadata(#{domain => [portcullis], role => Role}),
    Data = #data{role = Role, config = Config, transport = transport(Config), pending = portcullis_pending:new(QueueLimit)},
    {ok, connecting, Data, [{next_event, internal, open}]}.

-spec handle_event(gen_statem:event_type(), term(), state(), #data{}) ->
    gen_statem:event_handler_result(state()).
handle_event(info, {send, _, Owner, Tag, {Body, Change}, Timeout, Instance}, State, Data) ->
    request(State, Owner, Tag, Body, Change, Timeout, Instance, Data);
handle_event(info, {credit, Id, Chunks}, ready, #data{pending = Pending} = Data) ->
    case portcullis_pending:credit(Id, Chunks, Pending) of
        {ok, Granted} -> {keep_state, control(portcullis_codec:credit(Id, Chunks), Data#data{pending = Granted})};
        error -> keep_state_and_data
    end;
handle_event(info, {cancel, Tag}, State, #data{pending = Pending} = Data) ->
    case portcullis_pending:find(Tag, Pending) of
        {ok, Id} -> withdraw(State, Id, cancelled, Data);
        error -> keep_state_and_data
    end;
handle_event(info, {timeout, _, {deadline, Id}}, State, #data{pending = Pending} = Data) ->
    {keep_state, Withdrawn} = withdraw(State, Id, timeout, Data),
    watch(portcullis_pending:is_sent(Id, Pending), Withdrawn);
handle_event(info, {timeout, Timer, busy}, ready, #data{retry = Timer} = Data) ->
    {keep_state, pump(Data#data{retry = undefined})};
handle_event(info, {{owner, Id}, _, process, _, _}, State, Data) ->
    withdraw(State, Id, cancelled, Data);
handle_event(info, {malformed, rows}, ready, Data) ->
    lost({protocol, malformed_frame}, Data);
handle_event(info, {malformed, Frame}, ready, Data) when is_binary(Frame) ->
    %% Looked at again here: a caller on a node with an older client may only lack an atom.
    case portcullis_codec:decode(Frame) of
        malformed -> lost({protocol, malformed_frame}, Data);
        {ok, _} -> keep_state_and_data
    end;
handle_event(info, Message, State, #data{transport = Transport, handle = Handle} = Data) when Handle =/= undefined ->
    case Transport:message(Message, Handle) of
        {frame, Frame} -> frame(State, Frame, Data#data{overdue = false});
        {closed, {exit_status, ?EACCES}} when State =:= connecting -> lost({open, Data#data.program, eacces}, Data);
        {closed, Reason} -> lost(Reason, Data);
        ignore -> keep_state_and_data
    end;
handle_event(internal, open, connecting, Data) ->
    open(Data);
handle_event(state_timeout, hello, connecting, #data{handle = Handle, transport = Transport} = Data) ->
    ok = Transport:kill(Handle),
    lost(hello_timeout, Data#data{handle = undefined});
handle_event({timeout, stuck}, Handle, ready, #data{overdue = true, handle = Handle, transport = Transport} = Data) ->
    ok = Transport:kill(Handle),
    lost(stuck, Data#data{handle = undefined});
handle_event(state_timeout, retry, backoff, Data) ->
    {next_state, connecting, Data, [{next_event, internal, open}]};
handle_event({call, From}, info, State, Data) ->
    {keep_state_and_data, [{reply, From, describe(State, Data)}]};
handle_event({call, From}, await, State, Data) ->
    await(State, From, Data);
handle_event(_, _, _, _) ->
    keep_state_and_data.

-spec terminate(term(), state(), #data{}) -> ok.
terminate(_, _, #data{pending = Pending} = Data) ->
    _ = close(Data),
    _ = portcullis_pending:fail({down, stopped}, Pending),
    ok.

%% --- start, hello, end of the program -------------------------------------------------------------------------------

%% @private Who carries the frames.
-spec transport(portcullis_opts:config()) -> module().
transport(#{transport := port}) -> portcullis_transport_port;
transport(#{transport := {node, _}}) -> portcullis_transport_node;
transport(#{transport := {socket, _}}) -> portcullis_transport_socket.

open(#data{role = Role, config = #{transport := {node, Node}}} = Data) ->
    open(Node, [Role], Data);
open(#data{role = Role, config = #{transport := {socket, Folder}}} = Data) ->
    open(Folder, [Role], Data);
open(#data{role = Role, config = Config} = Data) ->
    case portcullis_program:find(Role, Config) of
        {ok, Program, Source} ->
            Args = portcullis_program:args(Role, Source, Config),
            open(Program, Args, Data#data{program = Program, source = Source});
        {error, Reason} -> lost(Reason, Data)
    end.

open(Program, Args, #data{config = #{hello_timeout := Timeout}, transport = Transport} = Data) ->
    case Transport:open(Program, Args) of
        {ok, Handle} -> {keep_state, Data#data{handle = Handle}, [{state_timeout, Timeout, hello}]};
        {error, Reason} -> lost({open, Program, Reason}, Data)
    end.

frame(_, Frame, #data{reply_max = ReplyMax} = Data) when byte_size(Frame) > ReplyMax ->
    lost({protocol, malformed_frame}, Data);
frame(State, Frame, #data{pending = Pending} = Data) ->
    case portcullis_codec:route(Frame) of
        {rows, Id} when State =:= ready ->
            case portcullis_pending:rows(Id, Frame, Pending) of
                {ok, Rest} -> {keep_state, Data#data{pending = Rest}};
                no_credit -> lost({protocol, rows_without_credit}, Data)
            end;
        {Kind, Id} when State =:= ready, (Kind =:= event orelse Kind =:= lost) ->
            case portcullis_pending:event(Kind, Id, Frame, Pending) of
                {ok, Rest} -> {keep_state, Data#data{pending = Rest}};
                no_credit -> lost({protocol, events_without_credit}, Data)
            end;
        {done, Id} when State =:= ready ->
            {keep_state, pump(Data#data{pending = portcullis_pending:done(Id, Frame, Pending)})};
        {control, {hello, Hello}} when State =:= connecting -> hello(Hello, Data);
        {control, {refused, Refused}} ->
            lost({refused, portcullis_fix:named(Data#data.source, Data#data.program, Refused)}, Data);
        {control, {error, 0, Error}} when State =:= ready -> lost({protocol, Error}, Data);
        malformed -> lost({protocol, malformed_frame}, Data);
        _ -> lost({protocol, unexpected_frame}, Data)
    end.

hello(#{protocol := {Min, Max}, role := Role, frame_max := FrameMax, max_in_flight := InFlight} = Hello,
      #data{role = Role, config = #{max_in_flight := Limit}, pending = Pending} = Data)
  when Min =< ?PROTOCOL, ?PROTOCOL =< Max ->
    #data{config = #{event_handler := Handler}, awaiting = Awaiting} = Data,
    ok = portcullis_events:up(Handler, Hello, metadata(Data)),
    Credit = maps:get(credit, Hello, ?CREDIT),
    Opened = portcullis_pending:open(Limit, InFlight, FrameMax, Credit, Pending),
    ReplyMax = maps:get(reply_max, Hello, ?REPLY_MAX),
    Ready = Data#data{hello = Hello, reply_max = ReplyMax, pending = Opened, awaiting = [],
                      error = undefined, up_since = erlang:monotonic_time(millisecond)},
    {next_state, ready, pump(Ready), [{reply, From, ok} || From <- Awaiting]};
hello(#{protocol := {Min, Max} = Versions}, Data) when Min > ?PROTOCOL; Max < ?PROTOCOL ->
    lost({protocol, {versions, Versions}}, Data);
hello(_, Data) ->
    lost({protocol, bad_hello}, Data).

%% The program is gone, or never was: everybody hears it at once, and it is started again later.
lost(Reason, #data{config = #{required := Required, event_handler := Handler}} = Data) ->
    _ = close(Data),
    Error = error_of(Reason),
    {Attempts, Delay} = delay(Data),
    Fatal = Required andalso Data#data.hello =:= undefined,
    Retry = case Fatal of true -> never; false -> Delay end,
    Metadata = (metadata(Data))#{repeated => Error =:= Data#data.error},
    ok = portcullis_events:down(Handler, Error, Retry, Metadata),
    Pending = portcullis_pending:fail(Error, Data#data.pending),
    Replies = [{reply, From, {error, Error}} || From <- Data#data.awaiting],
    Down = Data#data{handle = undefined, hello = undefined, reply_max = ?REPLY_MAX, pending = Pending, unsent = [],
                     retry = undefined, overdue = false, awaiting = [], error = Error, attempts = Attempts,
                     downs = Data#data.downs + 1, up_since = undefined},
    case Fatal of
        true -> {stop_and_reply, {shutdown, Error}, Replies, Down};
        false -> {next_state, backoff, Down, [{state_timeout, Delay, retry} | Replies]}
    end.

error_of({refused, Refused}) -> {refused, Refused};
error_of(Reason) -> {down, Reason}.

%% Exponential, from the first loss since the program last stayed up for as long as the longest delay. The random half
%% keeps many nodes of one host apart.
delay(#data{config = #{backoff := {Min, Max}}, attempts = Before, up_since = Since}) ->
    Stable = Since =/= undefined andalso erlang:monotonic_time(millisecond) - Since >= Max,
    Attempts = case Stable of true -> 0; false -> Before end,
    Delay = min(Max, Min bsl min(Attempts, 20)),
    {Attempts + 1, Delay div 2 + rand:uniform(Delay - Delay div 2)}.

close(#data{handle = undefined}) -> ok;
close(#data{transport = Transport, handle = Handle}) -> Transport:close(Handle).

%% --- requests -------------------------------------------------------------------------------------------------------

request(backoff, _, Tag, _, _, _, Instance, #data{error = Error}) ->
    ok = portcullis_pending:tell(Tag, {error, case Instance of any -> Error; _ -> stale end}),
    keep_state_and_data;
request(State, Owner, Tag, Body, Change, Wanted, Instance, Data) ->
    {Timeout, Guard} = times(Wanted, Data),
    case portcullis_pending:add(Owner, Tag, Body, Change, Timeout, Guard, Instance, Data#data.pending) of
        {ok, Pending} when State =:= ready -> {keep_state, pump(Data#data{pending = Pending})};
        {ok, Pending} -> {keep_state, Data#data{pending = Pending}};
        {error, Error} ->
            ok = portcullis_pending:tell(Tag, {error, Error}),
            keep_state_and_data
    end.

%% A subscription has no deadline: it is quiet for as long as nothing happens.
times(infinity, _) -> {infinity, infinity};
times(default, #data{config = #{default_timeout := Default}}) -> {Default, Default + ?GRACE};
times(Timeout, _) -> {Timeout, Timeout + ?GRACE}.

%% Ends a request from this side. The port is told if it knows of it; what it still answers is dropped.
withdraw(State, Id, Error, #data{pending = Pending} = Data) ->
    case portcullis_pending:withdraw(Id, Error, Pending) of
        {sent, Rest} when State =:= ready ->
            {keep_state, pump(control(portcullis_codec:cancel(Id), Data#data{pending = Rest}))};
        {_, Rest} -> {keep_state, Data#data{pending = Rest}}
    end.

%% A port that lives answers at its deadline, or answers our cancel. One that is then silent for this long is stuck, in
%% the kernel or by a signal.
watch(true, #data{overdue = false, handle = Handle, config = #{stuck_timeout := Timeout}} = Data) ->
    {keep_state, Data#data{overdue = true}, [{{timeout, stuck}, Timeout, Handle}]};
watch(_, Data) ->
    {keep_state, Data}.

control(Frame, #data{unsent = Unsent} = Data) ->
    flush(Data#data{unsent = [Frame | Unsent]}).

%% Sends what can be sent: control frames first, then requests while the port has room for them.
pump(Data) ->
    case flush(Data) of
        #data{unsent = []} = Flushed -> pump_requests(Flushed);
        Busy -> Busy
    end.

pump_requests(#data{pending = Pending, transport = Transport, handle = Handle} = Data) ->
    case portcullis_pending:next(Pending) of
        {Id, Frame, Rest} ->
            case Transport:send(Handle, Frame) of
                ok -> pump_requests(Data#data{pending = portcullis_pending:sent(Id, Rest)});
                busy -> retry_later(Data#data{pending = Rest})
            end;
        {none, Rest} -> Data#data{pending = Rest}
    end.

flush(#data{unsent = []} = Data) -> Data;
flush(#data{unsent = Unsent, transport = Transport, handle = Handle} = Data) ->
    {Oldest, Newer} = lists:split(1, lists:reverse(Unsent)),
    case Transport:send(Handle, Oldest) of
        ok -> flush(Data#data{unsent = lists:reverse(Newer)});
        busy -> retry_later(Data)
    end.

%% The pipe does not say when it has room again.
retry_later(#data{retry = undefined} = Data) ->
    Data#data{retry = erlang:start_timer(?BUSY_RETRY, self(), busy)};
retry_later(Data) ->
    Data.

%% --- questions ------------------------------------------------------------------------------------------------------

await(ready, From, _) -> {keep_state_and_data, [{reply, From, ok}]};
await(backoff, From, #data{error = Error}) -> {keep_state_and_data, [{reply, From, {error, Error}}]};
await(connecting, From, Data) -> {keep_state, Data#data{awaiting = [From | Data#data.awaiting]}}.

describe(State, #data{transport = Transport, handle = Handle} = Data) ->
    {InFlight, Queued} = portcullis_pending:count(Data#data.pending),
    Known = [{program, Data#data.program}, {hello, Data#data.hello}, {error, Data#data.error},
             {os_pid, case Handle of undefined -> undefined; _ -> Transport:os_pid(Handle) end}],
    maps:from_list([{state, State}, {in_flight, InFlight}, {queued, Queued}, {downs, Data#data.downs}
                    | [Pair || {_, Value} = Pair <- Known, Value =/= undefined]]).

metadata(#data{role = Role, config = #{name := Name}, program = Program, source = Source, downs = Downs}) ->
    #{server => Name, role => Role, program => Program, source => Source, downs => Downs}.
