%% Rulesets in Erlang: the examples of the documentation, and what is listed is what was built.
-module(portcullis_nft_builders_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, base_chain/4, rule/4, add/1, destroy/1, match/2, payload/2, meta/1, prefix/2,
                         notrack/0, snat/1, dnat/2, masquerade/0, redirect/1]).
-import(portcullis_test_firewall, [change/1, list/1, objects/0, sorted/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [examples_of_builders, listed_as_built, translated_addresses, a_list_of_numbers_is_no_text].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> portcullis_test_firewall:clean().

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

%% [53] reads as the text "5", which is another port.
a_list_of_numbers_is_no_text(_) ->
    Ports = payload(udp, dport),
    [?assertError({bad_value, Value, <<_/binary>>}, match(Ports, Value))
     || Value <- [[53], [53, 53], "8080", [22, 80], {22, 80}, 1.5]],
    ?assertError({bad_value, [53], _}, match(Ports, portcullis_nft:set([[53]]))),
    [?assertMatch(#{match := #{right := <<"domain">>}}, match(Ports, Text)) || Text <- ["domain", domain, <<"domain">>]],
    ?assertMatch(#{match := #{right := 53}}, match(Ports, 53)),
    ?assertMatch(#{match := #{right := #{set := [22, 80]}}}, match(Ports, portcullis_nft:set([22, 80]))).
