%% What portcullis:format_error/1 makes of errors: sentences, with a command that can be copied.
-module(portcullis_error_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

all() ->
    [errors_are_sentences, denial_is_a_line, denial_without_a_policy, denial_of_many, denial_of_a_node, doctor_is_named, missing_program_is_a_command, other_role_names_who_named_it,
     addresses_are_read_strictly, typing_mistakes, absent_server_is_named, who_may_start_it_is_said].

errors_are_sentences(_) ->
    NotDistributed = portcullis:format_error({down, {node, 'portcullis@localhost', nodedown}}),
    ?assertEqual(node() =:= nonode@nohost, string:find(NotDistributed, "erl -sname app@localhost") =/= nomatch),
    Refused = #{code => 71, reason => file_mode, message => <<"the mode is 0755">>, fix => <<"chmod 0750 X">>},
    Errors = [timeout, overloaded, cancelled, esrch, {refused, Refused}, {refused, #{}},
              {denied_by_policy, <<"proc.environ">>, <<"grant it">>},
              {denied_by_policy, <<"ping.allow">>, <<"/p does not grant it; under [ping] this would: allow = [\"::1\"]">>},
              stale, {posix, ebadf, <<"x">>}, {posix, efbig, <<"the file is long">>}, {not_permitted, [net_raw], <<"closed">>},
              {unsupported, <<"role net: start it">>}, {posix, ehostunreach, <<"an ICMP error came back">>},
              {not_permitted, [sys_ptrace, dac_read_search], <<"install it with them">>}, {unsupported, <<"x">>}, {unsupported, <<"\e[2J", 255>>},
              {posix, emfile, <<"reading /proc">>}, {unknown_outcome, 7}, {unknown_outcome, undefined}, busy, {bad_request, [timeout], {expected, integer}},
              {nft, 2, enoent, <<"add rule inet fw a: No such file or directory">>}, {nft, 0, ebusy, <<"wait\e">>},
              {bad_request, [text, 2, 7], {expected, json}}, {bad_request, [commands, 1, add, <<"x">>], unknown_key}]
        ++ [{down, Reason} || Reason <- [{no_program, [{"/x", path, enoent}]}, {open, "/x", eacces}, {exit_status, 1},
                                         {exit_status, 137}, {exit_status, 159}, hello_timeout, epipe, noproc, stopped,
                                         {protocol, malformed_frame}, {protocol, {versions, {2, 2}}}, something]]
        ++ [{bad_request, [a, <<"b", 255>>, 1], Why}
            || Why <- [unknown_key, missing, duplicate, empty, in_flight, {expected, pid}, {expected, path},
                       {expected, address}, {expected, parameter}, {expected, value}, {expected, role}, {range, 1, 2}, {too_many, 3},
                       {unknown_column, <<"\e[2J">>}, {not_comparable, argv}, {frame_too_long, 1}, tag, too_deep,
                       too_many_pairs, too_many_terms, integer, {unknown_name, <<"\e[2J">>}, {unknown_name, <<"\e[2J">>, <<"\e[2J">>}, listed_only, not_sampled, {unsupported, reset},
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
    ?assertNotEqual(nomatch, string:find(Text, "without --level full")),
    Ping = portcullis:format_error({denied_by_policy, <<"ping.allow">>, <<"/p does not grant it; under [ping] this would: allow = [\"::1\"]">>}),
    ?assertEqual(nomatch, string:find(Ping, "--level full")),
    %% What is not of that shape is shown as it is.
    ?assertEqual(<<"The policy does not grant files.links: it has 2 hard links.">>,
                 portcullis:format_error({denied_by_policy, <<"files.links">>, <<"it has 2 hard links">>})).

%% Nobody looks for a mistake in a file that is not there.
denial_without_a_policy(_) ->
    Hint = <<"there is no /etc/portcullis/policy.toml, so that what every user sees is granted and nothing else (sudo install x y in the "
             "source puts an example there); in it, under [ping] this would: allow = [\"::1\"]">>,
    Text = portcullis:format_error({denied_by_policy, <<"ping.allow">>, Hint}),
    ?assertMatch(<<"The policy does not grant ping.allow: there is no /etc/portcullis/policy.toml, so that ", _/binary>>, Text),
    [Example, Section, Line, _] = [Line || <<"    ", Line/binary>> <- binary:split(Text, <<"\n">>, [global])],
    ?assertMatch({match, _}, re:run(Example, "^sudo install -D -m 0644 \\S*priv/policy.toml /etc/portcullis/policy.toml")),
    ?assertEqual({<<"[ping]">>, <<"allow = [\"::1\"]">>}, {Section, Line}).

%% A section of a node has a name with quotes in it.
denial_of_a_node(_) ->
    Hint = <<"/p does not grant it to node a@h: line 3, [peer.\"a@h\"], has tables = [load], and sockets is none of them; under [peer.\"a@h\"] "
             "this would: tables = [\"sockets\"]">>,
    Text = portcullis:format_error({denied_by_policy, <<"peer.tables">>, Hint}),
    ?assertMatch(<<"The policy does not grant peer.tables to node a@h: line 3, [peer.\"a@h\"], has tables = [load], and sockets is none of "
                   "them. In /p, under [peer.\"a@h\"], this line would", _/binary>>, Text),
    ?assertNotEqual(nomatch, string:find(Text, "\n    [peer.\"a@h\"]\n    tables = [\"sockets\"]\n")).

denial_of_many(_) ->
    Hint = <<"/p does not grant 40 changes of this transaction, the first 32 of which are meant here; under [nft] this would: write = [1]">>,
    Text = portcullis:format_error({denied_by_policy, <<"nft.write">>, Hint}),
    ?assertMatch(<<"The policy does not grant nft.write: 40 changes of this transaction, the first 32 of which are meant here. "
                   "In /p, under [nft], this line would", _/binary>>, Text),
    ?assertNotEqual(nomatch, string:find(Text, "\n    [nft]\n    write = [1]\n")).

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
    ?assertMatch({match, _}, re:run(Command, "^(sh /\\S+/scripts/build-port.sh && )?sudo sh /")),
    ?assertNotEqual(nomatch, string:find(Command, "scripts/install.sh --group ")),
    ?assertEqual(nomatch, string:find(Command, "YOURGROUP")),
    ?assertNotEqual(nomatch, string:find(Text, "started with {unprivileged, true}")),
    %% Who gave that is not told to give it.
    Given = portcullis:format_error({down, {no_program, [{"/x", installed, enoent}, {"/y", development, enoent}]}}),
    ?assertEqual(nomatch, string:find(Given, "started with {unprivileged, true}")),
    ?assertMatch({match, _}, re:run(Given, "\n    sh /\\S+/scripts/build-port.sh\nmakes priv/portcullis there; .*\\{path, ")).

%% Who reads it did not name a file where it was started.
other_role_names_who_named_it(_) ->
    Says = fun(Source) -> portcullis:format_error({down, {no_program, [{"/x/portcullis-net", Source, other_role}]}}) end,
    ?assertMatch({match, _}, re:run(Says(environment), "PORTCULLIS_BIN names, is the program of another role\\. Unset PORTCULLIS_BIN, or .* both: /x")),
    ?assertMatch({match, _}, re:run(Says(path), "option path names, is the program of another role\\. Name the folder .*: /x")).

addresses_are_read_strictly(_) ->
    [?assertEqual({Text, Read}, {Text, portcullis_address:read(Text)})
     || {Text, Read} <- [{"192.0.2.7", {192, 0, 2, 7}}, {<<"192.0.2.0/24">>, {{192, 0, 2, 0}, 24}}, {"::1", {0, 0, 0, 0, 0, 0, 0, 1}},
                         {<<"2001:db8::/32">>, {{16#2001, 16#db8, 0, 0, 0, 0, 0, 0}, 32}}, {{192, 0, 2, 7}, {192, 0, 2, 7}}]],
    [?assertEqual(Text, portcullis_address:read(Text))
     || Text <- ["", <<>>, "192.0.2", "010.0.0.1", "0x7f.0.0.1", "192.0.2.0/", "192.0.2.0/08", "192.0.2.0/-1", "::1%lo", "host", <<255>>, [x],
                 [$1 | x], "1.2.3.4/8/8", undefined]],
    ?assertEqual([true, true, true, true, false, false, false],
                 [portcullis_address:is_server(Term)
                  || Term <- [fw, self(), {global, fw}, {via, m, n}, {192, 0, 2, 7}, {{192, 0, 2, 0}, 24}, "192.0.2.7"]]).

%% Whoever has raised something in the shell sees what to type.
absent_server_is_named(_) ->
    Says = fun(Name) -> portcullis:format_error({down, {noproc, Name}}) end,
    [?assertNotEqual({Part, nomatch}, {Part, string:find(Says(Name), Part)})
     || {Name, Part} <- [{tour, "No server named tour runs here. To start it: portcullis:start_link([{name, tour}])."},
                         {tour, "What raises in a shell ends the server that was started there"},
                         {portcullis, "portcullis:start_link([])"}, {{global, 'a b'}, "start_link([{name, {global,'a b'}}])"},
                         {{fw, 'a@h'}, "No server named fw runs on a@h"}, {{fw, 'a@h'}, "net_adm:ping('a@h')"}, {self(), "has ended"},
                         {<<"x">>, "connection is down"}]],
    ?assertEqual({error, {down, {noproc, tour}}}, portcullis:processes(tour, #{})),
    ?assertEqual({error, {down, {noproc, tour}}}, portcullis:info(tour)).

%% What the doctor says of a program that this user may not execute.
who_may_start_it_is_said(Config) ->
    Program = filename:join(proplists:get_value(priv_dir, Config), "portcullis-proc"),
    ok = file:write_file(Program, <<>>),
    ok = file:change_mode(Program, 8#040),
    Text = portcullis:format_error({down, {open, Program, eacces}}),
    case os:cmd("id -u") of
        "0\n" -> ?assertNotEqual(nomatch, string:find(Text, "could not be started"));
        _ ->
            ?assertNotEqual(nomatch, string:find(Text, "has mode 0040, owner ")),
            ?assertNotEqual(nomatch, string:find(Text, ["\n    sudo chmod 0750 ", Program])),
            {ok, _, Fix} = portcullis_error:cannot_start({down, {open, Program, eacces}}),
            ?assertEqual(iolist_to_binary(["sudo chmod 0750 ", Program]), Fix)
    end.

typing_mistakes(_) ->
    Says = fun(Path, Why) -> portcullis:format_error({bad_request, Path, Why}) end,
    [?assertNotEqual({Part, nomatch}, {Part, string:find(Text, Part)})
     || {Text, Part} <- [{Says([columns, 1], {unknown_column, <<"cmd_line">>}), "did you mean cmdline?"},
                         {Says([columns, 1], {unknown_column, <<"colour">>}), "colour in this table; portcullis:tables() has"},
                         {Says([columns, 1], {unknown_column, <<"rss">>}), "rss in this table; portcullis:tables() has"},
                         {Says([table], {unknown_name, <<"listning">>}), "no table listning; did you mean listening?"},
                         {Says([table], {unknown_name, <<"zzz">>}), "there are processes, "},
                         {Says([commands, 1, add, chain, hook], {unknown_name, <<"inptu">>, <<"input">>}), "did you mean input?"},
                         {Says([commands], {expected, list}), "[Command]"},
                         {Says([address], {expected, address}), "\"10.0.0.0/8\""},
                         {Says([<<"colums">>], unknown_key), "did you mean columns?"},
                         {Says([<<"evry">>], unknown_key), "did you mean every?"},
                         {Says([<<"interval">>], unknown_key), "this request does not take it"},
                         {Says([<<"zzz">>], unknown_key), "see docs/protocol.md"},
                         {Says([where, protocol], {expected, <<"tcp, udp or raw">>}), "it should be tcp, udp or raw."},
                         {Says([where], {expected, map}), "a map from columns to conditions"},
                         {Says([interval], {range, 50, 4999}), "give a longer one: #{timeout => Milliseconds}"},
                         {Says([interval], {range, 50, 60000}), "between 50 and 60000."},
                         {Says([interval], not_sampled), "cpu_rates"},
                         {Says([pid], tag), "a process of the system"},
                         {portcullis:format_error({unsupported, <<"topic listening">>}), "subscribe(query, #{table => listening"},
                         {Says([columns, 1], {unknown_column, <<"local_prot">>, <<"local_port">>}), "local_prot in this table; did you mean local_port?"},
                         {Says([commands, 1, add, <<"rul">>], {unknown_key, <<"rule">>}), "at commands.1.add.<<\"rul\">>: there is no such key; did you mean rule?"},
                         {Says([address, 1], {range, 0, 255}), "between 0 and 255"},
                         {Says([address, 2], {range, 8, 32}), "a prefix of 8 to 32 bits"},
                         {Says([timeout], {range, 1000, 5000}), "milliseconds, and must be between 1000 and 5000: for an hour, #{timeout => 3600000}"},
                         {Says([ref], {expected, integer}), "as nft_apply with confirm has answered it"},
                         {portcullis:format_error(stale), "no change waits by that ref"},
                         {portcullis:format_error(portcullis:ban({192, 0, 2, 7}, 3600)), "#{timeout => 3600000}"},
                         {Says([columns, 2], {expected, atom}), "the name of a column"},
                         {Says([where, comm], {expected, binary}), "a binary, such as <<\"this\">>"},
                         {Says([where, rss], {expected, condition}), "{min, N}"}]].
