%% @private The process that users name and supervise. It owns one connection for each role and hands requests on to
%% them; answers go from the connection straight to the caller. It traps exits so that the programs are closed before
%% `stop' returns.
-module(portcullis_server).
-behaviour(gen_server).

-export([start_link/1, where/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-record(state, {config :: portcullis_opts:config(),
                connections :: #{portcullis_opts:role() => pid()}}).

-spec start_link(portcullis_opts:config()) -> {ok, pid()} | {error, term()}.
start_link(#{name := Name} = Config) ->
    Started = case Name of
        undefined -> gen_server:start_link(?MODULE, Config, []);
        _ -> gen_server:start_link(Name, ?MODULE, Config, [])
    end,
    case Started of
        ignore -> {error, ignore};
        {error, {shutdown, Error}} -> {error, Error};
        _ -> Started
    end.

%% What can be monitored under a server's name.
-spec where(portcullis:server()) -> pid() | atom() | {atom(), node()} | undefined.
where({global, Name}) -> global:whereis_name(Name);
where({via, Module, Name}) -> Module:whereis_name(Name);
where(Server) -> Server.

-spec init(portcullis_opts:config()) -> {ok, #state{}} | {stop, {shutdown, portcullis:error()}}.
init(#{roles := Roles, required := Required, name := Name} = Config) ->
    _ = process_flag(trap_exit, true),
    ok = portcullis_events:show_log(),
    ok = portcullis_cluster:join(Name),
    Connections = maps:from_list([{Role, connection(Role, Config)} || Role <- Roles]),
    State = #state{config = Config, connections = Connections},
    case Required of
        true -> await(maps:values(Connections), State);
        false -> {ok, State}
    end.

connection(Role, Config) ->
    {ok, Connection} = portcullis_conn:start_link(Role, Config),
    Connection.

await([], State) -> {ok, State};
await([Connection | Rest], State) ->
    case portcullis_conn:await(Connection) of
        ok -> await(Rest, State);
        %% It is in the log already, and no crash.
        {error, Error} -> {stop, {shutdown, Error}}
    end.

-spec handle_call(term(), gen_server:from(), #state{}) -> {noreply, #state{}} | {reply, term(), #state{}}.
handle_call({request, Operation, Args, Timeout}, From, State) ->
    %% For gen_server:call: a process of its own asks and waits like any other caller, for as long as that one lives.
    Server = self(),
    _ = spawn(fun() -> on_behalf(Server, From, Operation, Args, Timeout) end),
    {noreply, State};
handle_call({request, Text}, From, State) when is_binary(Text) ->
    %% What programs say that were written for the process of another library.
    Server = self(),
    _ = spawn(fun() -> gen_server:reply(From, portcullis_firewall:commit(Server, Text, #{})) end),
    {noreply, State};
handle_call(info, _From, #state{connections = Connections} = State) ->
    {reply, {ok, maps:map(fun(_, Connection) -> portcullis_conn:info(Connection) end, Connections)}, State};
handle_call(config, _From, #state{config = Config} = State) ->
    {reply, Config, State};
handle_call(Other, _From, State) ->
    {reply, {error, {bad_request, [], {unknown_call, Other}}}, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast({send, any, Owner, Tag, Request, Timeout, Instance}, #state{config = #{roles := [First | _]}} = State) ->
    handle_cast({send, First, Owner, Tag, Request, Timeout, Instance}, State);
handle_cast({send, Role, _, Tag, _, _, _} = Send, #state{connections = Connections, config = #{roles := Roles}} = State) ->
    case Connections of
        #{Role := Connection} -> _ = Connection ! Send, ok;
        _ -> portcullis_pending:tell(Tag, {error, no_role(Role, Roles)})
    end,
    {noreply, State};
handle_cast({cancel, _} = Cancel, #state{connections = Connections} = State) ->
    _ = [Connection ! Cancel || Connection <- maps:values(Connections)],
    {noreply, State};
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, term(), #state{}}.
handle_info({'EXIT', Pid, Reason}, #state{connections = Connections} = State) ->
    case lists:member(Pid, maps:values(Connections)) of
        true -> {stop, Reason, State};
        false -> {noreply, State}
    end;
handle_info(_, State) ->
    {noreply, State}.

-spec terminate(term(), #state{}) -> ok.
terminate(_, #state{connections = Connections}) ->
    lists:foreach(fun portcullis_conn:stop/1, maps:values(Connections)).

on_behalf(Server, {Caller, _} = From, Operation, Args, Timeout) ->
    Options = case is_map(Args) of
        %% Its own `timeout' is how long the ban lasts.
        true when Operation =:= ban -> {Args, Timeout};
        true -> Args#{timeout => Timeout};
        false -> Args
    end,
    Request = portcullis_request:send(Server, Caller, Operation, Options),
    gen_server:reply(From, portcullis_request:await(Request)).

no_role(Role, Roles) ->
    {unsupported, portcullis_error:text("role ~s: start the server with {roles, ~0p}", [Role, Roles ++ [Role]])}.
