%% Every kind of listing and of command, what is refused and by whom, and how much at once.
-module(portcullis_nft_commands_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, chain/3, base_chain/4, rule/4, rule/5, set/5, element/4, counter/3, counter/4,
                         add/1, create/1, insert/1, replace/1, delete/1, destroy/1, flush/1, rename/2, match/2,
                         payload/2, concat/1, accept/0, drop/0, counter/0]).
-import(portcullis_test_firewall, [change/1, list/1, rules/1, objects/0]).

-define(SERVER, nft_suite).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [empty, kinds_of_listings, kinds_of_commands, handles, checked, stale_generation, denied, wrong_commands,
     refused_by_the_kernel, many_rules_or_none, deep_and_long, large_set, resets].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> portcullis_test_firewall:clean().

empty(_) ->
    ?assertEqual({ok, []}, list(ruleset)),
    ?assertEqual({ok, []}, list(tables)),
    {error, {nft, 0, enoent, _}} = list(element(inet, fw, x, [1])).

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
             {[add(table(inet, fw)), #{ad => #{table => #{}}}], [commands, 2, <<"ad">>], {unknown_key, <<"add">>}},
             {[add(#{table => #{family => inet, nmae => <<"fw">>}})], [commands, 1, add, table, <<"nmae">>], {unknown_key, <<"name">>}},
             {[add(#{rul => #{}})], [commands, 1, add, <<"rul">>], {unknown_key, <<"rule">>}},
             {[add(#{rule => #{family => inet, table => fw, chian => a}})], [commands, 1, add, rule, <<"chian">>], {unknown_key, <<"chain">>}},
             {[add(#{table => #{name => <<"fw">>}})], [commands, 1, add, table, family], missing},
             {[add(base_chain(inet, fw, a, #{type => filter, hook => input, prio => 0, policy => dorp}))],
              [commands, 1, add, chain, policy], {unknown_name, <<"dorp">>, <<"drop">>}},
             {[add(rule(inet, fw, a, [drop(), match(payload(tcp, dprt), 22)]))],
              [commands, 1, add, rule, expr, 2, match, left, payload, field], {unknown_name, <<"dprt">>, <<"dport">>}},
             {[add(rule(inet, fw, a, [#{opaque => #{name => x, data => null}}]))],
              [commands, 1, add, rule, expr, 1, opaque], listed_only},
             {[#{delete => #{table => #{family => inet, name => <<"fw">>, handle => 1}}}],
              [commands, 1, delete, table, handle], {excludes, name}}]],
    [?assertEqual({Options, {error, {bad_request, Path, Why}}},
                  {Options, portcullis:nft_apply(?SERVER, [add(table(inet, fw))], Options)})
     || {Options, Path, Why} <- [{#{confirm => 1}, [confirm], {range, 100, 3600000}},
                                 {#{confirm => soon}, [confirm], {expected, integer}},
                                 {#{check => perhaps}, [check], {expected, boolean}},
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

resets(_) ->
    Logins = counter(inet, fw, logins, #{packets => 7, bytes => 420}),
    {ok, _} = change([add(table(inet, fw)), add(Logins)]),
    {ok, #{reset := [#{counter := #{packets := 7, bytes := 420}}]}} = change([portcullis_nft:reset(Logins)]),
    {ok, [#{counter := #{packets := 0, bytes := 0}}]} = list(portcullis_nft:list(Logins)),
    {error, {nft, 2, einval, _}} = change([add(table(inet, fw)), portcullis_nft:reset(Logins)]).
