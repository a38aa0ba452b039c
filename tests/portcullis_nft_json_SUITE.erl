%% The firewall in the JSON of nft.
-module(portcullis_nft_json_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, rule/4, add/1, destroy/1, match/2, payload/2, drop/0]).
-import(portcullis_test_firewall, [change/1, list/1, sorted/1]).

-define(SERVER, nft_suite).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [json, json_errors, process_of_another_library].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> portcullis_test_firewall:clean().

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
    ?assertMatch({error, {down, {noproc, no_such_server}}}, portcullis_firewall:commit(no_such_server, Add, #{})).

text(Text) -> portcullis:nft_json(?SERVER, Text, #{}).
