%% Without a policy file, and with a program whose file could hold everything: scripts/test-all.sh has a step for that.
-module(portcullis_policy_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [holds_nothing, what_every_user_sees, default_items, denied, denied_in_conditions, errors_show_the_line, own_processes, doctor].

init_per_suite(Config) ->
    case file:read_file_info("/etc/portcullis/policy.toml") of
        {error, enoent} ->
            {ok, Server} = portcullis:start_link(options(#{name => policy_suite, roles => [proc, net], required => true})),
            true = unlink(Server),
            Config;
        _ -> {skip, "this host has a policy file; see scripts/test-all.sh"}
    end.

end_per_suite(_) ->
    portcullis:stop(policy_suite).

%% The kernel's word too.
holds_nothing(_) ->
    {ok, Roles} = portcullis:info(policy_suite),
    [begin
         ?assertMatch(#{policy := <<"none">>, capabilities := [], missing := [], findings := [], role := Role}, Hello),
         {ok, Status} = file:read_file(["/proc/", integer_to_list(Pid), "/status"]),
         ?assertMatch({_, match}, {Status, re:run(Status, "^CapPrm:\t0{16}$", [multiline, {capture, none}])})
     end || {Role, #{hello := Hello, os_pid := Pid}} <- maps:to_list(Roles)],
    ?assertEqual([net, proc], lists:sort(maps:keys(Roles))).

what_every_user_sees(_) ->
    Items = [pid, uid, comm, state, ppid, rss, starttime, cmdline, argv, ruid, groups, cap_prm, vm_hwm, limits],
    {ok, #{uid := 0, state := State, limits := #{}} = Process} = process(Items),
    ?assertEqual(lists:sort(Items), lists:sort(maps:keys(Process))),
    ?assert(is_atom(State)),
    {ok, [#{pid := 1} | _]} = portcullis:processes(policy_suite, #{}),
    ?assertMatch({ok, [#{comm := _}], _}, portcullis:query(policy_suite, processes,
                                                           #{columns => [comm], where => #{uid => 0}, limit => 1})).

%% What is answered by default is what is granted.
default_items(_) ->
    {ok, #{pid := 1, comm := _, cap_eff := _, starttime := _} = Process} = portcullis:process(policy_suite, 1, #{}),
    ?assertEqual([], [Item || Item <- [exe, cwd, root, rchar, environ], is_map_key(Item, Process)]).

denied(_) ->
    Level = {<<"proc.level">>, "under [proc] this would: level = \"basic\""},
    [?assertMatch({What, {Rule, true}}, {What, denial(Answer, Line)})
     || {What, Answer, {Rule, Line}} <-
            [{Item, process([Item]), Level} || Item <- [exe, cwd, root, rchar, read_bytes, environ]]
            ++ [{columns, portcullis:processes(policy_suite, #{columns => [pid, exe]}), Level},
                {file_open, portcullis:file_open(policy_suite, "/var/log/x", #{}),
                 {<<"files.read">>, "under [files] this would: read = [{ path = \"/var/log/x\", max_bytes = 1048576 }]"}},
                {read_file, portcullis:read_file(policy_suite, "/etc/hostname", #{}),
                 {<<"files.read">>, "under [files] this would: read = [{ path = \"/etc/hostname\", "}},
                {ping, portcullis:ping(policy_suite, {127, 0, 0, 1}, #{}),
                 {<<"ping.allow">>, "under [ping] this would: allow = [\"127.0.0.1\"]"}},
                {ping6, portcullis:ping(policy_suite, {0, 0, 0, 0, 0, 0, 0, 1}, #{}),
                 {<<"ping.allow">>, "under [ping] this would: allow = [\"::1\"]"}}]].

denial({error, {denied_by_policy, Rule, Hint}}, Line) -> {Rule, string:find(Hint, Line) =/= nomatch};
denial(Other, _) -> Other.

%% A condition tells as much as a column.
denied_in_conditions(_) ->
    ?assertMatch({error, {denied_by_policy, <<"proc.level">>, _}},
                 portcullis:processes(policy_suite, #{columns => [pid], where => #{exe => {prefix, <<"/">>}}})).

errors_show_the_line(_) ->
    {error, Error} = process([exe]),
    Text = portcullis:format_error(Error),
    Lines = [Line || <<"    ", Line/binary>> <- binary:split(Text, <<"\n">>, [global])],
    %% Nobody looks for a mistake in a file that is not there.
    ?assertMatch([<<"sudo install -D -m 0644 ", _/binary>>, <<"[proc]">>, <<"level = \"basic\"">>, <<_/binary>>], Lines),
    ?assertNotEqual(nomatch, string:find(Text, "there is no /etc/portcullis/policy.toml")),
    ?assertNotEqual(nomatch, string:find(lists:last(Lines), "portcullis-proc policy check")).

%% They are the user's anyway, by other ways; here nobody's are.
own_processes(_) ->
    Own = list_to_integer(os:getpid()),
    ?assertMatch({error, {denied_by_policy, _, _}}, portcullis:process(policy_suite, Own, [exe])),
    ?assertMatch({ok, #{comm := _}}, portcullis:process(policy_suite, Own, [comm])).

%% Once, whatever says it, and with what mends it.
doctor(_) ->
    [begin
         {_, Checks} = Report,
         [#{status := warning, message := Message, fix := Fix}] = [Check || #{check := policy_file} = Check <- Checks],
         ?assertMatch(<<"no /etc/portcullis/policy.toml: without it only what every user may see", _/binary>>, Message),
         ?assertMatch({match, _}, re:run(Fix, "^sudo install -D -m 0644 /.*policy.toml /etc/portcullis/policy.toml$"))
     end || Report <- [portcullis:doctor(policy_suite), portcullis:checkup(policy_suite)]].

process(Items) ->
    portcullis:process(policy_suite, 1, Items).
