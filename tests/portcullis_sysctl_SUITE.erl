%% Kernel parameters, under the policy sysctl of tests/fixtures/make.sh and in a network of the suite's own:
%% scripts/test-all.sh has a step for that.
-module(portcullis_sysctl_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1, answer/3, of_five/1, took/3, messages/0]).

-define(NAME, <<"net.ipv4.tcp_reordering">>).
-define(TTL, <<"net.ipv4.ip_default_ttl">>).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [read, set, spelled_values, not_as_asked, refused_by_the_kernel, absent, denied, wrong_arguments, listed, too_many_changes,
     recorded, default_server, other_role, examples_of_parameters].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => sysctl_suite, roles => [net], required => true})),
    true = unlink(Server),
    case portcullis:sysctl(Server, ?NAME) of
        {ok, _} -> Config;
        {error, _} ->
            ok = portcullis:stop(Server),
            {skip, "needs the policy sysctl, see scripts/test-all.sh"}
    end.

end_per_suite(_) ->
    portcullis:stop(sysctl_suite).

end_per_testcase(too_many_changes, _) ->
    %% A second's worth of changes comes back in a second.
    timer:sleep(1000);
end_per_testcase(_, _) ->
    {ok, #{value := <<"3">>}} = set(?NAME, 3),
    ok.

%% --- what is read and set -------------------------------------------------------------------------------------------

examples_of_parameters(_) ->
    Examples = [Code || {sysctl, Code} <- portcullis_test_examples:of_module(portcullis)],
    ?assert(length(Examples) >= 3),
    [portcullis_test_examples:run(Code, #{roles => [net]}) || Code <- Examples].

%% The BEAM is in the same network and reads the file itself.
read(_) ->
    ?assertEqual({ok, <<"3">>}, value(?NAME)),
    ?assertEqual({ok, <<"3">>}, value("net.ipv4.tcp_reordering")),
    {ok, Rmem} = value(<<"net.ipv4.tcp_rmem">>),
    ?assertEqual(file("tcp_rmem"), <<Rmem/binary, "\n">>),
    ?assertEqual({ok, <<"64">>}, value(?TTL)).

set(_) ->
    ?assertEqual({ok, #{value => <<"30">>, before => <<"3">>, as_asked => true}}, set(?NAME, 30)),
    ?assertEqual(<<"30\n">>, file("tcp_reordering")),
    ?assertEqual({ok, <<"30">>}, value(?NAME)),
    %% What the application could not do itself.
    ?assertEqual({error, eacces}, file:write_file("/proc/sys/net/ipv4/tcp_reordering", <<"3">>)).

spelled_values(_) ->
    [?assertMatch({ok, #{value := <<"30">>, as_asked := true}}, set(?NAME, Value)) || Value <- [30, <<"30">>, "30"]],
    %% The policy compares texts.
    [?assertMatch({error, {denied_by_policy, <<"sysctl.write">>, _}}, set(?NAME, Value))
     || Value <- [<<" 30">>, <<"030">>, "+30", -30]].

%% The kernel takes it for an octal number.
not_as_asked(_) ->
    ?assertEqual({ok, #{value => <<"8">>, before => <<"3">>, as_asked => false}}, set(?NAME, <<"010">>)),
    ?assertEqual(<<"8\n">>, file("tcp_reordering")).

refused_by_the_kernel(_) ->
    {error, Error} = set(?TTL, 0),
    ?assertEqual({posix, einval, <<"writing a parameter">>}, Error),
    ?assertEqual(<<"The kernel refused writing a parameter: invalid argument (einval).">>, portcullis:format_error(Error)),
    ?assertEqual({ok, <<"64">>}, value(?TTL)),
    ?assertEqual({error, {posix, einval, <<"writing a parameter">>}}, set(?NAME, "many")).

absent(_) ->
    ?assertEqual({error, {posix, enoent, <<"opening a parameter for reading">>}}, value("net.ipv4.conf.gone0.rp_filter")).

denied(_) ->
    {error, {denied_by_policy, <<"sysctl.read">>, _}} = value("net.ipv4.ip_forward"),
    {error, {denied_by_policy, <<"sysctl.write">>, _} = Error} = set("net.ipv4.ip_forward", 1),
    Line = "\n    [sysctl]\n    write = [{ name = \"net.ipv4.ip_forward\", values = [\"1\"] }]\n",
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), Line)),
    %% One that can be read.
    ?assertMatch({error, {denied_by_policy, <<"sysctl.write">>, _}}, set("net.ipv4.tcp_rmem", <<"4096 8192 16384">>)).

wrong_arguments(_) ->
    [?assertEqual({Name, {error, {bad_request, [name], {expected, parameter}}}}, {Name, value(Name)})
     || Name <- ["kernel.hostname", <<"net.ipv4..ip_forward">>, "net/ipv4/ip_forward", "net.//.//.etc.passwd", <<>>,
                 <<"net.ipv4.ip_forward", 0>>]],
    [?assertEqual({Name, {error, {bad_request, [name], {expected, binary}}}}, {Name, value(Name)})
     || Name <- [net, 5, [], {<<"net.ipv4.ip_forward">>}, ["net", ipv4], [1114111]]],
    [?assertEqual({Value, {error, {bad_request, [value], {expected, value}}}}, {Value, set(?NAME, Value)})
     || Value <- [<<>>, <<"1\n">>, one, 1.0, <<"\x{e4}"/utf8>>]],
    ?assertEqual({error, {bad_request, [name], missing}}, answer(sysctl_suite, sysctl_get, #{})),
    ?assertEqual({error, {bad_request, [<<"colour">>], unknown_key}},
                 answer(sysctl_suite, sysctl_list, #{colour => red})),
    {error, Error} = value("net"),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "net.ipv4.ip_forward")).

listed(_) ->
    {ok, Rows} = portcullis:sysctls(sysctl_suite),
    ?assertEqual([<<"net.ipv4.conf.gone0.rp_filter">>, <<"net.ipv4.conf.lo.rp_filter">>, ?TTL, <<"net.ipv4.tcp_reordering">>,
                  <<"net.ipv4.tcp_rmem">>], [Name || #{name := Name} <- Rows]),
    ?assertMatch([#{value := {error, enoent}}, #{value := <<"0">>}, #{value := <<"64">>}, #{value := <<"3">>}, #{}], Rows).

%% --- limits and records ---------------------------------------------------------------------------------------------

%% Fifty are allowed in a second.
too_many_changes(_) ->
    of_five(fun many_changes/0).

many_changes() ->
    %% None of those before counts any more.
    timer:sleep(1000),
    Begun = erlang:monotonic_time(microsecond),
    Ids = [portcullis:send_request(sysctl_suite, sysctl_set, #{name => ?NAME, value => 3}) || _ <- lists:seq(1, 200)],
    Answers = [portcullis:receive_response(Id) || Id <- Ids],
    Made = length([ok || {ok, #{value := <<"3">>}} <- Answers]),
    Limited = length([Hint || {error, {denied_by_policy, <<"limits.writes_per_s">>, Hint}} <- Answers]),
    ?assertEqual(200, Made + Limited),
    %% More come back while it goes on.
    Micros = erlang:monotonic_time(microsecond) - Begun,
    ?assert(Made >= 50 andalso Made =< 50 + 50 * Micros / 1000000 + 1, {Made, Micros}),
    ?assertEqual({ok, <<"3">>}, value(?NAME)),
    %% In three seconds all of them may be made.
    ok = took(0, 2500, Micros),
    ?assert(Limited > 0).

recorded(_) ->
    {ok, Ref} = portcullis:subscribe(sysctl_suite, audit, #{role => net}),
    {ok, _} = set(?NAME, 30),
    ?assertMatch(#{operation := <<"sysctl_set">>, target := <<"net.ipv4.tcp_reordering 30">>, decision := granted,
                   rule := <<"sysctl.write">>}, event(Ref)),
    {error, _} = set(?TTL, 0),
    ?assertMatch(#{decision := granted}, event(Ref)),
    ?assertMatch(#{target := <<"net.ipv4.ip_default_ttl 0">>, decision := failed, rule := <<"einval">>}, event(Ref)),
    {error, _} = value("net.ipv4.ip_forward"),
    ?assertMatch(#{operation := <<"sysctl_get">>, target := <<"net.ipv4.ip_forward">>, decision := denied}, event(Ref)),
    ok = portcullis:unsubscribe(Ref),
    ?assertEqual([], messages()).

%% --- servers --------------------------------------------------------------------------------------------------------

default_server(_) ->
    {ok, Server} = portcullis:start_link(maps:remove(name, options(#{roles => [net], required => true}))),
    ?assertEqual({ok, <<"3">>}, portcullis:sysctl(?NAME)),
    ?assertMatch({ok, #{value := <<"30">>}}, portcullis:sysctl_set(?NAME, 30)),
    ?assertMatch({ok, [_ | _]}, portcullis:sysctls()),
    portcullis:stop(Server).

other_role(_) ->
    {ok, Server} = portcullis:start_link(options(#{required => true})),
    ?assertMatch({error, {unsupported, <<"role net: ", _/binary>>}}, portcullis:sysctl(Server, ?NAME)),
    portcullis:stop(Server).

%% --- help -----------------------------------------------------------------------------------------------------------

value(Name) -> portcullis:sysctl(sysctl_suite, Name).

set(Name, Value) -> portcullis:sysctl_set(sysctl_suite, Name, Value).

file(Name) ->
    {ok, Text} = file:read_file("/proc/sys/net/ipv4/" ++ Name),
    Text.

event(Ref) ->
    receive {portcullis, Ref, {event, Event}} -> Event
    after 60000 -> ct:fail({nothing_for, Ref, messages()})
    end.
