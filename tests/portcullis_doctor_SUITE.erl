%% What the doctor finds. Broken installations come from PORTCULLIS_FIXTURES (tests/fixtures/make.sh), where it is set.
-module(portcullis_doctor_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [healthy, of_a_server, forgotten_restart, missing, not_executable, forbidden_file, forbidden_folder,
     wrong_program, silent_program, talking_program, wrong_architecture, wrong_option, net_role,
     groups_that_can_do_more, install_commands, fixes_for_root, absolute_fixes, printed, without_capabilities,
     no_new_privs, broken_installations, report_is_text, parse_status, parse_mounts, parse_names,
     errors_are_sentences, denial_is_a_line, doctor_is_named, missing_program_is_a_command, typing_mistakes].

healthy(_) ->
    {ok, Checks} = portcullis:doctor(options()),
    #{message := Message} = check(start, Checks),
    ?assertNotEqual(nomatch, string:find(Message, "version 0.1.0")),
    ?assertMatch(#{status := ok}, check(start, Checks)),
    ?assertEqual([], messages()).

%% With the options of the server that is asked for.
of_a_server(_) ->
    {ok, Server} = portcullis:start_link(options(#{path => "/nonexistent", name => doctors})),
    [?assertMatch({problems, [#{check := program, message := <<"no program: /nonexistent", _/binary>>} | _]},
                  portcullis:doctor(Who)) || Who <- [doctors, Server]],
    ok = portcullis:stop(Server).

%% The program that runs has read another file than the one that is started for the trial.
forgotten_restart(Config) ->
    File = filename:join(proplists:get_value(priv_dir, Config), "restart"),
    ok = policy_of(File, <<"sha256:0123456789abcdef">>),
    Path = file(Config, "restart", ["#!/bin/sh\ncat ", File, ".hello\nexec sleep 30\n"], 8#700),
    {ok, Server} = portcullis:start_link(options(#{path => Path, name => undefined})),
    ok = portcullis_conn_SUITE:until(fun() -> {ok, #{proc := Info}} = portcullis:info(Server), is_map_key(hello, Info) end),
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
    File = file(Config, "silent", "#!/bin/sh\nexec sleep 30\n", 8#700),
    {problems, Checks} = portcullis:doctor(options(#{path => File, hello_timeout => 100})),
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
    ?assertMatch(<<"role net: version 0.1.0", _/binary>>, Message).

%% Nobody is to be put into the group root for a file that was installed with it.
groups_that_can_do_more(_) ->
    Joins = fun(Gid, Group) -> nomatch =/= string:find(portcullis_fix:join(proc, Gid, Group, <<"erl">>), "usermod") end,
    ?assertEqual([false, false, false, false, true],
                 [Joins(Gid, Group) || {Gid, Group} <- [{0, <<"root">>}, {42, <<"x">>}, {998, <<"docker">>},
                                                        {999, <<"sudo">>}, {900, <<"app">>}]]),
    ?assertEqual(<<"sudo usermod -aG app erl   # then log in again and restart the BEAM">>,
                 portcullis_fix:join(proc, 900, <<"app">>, <<"erl">>)),
    Install = portcullis_fix:join(net, 0, <<"root">>, <<"erl">>),
    ?assertMatch({match, _}, re:run(Install, "install.sh --group \\w+ --role net")).

%% The program of the role that lacks one, for the group that may start the other.
install_commands(_) ->
    Command = fun portcullis_fix:install_command/2,
    ?assertEqual(<<"sudo sh scripts/install.sh --group YOURGROUP">>, Command([proc], [])),
    ?assertEqual(<<"sudo sh scripts/install.sh --group YOURGROUP --role net">>, Command([net], [])),
    ?assertEqual(<<"sudo sh scripts/install.sh --group YOURGROUP --role proc,net">>, Command([proc, net], [0])),
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
    Fix = <<"sudo sh scripts/install.sh --group YOURGROUP">>,
    ?assertEqual(Fix, portcullis_fix:absolute(Fix, none)),
    ?assertEqual(<<"sudo sh /opt/p/scripts/install.sh --group YOURGROUP">>, portcullis_fix:absolute(Fix, "/opt/p")),
    ?assertEqual(<<"sudo sh '/a b/scripts/install.sh'">>,
                 portcullis_fix:absolute(<<"sudo sh scripts/install.sh">>, "/a b")),
    ?assertEqual(<<"sudo setcap X /p">>, portcullis_fix:absolute(<<"sudo setcap X /p">>, "/opt/p")),
    %% This build is linked to its sources.
    ["sudo", "sh", Script | _] = string:lexemes(unicode:characters_to_list(portcullis_fix:install([proc])), " "),
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

%% --- sentences ------------------------------------------------------------------------------------------------------

errors_are_sentences(_) ->
    Refused = #{code => 71, reason => file_mode, message => <<"the mode is 0755">>, fix => <<"chmod 0750 X">>},
    Errors = [timeout, overloaded, cancelled, esrch, {refused, Refused}, {refused, #{}},
              {denied_by_policy, <<"proc.environ">>, <<"grant it">>},
              {denied_by_policy, <<"ping.allow">>, <<"/p does not grant it; under [ping] this would: allow = [\"::1\"]">>},
              stale, {posix, ebadf, <<"x">>}, {posix, efbig, <<"the file is long">>}, {not_permitted, [net_raw], <<"closed">>},
              {unsupported, <<"role net: start it">>}, {posix, ehostunreach, <<"an ICMP error came back">>},
              {not_permitted, [sys_ptrace, dac_read_search], <<"install it with them">>}, {unsupported, <<"x">>}, {unsupported, <<"\e[2J", 255>>},
              {posix, emfile, <<"reading /proc">>}, {unknown_outcome, 7}, {unknown_outcome, undefined}, busy,
              {nft, 2, enoent, <<"add rule inet fw a: No such file or directory">>}, {nft, 0, ebusy, <<"wait\e">>},
              {bad_request, [text, 2, 7], {expected, json}}, {bad_request, [commands, 1, add, <<"x">>], unknown_key}]
        ++ [{down, Reason} || Reason <- [{no_program, [{"/x", path, enoent}]}, {open, "/x", eacces}, {exit_status, 1},
                                         {exit_status, 137}, {exit_status, 159}, hello_timeout, epipe, noproc, stopped,
                                         {protocol, malformed_frame}, {protocol, {versions, {2, 2}}}, something]]
        ++ [{bad_request, [a, <<"b", 255>>, 1], Why}
            || Why <- [unknown_key, missing, duplicate, empty, in_flight, {expected, pid}, {expected, path},
                       {expected, address}, {expected, parameter}, {expected, value}, {expected, role}, {range, 1, 2}, {too_many, 3},
                       {unknown_column, <<"\e[2J">>}, {not_comparable, argv}, {frame_too_long, 1}, tag, too_deep,
                       too_many_pairs, too_many_terms, integer, {unknown_name, <<"\e[2J">>}, listed_only, {unsupported, reset},
                       {length, 1, 128}, {excludes, name}, nul]],
    [begin
         Text = portcullis:format_error(Error),
         ?assertEqual(Text, portcullis:format_error({error, Error})),
         ?assertNotEqual({Error, $\n}, {Error, binary:last(Text)}),
         ?assert(binary:first(Text) >= $A andalso binary:first(Text) =< $Z),
         ?assertEqual({Error, nomatch}, {Error, binary:match(Text, [<<"\e">>, <<0>>])})
     end || Error <- Errors],
    Mended = <<"The program refuses to serve: the mode is 0755. To mend it:\n    chmod 0750 X">>,
    ?assertEqual(Mended, portcullis:format_error({refused, Refused})),
    %% As a supervisor and a shell have it.
    [?assertEqual(Mended, portcullis:format_error(Wrapped))
     || Wrapped <- [{shutdown, {failed_to_start_child, portcullis, {refused, Refused}}},
                    {error, {failed_to_start_child, portcullis, {refused, Refused}}},
                    {error, {shutdown, {failed_to_start_child, portcullis, {shutdown, {refused, Refused}}}}}]].

%% The line to add is alone on its line below its section, and the command that checks it too.
denial_is_a_line(_) ->
    Text = portcullis:format_error({denied_by_policy, <<"files.read">>,
                                    <<"/etc/portcullis/policy.toml does not grant it; under [files] this would: read = [1]">>}),
    Lines = [Line || <<"    ", Line/binary>> <- binary:split(Text, <<"\n">>, [global])],
    ?assertMatch([<<"[files]">>, <<"read = [1]">>, _], Lines),
    ?assertEqual(<<"portcullis-proc policy check">>, filename:basename(lists:last(Lines))),
    Last = "\nIf the line is there already, restart the application: a port reads the file when it starts.",
    ?assertEqual(Last, unicode:characters_to_list(string:find(Text, "\nIf"))),
    %% What is not of that shape is shown as it is.
    ?assertEqual(<<"The policy does not grant files.links: it has 2 hard links.">>,
                 portcullis:format_error({denied_by_policy, <<"files.links">>, <<"it has 2 hard links">>})).

%% The doctor is named where it says more than the text.
doctor_is_named(_) ->
    Named = fun(Reason) -> nomatch =/= string:find(portcullis:format_error({down, Reason}), "portcullis_doctor:print()") end,
    ?assertEqual([false, false, false, true, true, true],
                 [Named(Reason) || Reason <- [{no_program, [{"/x", path, enoent}]}, {no_program, [{"/x", path, eacces}]},
                                              {refused, #{message => <<"m">>, fix => <<"f">>}}, {open, "/x", eacces},
                                              hello_timeout, {protocol, malformed_frame}]]).

%% A command is alone on its line, and can be copied.
missing_program_is_a_command(_) ->
    Text = portcullis:format_error({down, {no_program, [{"/x", installed, enoent}]}}),
    [Command] = [Line || <<"    ", Line/binary>> <- binary:split(Text, <<"\n">>, [global])],
    ?assertMatch(<<"sudo sh /", _/binary>>, Command),
    ?assertNotEqual(nomatch, string:find(Command, "scripts/install.sh --group YOURGROUP")),
    ?assertNotEqual(nomatch, string:find(Text, "{unprivileged, true}")).

typing_mistakes(_) ->
    Says = fun(Path, Why) -> portcullis:format_error({bad_request, Path, Why}) end,
    [?assertNotEqual({Part, nomatch}, {Part, string:find(Text, Part)})
     || {Text, Part} <- [{Says([columns, 1], {unknown_column, <<"cmd_line">>}), "did you mean cmdline"},
                         {Says([columns, 1], {unknown_column, <<"colour">>}), "docs/protocol.md"},
                         {Says([<<"colums">>], unknown_key), "did you mean columns"},
                         {Says([<<"zzz">>], unknown_key), "there are address, cell_max, check"},
                         {Says([where, state], {expected, state}), "running, sleeping"},
                         {Says([where, state], {expected, atom}), "running, sleeping"},
                         {Says([columns, 2], {expected, atom}), "the name of a column"},
                         {Says([where, comm], {expected, binary}), "a binary such as <<\"beam.smp\">>"},
                         {Says([where, rss], {expected, condition}), "{min, N}"}]].

%% --- help -----------------------------------------------------------------------------------------------------------

options() -> options(#{}).

options(More) ->
    Root = os:cmd("id -u") =:= "0\n",
    maps:merge(#{args => ["--allow-root" || Root]}, More).

%% What a script says that stands for the program.
policy_of(File, Policy) ->
    Hello = #{protocol => {1, 1}, role => proc, frame_max => 65536, max_in_flight => 9, credit => 16, policy => Policy},
    Frame = term_to_binary({hello, Hello}, [{minor_version, 2}]),
    file:write_file(File ++ ".hello", <<(byte_size(Frame)):32, Frame/binary>>).

check(Name, Checks) ->
    [Check | _] = [C || #{check := N} = C <- Checks, N =:= Name],
    Check.

file(Config, Name, Content, Mode) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(File, Content),
    ok = file:change_mode(File, Mode),
    File.

messages() ->
    {messages, Messages} = process_info(self(), messages),
    Messages.
