%% @private What happens, told to whoever asked: `telemetry' when it is loaded, the `event_handler' of a server, the log.
-module(portcullis_events).

-export([telemetry/3, up/3, down/4, show_log/0]).

-include_lib("kernel/include/logger.hrl").

-type handler() :: fun((portcullis:event()) -> term()) | undefined.

%% No dependency: the module is used if the release has it.
-spec telemetry([atom(), ...], map(), map()) -> ok.
telemetry(Name, Measurements, Metadata) ->
    Telemetry = telemetry,
    case erlang:function_exported(Telemetry, execute, 3) of
        true -> _ = Telemetry:execute(Name, Measurements, Metadata), ok;
        false -> ok
    end.

-spec up(handler(), map(), map()) -> ok.
up(Handler, Hello, Metadata) ->
    case Metadata of
        #{downs := Downs, program := Program} when Downs > 0 -> ?LOG_NOTICE("portcullis: ~ts serves again.", [Program]);
        #{source := development, program := Program} ->
            ?LOG_NOTICE("portcullis: ~ts is a development build and runs unprivileged.", [Program]);
        _ -> ok
    end,
    telemetry([portcullis, port, up], #{count => 1}, Metadata#{hello => Hello}),
    tell(Handler, {up, Hello}).

%% A lost port is news once; that it is still not there is only for whoever debugs.
-spec down(handler(), portcullis:error(), Retry :: pos_integer() | never, map()) -> ok.
down(Handler, Error, Retry, #{repeated := Repeated} = Metadata) ->
    Text = "portcullis: ~ts~n~ts",
    Args = [string:trim(portcullis_error:cause(Error), trailing), next(Retry)],
    case Repeated of
        true -> ?LOG_DEBUG(Text, Args);
        false -> ?LOG_ERROR(Text, Args)
    end,
    telemetry([portcullis, port, down], #{count => 1}, Metadata#{reason => Error}),
    tell(Handler, {down, Error}).

next(never) -> "It is required: the server ends.";
next(Delay) -> io_lib:format("It is started again in ~b ms.", [Delay]).

%% OTP's default handler, as it comes, stops every domain that is not OTP's own: a program that refuses to start would
%% be a secret. Handlers that somebody has set up to log by default are left alone.
-spec show_log() -> ok.
show_log() ->
    case logger:get_handler_config(default) of
        {ok, #{filter_default := stop}} ->
            Filter = {fun logger_filters:domain/2, {log, sub, [portcullis]}},
            %% The second server of a node finds it there.
            _ = logger:add_handler_filter(default, portcullis, Filter),
            ok;
        _ -> ok
    end.

%% A handler is the user's code in the connection's process: its mistake is logged, not ours to die of.
tell(undefined, _) -> ok;
tell(Handler, Event) ->
    try Handler(Event) of _ -> ok
    catch
        Class:Reason:Stack ->
            ?LOG_ERROR("portcullis: the event handler failed: ~0tp", [{Class, Reason, Stack}])
    end.
