%% A server whose program is started for each connection to a unix socket, as systemd does (priv/systemd).
-module(portcullis_socket_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [until/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [a_server_answers_over_a_socket, rows_of_a_slow_reader_come_whole, it_ends_with_its_server, it_comes_back,
     who_cannot_connect_is_told_what_to_type, the_doctor_asks_over_the_socket,
     a_folder_must_be_one].

init_per_suite(Config) ->
    case os:getenv("PORTCULLIS_BIN") of
        false -> {skip, "needs the program of scripts/test-all.sh"};
        Bin -> [{program, filename:join(Bin, "portcullis-proc")} | Config]
    end.

end_per_suite(_) -> ok.

init_per_testcase(Case, Config) ->
    %% A socket's path has at most 107 bytes.
    Folder = filename:join("/tmp", lists:concat(["portcullis-", Case, "-", erlang:system_time()])),
    ok = file:make_dir(Folder),
    [{folder, Folder}, {service, listen(Folder, Config)} | Config].

end_per_testcase(_, Config) ->
    %% Servers of the case end with this process, and some before it, as they lose their program.
    _ = process_flag(trap_exit, true),
    stop(proplists:get_value(service, Config)),
    ok = file:del_dir_r(folder(Config)).

a_server_answers_over_a_socket(Config) ->
    Server = server(Config),
    {ok, Rows} = portcullis:processes(Server, #{columns => [pid, comm]}),
    ?assert(length(Rows) > 1),
    ?assertMatch({error, {bad_request, _, _}}, portcullis:query(Server, nothing, #{})),
    {ok, #{proc := #{state := ready}}} = portcullis:info(Server),
    %% Another connection is another program.
    Other = server(Config),
    ?assertMatch({ok, [_], _}, portcullis:query(Other, load, #{})).

rows_of_a_slow_reader_come_whole(Config) ->
    Server = server(Config),
    {ok, Local} = portcullis:start_link(portcullis_test_server:options()),
    Count = fun(S) ->
        {ok, N, _} = portcullis:fold(S, vmstat, #{timeout => 120000}, fun(_, N) -> timer:sleep(1), N + 1 end, 0),
        N
    end,
    ?assertEqual(Count(Local), Count(Server)).

it_ends_with_its_server(Config) ->
    Server = server(Config),
    ?assertEqual(1, programs(Config)),
    ok = gen:stop(Server),
    until(fun() -> programs(Config) =:= 0 end),
    Killed = server(Config),
    true = unlink(Killed),
    true = exit(Killed, kill),
    until(fun() -> programs(Config) =:= 0 end).

it_comes_back(Config) ->
    Server = server(Config, [{required, false}, {backoff, {10, 100}}]),
    until(fun() -> ready(Server) end),
    "" = os:cmd("pkill -9 -P " ++ service(Config)),
    until(fun() -> {ok, #{proc := #{downs := Downs}}} = portcullis:info(Server), Downs > 0 end),
    until(fun() -> ready(Server) end).

who_cannot_connect_is_told_what_to_type(Config) ->
    stop(proplists:get_value(service, Config)),
    Told = fun(Folder) ->
        Server = server(Folder, [{required, false}]),
        {error, Error} = portcullis:query(Server, load, #{}),
        iolist_to_binary(portcullis:format_error(Error))
    end,
    %% The socket is there and nobody listens; then there is none; then one may not.
    [?assertMatch({_, {_, _}}, {Told(Where), binary:match(Told(Where), <<"systemctl enable --now portcullis-proc.socket">>)})
     || Where <- [Config, [{folder, "/nowhere"}]]],
    ok = file:change_mode(filename:join(folder(Config), "proc.sock"), 8#000),
    ?assertNotEqual(nomatch, binary:match(Told(Config), <<"usermod">>)).

the_doctor_asks_over_the_socket(Config) ->
    Options = [{transport, {socket, folder(Config)}}],
    {ok, Checks} = portcullis:doctor(Options),
    ?assertMatch([#{status := ok}], [Check || #{check := start} = Check <- Checks]),
    %% The BEAM's own state is of no matter to a program that it does not start.
    ?assertEqual([], [Check || #{check := no_new_privs} = Check <- Checks]),
    stop(proplists:get_value(service, Config)),
    {problems, Wrong} = portcullis:doctor(Options),
    [#{status := problem, message := Message, fix := Fix}] = [Check || #{check := start} = Check <- Wrong],
    ?assertMatch({_, _}, binary:match(Message, <<"Nobody listens">>)),
    ?assertMatch({_, _}, binary:match(Fix, <<"systemctl status portcullis-proc.socket">>)).

a_folder_must_be_one(_) ->
    [?assertMatch({error, _}, start([{transport, {socket, Wrong}}]), Wrong) || Wrong <- ["run/portcullis", "", 7, undefined]].

%% --- helpers --------------------------------------------------------------------------------------------------------

folder(Config) -> proplists:get_value(folder, Config).

server(Config) -> server(Config, [{required, true}]).

server(Config, Options) ->
    {ok, Server} = portcullis:start_link([{name, undefined}, {transport, {socket, folder(Config)}} | Options]),
    Server.

start(Options) ->
    try portcullis:start_link([{name, undefined} | Options])
    catch error:Reason -> {error, Reason}
    end.

ready(Server) ->
    case portcullis:query(Server, load, #{}) of
        {ok, _, _} -> true;
        {error, _} -> false
    end.

%% Children of who starts them.
programs(Config) ->
    length(string:lexemes(os:cmd("pgrep -P " ++ service(Config)), "\n")).

service(Config) ->
    {os_pid, Pid} = erlang:port_info(proplists:get_value(service, Config), os_pid),
    integer_to_list(Pid).

listen(Folder, Config) ->
    Program = proplists:get_value(program, Config),
    Activate = filename:join(filename:dirname(?FILE), "fixtures/activate.py"),
    Port = open_port({spawn_executable, os:find_executable("python3")},
                     [{args, [Activate, filename:join(Folder, "proc.sock"), Program, "port", "--role", "proc"]}, {line, 200},
                      exit_status]),
    receive {Port, {data, {eol, "listens"}}} -> Port
    after 60000 -> ct:fail(no_listener)
    end.

%% Ended when this returns.
stop(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Pid} ->
            true = port_close(Port),
            until(fun() -> not filelib:is_dir("/proc/" ++ integer_to_list(Pid)) end);
        undefined -> ok
    end.

