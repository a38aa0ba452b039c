%% Role net and subscriptions, under the policy that tests/fixtures/make.sh calls basic.
-module(portcullis_net_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1, answer/3, os_pid/1, signal/2, ready/1, until/1, of_five/1, within/3, messages/0]).

%% Nobody may be asked there (RFC 5737).
-define(DENIED, {192, 0, 2, 1}).
%% scripts/test-all.sh drops its replies.
-define(SILENT, {10, 77, 0, 66}).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [loopback, options_of_calls, sizes, no_reply, denied_address, lacks_all, wrong_arguments, default_server,
     refusals_of_both_roles, granted_too, credit, quiet_and_alive, takes_no_place, leaves_the_port_its_bound,
     subscriber_ends, unsubscribed, killed_port, stopped_server, not_accepted, too_many, no_request].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => net_suite, roles => [proc, net], required => true})),
    true = unlink(Server),
    case portcullis:ping(Server, {127, 0, 0, 1}, #{}) of
        {error, {denied_by_policy, _, _}} ->
            ok = portcullis:stop(Server),
            {skip, "needs the policy basic, see scripts/test-all.sh"};
        _ -> Config
    end.

end_per_suite(_) ->
    portcullis:stop(net_suite).

%% --- ping -----------------------------------------------------------------------------------------------------------

loopback(_) ->
    [begin
         {ok, #{rtt := Rtt, ttl := Ttl, size := 56, address := Address}} = ping(Address, #{}),
         ?assert(Rtt >= 0 andalso Rtt < 5000000),
         ?assert(Ttl =:= undefined orelse (Ttl > 0 andalso Ttl < 256))
     end || Address <- [{127, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}]],
    ?assertMatch({ok, #{address := {127, 0, 0, 1}}}, portcullis:ping(net_suite, "127.0.0.1")),
    ?assertMatch({ok, #{address := {0, 0, 0, 0, 0, 0, 0, 1}}}, ping(<<"::1">>, #{})),
    [?assertMatch({error, {bad_request, [address], {expected, _}}}, ping(Wrong, #{})) || Wrong <- ["127.1", "127.0.0.0/8", <<"host">>]],
    %% What is an IPv4 address inside is one.
    ?assertMatch({ok, #{address := {127, 0, 0, 1}}}, ping({0, 0, 0, 0, 0, 16#ffff, 16#7f00, 1}, #{})).

%% As a list of pairs or as a map, wherever there are options.
options_of_calls(_) ->
    ?assertMatch({ok, #{size := 20}}, ping({127, 0, 0, 1}, [{timeout, 20000}, {size, 20}])),
    {ok, Ref} = portcullis:subscribe(net_suite, audit, [{role, net}, {timeout, 20000}]),
    denied(net),
    ?assertMatch(#{operation := <<"ping">>}, event(Ref)),
    ok = portcullis:unsubscribe(Ref),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(net_suite, 1, [{items, [pid]}, {timeout, 20000}])),
    ?assertMatch({ok, #{pid := 1}}, portcullis:process(net_suite, 1, [{timeout, 20000}])),
    %% One without pairs is a list of items.
    ?assertEqual(portcullis:process(net_suite, 1, #{items => []}), portcullis:process(net_suite, 1, [])),
    Denied = [portcullis:file_open(net_suite, "/var/log/x", [{timeout, 20000}]),
              portcullis:read_file(net_suite, "/var/log/x", [{timeout, 20000}, {max_bytes, 1}])],
    [?assertMatch({error, {denied_by_policy, <<"files.read">>, _}}, Answer) || Answer <- Denied],
    [?assertEqual({Options, {error, {bad_request, [], {expected, map}}}}, {Options, ping({127, 0, 0, 1}, Options)})
     || Options <- [x, [x], [{size, 20} | x]]].

%% Sixteen bytes are how the reply is known.
sizes(_) ->
    [?assertMatch({ok, #{size := Sent}}, ping({127, 0, 0, 1}, #{size => Size}))
     || {Size, Sent} <- [{0, 16}, {16, 16}, {17, 17}, {1200, 1200}]],
    ?assertEqual({error, {bad_request, [size], {range, 0, 1200}}}, ping({127, 0, 0, 1}, #{size => 1201})).

no_reply(_) ->
    case ping({10, 77, 0, 1}, #{}) of
        {ok, _} ->
            Ask = fun() -> ping(?SILENT, #{timeout => 300}) end,
            ?assertEqual({error, timeout}, of_five(fun() -> within(300, 5000, Ask) end)),
            ?assertMatch({ok, _}, ping({127, 0, 0, 1}, #{}));
        {error, _} -> {skip, "needs the addresses that scripts/test-all.sh makes"}
    end.

%% One line for all of a transaction; the record names the first thing that was refused, once.
lacks_all(_) ->
    {ok, Server} = portcullis:start_link(options(#{roles => [net], required => true})),
    {ok, Ref} = portcullis:subscribe(Server, audit, #{}),
    Objects = [portcullis_nft:table(inet, web), portcullis_nft:chain(inet, web, in),
               portcullis_nft:element(inet, portcullis, banned, [{192, 0, 2, 1}]),
               portcullis_nft:rule(inet, web, in, [portcullis_nft:drop()])],
    {error, {denied_by_policy, <<"nft.write">>, Hint}} =
        portcullis:nft_apply(Server, [portcullis_nft:add(Object) || Object <- Objects], #{confirm => 10000}),
    ?assertEqual(<<"write = [{ family = \"inet\", table = \"web\", ops = [\"add_table\", \"add_chain\", \"add_rule\"], chains = [\"in\"] }]">>,
                 lists:last(binary:split(Hint, <<"this would: ">>))),
    receive
        {portcullis, Ref, {event, Event}} ->
            ?assertMatch(#{decision := denied, rule := <<"nft.write">>, target := <<"add_table inet web">>}, Event)
    after 10000 -> error(no_record)
    end,
    receive {portcullis, Ref, More} -> error({more, More}) after 200 -> ok end,
    ok = portcullis:stop(Server).

denied_address(_) ->
    {error, {denied_by_policy, <<"ping.allow">>, Hint} = Error} = ping(?DENIED, #{}),
    ?assertNotEqual(nomatch, string:find(Hint, "allow = [\"192.0.2.1\"]")),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "\n    [ping]\n    allow = [\"192.0.2.1\"]\n")).

wrong_arguments(_) ->
    [?assertMatch({_, {error, {bad_request, [address], {expected, _}}}}, {Address, ping(Address, #{})})
     || Address <- ["127.0.0", <<"127.0.0.01">>, {127, 0, 0}, localhost, {224, 0, 0, 1}, {0, 0, 0, 0}]],
    ?assertEqual({error, {bad_request, [address, 4], {range, 0, 255}}}, ping({127, 0, 0, 256}, #{})),
    ?assertEqual({error, {bad_request, [], {expected, map}}}, ping({127, 0, 0, 1}, 5)),
    ?assertEqual({error, {bad_request, [<<"colour">>], unknown_key}}, ping({127, 0, 0, 1}, #{colour => red})).

default_server(_) ->
    {ok, Server} = portcullis:start_link(maps:remove(name, options(#{roles => [net]}))),
    ?assertMatch({ok, #{}}, portcullis:ping({127, 0, 0, 1})),
    ?assertMatch({ok, #{size := 20}}, portcullis:ping({127, 0, 0, 1}, #{size => 20})),
    {ok, Ref} = portcullis:subscribe(audit),
    {error, _} = portcullis:ping(?DENIED),
    ?assertMatch(#{operation := <<"ping">>}, event(Ref)),
    ok = portcullis:unsubscribe(Ref),
    portcullis:stop(Server).

ping(Address, Options) ->
    portcullis:ping(net_suite, Address, Options).

%% --- subscriptions --------------------------------------------------------------------------------------------------

refusals_of_both_roles(_) ->
    Before = erlang:system_time(microsecond),
    Net = subscribe(#{role => net}),
    Proc = subscribe(#{role => proc, timeout => 20000}),
    denied(proc),
    denied(net),
    #{kind := audit, seq := Seq, time := Time, operation := <<"ping">>, target := <<"192.0.2.1">>, decision := denied,
      rule := <<"ping.allow">>} = event(Net),
    ?assert(Seq > 0 andalso Time >= Before - 1000000),
    ?assertMatch(#{operation := <<"process">>, target := <<"environ">>, decision := denied, rule := <<"proc.environ">>},
                 event(Proc)),
    [ok = portcullis:unsubscribe(Ref) || Ref <- [Net, Proc]],
    ?assertEqual([], messages()).

granted_too(_) ->
    Ref = subscribe(#{role => net}),
    {ok, _} = ping({127, 0, 0, 1}, #{}),
    ?assertMatch(#{operation := <<"ping">>, target := <<"127.0.0.1">>, decision := granted}, event(Ref)),
    ok = portcullis:unsubscribe(Ref).

%% 64 come unasked. What came meanwhile is counted, and said when there is credit again.
credit(_) ->
    Ref = subscribe(#{}),
    [denied(proc) || _ <- lists:seq(1, 70)],
    Seqs = [Seq || _ <- lists:seq(1, 64), #{seq := Seq} <- [event(Ref)]],
    ?assertEqual(lists:seq(hd(Seqs), hd(Seqs) + 63), Seqs),
    ok = portcullis:ack(Ref, 1),
    ?assertEqual({lost, 6}, next(Ref)),
    denied(proc),
    ?assertMatch(#{kind := audit}, event(Ref)),
    denied(proc),
    %% More than can be had is as much as can be had.
    ok = portcullis:ack(Ref, 1 bsl 40),
    ?assertEqual({lost, 1}, next(Ref)),
    ok = portcullis:ack(Ref, 1),
    denied(proc),
    ?assertMatch(#{kind := audit}, event(Ref)),
    [?assertError(function_clause, portcullis:ack(Ref, Wrong)) || Wrong <- [0, -1, many]],
    ok = portcullis:unsubscribe(Ref),
    ?assertEqual([], messages()).

%% It has no deadline, and a port that has nothing to say is not stuck.
quiet_and_alive(_) ->
    Server = start(#{default_timeout => 100, stuck_timeout => 100}),
    {ok, Ref} = portcullis:subscribe(Server, audit, #{timeout => 20000}),
    Pid = os_pid(Server),
    timer:sleep(1000),
    {error, _} = portcullis:process(Server, 1, #{items => [environ], timeout => 20000}),
    ?assertMatch(#{decision := denied}, event(Ref)),
    ?assertEqual(Pid, os_pid(Server)),
    portcullis:stop(Server).

takes_no_place(_) ->
    Server = start(#{max_in_flight => 1}),
    {ok, Ref} = portcullis:subscribe(Server, audit, #{}),
    ?assertMatch({ok, #{proc := #{in_flight := 0, queued := 0}}}, portcullis:info(Server)),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    ?assertMatch({ok, #{subscriptions := 1}}, answer(Server, info, #{})),
    ok = portcullis:unsubscribe(Ref),
    portcullis:stop(Server).

%% The port counts them among the requests in flight: what it has no place for waits, and is not refused.
leaves_the_port_its_bound(_) ->
    case ping({10, 77, 0, 1}, #{}) of
        {ok, _} ->
            Refs = [subscribe(#{role => net}) || _ <- lists:seq(1, 8)],
            Silent = #{address => ?SILENT, timeout => 1000},
            Ids = [portcullis:send_request(net_suite, ping, Silent) || _ <- lists:seq(1, 300)],
            ?assertEqual([{error, timeout}], lists:usort([portcullis:receive_response(Id) || Id <- Ids])),
            [ok = portcullis:unsubscribe(Ref) || Ref <- Refs],
            %% Each has ended before the port hears of it: no message of theirs is on its way then.
            nobody_subscribes(net),
            flush();
        {error, _} -> {skip, "needs the addresses that scripts/test-all.sh makes"}
    end.

subscriber_ends(_) ->
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() -> _ = subscribe(#{}), Self ! subscribed, receive never -> ok end end),
    receive subscribed -> ok end,
    ?assertMatch({ok, #{subscriptions := 1}}, answer(net_suite, info, #{})),
    true = exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end,
    nobody_subscribes().

unsubscribed(_) ->
    Ref = subscribe(#{}),
    ok = portcullis:unsubscribe(Ref),
    ok = portcullis:unsubscribe(Ref),
    nobody_subscribes(),
    denied(proc),
    ok = portcullis:ack(Ref, 1),
    {ok, _} = answer(net_suite, info, #{}),
    ?assertEqual([], messages()).

%% One message says so, and the next program has nobody to tell.
killed_port(_) ->
    Server = start(#{backoff => {10, 20}}),
    {ok, Ref} = portcullis:subscribe(Server, audit, #{}),
    signal(Server, "KILL"),
    ?assertEqual({down, {exit_status, 137}}, next(Ref)),
    ready(Server),
    ?assertMatch({ok, #{subscriptions := 0}}, answer(Server, info, #{})),
    {error, _} = portcullis:process(Server, 1, [environ]),
    ok = portcullis:ack(Ref, 1),
    ?assertEqual([], messages()),
    portcullis:stop(Server).

stopped_server(_) ->
    Server = start(#{}),
    {ok, Ref} = portcullis:subscribe(Server, audit, #{}),
    ok = portcullis:stop(Server),
    {down, Reason} = next(Ref),
    ?assert(Reason =:= stopped orelse Reason =:= normal),
    ?assertMatch({error, {down, _}}, portcullis:subscribe(Server, audit, #{})),
    ?assertEqual([], messages()).

%% An error is an answer, and not a message later.
not_accepted(_) ->
    ?assertEqual({error, {unsupported, <<"topic weather">>}}, portcullis:subscribe(net_suite, weather, #{})),
    ?assertEqual({error, {bad_request, [topic], {expected, atom}}}, portcullis:subscribe(net_suite, "audit", #{})),
    ?assertEqual({error, {bad_request, [role], {expected, role}}}, portcullis:subscribe(net_suite, audit, #{role => disk})),
    ?assertEqual({error, {bad_request, [<<"colour">>], unknown_key}},
                 portcullis:subscribe(net_suite, audit, #{colour => red})),
    ?assertMatch({error, {bad_request, [timeout], _}}, portcullis:subscribe(net_suite, audit, #{timeout => infinity})),
    ?assertEqual({error, {bad_request, [], {expected, map}}}, portcullis:subscribe(net_suite, audit, x)),
    ?assertEqual({error, {down, {noproc, no_such_server}}}, portcullis:subscribe(no_such_server, audit, #{})),
    Proc = start(#{}),
    ?assertMatch({error, {unsupported, <<"role net: ", _/binary>>}}, portcullis:subscribe(Proc, audit, #{role => net})),
    portcullis:stop(Proc),
    nobody_subscribes(),
    ?assertEqual([], messages()).

too_many(_) ->
    Refs = [subscribe(#{}) || _ <- lists:seq(1, 16)],
    ?assertEqual({error, overloaded}, portcullis:subscribe(net_suite, audit, #{})),
    denied(proc),
    [?assertMatch(#{decision := denied}, event(Ref)) || Ref <- Refs],
    [ok = portcullis:unsubscribe(Ref) || Ref <- Refs],
    nobody_subscribes(),
    ?assertEqual([], messages()).

%% Its answer would never come.
no_request(_) ->
    {error, {unsupported, What} = Error} = answer(net_suite, subscribe, #{topic => audit}),
    ?assertNotEqual(nomatch, string:find(What, "portcullis:subscribe/2")),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "portcullis:subscribe/2")).

%% --- help -----------------------------------------------------------------------------------------------------------

start(More) ->
    {ok, Server} = portcullis:start_link(options(More#{required => true})),
    Server.

subscribe(Options) ->
    {ok, Ref} = portcullis:subscribe(net_suite, audit, Options),
    Ref.

denied(net) -> {error, {denied_by_policy, _, _}} = ping(?DENIED, #{});
denied(proc) -> {error, {denied_by_policy, _, _}} = portcullis:process(net_suite, 1, [environ]).

next(Ref) ->
    receive {portcullis, Ref, What} -> What
    after 60000 -> ct:fail({nothing_for, Ref, messages()})
    end.

event(Ref) ->
    {event, Event} = next(Ref),
    Event.

nobody_subscribes() -> nobody_subscribes(proc).

nobody_subscribes(Role) ->
    until(fun() -> {ok, #{subscriptions := Count}} = answer(net_suite, info, #{role => Role}), Count =:= 0 end).

flush() ->
    receive {portcullis, _, _} -> flush()
    after 0 -> ok
    end.
