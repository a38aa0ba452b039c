%% @doc The same question on many nodes at a time, through OTP's own `erpc'. Each node asks its own server, and its own program
%% answers under its own policy: nothing privileged crosses the distribution.
%%
%% Where the application `portcullis' runs, servers with a registered name are members of a group of that name in the scope
%% `portcullis_nodes' of `pg', so that the nodes that have one are known without a list.
-module(portcullis_cluster).

-export([multicall/3, members/0, members/1]).
%% For servers, and for the nodes that are asked.
-export([scope/0, join/1, answer/3]).

-export_type([answers/0]).

-type answers() :: [{node(), {ok, term()} | {ok, [portcullis:row()], portcullis:meta()} | {error, portcullis:error()}}].

%% Milliseconds that a node may take to say that its program has not answered.
-define(GRACE, 1000).
-define(SCOPE, portcullis_nodes).

%% @doc Asks the server `portcullis' of each node; `all' are those of {@link members/0}. The answers stand in the order of the nodes.
%% `Args' are those of the operation, with `timeout' (5,000 ms unless it says) and `server', the registered name of another
%% server. Of a table there are rows.
%%
%% ```
%% [{Node, {ok, [#{load1 := _}], _Meta}} | _] = portcullis_cluster:multicall(all, query, #{table => load}).
%% '''
%%
%% A node that cannot be reached is `{error, {down, noconnection}}', one without portcullis `{error, {unsupported, _}}', one that
%% does not answer `{error, timeout}'; the others are not kept waiting longer than `timeout' and a second.
-spec multicall([node()] | all, atom(), map()) -> answers().
multicall(all, Operation, Args) ->
    multicall(members(maps:get(server, Args, portcullis)), Operation, Args);
multicall(Nodes, Operation, Args) when is_list(Nodes), is_map(Args) ->
    {Server, Rest} = case maps:take(server, Args) of
        error -> {portcullis, Args};
        Taken -> Taken
    end,
    Timeout = maps:get(timeout, Rest, 5000) + ?GRACE,
    Results = erpc:multicall(Nodes, ?MODULE, answer, [Server, Operation, Rest], Timeout),
    [{Node, result(Result)} || {Node, Result} <- lists:zip(Nodes, Results)].

%% @equiv members(portcullis)
-spec members() -> [node()].
members() -> members(portcullis).

%% @doc The nodes, this one among them, with a server of that name, as far as this node has heard of them.
-spec members(atom()) -> [node()].
members(Server) ->
    case whereis(?SCOPE) of
        undefined -> [];
        _ -> lists:usort([node(Pid) || Pid <- pg:get_members(?SCOPE, Server)])
    end.

%% @private
-spec scope() -> supervisor:child_spec().
scope() ->
    #{id => ?SCOPE, start => {pg, start_link, [?SCOPE]}}.

%% @private Of a server, when it starts. Where the application does not run, nobody is told.
-spec join(term()) -> ok.
join({local, Name}) ->
    case whereis(?SCOPE) of
        undefined -> ok;
        _ -> pg:join(?SCOPE, Name, self())
    end;
join(_) -> ok.

%% @private On the node that is asked.
-spec answer(atom(), atom(), map()) ->
    {ok, term()} | {ok, [portcullis:row()], portcullis:meta()} | {error, portcullis:error()}.
answer(Server, Operation, Args) ->
    portcullis_request:ask(Server, Operation, Args).

result({ok, Answer}) -> Answer;
result({error, {erpc, timeout}}) -> {error, timeout};
result({error, {erpc, Reason}}) -> {error, {down, Reason}};
result({error, {exception, undef, _}}) -> {error, {unsupported, <<"portcullis on this node">>}};
result({_, Reason}) -> {error, {down, Reason}}.
