%% @doc The deployment checklist of `SECURITY.md' as a program, and the monitors that it is made of.
%%
%% ```
%% case portcullis_checkup:print() of ok -> ready; problems -> to_be_mended end.
%% '''
%%
%% Every monitor answers data and changes nothing. They look at the node and the host that they run on, and see what an
%% ordinary user sees: the network namespace of the BEAM, the files that it may read. None of them is a proof that there
%% is nothing to find.
-module(portcullis_checkup).

-export([run/1, format/1, print/0, print/1]).
-export([capability_holders/0, capability_holders/1, port_restarts/0, port_restarts/1, distribution_listeners/0,
         distribution_listeners/1, distribution_peers/0, distribution_peers/1, cookie_files/0, cookie_files/1,
         distribution_range/0]).
-export_type([holders_options/0, capability/0, holder/0, expected/0, restarts/0, listener/0, peer/0, cookie/0,
              fault/0, range/0, host_error/0]).

-define(SERVER, portcullis).
-define(EPMD_TIMEOUT, 2000).
-define(COOKIE_MIN, 32).

-type holders_options() :: #{server => portcullis:server(), root => boolean(), timeout => pos_integer(),
                             capabilities => all | [capability()],
                             expected => [string() | binary() | expected()]}.

-type capability() :: atom() | 41..63.
%% As in linux/capability.h, without `cap_'. One that has no name here yet is its number: it must not be overlooked for
%% being new.

-type holder() :: #{pid := pos_integer(), uid := non_neg_integer(), comm := binary(), exe := binary() | undefined,
                    capabilities := [capability(), ...]}.

-type expected() :: #{pid => pos_integer(), comm => binary(), exe => binary(), uid => non_neg_integer()}.
%% Meets a holder if all of it does.

-type restarts() :: #{portcullis:role() => #{state := atom(), downs := non_neg_integer(),
                                                  error => portcullis:error()}}.

-type listener() :: #{service := epmd | this_node | node, name := binary(), port := inet:port_number(),
                      addresses := [inet:ip_address()], open := boolean()}.
%% `open': one of the addresses is not the loopback's.

-type peer() :: #{service := epmd | this_node | node, name := binary(), port := inet:port_number(),
                  remote := {inet:ip_address(), inet:port_number()}, open := boolean(), node := node() | undefined}.
%% `open': it is not connected through the loopback.

-type fault() :: visible | unreadable | mode | owner | made_by_otp | short.

-type cookie() :: #{where := home | config | command_line, file => file:filename_all(), mode => non_neg_integer(),
                    uid => non_neg_integer(), size => non_neg_integer(), faults := [fault()]}.

-type range() :: #{alive := boolean(), ports := {pos_integer(), pos_integer()} | any, interface := term() | any,
                   tls := boolean()}.

-type host_error() :: {posix, Errno :: atom(), What :: binary()}.

%% --- the checklist --------------------------------------------------------------------------------------------------

%% @private
-spec run(portcullis:server() | [portcullis:option()] | map()) -> portcullis_doctor:report().
run(ServerOrOptions) ->
    {_, Doctor} = portcullis:doctor(ServerOrOptions),
    Found = lists:append([Doctor, portcullis_checklist:user(Doctor, portcullis_host:status()),
                          of_server(server(ServerOrOptions)), distribution(),
                          portcullis_checklist:cookies(is_alive(), cookie_files()), portcullis_checklist:host()]),
    %% What the doctor finds of the host is found again.
    Checks = lists:uniq(Found),
    {case [Check || #{status := problem} = Check <- Checks] of [] -> ok; _ -> problems end, Checks}.

%% The server that options are of is asked what only a server knows.
server(Options) when is_list(Options); is_map(Options) ->
    case portcullis_opts:server(Options) of
        {ok, #{name := {local, Name}}} -> Name;
        {ok, #{name := Name}} -> Name;
        {error, _} -> undefined
    end;
server(Server) -> Server.

of_server(undefined) -> portcullis_checklist:no_server();
of_server(Server) ->
    case port_restarts(Server) of
        {ok, Restarts} ->
            Options = application:get_env(portcullis, capability_holders, #{}),
            portcullis_checklist:restarts(Restarts)
                ++ portcullis_checklist:holders(capability_holders(Options#{server => Server}));
        {error, _} -> portcullis_checklist:no_server()
    end.

distribution() ->
    portcullis_checklist:distribution(distribution_range(), distribution_listeners(), distribution_peers()).

%% @equiv print(portcullis)
-spec print() -> ok | problems.
print() ->
    print(?SERVER).

%% @doc Prints what the checkup finds, for a person, with what to type for each thing.
-spec print(portcullis:server() | [portcullis:option()] | map()) -> ok | problems.
print(ServerOrOptions) ->
    {Status, _} = Report = run(ServerOrOptions),
    ok = io:put_chars(format(Report)),
    Status.

%% @doc A report as text, as {@link portcullis_doctor:format/1} writes it; the last line is the count of what is to be
%% mended.
-spec format(portcullis_doctor:report()) -> binary().
format({_, Checks}) ->
    %% The doctor's last line speaks of the program alone.
    <<(portcullis_doctor:lines(Checks))/binary, (count([Fix || #{fix := Fix} <- Checks]))/binary, "\n">>.

count([]) -> <<"Nothing to mend.">>;
count([_]) -> <<"1 thing to mend.">>;
count(Many) -> portcullis_error:text("~p things to mend.", [length(Many)]).

%% --- processes ------------------------------------------------------------------------------------------------------

%% @equiv capability_holders(#{})
-spec capability_holders() ->
    {ok, [holder()]} | {error, portcullis:error() | portcullis:option_error()}.
capability_holders() ->
    capability_holders(#{}).

%% @doc The processes of the host that hold capabilities and are not expected to, from column `cap_prm' of the table
%% `processes', which every user may read.
%%
%% Options:
%% <ul>
%% <li>`server' (`portcullis')</li>
%% <li>`capabilities' (`all'): only processes that hold one of these, such as `[sys_ptrace, sys_admin]'</li>
%% <li>`expected' (`[]'): what is left out: a name, a path, or a map of `pid', `comm', `exe' and `uid' of which all must
%%     agree. The programs of the server itself and installed ones always are left out</li>
%% <li>`root' (`false'): also processes of uid 0, which usually hold all</li>
%% <li>`timeout': milliseconds, as in {@link portcullis:processes/2}</li>
%% </ul>
%%
%% Limits: a process chooses its `comm' itself, so a name is no proof. `exe' is a proof, but of a path in the mount
%% namespace of that process: whoever can make one can be at any path. It is `undefined' where the policy or the kernel
%% does not give it, and then meets no path. A set counts in the user namespace of its process, which cannot be seen: what
%% runs in a container or in a sandbox can hold all capabilities over nothing. The set is that of the first thread; others
%% can hold more. A process that is there for a moment only is not seen.
%%
%% ```
%% {ok, Holders} = portcullis_checkup:capability_holders(#{capabilities => [sys_admin], expected => ["chronyd", #{uid => 0}]}).
%% '''
-spec capability_holders(holders_options()) ->
    {ok, [holder()]} | {error, portcullis:error() | portcullis:option_error()}.
