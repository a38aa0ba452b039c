%% Changes that take themselves back.
-module(portcullis_nft_confirm_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, chain/3, base_chain/4, rule/4, map/6, add/1, delete/1, flush/1, match/2, meta/1,
                         drop/0]).
-import(portcullis_test_firewall, [change/1, list/1, other_server/0, other_server/1, with_listener/1, objects/0,
                                   sorted/1]).
-import(portcullis_test_server, [options/1, until/1, of_five/1, within/2, within/3]).

-define(SERVER, nft_suite).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [confirmed, rolled_back, back_in_time, back_when_the_port_ends, back_when_the_node_is_killed,
     reference_of_another_port].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> portcullis_test_firewall:clean().

confirmed(_) ->
    {ok, #{ref := Ref}} = portcullis:nft_apply(?SERVER, [add(table(inet, fw))], #{confirm => 4000}),
    Begun = erlang:monotonic_time(millisecond),
    %% Whoever else changed its table would have that taken back too.
    {error, {nft, 0, ebusy, _}} = change([add(chain(inet, fw, a))]),
    {ok, _} = change([add(table(ip, nat4))]),
    ok = portcullis:nft_confirm(?SERVER, Ref),
    [?assertEqual({error, stale}, portcullis:Decide(?SERVER, Ref)) || Decide <- [nft_confirm, nft_rollback]],
    timer:sleep(max(0, Begun + 4500 - erlang:monotonic_time(millisecond))),
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
                          Back = fun() ->
                                         {ok, #{ref := _}} = portcullis:nft_apply(?SERVER, cut(), #{confirm => 3000}),
                                         ?assertNot(Reachable()),
                                         until(Reachable)
                                 end,
                          of_five(fun() -> within(3000, 4000, Back) end),
                          ?assertEqual({ok, []}, list(ruleset))
                  end).

%% As its input closes.
back_when_the_port_ends(_) ->
    with_listener(fun(Reachable) ->
                          of_five(fun() -> back_with_its_port(Reachable) end)
                  end).

back_with_its_port(Reachable) ->
    Other = other_server(),
    {ok, #{ref := _}} = portcullis:nft_apply(Other, cut(), #{confirm => 3600000}),
    ?assertNot(Reachable()),
    within(5000, fun() ->
                         ok = portcullis:stop(Other),
                         until(Reachable),
                         until(fun() -> list(ruleset) =:= {ok, []} end)
                 end).

%% A node that is killed has no time to close anything.
back_when_the_node_is_killed(_) ->
    Paths = [filename:absname(Path) || Path <- code:get_path(), string:find(Path, "portcullis") =/= nomatch],
    {ok, Peer, _} = peer:start(#{connection => standard_io, wait_boot => 120000, args => ["-pa" | Paths]}),
    Pid = peer:call(Peer, os, getpid, []),
    {ok, _} = peer:call(Peer, ?MODULE, unlinked_server, [], 120000),
    with_listener(fun(Reachable) ->
                          {ok, #{ref := _}} = peer:call(Peer, portcullis, nft_apply, [peer_server, cut(), #{confirm => 3600000}], 120000),
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
