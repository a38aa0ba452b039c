%% What is not known: whether a change was made that nobody has answered, and listings that others disturb.
-module(portcullis_nft_unknown_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, chain/3, rule/4, add/1, delete/1, match/2, payload/2, drop/0]).
-import(portcullis_test_firewall, [change/1, list/1, other_server/0, other_server/1]).
-import(portcullis_test_server, [options/1, until/1, messages/0]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [unknown_outcome, unknown_here, never_sent, asked_again, disturbed_listing].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> portcullis_test_firewall:clean().

%% Sent, and then the port is silent, or gone: a change may be made or not. A question is simply not answered.
unknown_outcome(_) ->
    [begin
         Other = other_server(#{backoff => {10, 20}, stuck_timeout => 2000}),
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
     end || {Timeout, Expected} <- [{60000, {error, {down, {exit_status, 137}}}}, {3000, {error, timeout}}]],
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
    ?assertEqual({error, {down, {noproc, no_such_server}}}, portcullis:nft_apply(no_such_server, [add(table(inet, fw))], #{})),
    {ok, Down} = portcullis:start_link(options(#{roles => [net], path => "/nonexistent"})),
    until(fun() -> {ok, #{net := #{state := State}}} = portcullis:info(Down), State =:= backoff end),
    ?assertMatch({error, {down, {no_program, _}}}, portcullis:nft_apply(Down, [add(table(inet, fw))], #{})),
    ?assertEqual({error, stale}, portcullis:nft_confirm(Down, {1, make_ref()})),
    ok = portcullis:stop(Down),
    %% The first is with a port that is stopped; the second waits for its place.
    Other = other_server(#{max_in_flight => 1, stuck_timeout => 2000, backoff => {10, 20}}),
    {ok, #{net := #{os_pid := Pid}}} = portcullis:info(Other),
    [] = os:cmd("kill -STOP " ++ integer_to_list(Pid)),
    First = portcullis:send_request(Other, nft_apply, #{commands => [add(table(inet, fw))], timeout => 5000}),
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