capability_holders(Options) ->
    case {maps:keys(Options) -- [server, capabilities, expected, root, timeout],
          portcullis_capabilities:expected(maps:get(expected, Options, [])),
          portcullis_capabilities:mask(maps:get(capabilities, Options, all))} of
        {[Unknown | _], _, _} -> bad_option(Unknown, <<"server, capabilities, expected, root or timeout">>);
        {[], error, _} -> bad_option(expected, <<"a list of names, paths and maps of pid, comm, exe and uid">>);
        {[], _, error} -> bad_option(capabilities, <<"all, or a list of names such as sys_ptrace">>);
        {[], {ok, Expected}, {ok, Mask}} -> holders(Options, Mask, Expected)
    end.

bad_option(Name, Expected) ->
    {error, {bad_option, Name, Expected}}.

holders(Options, Mask, Expected) ->
    Server = maps:get(server, Options, ?SERVER),
    Uid = case Options of #{root := true} -> #{}; _ -> #{uid => {min, 1}} end,
    Query = maps:merge(#{where => Uid#{cap_prm => {min, 1}}}, maps:with([timeout], Options)),
    Columns = [pid, uid, comm, flags, cap_prm],
    case with_or_without(Server, Query, Columns, exe) of
        {ok, Rows} -> {ok, portcullis_capabilities:holders(Rows, Mask, own_programs(Server) ++ Expected)};
        {error, Error} -> {error, Error}
    end.

%% A policy may keep a column from us, and the question is worth an answer without it.
with_or_without(Server, Query, Columns, More) ->
    case portcullis:processes(Server, Query#{columns => Columns ++ [More]}) of
        {error, {denied_by_policy, _, _}} -> portcullis:processes(Server, Query#{columns => Columns});
        Answer -> Answer
    end.

%% By pid too: without a capability nobody can see what file a port runs.
own_programs(Server) ->
    Pids = case portcullis:info(Server) of
        {ok, Roles} -> [#{pid => Pid} || #{os_pid := Pid} <- maps:values(Roles)];
        {error, _} -> []
    end,
    {ok, Config} = portcullis_opts:server([]),
    Installed = [#{exe => unicode:characters_to_binary(File)}
                 || Role <- [proc, net], {File, installed, _} <- portcullis_program:candidates(Role, Config)],
    Pids ++ Installed.

%% @equiv port_restarts(portcullis)
-spec port_restarts() -> {ok, restarts()} | {error, portcullis:error()}.
port_restarts() ->
    port_restarts(?SERVER).

%% @doc How often each program of a server was lost or could not be started, and why it is down if it is. From
%% {@link portcullis:info/1}: the count starts with the server, and the last error is forgotten when the program is back;
%% an event handler (see {@link portcullis:start_link/1}) sees every one.
-spec port_restarts(portcullis:server()) -> {ok, restarts()} | {error, portcullis:error()}.
port_restarts(Server) ->
    case portcullis:info(Server) of
        {ok, Roles} -> {ok, maps:map(fun(_, Info) -> maps:with([state, downs, error], Info) end, Roles)};
        {error, Error} -> {error, Error}
    end.

%% --- distribution ---------------------------------------------------------------------------------------------------

%% @equiv distribution_listeners(#{})
-spec distribution_listeners() -> {ok, [listener()]} | {error, host_error()}.
distribution_listeners() ->
    distribution_listeners(#{}).

%% @doc Where Erlang can be reached: EPMD if it listens, this node, and every name that the local EPMD lists, each with
%% the addresses that its port listens on. Reads `/proc/net/tcp' and `/proc/net/tcp6', and asks EPMD, for at most
%% `timeout' (2000) milliseconds. Its port is the one of `ERL_EPMD_PORT' at the start of the BEAM, or 4369.
%%
%% Limits: only this network namespace is seen, so that a name may have no address; a firewall is not seen. Whoever is on
%% the host can register any name with any port, and can listen on a port that EPMD has left.
-spec distribution_listeners(#{timeout => pos_integer()}) -> {ok, [listener()]} | {error, host_error()}.
distribution_listeners(Options) ->
    case portcullis_dist_host:sockets() of
        {ok, Sockets} ->
            All = [listener(Service, Sockets) || Service <- services(Options)],
            {ok, [Listener || #{service := Service, addresses := Addresses} = Listener <- All,
                              Service =/= epmd orelse Addresses =/= []]};
        {error, Error} -> {error, Error}
    end.

services(Options) ->
    portcullis_dist_host:services(maps:get(timeout, Options, ?EPMD_TIMEOUT)).

listener({Service, Name, Port}, Sockets) ->
    Addresses = lists:usort([Address || {listen, {Address, Local}, _} <- Sockets, Local =:= Port]),
    #{service => Service, name => Name, port => Port, addresses => Addresses,
      open => lists:any(fun portcullis_dist_host:is_open/1, Addresses)}.

%% @equiv distribution_peers(#{})
-spec distribution_peers() -> {ok, [peer()]} | {error, host_error()}.
distribution_peers() ->
    distribution_peers(#{}).

%% @doc Who is connected to the ports of {@link distribution_listeners/1}, from the same tables. `node' is the name where
%% the connection is one of this node's own; it is `undefined' for connections of other nodes and of EPMD, and for
%% somebody who is connected and has not shown the cookie.
%%
%% Limits: as above. Connections that this node opened to others go to their ports, and are not here; `nodes(connected)'
%% has them. A proxy or a container's address translation hides who it is.
-spec distribution_peers(#{timeout => pos_integer()}) -> {ok, [peer()]} | {error, host_error()}.
distribution_peers(Options) ->
    case portcullis_dist_host:sockets() of
        {ok, Sockets} ->
            Nodes = portcullis_dist_host:known_nodes(),
            {ok, [peer(Service, Remote, Nodes) || {_, _, Port} = Service <- services(Options),
                                                  {established, {_, Local}, Remote} <- Sockets, Local =:= Port]};
        {error, Error} -> {error, Error}
    end.

peer({Service, Name, Port}, {Address, _} = Remote, Nodes) ->
    #{service => Service, name => Name, port => Port, remote => Remote, open => portcullis_dist_host:is_open(Address),
      node => case Service of this_node -> maps:get(Remote, Nodes, undefined); _ -> undefined end}.

%% @doc How distribution is set up: the range of ports it may listen on and its interface, as application kernel has them
%% now (it used them when distribution was started), and whether every protocol of `-proto_dist' is TLS. A protocol of
%% somebody else's is not TLS here, whatever it does.
-spec distribution_range() -> range().
distribution_range() ->
    Environment = fun(Name) -> application:get_env(kernel, Name, any) end,
    Fixed = init:get_argument(erl_epmd_port),
    #{alive => is_alive(),
      ports => portcullis_dist_host:range(Fixed, Environment(inet_dist_listen_min), Environment(inet_dist_listen_max)),
      interface => Environment(inet_dist_use_interface), tls => is_tls(init:get_argument(proto_dist))}.

%% Given twice, the option counts for nothing, and net_kernel takes plain TCP.
is_tls({ok, [[_ | _] = Protocols]}) -> Protocols -- ["inet_tls", "inet6_tls"] =:= [];
is_tls(_) -> false.

%% @equiv cookie_files(#{})
-spec cookie_files() -> [cookie()].
cookie_files() ->
    cookie_files(#{}).

%% @doc The cookies that a node of this user finds: `.erlang.cookie' in `home' (the home of the BEAM) and in `config' (the
%% folder `erlang' of `XDG_CONFIG_HOME'), and one on the command line. Nothing of a cookie itself is in the answer, only
%% its length and what is wrong:
%% <ul>
%% <li>`visible': it is on the command line, which every user of the host can read</li>
%% <li>`mode': group or others have a right; `owner': the file is not this user's</li>
%% <li>`made_by_otp': 20 capital letters, which OTP makes where there is no cookie; `short': less than 32 bytes</li>
%% <li>`unreadable': there is something that cannot be looked at</li>
%% </ul>
%%
%% Limits: a cookie that was set with `erlang:set_cookie/1', or that is in a file of a release, is not seen, nor are the
%% cookies of other users; nor is an ACL. How it was made cannot be seen of one with another shape.
-spec cookie_files(#{home => file:filename_all(), config => file:filename_all()}) -> [cookie()].
cookie_files(Options) ->
    #{uid := Uid} = portcullis_host:status(),
    Files = [{Where, filename:join(Folder, ".erlang.cookie")}
             || Where <- [home, config], Folder <- folder(Where, Options)],
    command_line() ++ [Cookie || {Where, File} <- Files, Cookie <- cookie_file(Where, File, Uid)].

%% As auth has them, which takes the first that is there.
folder(Where, Options) when is_map_key(Where, Options) -> [map_get(Where, Options)];
folder(home, _) ->
    case init:get_argument(home) of
        {ok, [[Home]]} -> [Home];
        _ -> []
    end;
folder(config, _) -> [filename:basedir(user_config, "erlang")].

%% Elixir's scripts have an option of their own, which can stay behind `-extra'.
command_line() ->
    Visible = init:get_argument(setcookie) =/= error orelse lists:member("--cookie", init:get_plain_arguments()),
    [#{where => command_line, faults => [visible]} || Visible].

cookie_file(Where, File, Uid) ->
    case portcullis_dist_host:cookie(File) of
        {ok, #{mode := Mode, uid := Owner, size := Size, made_by_otp := ByOtp}} ->
            Faults = [mode || Mode band 8#077 =/= 0] ++ [owner || Owner =/= Uid]
                ++ case ByOtp of true -> [made_by_otp]; false -> [short || Size < ?COOKIE_MIN] end,
            [#{where => Where, file => File, mode => Mode, uid => Owner, size => Size, faults => Faults}];
        {error, enoent} -> [];
        {error, _} -> [#{where => Where, file => File, faults => [unreadable]}]
    end.
