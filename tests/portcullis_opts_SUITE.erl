%% Options of servers and of calls, and where the program is looked for.
-module(portcullis_opts_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

all() ->
    [defaults, accepted, refused, call_options, roles_of_calls, errors_are_sentences, child_spec, nearest, look_up, first_that_exists, program_arguments].

defaults(_) ->
    {ok, FromList} = portcullis_opts:server([]),
    ?assertEqual({ok, FromList}, portcullis_opts:server(#{})),
    ?assertMatch(#{name := {local, portcullis}, roles := [proc], required := false, unprivileged := false}, FromList).

accepted(_) ->
    Fun = fun(_) -> ok end,
    [begin
         {ok, Config} = portcullis_opts:server([{Key, Value}]),
         {ok, Config} = portcullis_opts:server(#{Key => Value}),
         ?assertEqual({Key, Expected}, {Key, maps:get(Key, Config)})
     end || {Key, Value, Expected} <-
                [{name, kernel_1, {local, kernel_1}}, {name, {global, x}, {global, x}},
                 {name, {via, global, x}, {via, global, x}}, {name, undefined, undefined},
                 {roles, [proc, net], [proc, net]}, {path, "/x", "/x"}, {path, <<"/x">>, <<"/x">>},
                 {transport, port, port}, {transport, {node, a@h}, {node, a@h}},
                 {args, ["--allow-root", <<"y">>], ["--allow-root", <<"y">>]}, {unprivileged, true, true},
                 {max_in_flight, 1, 1}, {queue_limit, 0, 0}, {hello_timeout, 1, 1}, {default_timeout, 600000, 600000},
                 {backoff, {1, 1}, {1, 1}}, {required, true, true}, {event_handler, Fun, Fun}]],
    ?assertMatch({ok, #{required := true}}, portcullis_opts:server([required])).

refused(_) ->
    [?assertMatch({Key, Value, {error, {bad_option, Key, _}}}, {Key, Value, portcullis_opts:server([{Key, Value}])})
     || {Key, Value} <-
            [{name, "text"}, {name, true}, {roles, []}, {roles, [proc, proc]}, {roles, [disk]}, {roles, proc}, {path, ""}, {transport, node},
             {transport, {node, nohost}}, {transport, {node, '@h'}}, {transport, {node, "a@h"}}, {transport, {node, a@h@h}},
             {path, "a\0b"}, {path, <<"a", 0>>}, {path, 1}, {args, "--allow-root"}, {args, [x]}, {args, ["a\0b"]}, {args, ["a" | x]}, {roles, [proc | x]},
             {args, lists:duplicate(33, "a")}, {unprivileged, 1}, {max_in_flight, 0}, {queue_limit, -1},
             {hello_timeout, infinity}, {hello_timeout, 0}, {stuck_timeout, 0}, {default_timeout, infinity}, {default_timeout, 600001},
             {backoff, 100}, {backoff, {0, 1}}, {backoff, {2, 1}}, {required, yes}, {event_handler, fun() -> ok end},
             {event_handler, x}, {no_such_option, 1}]],
    ?assertMatch({error, {bad_option, 7, _}}, portcullis_opts:server([7])),
    ?assertMatch({error, {bad_option, x, _}}, portcullis_opts:server(x)),
    ?assertMatch({error, {bad_option, _, _}}, portcullis_opts:server([{required, true} | x])).

call_options(_) ->
    ?assertEqual({ok, default, #{}}, portcullis_opts:call(#{})),
    ?assertEqual({ok, default, #{limit => 1}}, portcullis_opts:call([{limit, 1}])),
    ?assertEqual({ok, 5, #{limit => 1}}, portcullis_opts:call(#{limit => 1, timeout => 5})),
    %% What the port checks is the port's to answer.
    ?assertEqual({ok, default, #{bogus => x}}, portcullis_opts:call(#{bogus => x})),
    ?assertEqual({error, {bad_request, [timeout], {expected, integer}}}, portcullis_opts:call(#{timeout => infinity})),
    [?assertEqual({error, {bad_request, [timeout], {range, 1, 600000}}}, portcullis_opts:call(#{timeout => T}))
     || T <- [0, -1, 600001]],
    [?assertEqual({error, {bad_request, [], {expected, map}}}, portcullis_opts:call(Bad)) || Bad <- [x, [x], 1, [{limit, 1} | x], [x | y]]].

%% The role is the client's to know, for what both have.
roles_of_calls(_) ->
    ?assertEqual({ok, any, #{}}, portcullis_opts:role(info, #{})),
    ?assertEqual({ok, net, #{topic => audit}}, portcullis_opts:role(subscribe, #{topic => audit, role => net})),
    ?assertEqual({ok, proc, #{pid => 1, role => net}}, portcullis_opts:role(process, #{pid => 1, role => net})),
    [?assertEqual({error, {bad_request, [role], {expected, role}}}, portcullis_opts:role(info, #{role => Role}))
     || Role <- [disk, <<"net">>, undefined]].

errors_are_sentences(_) ->
    {error, Unknown} = portcullis:start_link([{colour, red}]),
    ?assertEqual(<<"There is no option colour; there are args, backoff, default_timeout, event_handler, hello_timeout, "
                   "max_in_flight, name, path, queue_limit, required, roles, stuck_timeout, transport, unprivileged. "
                   "See portcullis:start_link/1.">>, portcullis:format_error(Unknown)),
    {error, Near} = portcullis:start_link([{unpriviledged, true}]),
    %% As a shell shows it.
    ?assertEqual({bad_option, unpriviledged, <<"no such option; did you mean unprivileged?">>}, Near),
    ?assertEqual({error, {bad_option, colour, <<"no such option">>}}, portcullis_opts:server([{colour, red}])),
    ?assertEqual(<<"There is no option unpriviledged; did you mean unprivileged? See portcullis:start_link/1.">>,
                 portcullis:format_error(Near)),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Near), "did you mean unprivileged?")),
    {error, Wrong} = portcullis:start_link([{backoff, 5}]),
    ?assertEqual(<<"Option backoff must be {Min, Max} in milliseconds, 0 < Min =< Max =< 600000; "
                   "see portcullis:start_link/1.">>, portcullis:format_error(Wrong)).

child_spec(_) ->
    [?assertEqual(Id, maps:get(id, portcullis:child_spec(Options)))
     || {Id, Options} <- [{portcullis, []}, {a, [{name, a}]}, {a, #{name => a}}, {{global, b}, [{name, {global, b}}]}]],
    ?assertMatch(ok, supervisor:check_childspecs([portcullis:child_spec([])])).

nearest(_) ->
    Known = [cmdline, comm, pid, state],
    [?assertEqual({Name, Expected}, {Name, portcullis_opts:nearest(Name, Known)})
     || {Name, Expected} <- [{comm, {ok, comm}}, {com, {ok, comm}}, {<<"cmd_line">>, {ok, cmdline}}, {pdi, none},
                             {stat, {ok, state}}, {'', none}, {7, none}, {binary:copy(<<"x">>, 100000), none}]].

%% What exists and cannot be used is not passed over.
first_that_exists(_) ->
    A = {"/a", installed, enoent},
    B = {"/b", installed, ok},
    C = {"/c", development, ok},
    Closed = {"/b", installed, eacces},
    ?assertEqual({ok, "/b", installed}, portcullis_program:choose([A, B, C])),
    ?assertEqual({ok, "/c", development}, portcullis_program:choose([A, C])),
    ?assertEqual({error, {no_program, [A, Closed]}}, portcullis_program:choose([A, Closed, C])),
    ?assertEqual({error, {no_program, [A]}}, portcullis_program:choose([A])).

%% A path that was named is used or is an error; the others are tried in order.
look_up(Config) ->
    Folder = proplists:get_value(priv_dir, Config),
    Program = filename:join(Folder, "portcullis-proc"),
    Plain = filename:join(Folder, "plain"),
    ok = file:write_file(Program, <<>>),
    ok = file:change_mode(Program, 8#700),
    ok = file:write_file(Plain, <<>>),
    ok = file:change_mode(Plain, 8#600),
    Before = os:getenv("PORTCULLIS_BIN"),
    try
        true = os:putenv("PORTCULLIS_BIN", Program),
        ?assertEqual({ok, Program, environment}, find([])),
        ?assertEqual({ok, Program, path}, find([{path, Program}])),
        ?assertEqual({ok, Program, path}, find([{path, Folder}])),
        ?assertMatch({error, {no_program, [{_, path, enoent}]}}, find([{path, "/nonexistent"}])),
        %% One file is for one role: what it lacks for the other must not be given to it.
        {ok, OfBoth} = portcullis_opts:server([{path, Program}, {roles, [proc, net]}]),
        {error, Other} = portcullis_program:find(net, OfBoth),
        ?assertEqual({no_program, [{Program, path, other_role}]}, Other),
        ?assertNotEqual(nomatch, string:find(portcullis:format_error({down, Other}), "that has both: " ++ filename:dirname(Program))),
        {problems, [#{fix := Fix} | _]} = portcullis:doctor([{path, Program}, {roles, [net]}]),
        ?assertEqual(unicode:characters_to_binary(["name the folder that has both: ", filename:dirname(Program)]), Fix),
        ?assertMatch({error, {no_program, [{_, path, eacces}]}}, find([{path, Plain}])),
        ?assertMatch({error, {no_program, [{_, path, not_a_file}]}}, find([{path, "/dev/null"}])),
        true = os:putenv("PORTCULLIS_BIN", "/nonexistent"),
        ?assertMatch({error, {no_program, [{_, environment, enoent}]}}, find([])),
        true = os:unsetenv("PORTCULLIS_BIN"),
        Looked = fun(Options) ->
                         {ok, Defaults} = portcullis_opts:server(Options),
                         [{File, Source} || {File, Source, _} <- portcullis_program:candidates(proc, Defaults)]
                 end,
        Installed = [{"/usr/libexec/portcullis/portcullis-proc", installed},
                     {"/usr/local/libexec/portcullis/portcullis-proc", installed}],
        %% A build of a developer never takes the place of the installed program.
        ?assertEqual(Installed, Looked([])),
        ?assertEqual(Installed ++ [{filename:join(code:priv_dir(portcullis), "portcullis"), development}],
                     Looked([{unprivileged, true}]))
    after
        case Before of
            false -> os:unsetenv("PORTCULLIS_BIN");
            _ -> os:putenv("PORTCULLIS_BIN", Before)
        end
    end.

program_arguments(_) ->
    Args = fun(Source, Options) ->
                   {ok, Config} = portcullis_opts:server(Options),
                   portcullis_program:args(proc, Source, Config)
           end,
    ?assertEqual(["port", "--role", "proc"], Args(installed, [])),
    ?assertEqual(["port", "--role", "proc", "--unprivileged"], Args(installed, [{unprivileged, true}])),
    ?assertEqual(["port", "--role", "proc", "--unprivileged"], Args(development, [])),
    ?assertEqual(["port", "--role", "proc", "-x"], Args(path, [{args, ["-x"]}])).

find(Options) ->
    {ok, Config} = portcullis_opts:server(Options),
    portcullis_program:find(proc, Config).
