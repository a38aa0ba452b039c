%% @private A subscription: a process that decodes events and hands them to whoever subscribed. It ends with its
%% subscriber and with its port, and the port's end of it ends with it.
-module(portcullis_subscription).

-export([start/3, ack/2, stop/1]).

-define(CREDIT_MAX, (1 bsl 20)).

-record(sub, {ref :: reference(),
              tag :: portcullis_pending:tag(),
              subscriber :: pid(),
              monitor :: reference(),
              %% The connection and the id there; credit waits for them.
              place :: {pid(), portcullis_codec:request_id()} | undefined}).

%% The reference that users get is an alias of that process, so that it is all they need to have.
-spec start(portcullis:server(), term(), map() | [{atom(), term()}]) -> {ok, reference()} | {error, portcullis:error()}.
start(Server, Topic, Options) ->
    %% What is no topic has no options: the program says so, and which there are.
    Given = case is_topic(Topic) of true -> Options; false -> #{} end,
    case portcullis_opts:calls(Given) of
        {ok, Each, Args} ->
            Whose = maps:merge(role(Topic), Args),
            Info = maps:merge(maps:with([role], Whose), Each),
            portcullis_request:by_keeper(fun(Subscriber) ->
                                                 begin_with(Subscriber, Server, Whose#{topic => Topic}, Info)
                                         end);
        {error, Error} -> {error, Error}
    end.

%% What only one role knows of is asked of it, whatever else the server has.
role(nft) -> #{role => net};
role(audit) -> #{};
role(Topic) ->
    case is_topic(Topic) of
        true -> #{role => proc};
        false -> #{}
    end.

is_topic(Topic) ->
    lists:member(Topic, [nft, audit | portcullis_atoms:topics()]).

-spec ack(reference(), pos_integer()) -> ok.
ack(Ref, Events) when is_reference(Ref), is_integer(Events), Events > 0 ->
    _ = Ref ! {Ref, {ack, min(Events, ?CREDIT_MAX)}},
    ok.

-spec stop(reference()) -> ok.
stop(Ref) when is_reference(Ref) ->
    _ = Ref ! {Ref, stop},
    flush(Ref).

flush(Ref) ->
    receive {portcullis, Ref, _} -> flush(Ref)
    after 0 -> ok
    end.

%% The port says nothing when it takes a subscription. It takes frames in order and refuses at once: when it has answered
%% a request that was sent behind, it has taken it.
begin_with(Subscriber, Server, Args, Info) ->
    Monitor = erlang:monitor(process, Subscriber),
    case portcullis_request:stand(Server, subscribe, Args) of
        {ok, Tag} ->
            Answer = portcullis_request:ask(Server, info, Info),
            Sub = #sub{ref = erlang:alias(), tag = Tag, subscriber = Subscriber, monitor = Monitor},
            begun(refused(Tag), Answer, Sub);
        {error, Error} -> _ = Subscriber ! {self(), {error, Error}}, ok
    end.

begun(none, {ok, _}, #sub{ref = Ref, subscriber = Subscriber} = Sub) ->
    _ = Subscriber ! {self(), {ok, Ref}},
    loop(Sub);
begun(none, {error, Error}, #sub{subscriber = Subscriber}) -> _ = Subscriber ! {self(), {error, Error}}, ok;
begun({error, Error}, _, #sub{subscriber = Subscriber}) -> _ = Subscriber ! {self(), {error, Error}}, ok.

%% Both come from the connection, in its order.
refused(Tag) ->
    receive
        {Tag, {done, Connection, Frame}} ->
            case ended(Frame) of
                %% What it was for has happened already: that comes behind its event.
                finished -> _ = self() ! {Tag, {done, Connection, Frame}}, none;
                Error -> {error, Error}
            end;
        {Tag, {error, Error}} -> {error, Error}
    after 0 -> none
    end.

loop(#sub{ref = Ref, tag = Tag, monitor = Monitor, place = Place} = Sub) ->
    receive
        {Tag, {sent, Connection, Id}} -> loop(Sub#sub{place = {Connection, Id}});
        {Tag, {event, Connection, Frame}} -> event(portcullis_codec:decode(Frame), Connection, Frame, Sub);
        {Ref, {ack, Events}} when Place =/= undefined ->
            {Connection, Id} = Place,
            _ = Connection ! {credit, Id, Events},
            loop(Sub);
        {Tag, {done, _, Frame}} -> done(ended(Frame), Sub);
        {Tag, {error, Error}} -> tell({down, reason(Error)}, Sub);
        {'DOWN', Tag, process, _, Reason} -> tell({down, Reason}, Sub);
        %% The connection sees this process end, and takes the subscription back.
        {Ref, stop} -> ok;
        {'DOWN', Monitor, process, _, _} -> ok
    end.

event({ok, {event, _, _, #{kind := query} = Event}}, Connection, Frame, Sub) ->
    case difference(Event) of
        malformed -> event(malformed, Connection, Frame, Sub);
        Difference -> ok = tell({event, Difference}, Sub), loop(Sub)
    end;
event({ok, {event, _, _, Event}}, _, _, Sub) -> ok = tell({event, Event}, Sub), loop(Sub);
event({ok, {lost, _, N}}, _, _, Sub) -> ok = tell({lost, N}, Sub), loop(Sub);
%% The connection closes a port that breaks the protocol. If only an atom is unknown on this node, one event is lost.
event(_, Connection, Frame, Sub) -> _ = Connection ! {malformed, Frame}, ok = tell({lost, 1}, Sub), loop(Sub).

%% Rows travel as tuples, and pairs of them.
difference(#{columns := Columns, added := Added, removed := Removed, changed := Changed} = Event) ->
    try
        Reader = portcullis_rows:reader(Columns),
        {Before, After} = lists:unzip(Changed),
        Event#{added := Reader(Added), removed := Reader(Removed), changed := lists:zip(Reader(Before), Reader(After))}
    catch error:_ -> malformed
    end;
difference(_) -> malformed.

%% Nothing more will come of it, and nothing is wrong.
done(finished, _) -> ok;
done(Error, Sub) -> tell({down, reason(Error)}, Sub).

tell(What, #sub{ref = Ref, subscriber = Subscriber}) ->
    _ = Subscriber ! {portcullis, Ref, What},
    ok.

ended(Frame) ->
    case portcullis_codec:decode(Frame) of
        {ok, {error, _, Error}} -> Error;
        {ok, {ok, _, _}} -> finished;
        _ -> {down, {protocol, malformed_frame}}
    end.

%% As an error of `portcullis:format_error/1' that is taken out of its `{down, _}'.
reason({down, Reason}) -> Reason;
reason(Error) -> Error.
