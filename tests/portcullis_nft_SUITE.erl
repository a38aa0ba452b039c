%% The firewall beside its commands: tables of rows, events, records, bans, servers and the documents.
-module(portcullis_nft_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, chain/3, rule/4, add/1, delete/1, match/2, payload/2, drop/0]).
-import(portcullis_test_firewall, [change/1, list/1, other_server/0, with_listener/2]).
-import(portcullis_test_server, [options/1, answer/3, until/1, messages/0]).

-define(SERVER, nft_suite).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [tables_of_rows, events, recorded, bans, servers, without_a_client, readme_example].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> portcullis_test_firewall:clean().

tables_of_rows(_) ->
    {ok, _} = change([add(table(inet, fw)), add(chain(inet, fw, a))
                      | [add(rule(inet, fw, a, [match(payload(tcp, dport), N), drop()])) || N <- lists:seq(1, 1000)]]),
    {ok, 1000, #{rows := 1000, source := netfilter}} =
        portcullis:fold(?SERVER, nft_list, #{what => rules}, fun(#{object := #{rule := _}}, N) -> N + 1 end, 0),
    {ok, _} = portcullis:ban(?SERVER, {192, 0, 2, 7}, #{}),
    {ok, [#{prefix := 32}], _} = portcullis:query(?SERVER, banned, #{}),
    {ok, [#{text := _} | _], #{rows := _}} =
        answer(?SERVER, nft_json, #{text => <<"[{\"list\": {\"tables\": null}}]">>}),
    {ok, #{handles := [_]}} =
        answer(?SERVER, nft_json, #{text => <<"[{\"add\": {\"chain\": {\"family\": \"inet\", \"table\": \"fw\", \"name\": \"b\"}}}]">>}),
    {ok, [#{object := _} | _], _} = gen_server:call(?SERVER, {request, nft_list, #{what => tables}, 60000}, 60000).

%% Whoever made them: here another program.
events(_) ->
    {ok, Ref} = portcullis:subscribe(?SERVER, nft, #{}),
    Other = other_server(),
    {ok, #{generation := Generation}} =
        portcullis:nft_apply(Other, [add(table(inet, fw)), add(chain(inet, fw, a)), add(rule(inet, fw, a, [drop()]))], #{}),
    receive
        {portcullis, Ref, {event, #{kind := nft, generation := Made, comm := Comm, changes := Changes, more := 0}}} ->
            ?assertEqual({Generation, <<"portcullis-net">>}, {Made, Comm}),
            ?assertMatch([#{add := #{table := _}}, #{add := #{chain := _}}, #{add := #{rule := #{expr := [#{drop := null}]}}}], Changes)
    after 60000 -> ct:fail(messages())
    end,
    ok = portcullis:ack(Ref, 1),
    ok = portcullis:unsubscribe(Ref),
    {ok, Both} = portcullis:start_link(options(#{roles => [proc, net]})),
    {ok, There} = portcullis:subscribe(Both, nft, [{timeout, 5000}]),
    {ok, _} = portcullis:nft_apply(Other, [delete(table(inet, fw))], #{}),
    receive {portcullis, There, {event, #{changes := [_ | _]}}} -> ok after 60000 -> ct:fail(messages()) end,
    [ok = portcullis:stop(Server) || Server <- [Other, Both]].

recorded(_) ->
    {ok, Ref} = portcullis:subscribe(?SERVER, audit, #{}),
    {ok, _} = change([add(table(inet, fw))]),
    {error, _} = change([add(table(inet, other))]),
    Events = [receive {portcullis, Ref, {event, Event}} -> Event after 60000 -> ct:fail(messages()) end || _ <- [1, 2]],
    ?assertMatch([#{operation := <<"nft_apply">>, target := <<"add_table inet fw">>, decision := granted},
                  #{operation := <<"nft_apply">>, target := <<"add_table inet other">>, decision := denied, rule := <<"nft.write">>}],
                 Events),
    ok = portcullis:unsubscribe(Ref).

bans(_) ->
    Four = {192, 0, 2, 7},
    Six = {{16#2001, 16#db8, 0, 0, 0, 0, 0, 0}, 32},
    ?assertEqual({ok, []}, portcullis:banned(?SERVER)),
    ?assertEqual({ok, #{changed => false}}, portcullis:unban(?SERVER, Four)),
    ?assertEqual({ok, #{changed => true}}, portcullis:ban(?SERVER, Four, #{timeout => 3600000, comment => <<"logins">>})),
    ?assertEqual({ok, #{changed => false}}, portcullis:ban(?SERVER, Four, [{timeout, 60000}])),
    ?assertEqual({ok, #{changed => true}}, portcullis:ban(?SERVER, Six, #{})),
    {ok, Banned} = portcullis:banned(?SERVER),
    ?assertMatch([#{address := Four, prefix := 32, timeout := 3600000, comment := <<"logins">>, packets := 0, bytes := 0},
                  #{address := {16#2001, 16#db8, 0, 0, 0, 0, 0, 0}, prefix := 32, timeout := undefined, expires := undefined}],
                 lists:sort(fun(#{address := A}, #{address := B}) -> tuple_size(A) =< tuple_size(B) end, Banned)),
    %% Its own time is not that of the request.
    {ok, #{changed := true}} = gen_server:call(?SERVER, {request, ban, #{address => {192, 0, 2, 17}, timeout => 7200000}, 60000}, 60000),
    {ok, #{changed := true}} = answer(?SERVER, ban, [{address, {192, 0, 2, 27}}, {timeout, 7200000}]),
    {ok, Rows} = portcullis:banned(?SERVER),
    ?assertEqual(2, length([Row || #{timeout := 7200000} = Row <- Rows])),
    [?assertEqual({ok, #{changed => true}}, portcullis:unban(?SERVER, Address)) || Address <- [Four, Six]],
    [?assertMatch({error, {bad_request, [Key | _], _}}, portcullis:ban(?SERVER, Address, Options))
     || {Key, Address, Options} <- [{address, "192.0.2", #{}}, {address, "192.0.2.7/24", #{}}, {address, <<"host">>, #{}}, {address, {Four, 33}, #{}}, {timeout, Four, #{timeout => infinity}},
                                    {address, {{0, 0, 0, 0}, 0}, #{}}, {address, {{0, 0, 0, 0}, 7}, #{}}, {address, {{0, 0, 0, 0, 0, 0, 0, 0}, 11}, #{}},
                                    {timeout, Four, #{timeout => 999}},
                                    {comment, Four, #{comment => <<>>}}, {<<"colour">>, Four, #{colour => red}}]],
    %% As text, and without options.
    ?assertEqual({ok, #{changed => true}}, portcullis:ban(?SERVER, "198.51.100.0/24")),
    ?assertEqual({ok, #{changed => false}}, portcullis:ban(?SERVER, <<"198.51.100.7">>, #{})),
    ?assertEqual({ok, #{changed => true}}, portcullis:unban(?SERVER, <<"198.51.100.0/24">>)),
    %% Not what is this host itself, whatever its addresses are.
    Own = [{127, 0, 0, 1}, {127, 0, 0, 53}, {{127, 0, 0, 0}, 8}, {{127, 1, 0, 0}, 16}, {0, 0, 0, 0}, {{0, 0, 0, 0}, 8}, "::1", "::", "::/12", "::/96",
           {0, 0, 0, 0, 0, 16#ffff, 16#7f00, 1}],
    [begin
         {error, {bad_request, [address], {expected, <<_/binary>>}} = Error} = portcullis:ban(?SERVER, Address, #{timeout => 60000}),
         ?assertNotEqual({Address, nomatch}, {Address, string:find(portcullis:format_error(Error), "nft_apply")})
     end || Address <- Own],
    [?assertEqual({ok, #{changed => false}}, portcullis:unban(?SERVER, Address)) || Address <- [{127, 0, 0, 1}, {{127, 0, 0, 0}, 8}, "::1"]],
    [?assertMatch({error, {bad_request, [address, 2], {range, _, _}}}, portcullis:unban(?SERVER, Address))
     || Address <- ["0.0.0.0/0", "::/0", "10.0.0.0/7"]],
    [begin
         {error, Error} = portcullis:ban(?SERVER, Address, #{timeout => 60000}),
         ?assertNotEqual({Address, nomatch}, {Address, string:find(portcullis:format_error(Error), Part)})
     end || {Address, Part} <- [{{256, 0, 0, 1}, "between 0 and 255"}, {"10.0.0.300", "300 is more than 255"}, {"10.0.0.1/33", "8 to 32 bits"},
                                {"10.0.0.1/24", "10.0.0.0/24, or the address 10.0.0.1 alone"}, {"010.0.0.1", "begins with 0"},
                                {<<"10.0.1">>, "four numbers"}, {"10.0.0.0/x", "no number of bits"}, {"fe80::1%lo", "interface"}]],
    %% Another address of this host is one as any other (scripts/test-all.sh gives it).
    Given = {10, 77, 0, 1},
    with_listener(Given, fun(Reachable) ->
                                 {ok, _} = portcullis:ban(?SERVER, Given, #{}),
                                 ?assertNot(Reachable()),
                                 {ok, _} = portcullis:unban(?SERVER, {{10, 77, 0, 0}, 16}),
                                 until(Reachable)
                         end).

servers(_) ->
    {ok, Server} = portcullis:start_link(maps:remove(name, options(#{roles => [net]}))),
    Table = [add(table(inet, fw))],
    {ok, #{check := true}} = portcullis:nft_check(Table),
    {ok, #{check := true}} = portcullis:nft_check(Table, #{timeout => 5000}),
    {ok, #{generation := _}} = portcullis:nft_apply(Table),
    {ok, #{check := true}} = portcullis:nft_check(Server, Table),
    {ok, #{generation := _}} = portcullis:nft_apply(Server, Table),
    [begin
         {error, Single} = Answer,
         ?assertEqual({bad_request, [commands], {expected, list}}, Single),
         ?assertNotEqual(nomatch, string:find(portcullis:format_error(Single), "belongs into a list too: [Command]"))
     end || Answer <- [portcullis:nft_apply(Server, hd(Table)), portcullis:nft_apply(hd(Table)), portcullis:nft_check(Server, hd(Table), #{})]],
    {ok, #{ref := First}} = portcullis:nft_apply(Table, #{confirm => 60000}),
    ok = portcullis:nft_confirm(First),
    {ok, #{ref := Second}} = portcullis:nft_apply(Table, [{confirm, 60000}]),
    %% What the error tells to call can be called.
    {error, {nft, 0, ebusy, Waiting}} = portcullis:nft_apply(Server, [delete(table(inet, fw))], #{}),
    {match, [Call]} = re:run(Waiting, "portcullis:nft_rollback\\(.*\\d\\)", [{capture, first, list}]),
    ?assertMatch(#{'Done' := ok}, portcullis_pages_SUITE:evaluate(["Done = ", Call, "."])),
    ?assertEqual({error, stale}, portcullis:nft_rollback(Second)),
    {ok, [#{table := _}]} = portcullis:nft_list(),
    {ok, [#{table := _}]} = portcullis:nft_list(tables),
    {ok, [#{table := _}]} = portcullis:nft_list(tables, [{timeout, 5000}]),
    {ok, <<_/binary>>} = portcullis:nft_json("[{\"list\": {\"tables\": null}}]"),
    {ok, <<_/binary>>} = portcullis:nft_json("[{\"list\": {\"tables\": null}}]", #{timeout => 5000}),
    {ok, _} = portcullis:ban({192, 0, 2, 7}),
    {ok, _} = portcullis:ban({192, 0, 2, 7}, #{timeout => 60000}),
    {ok, [_]} = portcullis:banned(),
    {ok, _} = portcullis:unban({192, 0, 2, 7}),
    ok = portcullis:stop(Server),
    {ok, Proc} = portcullis:start_link(options(#{roles => [proc]})),
    ?assertMatch({error, {unsupported, <<"role net: ", _/binary>>}}, portcullis:nft_list(Proc, tables, #{})),
    ok = portcullis:stop(Proc).

%% The example of docs/protocol.md.
without_a_client(_) ->
    [Code] = portcullis_pages_SUITE:blocks("docs/protocol.md", "## The firewall without a client"),
    {ok, Config} = portcullis_opts:server(#{}),
    {ok, Program, _} = portcullis_program:find(net, Config),
    Path = "/usr/local/libexec/portcullis/portcullis-net",
    ?assertNotEqual(nomatch, string:find(Code, Path)),
    Bindings = portcullis_pages_SUITE:evaluate(string:replace(Code, Path, Program)),
    ?assertMatch(#{'Ref' := 1, 'Rows' := [{#{table := #{name := <<"fw">>}}}]}, Bindings),
    true = port_close(maps:get('Port', Bindings)),
    until(fun() -> list(tables) =:= {ok, []} end).

%% What the page makes it takes back: its blocks in one shell leave nothing behind.
readme_example(_) ->
    Blocks = portcullis_pages_SUITE:blocks("README.md", "## The firewall"),
    ?assertMatch(#{'Ref' := _, 'Back' := _}, portcullis_pages_SUITE:evaluate(lists:append(Blocks))),
    ?assertEqual({error, {down, {noproc, firewall}}}, portcullis:info(firewall)),
    {ok, Tables} = portcullis:nft_list(?SERVER, tables, #{}),
    ?assertEqual([], [Name || #{table := #{name := <<"fw">> = Name}} <- Tables]),
    {ok, []} = portcullis:banned(?SERVER).
