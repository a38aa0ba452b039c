%% What the checkup finds of distribution: real nodes and a real EPMD.
-module(portcullis_distribution_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [of_five/1, within/3]).

-import(portcullis_test_nodes, [epmd/1, end_epmd/1, listening/1, node/4, call/2, call/3, peer_checks/1, check/2,
                                ebin/0, wait/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [open_node, bound_node, other_nodes, silent_epmd, peers, peers_from_elsewhere, peers_through_ipv6,
     tables_of_this_host, fixes_of_distribution, fix_of_epmd, tls, not_distributed].

%% An EPMD of its own for each case, on a port of its own: the host may have one.
init_per_testcase(Case, Config) ->
    case lists:member(Case, [open_node, bound_node, other_nodes, peers, peers_through_ipv6, tls,
                             fixes_of_distribution]) of
        true ->
            Address = case Case of bound_node -> [{"ERL_EPMD_ADDRESS", "127.0.0.1"}]; _ -> [] end,
            [{epmd, epmd(Address)} | Config];
        false -> Config
    end.

end_per_testcase(_, Config) ->
    case proplists:get_value(epmd, Config) of
        undefined -> ok;
        Epmd -> end_epmd(Epmd)
    end.

open_node(Config) ->
    Peer = node(Config, open, [], []),
    {ok, Listeners} = call(Peer, distribution_listeners),
    Epmd = listening(Config),
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
    %% Two seconds are what it waits for where nobody says.
    Ask = fun() -> call(Peer, distribution_listeners, [#{timeout => 200}]) end,
    {ok, Listeners} = of_five(fun() -> within(200, 1900, Ask) end),
    ?assertMatch([#{service := epmd, port := Port, addresses := [{127, 0, 0, 1}], open := false}], Listeners),
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
    %% Who was called knows the caller a moment after the caller does.
    Known = fun() ->
        {ok, Connected} = call(Two, distribution_peers),
        [Peer || #{service := this_node, node := N} = Peer <- Connected, N =:= Name]
    end,
    ?assertMatch([#{remote := {_, _}, open := _}], wait(Known)),
    {ok, Now} = call(Two, distribution_peers),
    ?assertMatch([_], [Peer || #{service := this_node} = Peer <- Now]),
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
    {ok, Peer, _} = peer:start_link(Exec#{connection => standard_io, wait_boot => 120000, name => elsewhere, host => "localhost",
                                          args => ["-start_epmd", "false", "-erl_epmd_port", "9100", "-pa", ebin(),
                                                   filename:dirname(code:which(?MODULE))]}),
    {{ok, Peers}, Checks} = peer:call(Peer, ?MODULE, seen_from_elsewhere, [9100], 120000),
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
    %% It says yes, and ends then.
    _ = wait(fun() -> [none || call(Peer, distribution_listeners) =:= {ok, []}] end),
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

this_node(Peer) ->
    {ok, Listeners} = call(Peer, distribution_listeners),
    [Own] = [Listener || #{service := this_node} = Listener <- Listeners],
    {ok, Own}.

%% "wide-12-345" as peer:random_name makes it.
short(Name) -> hd(binary:split(Name, <<"-">>)).

%% A name in EPMD for as long as the socket lives: ALIVE2_REQ of the distribution protocol.
registered(Config, Name, Port) ->
    Number = listening(Config),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Number, [binary, {active, false}]),
    Request = <<120, Port:16, 77, 0, 6:16, 5:16, (byte_size(Name)):16, Name/binary, 0:16>>,
    ok = gen_tcp:send(Socket, [<<(byte_size(Request)):16>>, Request]),
    {ok, <<_, 0, _/binary>>} = gen_tcp:recv(Socket, 0, 120000),
    Socket.

%% The command lines of a fix, without what they are for.
commands(Fix) ->
    [unicode:characters_to_list(string:find(Part, "erl ")) || Part <- string:split(Fix, "   # ")].

%% The status of `distribution' and of `dist_ports' in a node that was started by a command line.
typed(Config, Command) ->
    Epmd = listening(Config),
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
