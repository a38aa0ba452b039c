%% What the checkup and its monitors find in processes, in servers and as a whole: real ones, good ones and bad ones.
-module(portcullis_checkup_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_nodes, [checks/1, check/2, program/3, ended/2, wait/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [options_of_holders, holders, other_programs, holders_of_root, restarts, restarts_after_a_kill, no_server, whole,
     wrong_options, last_lines, printed].

init_per_suite(Config) ->
    {ok, Server} = portcullis:start_link(options(#{name => checked, required => true})),
    true = unlink(Server),
    Config.

end_per_suite(_) ->
    portcullis:stop(checked).

%% --- processes ------------------------------------------------------------------------------------------------------

options_of_holders(_) ->
    [?assertMatch({error, {bad_option, Name, _}}, portcullis_checkup:capability_holders(Options))
     || {Name, Options} <- [{colour, #{colour => red}}, {capabilities, #{capabilities => [cap_chown]}},
                            {expected, #{expected => x}}, {expected, #{expected => [#{name => x}]}},
                            {expected, #{expected => [""]}}, {expected, #{expected => ["x" | y]}}]],
    ?assertEqual({error, {down, {noproc, nobody}}}, portcullis_checkup:capability_holders(#{server => nobody})),
    ?assertEqual({error, {down, {noproc, portcullis}}}, portcullis_checkup:capability_holders()).

%% Whoever may make a user namespace holds all capabilities in it: a process with a set, made by an ordinary user.
holders(_) ->
    case os:cmd("id -u") =/= "0\n" andalso os:cmd("unshare --user --map-root-user true && echo yes") of
        "yes\n" -> holder_is_found();
        _ -> {skip, "needs user namespaces for an ordinary user"}
    end.

holder_is_found() ->
    {Port, Pid} = program("unshare", ["--user", "--map-root-user", "sleep", "1000"], []),
    [#{comm := <<"sleep">>, capabilities := Names, uid := Uid, exe := Exe}]
        = wait(fun() -> [Holder || #{comm := <<"sleep">>} = Holder <- of_pid(Pid, #{})] end),
    ?assert(Uid > 0),
    ?assert(lists:member(sys_admin, Names)),
    ?assertEqual([], of_pid(Pid, #{expected => ["sleep"]})),
    ?assertEqual([], of_pid(Pid, #{expected => [#{pid => Pid}]})),
    ?assertMatch([_], of_pid(Pid, #{expected => ["/bin/false", #{comm => "sleep", uid => 1}]})),
    ?assertMatch([_], of_pid(Pid, #{capabilities => [sys_admin]})),
    ?assertEqual([], of_pid(Pid, #{capabilities => [63]})),
    [?assertEqual([], of_pid(Pid, #{expected => [Exe]})) || is_binary(Exe)],
    %% One that the application expects is not reported.
    ?assertMatch(#{status := warning, message := <<_, _/binary>>}, check(holders, checks(checked))),
    ok = application:set_env(portcullis, capability_holders, #{expected => [#{uid => Uid}]}),
    ?assertMatch(#{status := ok}, check(holders, checks(checked))),
    ok = application:unset_env(portcullis, capability_holders),
    ended(Port, Pid).

%% The program of the server that is asked is expected; one that somebody else started elsewhere is not.
other_programs(_) ->
    {ok, _} = portcullis:start_link(options(#{name => other, required => true})),
    {ok, #{proc := #{os_pid := Own}}} = portcullis:info(checked),
    {ok, #{proc := #{os_pid := Other, program := Program, hello := Hello}}} = portcullis:info(other),
    Installed = lists:prefix("/usr/local/libexec/portcullis/", unicode:characters_to_list(Program)),
    ?assertEqual([], of_pid(Own, #{})),
    Found = of_pid(Other, #{}),
    ok = portcullis:stop(other),
    case Hello of
        #{capabilities := [_ | _]} when not Installed ->
            ?assertMatch([#{comm := <<"portcullis-proc">>, capabilities := [_ | _]}], Found);
        _ -> {skip, "needs a program that holds a capability, in another place than the installed one"}
    end.

holders_of_root(_) ->
    {ok, All} = portcullis_checkup:capability_holders(#{server => checked, root => true}),
    {ok, Others} = portcullis_checkup:capability_holders(#{server => checked}),
    ?assertEqual([], [Holder || #{uid := 0} = Holder <- Others]),
    ?assertMatch([#{pid := 1, capabilities := [_ | _]} | _], [Holder || #{uid := 0} = Holder <- All]).

restarts(_) ->
    {ok, #{proc := Info}} = portcullis_checkup:port_restarts(checked),
    ?assertEqual(#{state => ready, downs => 0}, Info),
    {ok, Server} = portcullis:start_link(options(#{name => undefined, path => "/nonexistent"})),
    [_] = wait(fun() ->
                       {ok, #{proc := Lost}} = portcullis_checkup:port_restarts(Server),
                       [Lost || #{downs := Downs, error := {down, {no_program, _}}} <- [Lost], Downs > 0]
               end),
    #{status := warning, message := Message} = check(restarts, checks(Server)),
    ?assertNotEqual(nomatch, string:find(Message, "Option path names a program that is not there")),
    ok = portcullis:stop(Server).

restarts_after_a_kill(_) ->
    {ok, Server} = portcullis:start_link(options(#{name => undefined, backoff => {1, 10}})),
    {ok, _} = portcullis:process(Server, 1, [pid]),
    {ok, #{proc := #{os_pid := Pid}}} = portcullis:info(Server),
    "" = os:cmd("kill -9 " ++ integer_to_list(Pid)),
    [#{downs := Downs}] = wait(fun() ->
                                       {ok, #{proc := Info}} = portcullis_checkup:port_restarts(Server),
                                       [Info || #{downs := N, state := ready} <- [Info], N > 0]
                               end),
    ?assertEqual(1, Downs),
    ok = portcullis:stop(Server).

no_server(_) ->
    ?assertEqual({error, {down, {noproc, portcullis}}}, portcullis_checkup:port_restarts()),
    ?assertMatch(#{status := warning}, check(server, checks([]))).

%% --- the whole ------------------------------------------------------------------------------------------------------

whole(_) ->
    [begin
         {Status, Checks} = portcullis_checkup:run(Who),
         Names = [program, start, user, distribution, epmd, cookie, policy_file, log, core_dumps, confinement, auditd,
                  integrity],
         ?assertEqual([], [Name || Name <- Names, not is_map(check(Name, Checks))]),
         [?assertMatch(#{fix := <<_, _/binary>>}, Check) || #{status := S} = Check <- Checks, S =/= ok],
         [?assertNot(is_map_key(fix, Check)) || #{status := ok} = Check <- Checks],
         ?assertEqual(Status =:= problems, [] =/= [Check || #{status := problem} = Check <- Checks])
     end || Who <- [checked, whereis(checked), options(#{}), options(#{name => checked})]],
    Checks = checks(checked),
    ?assertEqual([1, 1], [length([C || #{check := N} = C <- Checks, N =:= Name]) || Name <- [holders, restarts]]),
    ?assertEqual([], messages()).

wrong_options(_) ->
    [begin
         {problems, Checks} = portcullis_checkup:run(Options),
         ?assertMatch(#{status := problem}, check(options, Checks)),
         ?assertMatch(#{check := policy_file}, check(policy_file, Checks))
     end || Options <- [[{backoff, soon}], #{colour => red}, [name | x]]].

last_lines(_) ->
    Good = #{check => start, status => ok, message => <<"good">>},
    Bad = #{check => cookie, status => problem, message => <<"bad">>, fix => <<"mend">>},
    ?assertEqual(<<"ok       start          good\nNothing to mend.\n">>, portcullis_checkup:format({ok, [Good]})),
    ?assertEqual(<<"problem  cookie         bad\n"
                   "                        to mend it: mend\n"
                   "1 thing to mend.\n">>, portcullis_checkup:format({problems, [Bad]})),
    Lines = binary:split(portcullis_checkup:format({problems, [Bad, Good, Bad]}), <<"\n">>, [global, trim_all]),
    ?assertEqual(<<"2 things to mend.">>, lists:last(Lines)),
    %% The longest name has room.
    Names = [Name || #{check := Name} <- checks(checked)],
    ?assert(lists:max([length(atom_to_list(Name)) || Name <- Names]) =< 14).

printed(_) ->
    ct:capture_start(),
    Status = portcullis_checkup:print(checked),
    ct:capture_stop(),
    ?assert(lists:member(Status, [ok, problems])),
    Text = unicode:characters_to_list(ct:capture_get()),
    ct:pal("~ts", [Text]),
    ?assertNotEqual(nomatch, string:find(Text, "policy_file")),
    ?assertNotEqual(nomatch, string:find(Text, " to mend.")).

%% Where no program is installed, a build of the development without capabilities.
options(More) ->
    Options = maps:remove(name, portcullis_test_server:options()),
    {ok, Config} = portcullis_opts:server(Options),
    case portcullis_program:find(proc, Config) of
        {ok, _, _} -> maps:merge(Options, More);
        {error, _} -> maps:merge(Options#{unprivileged => true}, More)
    end.

of_pid(Pid, Options) ->
    {ok, Holders} = portcullis_checkup:capability_holders(Options#{server => checked}),
    [Holder || #{pid := P} = Holder <- Holders, P =:= Pid].

messages() ->
    {messages, Messages} = process_info(self(), messages),
    [Message || Message <- Messages, element(1, Message) =/= 'EXIT'].
