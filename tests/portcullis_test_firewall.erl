%% The firewall under the policy firewall of tests/fixtures/make.sh, in a network of the suite's own: scripts/test-all.sh has a
%% step for that. A server, what is asked of it, and a ruleset with something of everything.
-module(portcullis_test_firewall).

-export([init/1, stop/0, clean/0, change/1, list/1, other_server/0, other_server/1, rules/1, with_listener/1, with_listener/2, objects/0,
         sorted/1]).

-import(portcullis_nft, [table/2, table/3, chain/3, base_chain/4, rule/4, rule/5, set/5, map/6, counter/3, quota/5,
                         limit/4, comment/2, add/1, destroy/1, match/2, match/3, payload/2, meta/1, ct/1, set/1,
                         named/1, range/2, prefix/2, concat/1, vmap/2, accept/0, drop/0, return/0, jump/1, goto/1,
                         reject/1, counter/0, counter/1, limit/3, quota/2, log/1, mangle/2]).
-import(portcullis_test_server, [options/1, until/1]).

-define(SERVER, nft_suite).

init(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => ?SERVER, roles => [net], required => true})),
    true = unlink(Server),
    case portcullis:nft_check(Server, [add(table(inet, fw))], #{}) of
        {ok, _} -> Config;
        {error, Error} ->
            ok = portcullis:stop(Server),
            {skip, "needs the policy firewall, see scripts/test-all.sh: " ++ binary_to_list(portcullis:format_error(Error))}
    end.

stop() ->
    portcullis:stop(?SERVER).

clean() ->
    {ok, _} = change([destroy(table(inet, fw)), destroy(table(ip, nat4)), destroy(table(inet, part)),
                      destroy(table(inet, portcullis))]),
    ok.

change(Commands) -> portcullis:nft_apply(?SERVER, Commands, #{}).

list(What) -> portcullis:nft_list(?SERVER, What, #{}).

other_server() -> other_server(#{}).

other_server(More) ->
    {ok, Server} = portcullis:start_link(options(More#{roles => [net], required => true})),
    Server.

rules(Chain) ->
    {ok, [#{chain := _} | Rules]} = list(chain(inet, fw, Chain)),
    Rules.

%% Whether somebody can be reached over loopback.
with_listener(Fun) -> with_listener({127, 0, 0, 1}, Fun).

with_listener(Address, Fun) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, Address}, {backlog, 64}]),
    {ok, Port} = inet:port(Listener),
    Reachable = fun() ->
                        case gen_tcp:connect(Address, Port, [], 100) of
                            {ok, Socket} -> ok = gen_tcp:close(Socket), true;
                            {error, _} -> false
                        end
                end,
    ok = until(Reachable),
    Fun(Reachable),
    ok = gen_tcp:close(Listener).

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
