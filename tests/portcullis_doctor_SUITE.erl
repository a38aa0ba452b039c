%% What the doctor finds. Broken installations come from PORTCULLIS_FIXTURES (tests/fixtures/make.sh), where it is set.
-module(portcullis_doctor_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [until/1, quickest/2, messages/0]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [healthy, questions, dies_of_a_question, dies_without_a_row, silent_at_a_question, no_problem_and_no_policy, what_may_be_executed, named_by_the_environment,
     named_by_an_option, in_a_mix_project, not_built_yet, of_a_server, forgotten_restart, missing, not_executable, forbidden_file, forbidden_folder,
     wrong_program, silent_program, talking_program, wrong_architecture, wrong_option, net_role,
     groups_that_can_do_more, install_commands, fixes_for_root, absolute_fixes, printed, without_capabilities,
     no_new_privs, broken_installations, report_is_text, parse_status, parse_mounts, parse_names].

healthy(_) ->
    {ok, Checks} = portcullis:doctor(options()),
    #{message := Message} = check(start, Checks),
    ?assertNotEqual(nomatch, string:find(Message, "version " ++ version())),
    ?assertMatch(#{status := ok}, check(start, Checks)),
    ?assertEqual([], messages()).

%% One for each thing that the policy grants, of the real program, which lives through all of them.
questions(_) ->
    {ok, Checks} = portcullis:doctor(options(#{roles => [proc, net]})),
    case os:getenv("PORTCULLIS_FIXTURES") of
        %% With another policy than that of the tests.
        false -> ok;
        _ ->
            ?assertEqual([<<"role proc answers: query load, query listening, processes, process exe, process read_bytes">>,
                          <<"role net answers: nft_list, ping 127.0.0.1">>],
                         [Message || #{check := questions, message := Message, status := ok} <- Checks])
    end,
    ?assertEqual([], messages()).

%% A start shows nothing of a system call that only an answer takes.
dies_of_a_question(Config) ->
    Path = answers(Config, "dies", "query load|process exe|process read_bytes", "kill -SYS $$"),
    {problems, Checks} = Report = portcullis:doctor(options(#{path => Path})),
    ?assertEqual([<<"role proc was killed for a forbidden system call (SIGSYS) when it was asked: ", Question/binary>>
                  || Question <- [<<"query load">>, <<"process exe">>, <<"process read_bytes">>]],
                 [Message || #{check := questions, status := problem, message := Message} <- Checks]),
    [?assertNotEqual(nomatch, string:find(Fix, "sudo dmesg | grep type=1326")) || #{check := questions, fix := Fix} <- Checks],
    ?assertEqual("The program serves, but not every question.\n",
                 unicode:characters_to_list(string:find(portcullis_doctor:format(Report), "The program"))),
    ?assertEqual([], messages()).

%% The real program, with a table that lacks a row: each kind of question shows what only it takes.
dies_without_a_row(_) ->
    Weak = filename:join(os:getenv("PORTCULLIS_FIXTURES", "/nonexistent"), "weak"),
    case filelib:is_regular(filename:join(Weak, "portcullis-proc")) of
        false -> {skip, "needs the builds of the attack suite; run sh scripts/test-all.sh"};
        true ->
            [begin
                 File = filename:join(Weak, "portcullis-" ++ atom_to_list(Role)),
                 {problems, Checks} = portcullis:doctor(options(#{path => File, roles => [Role], args => ["--without-row", Row]})),
                 Asked = [lists:last(string:split(Message, "asked: "))
                          || #{check := questions, status := problem, message := Message} <- Checks,
                             nomatch =/= string:find(Message, "(SIGSYS)")],
                 ?assertEqual({Row, true}, {Row, lists:member(Question, Asked)})
             end || {Role, Row, Question} <- [{proc, "SYS_openat", <<"query load">>}, {proc, "SYS_sendto", <<"query listening">>},
                                              {proc, "SYS_getdents64", <<"processes">>}, {proc, "SYS_readlinkat", <<"process exe">>},
                                              {net, "SYS_capset", <<"nft_list">>}, {net, "SYS_sendto", <<"ping 127.0.0.1">>}]],
            ok
    end.

%% Any other end, and none.
silent_at_a_question(Config) ->
    Ends = answers(Config, "ends", "process exe", "exit 3"),
    {problems, Ended} = portcullis:doctor(options(#{path => Ends})),
    ?assertMatch(#{message := <<"role proc ended with status 3 when it was asked: process exe">>}, check(questions, Ended)),
    Path = answers(Config, "mute", "query load", "exec sleep 300"),
    {problems, Checks} = quickest(10000, fun() -> portcullis:doctor(options(#{path => Path, hello_timeout => 1000})) end),
    ?assertMatch(#{message := <<"role proc said nothing for 1000 ms when it was asked: query load">>}, check(questions, Checks)).

%% Where nothing is granted, that nothing is wrong is not all that is to be said.
no_problem_and_no_policy(_) ->
    None = portcullis_checklist:no_policy(),
    Text = portcullis_doctor:format({ok, [None]}),
    {match, [Fix]} = re:run(Text, "No problem found, but nothing privileged is granted: there is no policy.*:\\n    (sudo install .*)\\n$",
                            [{capture, all_but_first, binary}]),
    ?assertEqual(maps:get(fix, None), Fix),
    ?assertEqual(<<"No problem found.\n">>, portcullis_doctor:format({ok, []})).

%% What is wrong with a mode the program says; a line that all is well with it would contradict.
what_may_be_executed(Config) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "root may execute every program"};
        _ ->
            File = file(Config, "open", "#!/bin/sh\nexit 3\n", 8#755),
            {problems, Checks} = portcullis:doctor(options(#{path => File})),
            #{status := ok, message := Message} = check(permission, Checks),
            ?assertEqual(nomatch, string:find(Message, "mode")),
            ?assertNotEqual(nomatch, string:find(Message, "may execute it as its owner"))
    end.

%% The file that the environment names takes the place of every installed one: to install alone changes nothing.
named_by_the_environment(Config) ->
    Refused = fun(Reason, Fix) -> #{code => 72, reason => Reason, message => <<"it belongs to uid 9">>, fix => Fix} end,
    Install = <<"sudo sh scripts/install.sh --group 9 --dest /opt/x   # in the source">>,
    #{message := Message, fix := Fix} = Named = portcullis_fix:named(environment, "/opt/x/p", Refused(file_owner, Install)),
    ?assertEqual([<<"unset PORTCULLIS_BIN">>, Install], binary:split(Fix, <<"\n">>)),
    ?assertNotEqual(nomatch, string:find(Message, "PORTCULLIS_BIN names this file: unset it and start the BEAM again, so that the "
                                                  "installed program is taken, or mend the file")),
    Lines = binary:split(portcullis:format_error({refused, Named}), <<"\n">>, [global]),
    ?assertMatch([_, <<"    unset PORTCULLIS_BIN">>, <<"    sudo sh ", _/binary>>], Lines),
    %% What another file would be refused for too, it does not help against.
    [?assertEqual(Other, portcullis_fix:named(environment, "/opt/x/p", Other))
     || Other <- [Refused(running_as_root, <<"run it">>), Refused(capability_missing, <<"sudo systemctl edit UNIT">>), #{}]],
    ?assertMatch(#{fix := <<"unset", _/binary>>},
                 portcullis_fix:named(environment, "/opt/x/p", Refused(capability_missing, <<"sudo setcap x=p /opt/x/p">>))),
    Copy = file(Config, "portcullis-proc", refuses(Config, Refused(file_owner, Install)), 8#700),
    in_environment("PORTCULLIS_BIN", Copy, fun() ->
        {problems, Checks} = Report = portcullis:doctor(options()),
        ?assertMatch(#{fix := <<"unset PORTCULLIS_BIN\nsudo sh ", _/binary>>}, check(start, Checks)),
        Text = portcullis_doctor:format(Report),
        ?assertMatch({match, _}, re:run(Text, "to mend it: unset PORTCULLIS_BIN\n +sudo sh ")),
        {ok, Server} = portcullis:start_link(options(#{backoff => {600000, 600000}})),
        {error, Error} = portcullis:process(Server, 1, [pid]),
        ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "\n    unset PORTCULLIS_BIN\n")),
        ok = portcullis:stop(Server)
    end),
    %% One that is not there, and one that is no program.
    Plain = file(Config, "plain-proc", <<"text">>, 8#600),
    [in_environment("PORTCULLIS_BIN", Path, fun() ->
         {problems, Checks} = portcullis:doctor(options()),
         #{fix := Way} = check(program, Checks),
         ?assertMatch({Path, {match, _}}, {Path, re:run(Way, "^unset PORTCULLIS_BIN($|\n)")}),
         {error, Error} = start_and_ask(),
         ?assertNotEqual({Path, nomatch}, {Path, string:find(portcullis:format_error(Error), "\n    unset PORTCULLIS_BIN\n")})
     end) || Path <- ["/nonexistent/portcullis-proc", Plain]].

%% The same of an option, which is not a command.
named_by_an_option(Config) ->
    Refused = #{code => 71, reason => file_mode, message => <<"the mode is 0755">>, fix => <<"sudo chmod 0750 /x">>},
    #{message := Message, fix := Fix} = portcullis_fix:named(path, "/x", Refused),
    ?assertEqual(<<"sudo chmod 0750 /x">>, Fix),
    ?assertNotEqual(nomatch, string:find(Message, "option path names this file: leave it out")),
    ?assertEqual(Refused, portcullis_fix:named(installed, "/x", Refused)),
    Copy = file(Config, "named", refuses(Config, Refused), 8#700),
    {problems, Checks} = portcullis:doctor(options(#{path => Copy})),
    #{message := Said} = check(start, Checks),
    ?assertNotEqual(nomatch, string:find(Said, "option path names this file")).

%% The task finds the sources and the group by itself.
in_a_mix_project(_) ->
    Mix = fun portcullis_fix:mix_command/2,
    ?assertEqual([<<"mix portcullis.install">>, <<"mix portcullis.install --role net">>,
                  <<"mix portcullis.install --role proc,net">>, <<"mix portcullis.install --group 4000000 --role net">>],
                 [Mix([proc], []), Mix([net], [0]), Mix([proc, net], []), Mix([net], [4000000])]).

%% What can be typed as it stands builds first where there is nothing to install.
not_built_yet(Config) ->
    Folder = filename:join(proplists:get_value(priv_dir, Config), "source"),
    Install = <<"sudo sh scripts/install.sh --group portcullis">>,
    ok = filelib:ensure_path(filename:join(Folder, "priv")),
    ?assertEqual(<<"sh scripts/build-port.sh && ", Install/binary>>, portcullis_fix:built_first(Install, Folder)),
    ok = file:write_file(filename:join([Folder, "priv", "portcullis"]), <<"ELF">>),
    ?assertEqual(Install, portcullis_fix:built_first(Install, Folder)).

%% With the options of the server that is asked for.
of_a_server(_) ->
    {ok, Server} = portcullis:start_link((options(#{path => "/nonexistent"}))#{name => doctors}),
    [?assertMatch({problems, [#{check := program, message := <<"no program: /nonexistent", _/binary>>} | _]},
                  portcullis:doctor(Who)) || Who <- [doctors, Server]],
    ok = portcullis:stop(Server).

%% The program that runs has read another file than the one that is started for the trial.
forgotten_restart(Config) ->
    File = filename:join(proplists:get_value(priv_dir, Config), "restart"),
    ok = policy_of(File, <<"sha256:0123456789abcdef">>),
    Path = file(Config, "restart", ["#!/bin/sh\n[ $1 = port ] || exit 1\ncat ", File, ".hello\nexec sleep 300\n"], 8#700),
    {ok, Server} = portcullis:start_link((options(#{path => Path}))#{name => undefined}),
    ok = until(fun() -> {ok, #{proc := Info}} = portcullis:info(Server), is_map_key(hello, Info) end),
    Policies = fun(Who) -> {_, Checks} = portcullis:doctor(Who), [Check || #{check := policy} = Check <- Checks] end,
    ?assertEqual([], Policies(Server)),
    ok = policy_of(File, <<"sha256:fedcba9876543210">>),
    Wanted = #{check => policy, status => problem,
               message => <<"the running program has another policy than the file: "
                            "it has 0123456789ab, the file fedcba987654">>,
               fix => <<"restart the application; in a shell: portcullis:stop(SERVER), portcullis:start_link(OPTIONS)">>},
    ?assertEqual([Wanted], Policies(Server)),
    {problems, Checks} = portcullis:checkup(Server),
    ?assertEqual(Wanted, check(policy, Checks)),
    %% It serves, and what does not run has nothing to restart.
    ?assertMatch(<<"The program serves, but not by the policy of the file.\n">>,
                 lists:last(re:split(portcullis_doctor:format(portcullis:doctor(Server)), "(?<=\n)(?=The)"))),
    ?assertEqual([], Policies(options(#{path => Path}))),
    ok = policy_of(File, <<"none">>),
    [#{message := Message}] = Policies(Server),
    ?assertNotEqual(nomatch, string:find(Message, "the file none")),
    ok = portcullis:stop(Server).

missing(_) ->
    {problems, Checks} = portcullis:doctor(options(#{path => "/nonexistent"})),
    ?assertMatch(#{status := problem, fix := <<_, _/binary>>,
                   message := <<"no program: /nonexistent: no such file or directory">>}, check(program, Checks)).

not_executable(Config) ->
    File = file(Config, "plain", <<"text">>, 8#600),
    {problems, Checks} = portcullis:doctor(options(#{path => File})),
    ?assertMatch(#{status := problem}, check(program, Checks)).

%% The owner's bits count for the owner, whatever the group's say.
forbidden_file(Config) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "root may execute every program"};
        _ ->
            File = file(Config, "forbidden", <<"text">>, 8#070),
            {problems, Checks} = portcullis:doctor(options(#{path => File})),
            #{status := problem, message := Message, fix := Fix} = check(permission, Checks),
            ?assertNotEqual(nomatch, string:find(Message, "mode 0070")),
            ?assertNotEqual(nomatch, string:find(Fix, "chmod 0750")),
            %% One cause is said once.
            ?assertEqual([], [Check || #{check := start} = Check <- Checks])
    end.

forbidden_folder(Config) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "root may enter every folder"};
        _ ->
            Folder = filename:join(proplists:get_value(priv_dir, Config), "closed"),
            ok = filelib:ensure_path(Folder),
            ok = file:change_mode(Folder, 8#000),
            {problems, Checks} = portcullis:doctor(options(#{path => filename:join(Folder, "portcullis-proc")})),
            ok = file:change_mode(Folder, 8#700),
            #{fix := Fix} = check(program, Checks),
            ?assertEqual(unicode:characters_to_binary(["sudo chmod 0755 ", Folder]), Fix)
    end.

wrong_program(_) ->
    {problems, Checks} = portcullis:doctor(options(#{path => "/bin/false"})),
    ?assertMatch(#{status := problem, fix := _}, check(start, Checks)).

silent_program(Config) ->
    File = file(Config, "silent", "#!/bin/sh\nexec sleep 300\n", 8#700),
    {problems, Checks} = quickest(5000, fun() -> portcullis:doctor(options(#{path => File, hello_timeout => 100})) end),
    #{message := Message} = check(start, Checks),
    ?assertMatch(<<"no hello within 100 ms", _/binary>>, Message).

%% What a loader says is the cause.
talking_program(Config) ->
    File = file(Config, "talks", "#!/bin/sh\necho 'libfoo.so: cannot open shared object file' >&2\nexit 127\n", 8#700),
    {problems, Checks} = portcullis:doctor(options(#{path => File})),
    #{message := Message} = check(start, Checks),
    ?assertNotEqual(nomatch, string:find(Message, "libfoo.so: cannot open")).

%% An ELF header that no kernel runs.
wrong_architecture(Config) ->
    File = file(Config, "elsewhere", [<<16#7f, "ELF", 2, 1, 1, 0:72>>, <<2:16/little, 16#ffff:16/little>>, <<0:1024>>],
                8#700),
    {problems, Checks} = portcullis:doctor(options(#{path => File})),
    #{message := Message} = check(start, Checks),
    ?assertNotEqual(nomatch, string:find(Message, "architecture")).

wrong_option(_) ->
    ?assertMatch({problems, [#{check := options, status := problem}]}, portcullis:doctor([{backoff, soon}])).

%% What is the same for both is said once, and each program by itself.
net_role(_) ->
    {ok, Checks} = portcullis:doctor(options(#{roles => [proc, net]})),
    ?assertMatch([_], [Check || #{check := user} = Check <- Checks]),
    [?assertMatch({Name, [_, _]}, {Name, [Check || #{check := N} = Check <- Checks, N =:= Name]}) || Name <- [program, start]],
    #{message := Message} = lists:last([Check || #{check := start} = Check <- Checks]),
    Wanted = unicode:characters_to_binary(["role net: version ", version()]),
    ?assertEqual(Wanted, binary:part(Message, 0, byte_size(Wanted))).

%% Nobody is to be put into the group root for a file that was installed with it.
groups_that_can_do_more(_) ->
    Joins = fun(Gid, Group) -> nomatch =/= string:find(portcullis_fix:join(proc, Gid, Group, <<"erl">>), "usermod") end,
    ?assertEqual([false, false, false, false, true],
                 [Joins(Gid, Group) || {Gid, Group} <- [{0, <<"root">>}, {42, <<"x">>}, {998, <<"docker">>},
                                                        {999, <<"sudo">>}, {900, <<"app">>}]]),
    ?assertEqual(<<"sudo usermod -aG app erl   # then log in again and restart the BEAM">>,
                 portcullis_fix:join(proc, 900, <<"app">>, <<"erl">>)),
    Install = portcullis_fix:join(net, 0, <<"root">>, <<"erl">>),
    ?assertMatch({match, _}, re:run(Install, "install.sh --group portcullis --role net")).

%% The program of the role that lacks one, for the group that may start the other.
install_commands(_) ->
    Command = fun portcullis_fix:install_command/2,
    ?assertEqual(<<"sudo sh scripts/install.sh --group portcullis">>, Command([proc], [])),
    ?assertEqual(<<"sudo sh scripts/install.sh --group portcullis --role net">>, Command([net], [])),
    ?assertEqual(<<"sudo sh scripts/install.sh --group portcullis --role proc,net">>, Command([proc, net], [0])),
    ?assertEqual(<<"sudo sh scripts/install.sh --group 4000000 --role net">>, Command([net], [0, 4000000, 4000001])),
    Missing = fun(Roles) ->
                      {problems, Checks} = portcullis:doctor(options(#{path => "/nonexistent", roles => Roles})),
                      [Fix || #{check := program, fix := Fix} <- Checks]
              end,
    [?assertMatch({Roles, {match, _}}, {Roles, re:run(Fix, Shape)})
     || {Roles, Shape} <- [{[proc], "--group \\w+($|   #)"}, {[net], "--role net($|   #)"},
                           {[proc, net], "--role proc,net($|   #)"}],
        Fix <- Missing(Roles)],
    Text = portcullis:format_error({down, {no_program, [{"/x/portcullis-net", installed, enoent}]}}),
    ?assertNotEqual(nomatch, string:find(Text, " --role net")).

%% What an ordinary user can change is not for root to run without a look.
fixes_for_root(Config) ->
    Folder = proplists:get_value(priv_dir, Config),
    Comment = "   # root runs what is in that folder: use a checkout of root's",
    Says = fun(Fix, Where) -> nomatch =/= string:find(portcullis_fix:absolute(Fix, Where), Comment) end,
    Install = portcullis_fix:install_command([proc], []),
    ?assertEqual([os:cmd("id -u") =/= "0\n", false, false],
                 [Says(Install, Folder), Says(Install, "/usr"), Says(<<"sh scripts/build-port.sh">>, Folder)]).

absolute_fixes(_) ->
    Fix = <<"sudo sh scripts/install.sh --group portcullis">>,
    ?assertEqual(Fix, portcullis_fix:absolute(Fix, none)),
    ?assertEqual(<<"sudo sh /opt/p/scripts/install.sh --group portcullis">>, portcullis_fix:absolute(Fix, "/opt/p")),
    ?assertEqual(<<"sudo sh '/a b/scripts/install.sh'">>,
                 portcullis_fix:absolute(<<"sudo sh scripts/install.sh">>, "/a b")),
    ?assertEqual(<<"sudo setcap X /p">>, portcullis_fix:absolute(<<"sudo setcap X /p">>, "/opt/p")),
    %% This build is linked to its sources.
    {match, [Script]} = re:run(portcullis_fix:install([proc]), "sudo sh (\\S+/scripts/install.sh)", [{capture, [1], list}]),
    ?assert(filelib:is_regular(Script)),
    ?assertEqual(Script, filename:absname(Script)).

printed(_) ->
    ct:capture_start(),
    problems = portcullis_doctor:print(options(#{path => "/nonexistent"})),
    ct:capture_stop(),
    ?assertNotEqual(nomatch, string:find(ct:capture_get(), "The program does not serve.")).

%% What it lacks is what was asked for.
without_capabilities(_) ->
    {ok, Checks} = portcullis:doctor(options(#{unprivileged => true})),
    ?assertEqual([], [Check || #{check := Name} = Check <- Checks, Name =:= finding orelse Name =:= capabilities]).

%% In a BEAM of its own: the bit cannot be taken back.
no_new_privs(_) ->
    case os:find_executable("setpriv") of
        false -> {skip, "needs setpriv (util-linux)"};
        Setpriv ->
            Ebin = filename:dirname(code:which(portcullis)),
            {ok, Config} = portcullis_opts:server(options()),
            {ok, Program, _} = portcullis_program:find(proc, Config),
            Expression = io_lib:format("io:put_chars(portcullis_doctor:format(portcullis:doctor([{path, ~p}]))), halt().",
                                       [Program]),
            Text = os:cmd(lists:flatten([Setpriv, " --no-new-privs erl -noshell -pa ", Ebin, " -eval '", Expression, "'"])),
            ?assertNotEqual(nomatch, string:find(Text, "problem  no_new_privs")),
            ?assertNotEqual(nomatch, string:find(Text, "NoNewPrivileges=no"))
    end.

%% Every one is named by the program itself, before it serves, with what mends it.
broken_installations(_) ->
    case os:getenv("PORTCULLIS_FIXTURES") of
        false -> {skip, "needs PORTCULLIS_FIXTURES, see tests/fixtures/make.sh"};
        Fixtures ->
            %% `weak' is whole: it is what the attack suite leaves measures out of.
            Broken = [Name || Program <- filelib:wildcard(filename:join(Fixtures, "*/portcullis-proc")),
                              Name <- [filename:basename(filename:dirname(Program))],
                              not lists:member(Name, ["ok", "full", "weak"])],
            ?assert(length(Broken) > 10),
            [broken(Name, filename:join(Fixtures, Name)) || Name <- Broken]
    end.

broken(Name, Folder) ->
    {Status, Checks} = portcullis:doctor(options(#{path => Folder})),
    Problems = [Check || #{status := problem} = Check <- Checks],
    ct:pal("~ts~n~ts", [Name, portcullis_doctor:format({Status, Checks})]),
    ?assertMatch({Name, problems, [_ | _]}, {Name, Status, Problems}),
    [?assert(byte_size(Fix) > 0) || #{fix := Fix} <- Problems].

report_is_text(_) ->
    Text = portcullis_doctor:format({problems, [#{check => start, status => problem, message => <<"bad">>, fix => <<"mend">>},
                                                #{check => user, status => ok, message => <<"good">>}]}),
    ?assertEqual(<<"problem  start          bad\n"
                   "                        to mend it: mend\n"
                   "ok       user           good\n"
                   "The program does not serve.\n">>, Text).

%% --- parsers --------------------------------------------------------------------------------------------------------

parse_status(_) ->
    Text = <<"Name:\tbeam:smp\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\nGroups:\t6 27 100 \n"
             "CapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n">>,
    ?assertEqual(#{uid => 1001, groups => [6, 6, 27, 100], no_new_privs => true, bounding => 16#1ffffffffff},
                 portcullis_host:parse_status(Text)),
    ?assertMatch(#{no_new_privs := false, bounding := 0}, portcullis_host:parse_status(<<>>)),
    ?assertMatch(#{uid := _, groups := [_ | _]}, portcullis_host:status()).

parse_mounts(_) ->
    Text = <<"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
             "30 22 0:5 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n"
             "31 22 8:2 / /opt rw,noexec - ext4 /dev/sda2 rw\n"
             "32 22 8:3 / /opt ro - ext4 /dev/sda3 rw\n">>,
    Options = fun(Path) -> portcullis_host:parse_mount_options(Path, Text) end,
    ?assertEqual([<<"rw">>, <<"relatime">>, <<"rw">>], Options(<<"/usr/libexec/x">>)),
    ?assert(lists:member(<<"hidepid=invisible">>, Options(<<"/proc">>))),
    %% The later mount hides the earlier one.
    ?assertEqual([<<"ro">>, <<"rw">>], Options(<<"/opt/x">>)),
    ?assertEqual([<<"rw">>, <<"relatime">>, <<"rw">>], Options(<<"/optional/x">>)),
    ?assertEqual([], portcullis_host:parse_mount_options(<<"/">>, <<"garbage\n\n">>)).

parse_names(_) ->
    Passwd = <<"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n">>,
    ?assertEqual(<<"root">>, portcullis_host:parse_name(0, Passwd)),
    ?assertEqual(<<"7">>, portcullis_host:parse_name(7, Passwd)),
    Group = <<"root:x:0:\napp:x:900:erl,elixir\n">>,
    ?assertEqual([<<"erl">>, <<"elixir">>], portcullis_host:parse_members(900, Group)),
    ?assertEqual([], portcullis_host:parse_members(0, Group)).

%% --- help -----------------------------------------------------------------------------------------------------------

version() ->
    _ = application:load(portcullis),
    {ok, Version} = application:get_key(portcullis, vsn),
    Version.

%% A script that a policy grants these questions, and that does something else than to answer them.
answers(Config, Name, Granted, Instead) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(File ++ ".hello", portcullis_test_program:frames([portcullis_test_program:hello()])),
    portcullis_test_program:script(Config, Name,
        ["if [ $1 = policy ]; then shift 2; case \"$*\" in ", [$", string:replace(Granted, "|", "\"|\"", all), $"], ") exit 0 ;; esac; exit 1; fi\n",
         "cat ", File, ".hello\nhead -c 4 >/dev/null\n", Instead]).

%% The text of a script that says so.
refuses(Config, Refused) ->
    File = filename:join(proplists:get_value(priv_dir, Config), "refused.frame"),
    ok = file:write_file(File, portcullis_test_program:frames([{refused, Refused}])),
    ["#!/bin/sh\ncat ", File, "\nexit 72\n"].

in_environment(Name, Value, Fun) ->
    Before = os:getenv(Name),
    true = os:putenv(Name, Value),
    try Fun()
    after
        case Before of
            false -> os:unsetenv(Name);
            _ -> os:putenv(Name, Before)
        end
    end.

start_and_ask() ->
    {ok, Server} = portcullis:start_link(options(#{backoff => {600000, 600000}})),
    Answer = portcullis:process(Server, 1, [pid]),
    ok = portcullis:stop(Server),
    Answer.

options() -> options(#{}).

options(More) ->
    maps:remove(name, portcullis_test_server:options(More)).

%% What a script says that stands for the program.
policy_of(File, Policy) ->
    {hello, Hello} = portcullis_test_program:hello(),
    file:write_file(File ++ ".hello", portcullis_test_program:frames([{hello, Hello#{policy => Policy}}])).

check(Name, Checks) ->
    [Check | _] = [C || #{check := N} = C <- Checks, N =:= Name],
    Check.

file(Config, Name, Content, Mode) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(File, Content),
    ok = file:change_mode(File, Mode),
    File.
