%% The examples of the firewall in the documentation of `portcullis', under the policy firewall; those of the builders are in
%% portcullis_nft_builders_SUITE.
-module(portcullis_nft_pages_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_nft, [table/2, chain/3, rule/4, accept/0]).
-import(portcullis_test_firewall, [change/1, clean/0]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [examples_of_the_firewall].

init_per_suite(Config) -> portcullis_test_firewall:init(Config).

end_per_suite(_) -> portcullis_test_firewall:stop().

end_per_testcase(_, _) -> clean().

examples_of_the_firewall(_) ->
    Examples = [Code || {firewall, Code} <- portcullis_test_examples:of_module(portcullis)],
    ?assert(length(Examples) >= 10),
    [begin
         clean(),
         %% What a listing has to show.
         {ok, _} = change([table(inet, fw), chain(inet, fw, web), rule(inet, fw, web, [accept()])]),
         portcullis_test_examples:run(Code, #{roles => [net]})
     end || Code <- Examples].
