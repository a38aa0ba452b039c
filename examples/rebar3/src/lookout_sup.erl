%% The server of portcullis stands before those that ask it. It is no reason to restart anybody: while the program is missing it
%% answers with an error, and looks for it again by itself.
-module(lookout_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    {ok, {#{strategy => one_for_one}, [portcullis:child_spec([]), #{id => lookout, start => {lookout, start_link, []}}]}}.
