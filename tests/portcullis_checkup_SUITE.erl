%% What the checkup and its monitors find: real nodes, a real EPMD, real files and processes, good ones and bad ones.
-module(portcullis_checkup_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-define(LONG, <<"0123456789abcdefghijklmnopqrstuvwxyz">>).
-define(MADE_BY_OTP, <<"ABCDEFGHIJKLMNOPQRST">>).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [options_of_holders, holders, other_programs, holders_of_root, restarts, restarts_after_a_kill, no_server,
     open_node, bound_node, other_nodes, silent_epmd, peers, peers_from_elsewhere, peers_through_ipv6,
     tables_of_this_host, fixes_of_distribution, fix_of_epmd, tls, not_distributed,
     cookies, cookie_of_otp, cookies_and_no_files, cookie_fixes, command_line_cookie, cookie_of_xdg,
     whole, wrong_options, last_lines, printed].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => checked, required => true})),
    true = unlink(Server),
    Config.

end_per_suite(_) ->
    portcullis:stop(checked).

%% An EPMD of its own for each case, on a port of its own: the host may have one.
init_per_testcase(Case, Config) ->
    case lists:member(Case, [open_node, bound_node, other_nodes, peers, peers_through_ipv6, tls,
                             fixes_of_distribution, cookie_of_otp]) of
        true ->
            Address = case Case of bound_node -> [{"ERL_EPMD_ADDRESS", "127.0.0.1"}]; _ -> [] end,
            [{epmd, epmd(Address)} | Config];
        false -> Config
    end.

end_per_testcase(_, Config) ->
    case proplists:get_value(epmd, Config) of
        undefined -> ok;
        {Port, Pid, _} ->
            true = port_close(Port),
            "" = os:cmd("kill " ++ integer_to_list(Pid)),
            ok
    end.

%% --- processes ------------------------------------------------------------------------------------------------------

