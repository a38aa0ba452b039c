%% @private Supervisor of the servers in the app's environment, and of the `pg' scope in which nodes know of each other's. There are no
%% servers by default: starting the app starts
%% no program, so that a release can carry it and decide later. Users put {@link portcullis:child_spec/1} into their
%% own tree.
-module(portcullis_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    case supervisor:start_link({local, ?MODULE}, ?MODULE, []) of
        ignore -> {error, ignore};
        Started -> Started
    end.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Servers = application:get_env(portcullis, servers, []),
    {ok, {#{strategy => one_for_one}, [portcullis_cluster:scope() | [portcullis:child_spec(Options) || Options <- Servers]]}}.
