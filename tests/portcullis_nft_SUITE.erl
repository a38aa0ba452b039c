%% The firewall, under the policy firewall of tests/fixtures/make.sh and in a network of the suite's own:
%% scripts/test-all.sh has a step for that.
-module(portcullis_nft_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, table/3, chain/3, base_chain/4, rule/4, rule/5, set/5, map/6, element/4, element/5, counter/3, counter/4,
                         quota/5, limit/4, comment/2, add/1, create/1, insert/1, replace/1, delete/1, destroy/1, flush/1,
                         rename/2, match/2, match/3, payload/2, meta/1, ct/1, set/1, named/1, range/2, prefix/2, concat/1,
                         elem/2, vmap/2, accept/0, drop/0, return/0, jump/1, goto/1, reject/1, counter/0, counter/1,
                         limit/3, quota/2, log/1, notrack/0, mangle/2, snat/1, dnat/2, masquerade/0, redirect/1]).
-import(portcullis_conn_SUITE, [options/1, answer/3, until/1, messages/0]).

-define(SERVER, nft_suite).

suite() ->
    [{timetrap, {seconds, 120}}].

all() ->
    [examples_of_builders, empty, listed_as_built, translated_addresses, kinds_of_listings, kinds_of_commands, handles, checked,
     stale_generation, denied, wrong_commands, refused_by_the_kernel, many_rules_or_none, deep_and_long, large_set,
     json, json_errors, process_of_another_library, confirmed, rolled_back, back_in_time, back_when_the_port_ends,
     back_when_the_node_is_killed, reference_of_another_port, unknown_outcome, unknown_here, never_sent, asked_again, disturbed_listing, tables_of_rows, resets, events,
     recorded, bans, servers, without_a_client, readme_example].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => ?SERVER, roles => [net], required => true})),
    true = unlink(Server),
    case portcullis:nft_check(Server, [add(table(inet, fw))], #{}) of
        {ok, _} -> Config;
        {error, Error} ->
            ok = portcullis:stop(Server),
            {skip, "needs the policy firewall, see scripts/test-all.sh: " ++ binary_to_list(portcullis:format_error(Error))}
    end.

end_per_suite(_) ->
    portcullis:stop(?SERVER).

end_per_testcase(_, _) ->
    {ok, _} = change([destroy(table(inet, fw)), destroy(table(ip, nat4)), destroy(table(inet, part)),
                      destroy(table(inet, portcullis))]),
    ok.

%% --- builders -------------------------------------------------------------------------------------------------------

%% What the documentation shows is so.
examples_of_builders(_) ->
    File = filename:join([filename:dirname(?FILE), "..", "erlang", "src", "portcullis_nft.erl"]),
    {ok, Source} = file:read_file(File),
    {match, Blocks} = re:run(Source, "%% ```\n((?:%% .*\n)+?)%% '''", [global, {capture, all_but_first, list}]),
    ?assert(length(Blocks) > 50),
    [run(re:replace(Block, "^%% ?", "", [global, multiline, {return, list}])) || [Block] <- Blocks].

run(Code) ->
    {ok, Tokens, _} = erl_scan:string(Code),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    try erl_eval:exprs(Expressions, erl_eval:new_bindings())
    catch error:Reason -> ct:fail({Code, Reason})
    end.

empty(_) ->
    ?assertEqual({ok, []}, list(ruleset)),
    ?assertEqual({ok, []}, list(tables)),
    {error, {nft, 0, enoent, _}} = list(element(inet, fw, x, [1])).

%% A ruleset with something of everything is listed as it was made.
listed_as_built(_) ->
    Objects = objects(),
    {ok, #{handles := Handles}} = change([add(Object) || Object <- Objects]),
    ?assertEqual(length(Objects), length(Handles)),
    {ok, Listed} = list(portcullis_nft:list(table(inet, fw))),
    ?assertEqual(sorted(Objects), sorted(Listed)),
    %% What was listed makes the same again.
    {ok, _} = change([destroy(table(inet, fw))]),
    {ok, _} = change(Listed),
    {ok, Again} = list(portcullis_nft:list(table(inet, fw))),
    ?assertEqual(sorted(Listed), sorted(Again)).

objects() ->
    Input = #{type => filter, hook => input, prio => 0, policy => accept},
    [table(inet, fw, #{comment => "ours"}),
     counter(inet, fw, logins),
     quota(inet, fw, free, 1000000, #{inv => true, used => 0}),
     limit(inet, fw, slow, #{rate => 10, per => minute, burst => 5}),
     set(inet, fw, banned, ipv4_addr, #{flags => [interval], elem => [prefix({10, 9, 0, 0}, 16), range({192, 0, 2, 1}, {192, 0, 2, 9})]}),
     set(inet, fw, pairs, [ipv4_addr, inet_service], #{elem => [concat([{10, 0, 0, 1}, 22])]}),
     map(inet, fw, services, inet_service, verdict, #{elem => [{22, accept()}, {23, drop()}]}),
     comment(chain(inet, fw, web), "for the web"),
     chain(inet, fw, other),
     base_chain(inet, fw, input, Input),
     rule(inet, fw, input, [match(ct(state), in, [established, related]), counter(), accept()], #{comment => "answers"}),
     rule(inet, fw, input, [match(meta(iifname), '!=', "lo"), limit(10, second, #{burst => 20}), log("in: "), jump(web)]),
     rule(inet, fw, input, [match(payload(ip, saddr), named(banned)), drop()]),
     rule(inet, fw, input, [match(payload(ip6, saddr), prefix({16#2001, 16#db8, 0, 0, 0, 0, 0, 0}, 32)),
                           reject(#{type => icmpv6, expr => "port-unreachable"})]),
     rule(inet, fw, input, [vmap(payload(tcp, dport), named(services))]),
     rule(inet, fw, web, [match(payload(tcp, dport), set([80, 443, range(8000, 8999)])), counter(logins), reject("tcp reset")]),
     rule(inet, fw, web, [match(concat([payload(ip, saddr), payload(tcp, dport)]), named(pairs)), mangle(meta(mark), 7), return()]),
     rule(inet, fw, web, [match(payload(udp, dport), '<', 1024), quota(25, #{val_unit => mbytes, inv => true}), drop()]),
     rule(inet, fw, web, [vmap(payload(tcp, dport), [{22, accept()}, {23, goto(other)}])])].

%% Objects without what the kernel adds; of one kind in the order in which they were listed, which is that of rules.
sorted(Objects) ->
    Keys = [table, chain, counter, quota, limit, set, map, rule],
    Rank = fun(Object) -> [Key] = maps:keys(Object), {place(Key, Keys), sort_key(Object)} end,
    [plain(Object) || {_, Object} <- lists:keysort(1, [{Rank(Object), Object} || Object <- Objects])].

sort_key(#{rule := #{chain := Chain}}) -> Chain;
sort_key(Object) -> [#{name := Name}] = maps:values(Object), Name.

place(Key, [Key | _]) -> 0;
place(Key, [_ | Rest]) -> 1 + place(Key, Rest).

plain(#{rule := #{expr := Statements} = Rule}) ->
    #{rule => maps:remove(handle, Rule#{expr := [uncounted(Statement) || Statement <- Statements]})};
plain(Object) ->
    maps:map(fun(counter, Counter) -> maps:without([handle, packets, bytes], Counter);
                (_, #{elem := Elements} = Parts) -> maps:remove(handle, Parts#{elem := lists:sort(Elements)});
                (_, Parts) -> maps:remove(handle, Parts)
             end, Object).

uncounted(#{counter := #{packets := _}}) -> counter();
uncounted(Statement) -> Statement.

translated_addresses(_) ->
    Pre = #{type => nat, hook => prerouting, prio => -100, policy => accept},
    Post = #{type => nat, hook => postrouting, prio => 100, policy => accept},
    Objects = [table(ip, nat4), base_chain(ip, nat4, pre, Pre), base_chain(ip, nat4, post, Post),
               base_chain(ip, nat4, raw, #{type => filter, hook => prerouting, prio => -300, policy => accept}),
               rule(ip, nat4, post, [match(meta(oifname), "eth0"), masquerade()]),
               rule(ip, nat4, post, [match(payload(ip, saddr), prefix({10, 0, 0, 0}, 8)), snat({192, 0, 2, 1})]),
               rule(ip, nat4, pre, [match(payload(tcp, dport), 80), dnat({10, 0, 0, 7}, 8080)]),
               rule(ip, nat4, pre, [match(payload(tcp, dport), 8000), redirect(8080)]),
               rule(ip, nat4, raw, [match(payload(udp, dport), 53), notrack()])],
    {ok, _} = change([add(Object) || Object <- Objects]),
    {ok, Listed} = list(portcullis_nft:list(table(ip, nat4))),
    ?assertEqual(sorted(Objects), sorted(Listed)).

%% --- listings and commands ------------------------------------------------------------------------------------------

kinds_of_listings(_) ->
    {ok, _} = change([add(Object) || Object <- objects()] ++ [add(table(ip, nat4))]),
    Kinds = fun(What) -> {ok, Listed} = list(What), lists:usort([Key || Object <- Listed, Key <- maps:keys(Object)]) end,
    ?assertEqual([chain, counter, limit, map, quota, rule, set, table], Kinds(ruleset)),
    [?assertEqual({What, Expected}, {What, Kinds(What)})
     || {What, Expected} <- [{tables, [table]}, {chains, [chain]}, {rules, [rule]}, {sets, [set]}, {maps, [map]},
                             {counters, [counter]}, {quotas, [quota]}, {limits, [limit]}, {<<"tables">>, [table]},
                             {#{ruleset => #{family => ip}}, [table]},
                             {#{<<"rules">> => #{<<"family">> => <<"inet">>, table => <<"fw">>}}, [rule]},
                             {portcullis_nft:list(chain(inet, fw, web)), [chain, rule]},
                             {portcullis_nft:list(sets), [set]}]],
    {ok, [#{chain := #{name := <<"web">>}} | Rules]} = list(#{chain => #{family => inet, table => <<"fw">>, name => <<"web">>}}),
    ?assertEqual(4, length(Rules)),
    {ok, [#{set := #{elem := [_, _]}}]} = list(portcullis_nft:list(set(inet, fw, banned, ipv4_addr, #{}))),
    {ok, [#{counter := #{packets := 0}}]} = list(portcullis_nft:list(counter(inet, fw, logins))),
    ?assertMatch({ok, [#{element := #{elem := [#{concat := [<<"10.0.0.1">>, 22]}]}}]},
                 list(element(inet, fw, pairs, [concat([{10, 0, 0, 1}, 22])]))),
    [?assertMatch({What, {error, {bad_request, [what | _], _}}}, {What, list(What)})
     || What <- [weather, #{}, 7, #{chain => #{family => inet, table => <<"fw">>}}, #{rules => #{family => cheese}}]],
    {error, {bad_request, [what, chains, <<"colour">>], unknown_key} = Error} = list(#{chains => #{family => inet, colour => red}}),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "libnftables-json")).

kinds_of_commands(_) ->
    {ok, _} = change([add(Object) || Object <- [table(inet, fw), chain(inet, fw, a), set(inet, fw, ports, inet_service, #{}),
                                                counter(inet, fw, logins)]]),
    {error, {nft, 1, eexist, _}} = change([create(chain(inet, fw, a))]),
    {ok, _} = change([add(rule(inet, fw, a, [match(payload(tcp, dport), 2), drop()]))]),
    {ok, _} = change([insert(rule(inet, fw, a, [match(payload(tcp, dport), 1), drop()]))]),
    {ok, _} = change([add(element(inet, fw, ports, [22, 80]))]),
    ?assertEqual([1, 2], ports(a)),
    [#{rule := #{handle := First}} = Rule, _] = rules(a),
    {ok, _} = change([replace(rule(inet, fw, a, [match(payload(tcp, dport), 3), drop()], #{handle => First}))]),
    ?assertEqual([3, 2], ports(a)),
    {ok, _} = change([add(rule(inet, fw, a, [match(payload(tcp, dport), 4), drop()], #{handle => First}))]),
    ?assertEqual([3, 4, 2], ports(a)),
    {ok, _} = change([delete(Rule)]),
    ?assertEqual([4, 2], ports(a)),
    {ok, _} = change([delete(element(inet, fw, ports, [22]))]),
    {ok, [#{set := #{elem := [80]}}]} = list(portcullis_nft:list(set(inet, fw, ports, inet_service, #{}))),
    {ok, _} = change([flush(set(inet, fw, ports, inet_service, #{})), flush(chain(inet, fw, a))]),
    ?assertEqual([], rules(a)),
    {ok, [#{set := Emptied}]} = list(portcullis_nft:list(set(inet, fw, ports, inet_service, #{}))),
    ?assertNot(maps:is_key(elem, Emptied)),
    {ok, _} = change([rename(chain(inet, fw, a), b)]),
    {ok, [#{chain := #{name := <<"b">>}}]} = list(chains),
    {ok, _} = change([flush(ruleset)]),
    ?assertEqual({ok, []}, list(ruleset)),
    {error, {nft, 1, enoent, _}} = change([delete(table(inet, fw))]),
    {ok, _} = change([destroy(table(inet, fw))]).

rules(Chain) ->
    {ok, [#{chain := _} | Rules]} = list(chain(inet, fw, Chain)),
    Rules.

ports(Chain) ->
    [Port || #{rule := #{expr := [#{match := #{right := Port}} | _]}} <- rules(Chain)].

%% What a command has added is known by its handle at once.
handles(_) ->
    {ok, #{handles := [Table, Chain, null, Rule]}} =
        change([add(table(inet, fw)), add(chain(inet, fw, a)), flush(chain(inet, fw, a)), add(rule(inet, fw, a, [drop()]))]),
    ?assert(is_integer(Table) andalso is_integer(Chain)),
    ?assertMatch([#{rule := #{handle := Rule}}], rules(a)),
    {ok, #{handles := [null]}} = change([delete(rule(inet, fw, a, [], #{handle => Rule}))]),
    ?assertEqual([], rules(a)).

checked(_) ->
    {ok, #{generation := Generation, check := true} = Checked} = portcullis:nft_check(?SERVER, [add(table(inet, fw))], #{}),
    ?assertNot(maps:is_key(ref, Checked)),
    ?assertEqual({ok, []}, list(tables)),
    {error, {nft, 2, enoent, _}} =
        portcullis:nft_check(?SERVER, [add(table(inet, fw)), add(rule(inet, fw, nowhere, [drop()]))], #{}),
    {ok, _} = portcullis:nft_apply(?SERVER, [add(table(inet, fw))], [{generation, Generation}, {timeout, 5000}]).

stale_generation(_) ->
    {ok, #{generation := Generation}} = change([add(table(inet, fw))]),
    {ok, #{generation := Next}} = change([add(chain(inet, fw, a))]),
    ?assertNotEqual(Generation, Next),
    ?assertEqual({error, stale}, portcullis:nft_apply(?SERVER, [add(chain(inet, fw, b))], #{generation => Generation})),
    {ok, [_]} = list(chains),
    {ok, _} = portcullis:nft_apply(?SERVER, [add(chain(inet, fw, b))], #{generation => Next}),
    {ok, [], #{generation := _, source := netfilter, rows := 0}} = portcullis:query(?SERVER, nft_list, #{what => rules}).

denied(_) ->
    {error, {denied_by_policy, <<"nft.write">>, _} = Error} = change([add(table(inet, fw)), add(table(inet, other))]),
    ?assertEqual({ok, []}, list(tables)),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error),
                                         "\n    [nft]\n    write = [{ family = \"inet\", table = \"other\", ops = [\"add_table\"] }]\n")),
    {ok, _} = change([add(table(inet, part)), add(set(inet, part, banned, ipv4_addr, #{})),
                      add(element(inet, part, banned, [{192, 0, 2, 7}]))]),
    [?assertMatch({Command, {error, {denied_by_policy, <<"nft.write">>, _}}}, {Command, change([Command])})
     || Command <- [delete(set(inet, part, banned, ipv4_addr, #{})), flush(table(inet, part)), add(chain(inet, part, a)),
                    add(set(inet, part, other, ipv4_addr, #{})), flush(set(inet, part, banned, ipv4_addr, #{}))]],
    [?assertMatch({error, {denied_by_policy, <<"nft.write">>, _}},
                  portcullis:nft_apply(?SERVER, [add(table(inet, other))], #{Key => Value}))
     || {Key, Value} <- [{check, true}, {confirm, 1000}]].

wrong_commands(_) ->
    [?assertEqual({Commands, {error, {bad_request, Path, Why}}}, {Commands, change(Commands)})
     || {Commands, Path, Why} <-
            [{x, [commands], {expected, list}}, {[#{}], [commands, 1], empty},
             {[add(table(inet, fw)), #{ad => #{table => #{}}}], [commands, 2, <<"ad">>], unknown_key},
             {[add(#{table => #{family => inet, nmae => <<"fw">>}})], [commands, 1, add, table, <<"nmae">>], unknown_key},
             {[add(#{table => #{name => <<"fw">>}})], [commands, 1, add, table, family], missing},
             {[add(base_chain(inet, fw, a, #{type => filter, hook => input, prio => 0, policy => dorp}))],
              [commands, 1, add, chain, policy], {unknown_name, <<"dorp">>}},
             {[add(rule(inet, fw, a, [drop(), match(payload(tcp, dprt), 22)]))],
              [commands, 1, add, rule, expr, 2, match, left, payload, field], {unknown_name, <<"dprt">>}},
             {[add(rule(inet, fw, a, [#{opaque => #{name => x, data => null}}]))],
              [commands, 1, add, rule, expr, 1, opaque], listed_only},
             {[#{delete => #{table => #{family => inet, name => <<"fw">>, handle => 1}}}],
              [commands, 1, delete, table, handle], {excludes, name}}]],
    [?assertEqual({Options, {error, {bad_request, Path, Why}}},
                  {Options, portcullis:nft_apply(?SERVER, [add(table(inet, fw))], Options)})
     || {Options, Path, Why} <- [{#{confirm => 1}, [confirm], {range, 100, 3600000}},
                                 {#{confirm => soon}, [confirm], {expected, integer}},
                                 {#{check => maybe}, [check], {expected, boolean}},
                                 {#{colour => red}, [<<"colour">>], unknown_key},
                                 {[{generation, -1}], [generation], {range, 0, 4294967295}}, {x, [], {expected, map}}]],
    ?assertEqual({ok, []}, list(tables)),
    [?assertMatch({error, {bad_request, [ref], _}}, Answer)
     || Answer <- [portcullis:nft_confirm(?SERVER, x), portcullis:nft_rollback(?SERVER, {x, y}), portcullis:nft_confirm(?SERVER, 0)]].

refused_by_the_kernel(_) ->
    {error, {nft, 2, enoent, What} = Error} = change([add(table(inet, fw)), add(rule(inet, fw, nowhere, [drop()]))]),
    ?assertNotEqual(nomatch, string:find(What, "add rule inet fw nowhere")),
    ?assertEqual(<<"The kernel refused command 2, ", What/binary, ".">>, portcullis:format_error(Error)),
    ?assertEqual({ok, []}, list(tables)).

%% All or nothing, and the one that fails is named.
many_rules_or_none(_) ->
    Rules = [add(rule(inet, fw, a, [match(payload(tcp, dport), N), counter(), accept()])) || N <- lists:seq(1, 2000)],
    {Before, [_ | After]} = lists:split(1499, Rules),
    Bad = add(rule(inet, fw, nowhere, [drop()])),
    Frame = [add(table(inet, fw)), add(chain(inet, fw, a))],
    {error, {nft, 1502, enoent, _}} = change(Frame ++ Before ++ [Bad | After]),
    ?assertEqual({ok, []}, list(ruleset)),
    {Time, {ok, #{handles := Handles}}} = timer:tc(fun() -> change(Frame ++ Rules) end),
    ?assertEqual(2002, length(Handles)),
    {Listing, Listed} = timer:tc(fun() -> rules(a) end),
    ct:pal("2000 rules: added in ~b us, listed in ~b us", [Time, Listing]),
    ?assertEqual(lists:seq(1, 2000), [Port || #{rule := #{expr := [#{match := #{right := Port}} | _]}} <- Listed]).

%% A request of this role can be deeper and longer than one of the other.
deep_and_long(_) ->
    {ok, _} = change([add(table(inet, fw)), add(chain(inet, fw, a))]),
    Deep = lists:foldl(fun(_, Inner) -> #{'|' => [Inner, 1]} end, #{meta => #{key => mark}}, lists:seq(1, 9)),
    ?assertMatch({ok, _}, portcullis_codec:body(nft_apply, #{commands => [add(rule(inet, fw, a, [match(Deep, 1)]))]})),
    ?assertMatch({error, {bad_request, _, too_deep}}, portcullis_codec:body(processes, #{where => nested(16)})),
    ?assertMatch({error, {bad_request, [commands, 1], {expected, _}}}, change(nested(63))),
    {error, {bad_request, Path, too_deep}} = change(nested(64)),
    ?assertEqual(commands, hd(Path)),
    %% More terms than the program takes would be answered to nobody.
    Many = lists:duplicate(4 bsl 20, []),
    ?assertEqual({error, {bad_request, [], too_many_terms}}, change(Many)),
    {error, {bad_request, [], {frame_too_long, _}}} = change([<<0:(17 bsl 23)>>]),
    ?assertMatch({ok, #{net := #{downs := 0}}}, portcullis:info(?SERVER)).

nested(1) -> [];
nested(N) -> [nested(N - 1)].

large_set(_) ->
    Elements = [{10, N bsr 16, (N bsr 8) band 255, N band 255} || N <- lists:seq(0, 19999)],
    {ok, _} = change([add(table(inet, fw)), add(set(inet, fw, many, ipv4_addr, #{elem => Elements}))]),
    {ok, Listed} = list(portcullis_nft:list(set(inet, fw, many, ipv4_addr, #{}))),
    Found = lists:append([Some || Object <- Listed, #{elem := Some} <- maps:values(Object)]),
    ?assertEqual(lists:sort([list_to_binary(inet:ntoa(Address)) || Address <- Elements]), lists:sort(Found)).

%% --- JSON -----------------------------------------------------------------------------------------------------------

json(_) ->
    {ok, #{generation := _, handles := [_, _]}} =
        text("{\"nftables\": [{\"add\": {\"table\": {\"family\": \"inet\", \"name\": \"fw\"}}},"
             " {\"add\": {\"chain\": {\"family\": \"inet\", \"table\": \"fw\", \"name\": \"a\", \"comment\": \"\\u00fc\"}}}]}"),
    {ok, [#{chain := #{comment := <<"ü"/utf8>>}}]} = list(chains),
    {ok, _} = change([add(rule(inet, fw, a, [match(payload(tcp, dport), N), drop()])) || N <- lists:seq(1, 600)]),
    {ok, Text} = text(<<"{\"nftables\":[{\"list\":{\"ruleset\":null}}]}">>),
    ?assertEqual(<<"{\"nftables\": [">>, binary:part(Text, 0, 14)),
    ?assertEqual(602, length(binary:matches(Text, <<"\"handle\":">>))),
    {ok, Before} = list(ruleset),
    %% What was printed makes the same again.
    {ok, _} = change([destroy(table(inet, fw))]),
    {ok, #{ref := Ref}} = portcullis:nft_json(?SERVER, [Text], #{confirm => 60000}),
    ok = portcullis:nft_confirm(?SERVER, Ref),
    {ok, After} = list(ruleset),
    ?assertEqual(sorted(Before), sorted(After)),
    {ok, #{check := true}} = portcullis:nft_json(?SERVER, Text, [{check, true}]),
    {ok, _} = change([destroy(table(inet, fw))]),
    ?assertEqual({ok, <<"{\"nftables\": []}">>}, text("[{\"list\": {\"ruleset\": null}}]")).

json_errors(_) ->
    {error, {bad_request, [text, 2, Column], {expected, _}} = Error} = text("{\"nftables\":\n [}"),
    ?assert(is_integer(Column)),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "line 2")),
    [?assertMatch({Text, {error, {bad_request, [text | _], _}}}, {Text, text(Text)})
     || Text <- ["", "7", "add table inet fw", "include \"/etc/passwd\"", "{\"nftables\": [{\"ad\": {}}]}",
                 "{\"nftables\": [{\"list\": {\"tables\": null}}, {\"add\": {\"table\": {\"family\": \"inet\", \"name\": \"fw\"}}}]}"]],
    {error, {bad_request, [text], {expected, binary}}} = text(7),
    {error, {bad_request, [text], _}} = text([300]),
    {error, {denied_by_policy, <<"nft.write">>, _}} =
        text("{\"nftables\": [{\"add\": {\"table\": {\"family\": \"inet\", \"name\": \"other\"}}}]}"),
    ?assertEqual({ok, []}, list(tables)),
    ?assertMatch({ok, #{net := #{downs := 0}}}, portcullis:info(?SERVER)).

%% {request, Text} is what a program calls that was written for the Elixir package nftables.
process_of_another_library(_) ->
    Commit = fun(Text) -> gen_server:call(?SERVER, {request, Text}) end,
    Add = <<"{\"nftables\": [{\"create\": {\"table\": {\"family\": \"inet\", \"name\": \"fw\"}}}]}">>,
    ?assertEqual({ok, <<>>}, Commit(Add)),
    {ok, <<"Error: ", Exists/binary>>} = Commit(Add),
    ?assertNotEqual(nomatch, string:find(Exists, "File exists")),
    ?assertMatch({ok, <<"{\"nftables\": [{\"table\": ", _/binary>>}, Commit(<<"{\"nftables\": [{\"list\": {\"tables\": null}}]}">>)),
    [?assertMatch({Text, {ok, <<"Error: ", _/binary>>}}, {Text, Commit(Text)})
     || Text <- [<<"add table">>, <<"{\"nftables\": [{\"add\": {\"table\": {\"family\": \"inet\", \"name\": \"other\"}}}]}">>]],
    ?assertMatch({error, {down, noproc}}, portcullis_firewall:commit(no_such_server, Add, #{})).

text(Text) -> portcullis:nft_json(?SERVER, Text, #{}).

%% --- changes that take themselves back ------------------------------------------------------------------------------

confirmed(_) ->
    {ok, #{ref := Ref}} = portcullis:nft_apply(?SERVER, [add(table(inet, fw))], #{confirm => 300}),
    %% Whoever else changed its table would have that taken back too.
    {error, {nft, 0, ebusy, _}} = change([add(chain(inet, fw, a))]),
    {ok, _} = change([add(table(ip, nat4))]),
    ok = portcullis:nft_confirm(?SERVER, Ref),
    [?assertEqual({error, stale}, portcullis:Decide(?SERVER, Ref)) || Decide <- [nft_confirm, nft_rollback]],
    timer:sleep(500),
    {ok, [_, _]} = list(tables).

rolled_back(_) ->
    {ok, _} = change([add(Object) || Object <- objects()]),
    {ok, Before} = list(ruleset),
    {ok, #{ref := Ref}} = portcullis:nft_apply(?SERVER, [flush(table(inet, fw)), delete(map(inet, fw, services, x, y, #{})),
                                                         add(chain(inet, fw, new))], #{confirm => 60000}),
    {ok, Between} = list(portcullis_nft:list(table(inet, fw))),
    ?assertMatch([#{table := _}, #{chain := _}, #{chain := _} | _], Between),
    ?assertEqual([], [Rule || #{rule := Rule} <- Between]),
    ok = portcullis:nft_rollback(?SERVER, Ref),
    {ok, After} = list(ruleset),
    ?assertEqual(sorted(Before), sorted(After)),
    ?assertEqual({error, stale}, portcullis:nft_rollback(?SERVER, Ref)).

%% The change cuts its maker off, and nobody needs to be reached for it to end.
back_in_time(_) ->
    with_listener(fun(Reachable) ->
                          {ok, #{ref := _}} = portcullis:nft_apply(?SERVER, cut(), #{confirm => 1000}),
                          Begun = erlang:monotonic_time(millisecond),
                          ?assertNot(Reachable()),
                          until(Reachable),
                          Time = erlang:monotonic_time(millisecond) - Begun,
                          ?assert(Time >= 500 andalso Time < 5000),
                          ?assertEqual({ok, []}, list(ruleset))
                  end).

%% As its input closes.
back_when_the_port_ends(_) ->
    with_listener(fun(Reachable) ->
                          Other = other_server(),
                          {ok, #{ref := _}} = portcullis:nft_apply(Other, cut(), #{confirm => 3600000}),
                          ?assertNot(Reachable()),
                          ok = portcullis:stop(Other),
                          until(Reachable),
                          until(fun() -> list(ruleset) =:= {ok, []} end)
                  end).

%% A node that is killed has no time to close anything.
back_when_the_node_is_killed(_) ->
    Paths = [filename:absname(Path) || Path <- code:get_path(), string:find(Path, "portcullis") =/= nomatch],
    {ok, Peer, _} = peer:start(#{connection => standard_io, args => ["-pa" | Paths]}),
    Pid = peer:call(Peer, os, getpid, []),
    {ok, _} = peer:call(Peer, ?MODULE, unlinked_server, [], 20000),
    with_listener(fun(Reachable) ->
                          {ok, #{ref := _}} = peer:call(Peer, portcullis, nft_apply, [peer_server, cut(), #{confirm => 3600000}]),
                          ?assertNot(Reachable()),
                          ?assertMatch({ok, [_ | _]}, list(ruleset)),
                          [] = os:cmd("kill -9 " ++ Pid),
                          until(Reachable),
                          until(fun() -> list(ruleset) =:= {ok, []} end)
                  end).

unlinked_server() ->
    {ok, Server} = portcullis:start_link(options(#{name => peer_server, roles => [net], required => true})),
    true = unlink(Server),
    {ok, Server}.

cut() ->
    [add(table(inet, fw)), add(base_chain(inet, fw, input, #{type => filter, hook => input, prio => 0, policy => accept})),
     add(rule(inet, fw, input, [match(meta(iifname), "lo"), drop()]))].

%% Whether somebody can be reached over loopback.
with_listener(Fun) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, {backlog, 64}]),
    {ok, Port} = inet:port(Listener),
    Reachable = fun() ->
                        case gen_tcp:connect({127, 0, 0, 1}, Port, [], 100) of
                            {ok, Socket} -> ok = gen_tcp:close(Socket), true;
                            {error, _} -> false
                        end
                end,
    true = Reachable(),
    Fun(Reachable),
    ok = gen_tcp:close(Listener).

%% Each port counts its changes from 1: the same number of the next one is somebody else's.
reference_of_another_port(_) ->
    Other = other_server(#{backoff => {10, 20}}),
    {ok, #{ref := Old}} = portcullis:nft_apply(Other, [add(table(inet, fw))], #{confirm => 3600000}),
    {ok, #{net := #{os_pid := Pid}}} = portcullis:info(Other),
    [] = os:cmd("kill -TERM " ++ integer_to_list(Pid)),
    until(fun() -> {ok, #{net := #{state := State, downs := Downs}}} = portcullis:info(Other), {State, Downs} =:= {ready, 1} end),
    until(fun() -> list(tables) =:= {ok, []} end),
    {ok, #{ref := New}} = portcullis:nft_apply(Other, [add(table(ip, nat4))], #{confirm => 3600000}),
    ?assertNotEqual(Old, New),
    ?assertEqual({error, stale}, portcullis:nft_confirm(Other, Old)),
    ok = portcullis:nft_rollback(Other, New),
    ?assertEqual({ok, []}, list(tables)),
    %% The number that an error names will do.
    {ok, #{ref := _}} = portcullis:nft_apply(Other, [add(table(ip, nat4))], #{confirm => 3600000}),
    {error, {nft, 0, ebusy, What}} = portcullis:nft_apply(Other, [add(chain(ip, nat4, a))], #{}),
    {match, [Number]} = re:run(What, "change ([0-9]+) ", [{capture, all_but_first, list}]),
    ok = portcullis:nft_rollback(Other, list_to_integer(Number)),
    ok = portcullis:stop(Other).

%% --- what is not known ----------------------------------------------------------------------------------------------

%% Sent, and then the port is silent, or gone: a change may be made or not. A question is simply not answered.
unknown_outcome(_) ->
    [begin
         Other = other_server(#{backoff => {10, 20}, stuck_timeout => 300}),
         {ok, #{net := #{os_pid := Pid}}} = portcullis:info(Other),
         [] = os:cmd("kill -STOP " ++ integer_to_list(Pid)),
         Change = portcullis:send_request(Other, nft_apply, #{commands => [add(table(inet, fw))], timeout => Timeout}),
         Check = portcullis:send_request(Other, nft_apply, #{commands => [add(table(inet, fw))], check => true, timeout => Timeout}),
         List = portcullis:send_request(Other, nft_list, #{timeout => Timeout}),
         Text = <<" { \"nftables\":[ {\"list\" : {\"tables\": null}}]}">>,
         Json = portcullis:send_request(Other, nft_json, #{text => Text, timeout => Timeout}),
         Banned = portcullis:send_request(Other, ban, #{address => {192, 0, 2, 7}, timeout => 60000}),
         %% All of them are with the port by now.
         {ok, #{net := #{in_flight := 5}}} = portcullis:info(Other),
         [[] = os:cmd("kill -KILL " ++ integer_to_list(Pid)) || Timeout =:= 60000],
         {error, {unknown_outcome, Id}} = portcullis:receive_response(Change),
         ?assert(is_integer(Id)),
         Questions = [portcullis:receive_response(Request) || Request <- [Check, List, Json]],
         ?assertEqual([Expected], lists:usort(Questions)),
         ?assertMatch({error, {unknown_outcome, _}}, portcullis:receive_response(Banned)),
         ok = portcullis:stop(Other)
     end || {Timeout, Expected} <- [{60000, {error, {down, {exit_status, 137}}}}, {500, {error, timeout}}]],
    ?assertEqual([], messages()).

%% Without the connection nobody knows whether it was sent.
unknown_here(_) ->
    Send = fun(Server, Operation, Args) -> portcullis:send_request(Server, Operation, Args) end,
    {Silent, _} = fake(fun(_) -> nothing end),
    [?assertEqual({Operation, {error, Expected}},
                  {Operation, portcullis:receive_response(Send(Silent, Operation, Args), 50)})
     || {Operation, Args, Expected} <- answers(timeout)],
    [begin
         {Dying, _} = fake(fun(_) -> exit(gone) end),
         ?assertEqual({Operation, {error, Expected}}, {Operation, portcullis:receive_response(Send(Dying, Operation, Args))})
     end || {Operation, Args, Expected} <- answers({down, gone})],
    [begin
         {Broken, _} = fake(fun(Tag) -> Tag ! {Tag, {done, {self(), make_ref()}, <<131, 0>>}} end),
         ?assertEqual({Operation, {error, Expected}}, {Operation, portcullis:receive_response(Send(Broken, Operation, Args))})
     end || {Operation, Args, Expected} <- answers({down, {protocol, malformed_frame}})],
    ?assertEqual([], messages()).

answers(Known) ->
    Unknown = {unknown_outcome, undefined},
    [{nft_apply, #{commands => []}, Unknown}, {nft_apply, #{commands => [], check => true}, Known},
     {nft_apply, #{commands => [], check => false}, Unknown}, {nft_confirm, #{ref => 1}, Unknown}, {nft_rollback, #{ref => 1}, Unknown},
     {nft_list, #{}, Known}, {nft_json, #{text => <<"[{\"add\": {}}]">>}, Unknown},
     {nft_json, #{text => <<"[{\"list\": {}}]">>}, Known}, {nft_json, #{text => <<"{\"nftables\": [{\"list\": {}}]}">>}, Known},
     {nft_json, #{text => <<"[{\"metainfo\": {}}, {\"list\": {}}]">>}, Unknown},
     {nft_json, #{text => <<"[{\"add\": {\"list\": {}}}]">>}, Unknown},
     {ban, #{address => {192, 0, 2, 7}}, Unknown}, {unban, #{address => {192, 0, 2, 7}}, Unknown}, {banned, #{}, Known},
     {sysctl_set, #{name => <<"x">>, value => 1}, Unknown}, {sysctl_get, #{name => <<"x">>}, Known}, {ping, #{}, Known}].

%% A listing five times in all, a change once.
asked_again(_) ->
    Stale = fun(Tag) -> Tag ! {Tag, {error, stale}} end,
    Text = <<"[{\"list\": {\"ruleset\": null}}]">>,
    Rows = fun(Columns, Row) -> fun(Tag) ->
                   Tag ! {Tag, {rows, self(), 1, term_to_binary({rows, 1, Columns, [Row]}, [{minor_version, 2}])}},
                   Tag ! {Tag, {done, {self(), make_ref()}, term_to_binary({ok, 1, #{rows => 1}}, [{minor_version, 2}])}}
           end end,
    Cases = [{fun(Server) -> portcullis:nft_list(Server, ruleset, #{}) end, Rows([object], {x}), {ok, [x]}},
             {fun(Server) -> portcullis:nft_json(Server, Text, #{}) end, Rows([text], {<<"[]">>}), {ok, <<"[]">>}},
             {fun(Server) -> portcullis:banned(Server) end, Rows([address], {x}), {ok, [#{address => x}]}}],
    [begin
         {Fifth, _} = fake(fun(Tag) -> case counted() of 5 -> Last(Tag); _ -> Stale(Tag) end end),
         ?assertEqual(Answer, Ask(Fifth)),
         {Never, Asked} = fake(fun(Tag) -> _ = counted(), Stale(Tag) end),
         ?assertEqual({error, stale}, Ask(Never)),
         ?assertEqual(5, Asked())
     end || {Ask, Last, Answer} <- Cases],
    [begin
         {Server, Asked} = fake(fun(Tag) -> _ = counted(), Stale(Tag) end),
         ?assertEqual({error, stale}, Ask(Server)),
         ?assertEqual(1, Asked())
     end || Ask <- [fun(S) -> portcullis:nft_apply(S, [], #{}) end, fun(S) -> portcullis:nft_confirm(S, 1) end,
                    fun(S) -> portcullis:nft_json(S, "[{\"add\": {}}]", #{generation => 1}) end]].

%% What a server looks like from outside: it does something for each request.
fake(Answer) ->
    Pid = spawn(fun() -> fake_loop(Answer) end),
    {Pid, fun() -> Pid ! {counted, self()}, receive {Pid, N} -> N end end}.

fake_loop(Answer) ->
    receive
        {'$gen_cast', {send, _, _, Tag, {<<_/binary>>, _}, _, _}} -> _ = Answer(Tag), fake_loop(Answer);
        {counted, From} -> From ! {self(), get(counted)}, fake_loop(Answer);
        {'$gen_cast', {cancel, _}} -> fake_loop(Answer)
    end.

counted() ->
    N = case get(counted) of undefined -> 1; Before -> Before + 1 end,
    _ = put(counted, N),
    N.

%% What has not left this node has changed nothing, and the error says why.
never_sent(_) ->
    ?assertEqual({error, {down, noproc}}, portcullis:nft_apply(no_such_server, [add(table(inet, fw))], #{})),
    {ok, Down} = portcullis:start_link(options(#{roles => [net], path => "/nonexistent"})),
    until(fun() -> {ok, #{net := #{state := State}}} = portcullis:info(Down), State =:= backoff end),
    ?assertMatch({error, {down, {no_program, _}}}, portcullis:nft_apply(Down, [add(table(inet, fw))], #{})),
    ?assertEqual({error, stale}, portcullis:nft_confirm(Down, {1, make_ref()})),
    ok = portcullis:stop(Down),
    %% The first is with a port that is stopped; the second waits for its place.
    Other = other_server(#{max_in_flight => 1, stuck_timeout => 300, backoff => {10, 20}}),
    {ok, #{net := #{os_pid := Pid}}} = portcullis:info(Other),
    [] = os:cmd("kill -STOP " ++ integer_to_list(Pid)),
    First = portcullis:send_request(Other, nft_apply, #{commands => [add(table(inet, fw))], timeout => 1000}),
    Second = portcullis:send_request(Other, nft_apply, #{commands => [add(table(inet, fw))], timeout => 200}),
    ?assertEqual({error, timeout}, portcullis:receive_response(Second)),
    ?assertMatch({error, {unknown_outcome, _}}, portcullis:receive_response(First)),
    ok = portcullis:stop(Other).

%% Others write all the time: a listing is asked for again until it is of one generation.
disturbed_listing(_) ->
    {ok, _} = change([add(table(inet, fw)), add(chain(inet, fw, a))
                      | [add(rule(inet, fw, a, [match(payload(tcp, dport), N), drop()])) || N <- lists:seq(1, 3000)]]),
    Writer = spawn_link(fun() -> write_on(other_server()) end),
    Answers = [list(#{rules => #{family => inet, table => <<"fw">>}}) || _ <- lists:seq(1, 20)],
    Writer ! {stop, self()},
    receive stopped -> ok end,
    Lengths = lists:usort([length(Rules) || {ok, Rules} <- Answers]),
    ?assert(Lengths =:= [3000] orelse Lengths =:= []),
    ?assertEqual([], [Answer || {error, Error} = Answer <- Answers, Error =/= stale]).

write_on(Server) ->
    {ok, _} = portcullis:nft_apply(Server, [add(table(ip, nat4)), delete(table(ip, nat4))], #{}),
    receive {stop, From} -> ok = portcullis:stop(Server), From ! stopped
    after 20 -> write_on(Server)
    end.

%% --- the rest -------------------------------------------------------------------------------------------------------

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
    {ok, [#{object := _} | _], _} = gen_server:call(?SERVER, {request, nft_list, #{what => tables}, 5000}).

resets(_) ->
    Logins = counter(inet, fw, logins, #{packets => 7, bytes => 420}),
    {ok, _} = change([add(table(inet, fw)), add(Logins)]),
    {ok, #{reset := [#{counter := #{packets := 7, bytes := 420}}]}} = change([portcullis_nft:reset(Logins)]),
    {ok, [#{counter := #{packets := 0, bytes := 0}}]} = list(portcullis_nft:list(Logins)),
    {error, {nft, 2, einval, _}} = change([add(table(inet, fw)), portcullis_nft:reset(Logins)]).

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
    after 5000 -> ct:fail(messages())
    end,
    ok = portcullis:ack(Ref, 1),
    ok = portcullis:unsubscribe(Ref),
    {ok, Both} = portcullis:start_link(options(#{roles => [proc, net]})),
    {ok, There} = portcullis:subscribe(Both, nft, [{timeout, 5000}]),
    {ok, _} = portcullis:nft_apply(Other, [delete(table(inet, fw))], #{}),
    receive {portcullis, There, {event, #{changes := [_ | _]}}} -> ok after 5000 -> ct:fail(messages()) end,
    [ok = portcullis:stop(Server) || Server <- [Other, Both]].

recorded(_) ->
    {ok, Ref} = portcullis:subscribe(?SERVER, audit, #{}),
    {ok, _} = change([add(table(inet, fw))]),
    {error, _} = change([add(table(inet, other))]),
    Events = [receive {portcullis, Ref, {event, Event}} -> Event after 5000 -> ct:fail(messages()) end || _ <- [1, 2]],
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
    {ok, #{changed := true}} = gen_server:call(?SERVER, {request, ban, #{address => {192, 0, 2, 17}, timeout => 7200000}, 5000}),
    {ok, #{changed := true}} = answer(?SERVER, ban, [{address, {192, 0, 2, 27}}, {timeout, 7200000}]),
    {ok, Rows} = portcullis:banned(?SERVER),
    ?assertEqual(2, length([Row || #{timeout := 7200000} = Row <- Rows])),
    [?assertEqual({ok, #{changed => true}}, portcullis:unban(?SERVER, Address)) || Address <- [Four, Six]],
    [?assertMatch({error, {bad_request, [Key | _], _}}, portcullis:ban(?SERVER, Address, Options))
     || {Key, Address, Options} <- [{address, "192.0.2.7", #{}}, {address, {Four, 33}, #{}}, {timeout, Four, #{timeout => infinity}},
                                    {comment, Four, #{comment => <<>>}}, {<<"colour">>, Four, #{colour => red}}]],
    %% Loopback as everything else.
    with_listener(fun(Reachable) ->
                          {ok, _} = portcullis:ban(?SERVER, {127, 0, 0, 1}, #{}),
                          ?assertNot(Reachable()),
                          {ok, _} = portcullis:unban(?SERVER, {{127, 0, 0, 0}, 8}),
                          until(Reachable)
                  end).

servers(_) ->
    {ok, Server} = portcullis:start_link(maps:remove(name, options(#{roles => [net]}))),
    Table = [add(table(inet, fw))],
    {ok, #{check := true}} = portcullis:nft_check(Table),
    {ok, #{check := true}} = portcullis:nft_check(Table, #{timeout => 5000}),
    {ok, #{generation := _}} = portcullis:nft_apply(Table),
    {ok, #{ref := First}} = portcullis:nft_apply(Table, #{confirm => 60000}),
    ok = portcullis:nft_confirm(First),
    {ok, #{ref := Second}} = portcullis:nft_apply(Table, [{confirm, 60000}]),
    ok = portcullis:nft_rollback(Second),
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

readme_example(_) ->
    [Code] = portcullis_pages_SUITE:blocks("README.md", "## The firewall"),
    ?assertMatch(#{'Handle' := Handle} when is_integer(Handle), portcullis_pages_SUITE:evaluate(Code)),
    ok = portcullis:stop(firewall).

%% --- help -----------------------------------------------------------------------------------------------------------

change(Commands) -> portcullis:nft_apply(?SERVER, Commands, #{}).

list(What) -> portcullis:nft_list(?SERVER, What, #{}).

other_server() -> other_server(#{}).

other_server(More) ->
    {ok, Server} = portcullis:start_link(options(More#{roles => [net], required => true})),
    Server.
