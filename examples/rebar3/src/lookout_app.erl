%% Starts the tree, and with it the first report.
-module(lookout_app).
-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Args) ->
    lookout_sup:start_link().

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