options_of_holders(_) ->
    [?assertMatch({error, {bad_option, Name, _}}, portcullis_checkup:capability_holders(Options))
     || {Name, Options} <- [{colour, #{colour => red}}, {capabilities, #{capabilities => [cap_chown]}},
                            {expected, #{expected => x}}, {expected, #{expected => [#{name => x}]}},
                            {expected, #{expected => [""]}}, {expected, #{expected => ["x" | y]}}]],
    ?assertEqual({error, {down, noproc}}, portcullis_checkup:capability_holders(#{server => nobody})),
    ?assertEqual({error, {down, noproc}}, portcullis_checkup:capability_holders()).

%% Whoever may make a user namespace holds all capabilities in it: a process with a set, made by an ordinary user.
holders(_) ->
    case os:cmd("id -u") =/= "0\n" andalso os:cmd("unshare --user --map-root-user true && echo yes") of
        "yes\n" -> holder_is_found();
        _ -> {skip, "needs user namespaces for an ordinary user"}
    end.

holder_is_found() ->
    {Port, Pid} = program("unshare", ["--user", "--map-root-user", "sleep", "60"], []),
    [#{comm := <<"sleep">>, capabilities := Names, uid := Uid, exe := Exe}]
        = wait(fun() -> [Holder || #{comm := <<"sleep">>} = Holder <- of_pid(Pid, #{})] end),
    ?assert(Uid > 0),
    ?assert(lists:member(sys_admin, Names)),
    ?assertEqual([], of_pid(Pid, #{expected => ["sleep"]})),
    ?assertEqual([], of_pid(Pid, #{expected => [#{pid => Pid}]})),
    ?assertMatch([_], of_pid(Pid, #{expected => ["/bin/false", #{comm => "sleep", uid => 1}]})),
    ?assertMatch([_], of_pid(Pid, #{capabilities => [sys_admin]})),
    ?assertEqual([], of_pid(Pid, #{capabilities => [63]})),
    [?assertEqual([], of_pid(Pid, #{expected => [Exe]})) || is_binary(Exe)],
    %% One that the application expects is not reported.
    ?assertMatch(#{status := warning, message := <<_, _/binary>>}, check(holders, checks(checked))),
    ok = application:set_env(portcullis, capability_holders, #{expected => [#{uid => Uid}]}),
    ?assertMatch(#{status := ok}, check(holders, checks(checked))),
    ok = application:unset_env(portcullis, capability_holders),
    ended(Port, Pid).

%% The program of the server that is asked is expected; one that somebody else started elsewhere is not.
other_programs(_) ->
    {ok, _} = portcullis:start_link(options(#{name => other, required => true})),
    {ok, #{proc := #{os_pid := Own}}} = portcullis:info(checked),
    {ok, #{proc := #{os_pid := Other, program := Program, hello := Hello}}} = portcullis:info(other),
    Installed = lists:prefix("/usr/local/libexec/portcullis/", unicode:characters_to_list(Program)),
    ?assertEqual([], of_pid(Own, #{})),
    Found = of_pid(Other, #{}),
    ok = portcullis:stop(other),
    case Hello of
        #{capabilities := [_ | _]} when not Installed ->
            ?assertMatch([#{comm := <<"portcullis-proc">>, capabilities := [_ | _]}], Found);
        _ -> {skip, "needs a program that holds a capability, in another place than the installed one"}
    end.

holders_of_root(_) ->
    {ok, All} = portcullis_checkup:capability_holders(#{server => checked, root => true}),
    {ok, Others} = portcullis_checkup:capability_holders(#{server => checked}),
    ?assertEqual([], [Holder || #{uid := 0} = Holder <- Others]),
    ?assertMatch([#{pid := 1, capabilities := [_ | _]} | _], [Holder || #{uid := 0} = Holder <- All]).

restarts(_) ->
    {ok, #{proc := Info}} = portcullis_checkup:port_restarts(checked),
    ?assertEqual(#{state => ready, downs => 0}, Info),
    {ok, Server} = portcullis:start_link(options(#{name => undefined, path => "/nonexistent"})),
    [_] = wait(fun() ->
                       {ok, #{proc := Lost}} = portcullis_checkup:port_restarts(Server),
                       [Lost || #{downs := Downs, error := {down, {no_program, _}}} <- [Lost], Downs > 0]
               end),
    #{status := warning, message := Message} = check(restarts, checks(Server)),
    ?assertNotEqual(nomatch, string:find(Message, "Option path names a program that is not there")),
    ok = portcullis:stop(Server).

restarts_after_a_kill(_) ->
    {ok, Server} = portcullis:start_link(options(#{name => undefined, backoff => {1, 10}})),
    {ok, _} = portcullis:process(Server, 1, [pid]),
    {ok, #{proc := #{os_pid := Pid}}} = portcullis:info(Server),
    "" = os:cmd("kill -9 " ++ integer_to_list(Pid)),
    [#{downs := Downs}] = wait(fun() ->
                                       {ok, #{proc := Info}} = portcullis_checkup:port_restarts(Server),
                                       [Info || #{downs := N, state := ready} <- [Info], N > 0]
                               end),
    ?assertEqual(1, Downs),
    ok = portcullis:stop(Server).

no_server(_) ->
    ?assertEqual({error, {down, noproc}}, portcullis_checkup:port_restarts()),
    ?assertMatch(#{status := warning}, check(server, checks([]))).

%% --- distribution ---------------------------------------------------------------------------------------------------

open_node(Config) ->
    Peer = node(Config, open, [], []),
    {ok, Listeners} = call(Peer, distribution_listeners),
    {Epmd, _, _} = listening(Config),
    ?assertMatch([#{service := epmd, port := Epmd, open := true}, #{service := this_node, open := true}], Listeners),
    [#{addresses := Addresses} | _] = Listeners,
    ?assert(lists:member({0, 0, 0, 0}, Addresses)),
    [_, #{name := Name, port := Port, addresses := [{0, 0, 0, 0}]}] = Listeners,
    ?assertEqual(atom_to_binary(peer:call(Peer, erlang, node, [])), Name),
    {ok, Listed} = peer:call(Peer, erl_epmd, names, [{127, 0, 0, 1}]),
    ?assert(lists:keymember(Port, 2, Listed)),
    Checks = peer_checks(Peer),
    ?assertMatch(#{status := problem}, check(distribution, Checks)),
    ?assertMatch(#{status := warning}, check(dist_ports, Checks)),
    ?assertMatch(#{status := warning}, check(epmd, Checks)),
    ok = peer:stop(Peer).

bound_node(Config) ->
    Peer = node(Config, bound, ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"], []),
    {ok, Listeners} = call(Peer, distribution_listeners),
    ?assertMatch([#{service := epmd, open := false},
                  #{service := this_node, open := false, addresses := [{127, 0, 0, 1}]}], Listeners),
    ?assertEqual(#{alive => true, ports => any, interface => {127, 0, 0, 1}, tls => false},
                 call(Peer, distribution_range)),
    Checks = peer_checks(Peer),
    ?assertEqual([ok, ok, ok], [maps:get(status, check(Name, Checks)) || Name <- [distribution, epmd, peers]]),
    ?assertNot(lists:keymember(neighbours, 1, [{Name} || #{check := Name} <- Checks])),
    ok = peer:stop(Peer).

%% What EPMD lists is on the host too: a node that bound itself, one that did not, and a name that nobody listens for.
other_nodes(Config) ->
    Asked = node(Config, asked, ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"], []),
    Open = node(Config, wide, [], []),
    Bound = node(Config, narrow, ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"], []),
    Gone = registered(Config, <<"g\e[2J">>, 9),
    {ok, Listeners} = call(Asked, distribution_listeners),
    ?assertEqual([{<<"g\e[2J">>, [], false}, {<<"narrow">>, [{127, 0, 0, 1}], false},
                  {<<"wide">>, [{0, 0, 0, 0}], true}],
                 lists:sort([{short(Name), Addresses, IsOpen}
                             || #{service := node, name := Name, addresses := Addresses, open := IsOpen} <- Listeners])),
    #{status := warning, message := Message} = check(neighbours, peer_checks(Asked)),
    ?assertNotEqual(nomatch, string:find(Message, "wide")),
    ?assertEqual(nomatch, string:find(Message, "narrow")),
    ok = gen_tcp:close(Gone),
    [ok = peer:stop(Peer) || Peer <- [Asked, Open, Bound]].

%% Whatever listens on the port of EPMD: the answer comes in time, and leaves nothing behind.
silent_epmd(_) ->
    {ok, Silent} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Silent),
    Peer = node(#{}, undefined, [], [{"ERL_EPMD_PORT", integer_to_list(Port)}]),
    Before = peer:call(Peer, erlang, system_info, [process_count]),
    {Time, {ok, Listeners}} = timer:tc(fun() -> call(Peer, distribution_listeners, [#{timeout => 200}]) end),
    ?assertMatch([#{service := epmd, port := Port, addresses := [{127, 0, 0, 1}], open := false}], Listeners),
    ?assert(Time >= 200000 andalso Time < 2000000),
    [true] = wait(fun() -> [true || peer:call(Peer, erlang, system_info, [process_count]) =< Before] end),
    ok = gen_tcp:close(Silent),
    ok = peer:stop(Peer).

peers(Config) ->
    One = node(Config, one, [], []),
    Two = node(Config, two, [], []),
    {ok, Before} = call(Two, distribution_peers),
    ?assertEqual([], [Peer || #{service := this_node} = Peer <- Before]),
    %% Nodes are connected to their EPMD as long as they live.
    ?assert(length([Peer || #{service := epmd, open := false} = Peer <- Before]) >= 2),
    Name = peer:call(One, erlang, node, []),
    true = peer:call(One, net_kernel, connect_node, [peer:call(Two, erlang, node, [])]),
    {ok, Connected} = call(Two, distribution_peers),
    ?assertMatch([#{node := Name, remote := {_, _}, open := _}], [Peer || #{service := this_node} = Peer <- Connected]),
    %% The other end is no peer: it went out.
    {ok, Out} = call(One, distribution_peers),
    ?assertEqual([], [Peer || #{service := this_node} = Peer <- Out]),
    %% Somebody who has shown nothing.
    {ok, #{port := Port}} = this_node(Two),
    {ok, Stranger} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    {ok, From} = inet:sockname(Stranger),
    {ok, Strange} = call(Two, distribution_peers),
    ?assertMatch([#{node := undefined, open := false, port := Port}],
                 [Peer || #{service := this_node, remote := Remote} = Peer <- Strange, Remote =:= From]),
    ?assertMatch([_], [Peer || #{service := this_node, node := N} = Peer <- Strange, N =:= Name]),
    ok = gen_tcp:close(Stranger),
    [ok = peer:stop(Peer) || Peer <- [One, Two]].

%% In a network of its own, where there is an address that is not the loopback's.
peers_from_elsewhere(_) ->
    Network = ["--user", "--map-root-user", "--net", "sh", "-c"],
    Up = "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && exec \"$@\"",
    case os:find_executable("unshare") of
        false -> {skip, "needs unshare (util-linux)"};
        Unshare ->
            case os:cmd(lists:join(" ", [Unshare | lists:droplast(Network)]) ++ " -c '" ++ Up ++ "' sh echo yes") of
                "yes\n" -> from_elsewhere(#{exec => {Unshare, Network ++ [Up, "sh", "erl"]}});
                _ -> {skip, "needs user namespaces for an ordinary user, and ip (iproute2)"}
            end
    end.

from_elsewhere(Exec) ->
    {ok, Peer, _} = peer:start_link(Exec#{connection => standard_io, name => elsewhere, host => "localhost",
                                          args => ["-start_epmd", "false", "-erl_epmd_port", "9100", "-pa", ebin(),
                                                   filename:dirname(code:which(?MODULE))]}),
    {{ok, Peers}, Checks} = peer:call(Peer, ?MODULE, seen_from_elsewhere, [9100], 30000),
    ?assertEqual([{epmd, 4369, undefined}, {this_node, 9100, undefined}],
                 lists:sort([{Service, Port, Node} || #{service := Service, port := Port, node := Node, open := true,
                                                        remote := {{192, 0, 2, 1}, _}} <- Peers])),
    #{status := warning, fix := Fix, message := Message} = check(peers, Checks),
    ?assertEqual(<<"ss -tnp state established '( sport = :4369 or sport = :9100 )'">>, Fix),
    ?assertNotEqual(nomatch, string:find(Message, "192.0.2.1:")),
    ?assertMatch(#{status := ok}, check(dist_ports, Checks)),
    ok = peer:stop(Peer).

%% In that node: somebody is connected to it, and to what has the port of EPMD.
seen_from_elsewhere(Port) ->
    {ok, Epmd} = gen_tcp:listen(4369, []),
    [{ok, _}, {ok, _}] = [gen_tcp:connect({192, 0, 2, 1}, To, [{ip, {192, 0, 2, 1}}]) || To <- [Port, 4369]],
    Peers = portcullis_checkup:distribution_peers(#{timeout => 100}),
    {_, Checks} = portcullis_checkup:run([{path, "/nonexistent"}]),
    ok = gen_tcp:close(Epmd),
    {Peers, Checks}.

%% A node of IPv6 is reached by IPv4 addresses, too: the kernel shows them mapped.
peers_through_ipv6(Config) ->
    case gen_tcp:listen(0, [inet6, {ip, {0, 0, 0, 0, 0, 0, 0, 1}}]) of
        {error, _} -> {skip, "needs IPv6"};
        {ok, Trial} ->
            ok = gen_tcp:close(Trial),
            Peer = node(Config, six, ["-proto_dist", "inet6_tcp"], []),
            {ok, #{addresses := [{0, 0, 0, 0, 0, 0, 0, 0}], open := true, port := Port}} = this_node(Peer),
            case gen_tcp:connect({127, 0, 0, 1}, Port, []) of
                {ok, Socket} ->
                    {ok, From} = inet:sockname(Socket),
                    {ok, Peers} = call(Peer, distribution_peers),
                    ?assertMatch([#{open := false}],
                                 [P || #{service := this_node, remote := Remote} = P <- Peers, Remote =:= From]),
                    ok = gen_tcp:close(Socket);
                {error, _} -> ok
            end,
            ok = peer:stop(Peer)
    end.

%% As the tables say it, so does the socket itself.
tables_of_this_host(_) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Listener),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    {ok, Local} = inet:sockname(Socket),
    {ok, Sockets} = portcullis_dist_host:sockets(),
    ?assert(lists:member({listen, {{127, 0, 0, 1}, Port}, {{0, 0, 0, 0}, 0}}, Sockets)),
    ?assert(lists:member({established, Local, {{127, 0, 0, 1}, Port}}, Sockets)),
    ?assert(lists:member({established, {{127, 0, 0, 1}, Port}, Local}, Sockets)),
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listener).

%% What is to be typed is typed, in a shell, and mends it.
fixes_of_distribution(Config) ->
    Peer = node(Config, broken, [], []),
    Checks = peer_checks(Peer),
    ok = peer:stop(Peer),
    [Loopback, _] = commands(maps:get(fix, check(distribution, Checks))),
    [Range, Fixed] = commands(maps:get(fix, check(dist_ports, Checks))),
    ?assertEqual({ok, none}, typed(Config, Loopback)),
    ?assertEqual({problem, ok}, typed(Config, Range)),
    Ranged = node(Config, ranged, tl(string:lexemes(Range, " ")), []),
    ?assertMatch(#{ports := {9100, 9200}}, call(Ranged, distribution_range)),
    {ok, #{port := Port}} = this_node(Ranged),
    ?assert(Port >= 9100 andalso Port =< 9200),
    ok = peer:stop(Ranged),
    ?assertEqual({problem, ok}, typed(Config, Fixed)).

fix_of_epmd(_) ->
    {_, _, Number} = epmd([]),
    Environment = [{"ERL_EPMD_PORT", integer_to_list(Number)}],
    Peer = node(#{}, undefined, [], Environment),
    #{status := warning, fix := Fix} = check(epmd, peer_checks(Peer)),
    _ = os:cmd("export ERL_EPMD_PORT=" ++ integer_to_list(Number) ++ "; " ++ unicode:characters_to_list(Fix)),
    [#{status := ok}] = wait(fun() -> [Check || #{status := ok} = Check <- [check(epmd, peer_checks(Peer))]] end),
    [#{service := epmd, open := false}] = wait(fun() -> element(2, call(Peer, distribution_listeners)) end),
    _ = os:cmd("ERL_EPMD_PORT=" ++ integer_to_list(Number) ++ " epmd -kill"),
    ?assertEqual({ok, []}, call(Peer, distribution_listeners)),
    ok = peer:stop(Peer).

%% Both options of the line that the fix has, with a certificate.
tls(Config) ->
    Folder = proplists:get_value(priv_dir, Config),
    [Key, Certificate, Options] = [filename:join(Folder, Name) || Name <- ["key.pem", "cert.pem", "tls.conf"]],
    _ = os:cmd("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout " ++ Key
               ++ " -out " ++ Certificate),
    case filelib:is_regular(Certificate) of
        false -> {skip, "needs openssl"};
        true ->
            Terms = [{server, [{certfile, Certificate}, {keyfile, Key}]}, {client, [{verify, verify_none}]}],
            ok = file:write_file(Options, io_lib:format("~p.", [Terms])),
            Plain = node(Config, plain, [], []),
            [_, Command] = commands(maps:get(fix, check(distribution, peer_checks(Plain)))),
            ok = peer:stop(Plain),
            ?assertEqual({ok, warning}, typed(Config, lists:flatten(string:replace(Command, "FILE", Options)))),
            %% What net_kernel takes for plain TCP.
            Twice = node(Config, twice, ["-proto_dist", "inet_tls", "-proto_dist", "inet_tls"], []),
            ?assertMatch(#{tls := false}, call(Twice, distribution_range)),
            ok = peer:stop(Twice)
    end.

not_distributed(_) ->
    Peer = node(#{}, undefined, ["-kernel", "inet_dist_listen_min", "9100"], []),
    ?assertEqual(#{alive => false, ports => {9100, 9100}, interface => any, tls => false},
                 call(Peer, distribution_range)),
    {ok, Listeners} = call(Peer, distribution_listeners),
    ?assertEqual([], [Listener || #{service := this_node} = Listener <- Listeners]),
    ?assertMatch(#{status := ok, message := <<"not distributed">>}, check(distribution, peer_checks(Peer))),
    ok = peer:stop(Peer).

%% --- cookies --------------------------------------------------------------------------------------------------------

%% Each in the home of a BEAM, and nothing of it in what is answered.
cookies(Config) ->
    Cases = [{?LONG, 8#400, []}, {?LONG, 8#600, []}, {<<?LONG/binary, "\n">>, 8#400, []}, {?LONG, 8#440, [mode]},
             {?LONG, 8#644, [mode]}, {?LONG, 8#402, [mode]}, {?LONG, 8#410, [mode]}, {<<"secret">>, 8#400, [short]},
             {binary:part(?LONG, 0, 31), 8#400, [short]}, {binary:part(?LONG, 0, 32), 8#400, []},
             {?MADE_BY_OTP, 8#400, [made_by_otp]}, {<<"secret">>, 8#666, [mode, short]}, {<<>>, 8#400, [short]}],
    Home = folder(Config, "home"),
    Peer = node(#{}, undefined, [], [{"HOME", Home}]),
    [begin
         File = cookie(Home, Cookie, Mode),
         [Found] = call(Peer, cookie_files),
         #{where := home, file := File, mode := Mode, faults := Faults, size := Size} = Found,
         ?assertEqual({Cookie, Mode, Expected}, {Cookie, Mode, Faults}),
         ?assertEqual(byte_size(string:trim(Cookie)), Size),
         ?assertEqual(list_to_integer(string:trim(os:cmd("id -u"))), maps:get(uid, Found)),
         Checks = peer_checks(Peer),
         ?assertEqual(case Expected of [] -> [ok]; _ -> [warning || _ <- Expected] end,
                      [Status || #{check := cookie, status := Status} <- Checks]),
         [?assertEqual(nomatch, binary:match(term_to_binary({Found, Checks}), Cookie)) || byte_size(Cookie) > 5]
     end || {Cookie, Mode, Expected} <- Cases],
    ok = peer:stop(Peer).

%% The one that OTP itself makes for a node that has none.
cookie_of_otp(Config) ->
    Home = folder(Config, "fresh"),
    Peer = node(Config, fresh, [], [{"HOME", Home}]),
    ?assertMatch([#{where := home, mode := 8#400, size := 20, faults := [made_by_otp]}], call(Peer, cookie_files)),
    ?assertMatch(#{status := problem}, check(cookie, peer_checks(Peer))),
    ok = peer:stop(Peer).

cookies_and_no_files(Config) ->
    Home = folder(Config, "none"),
    Look = fun() -> portcullis_checkup:cookie_files(#{home => Home, config => Home ++ "/no"}) end,
    File = filename:join(Home, ".erlang.cookie"),
    ?assertEqual([], Look()),
    ok = file:make_dir(File),
    ?assertMatch([#{faults := [unreadable]}], Look()),
    ok = file:del_dir(File),
    %% Nobody waits for a writer.
    "" = os:cmd("mkfifo " ++ File),
    ?assertMatch([#{faults := [unreadable]}], Look()),
    ok = file:delete(File),
    ok = file:make_symlink(".erlang.cookie", File),
    ?assertMatch([#{faults := [unreadable]}], Look()),
    ok = file:delete(File),
    ok = file:make_symlink("/etc/passwd", File),
    [#{faults := Faults}] = Look(),
    ?assertEqual(os:cmd("id -u") =/= "0\n", lists:member(owner, Faults)),
    ?assert(lists:member(mode, Faults)),
    ok = file:delete(File).

%% The commands, as a shell takes them.
cookie_fixes(Config) ->
    Home = folder(Config, "mended"),
    Look = fun() -> portcullis_checkup:cookie_files(#{home => Home, config => Home ++ "/no"}) end,
    [begin
         File = cookie(Home, Cookie, Mode),
         [#{faults := [Fault]}] = Cookies = Look(),
         [#{status := problem, fix := Fix}] = portcullis_checklist:cookies(true, Cookies),
         "" = os:cmd(unicode:characters_to_list(Fix)),
         ?assertMatch([#{mode := 8#400, faults := []}], Look()),
         ?assertMatch([#{status := ok}], portcullis_checklist:cookies(true, Look())),
         [?assertMatch([#{size := 44}], Look()) || Fault =/= mode],
         ok = file:delete(File)
     end || {Cookie, Mode} <- [{?LONG, 8#644}, {<<"secret">>, 8#400}, {?MADE_BY_OTP, 8#400}]].

command_line_cookie(Config) ->
    Home = folder(Config, "visible"),
    Option = #{home => Home, config => Home},
    [begin
         Peer = node(#{}, undefined, Args, []),
         ?assertEqual(Expected, call(Peer, cookie_files, [Option])),
         ok = peer:stop(Peer)
     end || {Args, Expected} <- [{["-setcookie", "topsecret"], [#{where => command_line, faults => [visible]}]},
                                 {["-extra", "--cookie", "topsecret"], [#{where => command_line, faults => [visible]}]},
                                 {["-extra", "--cookies", "x"], []}, {[], []}]].

cookie_of_xdg(Config) ->
    Home = folder(Config, "xdg"),
    ok = filelib:ensure_path(filename:join(Home, "erlang")),
    File = cookie(filename:join(Home, "erlang"), ?LONG, 8#444),
    Peer = node(#{}, undefined, [], [{"HOME", Home}, {"XDG_CONFIG_HOME", Home}]),
    ?assertMatch([#{where := config, file := File, faults := [mode]}], call(Peer, cookie_files)),
    ok = peer:stop(Peer).

%% --- the whole ------------------------------------------------------------------------------------------------------

whole(_) ->
    [begin
         {Status, Checks} = portcullis_checkup:run(Who),
         Names = [program, start, user, distribution, epmd, cookie, policy_file, log, core_dumps, confinement, auditd,
                  integrity],
         ?assertEqual([], [Name || Name <- Names, not is_map(check(Name, Checks))]),
         [?assertMatch(#{fix := <<_, _/binary>>}, Check) || #{status := S} = Check <- Checks, S =/= ok],
         [?assertNot(is_map_key(fix, Check)) || #{status := ok} = Check <- Checks],
         ?assertEqual(Status =:= problems, [] =/= [Check || #{status := problem} = Check <- Checks])
     end || Who <- [checked, whereis(checked), options(#{}), options(#{name => checked})]],
    Checks = checks(checked),
    ?assertEqual([1, 1], [length([C || #{check := N} = C <- Checks, N =:= Name]) || Name <- [holders, restarts]]),
    ?assertEqual([], messages()).

wrong_options(_) ->
    [begin
         {problems, Checks} = portcullis_checkup:run(Options),
         ?assertMatch(#{status := problem}, check(options, Checks)),
         ?assertMatch(#{check := policy_file}, check(policy_file, Checks))
     end || Options <- [[{backoff, soon}], #{colour => red}, [name | x]]].

last_lines(_) ->
    Good = #{check => start, status => ok, message => <<"good">>},
    Bad = #{check => cookie, status => problem, message => <<"bad">>, fix => <<"mend">>},
    ?assertEqual(<<"ok       start          good\nNothing to mend.\n">>, portcullis_checkup:format({ok, [Good]})),
    ?assertEqual(<<"problem  cookie         bad\n"
                   "                        to mend it: mend\n"
                   "1 thing to mend.\n">>, portcullis_checkup:format({problems, [Bad]})),
    Lines = binary:split(portcullis_checkup:format({problems, [Bad, Good, Bad]}), <<"\n">>, [global, trim_all]),
    ?assertEqual(<<"2 things to mend.">>, lists:last(Lines)),
    %% The longest name has room.
    Names = [Name || #{check := Name} <- checks(checked)],
    ?assert(lists:max([length(atom_to_list(Name)) || Name <- Names]) =< 14).

printed(_) ->
    ct:capture_start(),
    Status = portcullis_checkup:print(checked),
    ct:capture_stop(),
    ?assert(lists:member(Status, [ok, problems])),
    Text = unicode:characters_to_list(ct:capture_get()),
    ct:pal("~ts", [Text]),
    ?assertNotEqual(nomatch, string:find(Text, "policy_file")),
    ?assertNotEqual(nomatch, string:find(Text, " to mend.")).

%% --- help -----------------------------------------------------------------------------------------------------------

%% Where no program is installed, a build of the development without capabilities.
options(More) ->
    Root = os:cmd("id -u") =:= "0\n",
    Options = #{args => ["--allow-root" || Root]},
    {ok, Config} = portcullis_opts:server(Options),
    case portcullis_program:find(proc, Config) of
        {ok, _, _} -> maps:merge(Options, More);
        {error, _} -> maps:merge(Options#{unprivileged => true}, More)
    end.

checks(Who) ->
    {_, Checks} = portcullis_checkup:run(Who),
    Checks.

check(Name, Checks) ->
    case [Check || #{check := N} = Check <- Checks, N =:= Name] of
        [Check | _] -> Check;
        [] -> none
    end.

of_pid(Pid, Options) ->
    {ok, Holders} = portcullis_checkup:capability_holders(Options#{server => checked}),
    [Holder || #{pid := P} = Holder <- Holders, P =:= Pid].

%% A program in the foreground, and its pid: nothing stays when the case has ended.
program(Name, Args, Environment) ->
    Port = open_port({spawn_executable, os:find_executable(Name)}, [{args, Args}, {env, Environment}, exit_status]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    {Port, Pid}.

ended(Port, Pid) ->
    true = port_close(Port),
    "" = os:cmd("kill " ++ integer_to_list(Pid)),
    ok.

epmd(Environment) ->
    {ok, Socket} = gen_tcp:listen(0, []),
    {ok, Number} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    {Port, Pid} = program("epmd", ["-port", integer_to_list(Number)], Environment),
    [_] = wait(fun() -> asked(gen_tcp:connect({127, 0, 0, 1}, Number, [binary, {active, false}])) end),
    {Port, Pid, Number}.

%% NAMES_REQ. It complains about who connects and says nothing.
asked({error, _}) -> [];
asked({ok, Socket}) ->
    ok = gen_tcp:send(Socket, <<1:16, $n>>),
    {ok, <<Number:32>>} = gen_tcp:recv(Socket, 4, 5000),
    ok = gen_tcp:close(Socket),
    [Number].

listening(Config) ->
    {Port, Pid, Number} = proplists:get_value(epmd, Config),
    {Number, Port, Pid}.

%% A node without one is not distributed.
node(Config, Name, Args, Environment) ->
    Epmd = case Config of
        #{} -> [];
        _ -> {Number, _, _} = listening(Config), [{"ERL_EPMD_PORT", integer_to_list(Number)}]
    end,
    Named = case Name of
        undefined -> #{};
        _ -> #{name => peer:random_name(Name), host => "localhost", longnames => false}
    end,
    {ok, Peer, _} = peer:start_link(Named#{connection => standard_io, args => ["-pa", ebin() | Args],
                                           env => Epmd ++ Environment}),
    Peer.

call(Peer, Function) -> call(Peer, Function, []).
call(Peer, Function, Args) -> peer:call(Peer, portcullis_checkup, Function, Args).

peer_checks(Peer) ->
    {_, Checks} = peer:call(Peer, portcullis_checkup, run, [[{path, "/nonexistent"}]], 30000),
    Checks.

this_node(Peer) ->
    {ok, Listeners} = call(Peer, distribution_listeners),
    [Own] = [Listener || #{service := this_node} = Listener <- Listeners],
    {ok, Own}.

%% "wide-12-345" as peer:random_name makes it.
short(Name) -> hd(binary:split(Name, <<"-">>)).

%% A name in EPMD for as long as the socket lives: ALIVE2_REQ of the distribution protocol.
registered(Config, Name, Port) ->
    {Number, _, _} = listening(Config),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Number, [binary, {active, false}]),
    Request = <<120, Port:16, 77, 0, 6:16, 5:16, (byte_size(Name)):16, Name/binary, 0:16>>,
    ok = gen_tcp:send(Socket, [<<(byte_size(Request)):16>>, Request]),
    {ok, <<_, 0, _/binary>>} = gen_tcp:recv(Socket, 0, 5000),
    Socket.

%% The command lines of a fix, without what they are for.
commands(Fix) ->
    [unicode:characters_to_list(string:find(Part, "erl ")) || Part <- string:split(Fix, "   # ")].

%% The status of `distribution' and of `dist_ports' in a node that was started by a command line.
typed(Config, Command) ->
    {Epmd, _, _} = listening(Config),
    Expression = "{_, C} = portcullis_checkup:run([{path, \"/nonexistent\"}]), "
                 "S = fun(N) -> hd([maps:get(status, M) || M <- C, maps:get(check, M) =:= N] ++ [none]) end, "
                 "io:format(\"{~p, ~p}.\", [S(distribution), S(dist_ports)]), halt().",
    Line = io_lib:format("ERL_EPMD_PORT=~p ~ts -noshell -sname typed~ts@localhost -pa ~ts -eval '~ts'",
                         [Epmd, Command, os:getpid(), ebin(), Expression]),
    Text = os:cmd(lists:flatten(Line)),
    ct:pal("~ts~n~ts", [Command, Text]),
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.

ebin() -> filename:dirname(code:which(portcullis)).

folder(Config, Name) ->
    Folder = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = filelib:ensure_path(Folder),
    Folder.

cookie(Folder, Cookie, Mode) ->
    File = filename:join(Folder, ".erlang.cookie"),
    _ = file:delete(File),
    ok = file:write_file(File, Cookie),
    ok = file:change_mode(File, Mode),
    File.

wait(Fun) -> wait(Fun, 100).

wait(Fun, Left) when Left > 0 ->
    case Fun() of
        [] -> timer:sleep(50), wait(Fun, Left - 1);
        Found -> Found
    end.

messages() ->
    {messages, Messages} = process_info(self(), messages),
    [Message || Message <- Messages, element(1, Message) =/= 'EXIT'].
