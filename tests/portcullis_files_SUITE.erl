%% Files of others, under the policy files and with the installation full of tests/fixtures/make.sh: scripts/test-all.sh
%% has a step for that.
-module(portcullis_files_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1, answer/3, signal/2, ready/1, until/1, messages/0]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [of_another_user, parts, spelled_paths, refused_paths, wrong_arguments, too_long, beyond_the_permit, bad_options,
     owner_ends, owner_ends_while_it_opens, closed_by_itself, too_many, killed_port, restarted_server, other_readers,
     examples_of_files].

init_per_suite(Config) ->
    Logs = filename:join(os:getenv("PORTCULLIS_FIXTURES", "/nonexistent"), "logs"),
    {ok, Server} = portcullis:start_link(options(#{name => files_suite, required => true})),
    true = unlink(Server),
    case portcullis:read_file(Server, filename:join(Logs, "other.log"), #{}) of
        {ok, _} -> [{logs, Logs} | Config];
        {error, _} ->
            ok = portcullis:stop(Server),
            {skip, "needs the policy files and the installation full, see scripts/test-all.sh"}
    end.

end_per_suite(_) ->
    portcullis:stop(files_suite).

end_per_testcase(_, _) ->
    handles(0).

%% --- what is read ---------------------------------------------------------------------------------------------------

%% The BEAM may not read it.
of_another_user(Config) ->
    Path = log(Config),
    ?assertEqual({error, eacces}, file:read_file(Path)),
    ?assertEqual({ok, <<"first line\nsecond line\n">>}, portcullis:read_file(files_suite, Path, #{})),
    {ok, Server} = portcullis:start_link(maps:remove(name, options(#{}))),
    ?assertEqual({ok, <<"first line\nsecond line\n">>}, portcullis:read_file(Path)),
    ?assertEqual({ok, <<"first line\nsecond line\n">>}, portcullis:read_file(Path, [{max_bytes, 23}])),
    {ok, File} = portcullis:file_open(Path),
    ?assertEqual({ok, <<"first line\nsecond line\n">>}, portcullis:file_read(File)),
    portcullis:stop(Server).

examples_of_files(Config) ->
    Examples = [string:replace(Code, "/var/log/nginx/access.log", log(Config), all)
                || {files, Code} <- portcullis_test_examples:of_module(portcullis)],
    ?assert(length(Examples) >= 2),
    [portcullis_test_examples:run(lists:flatten(Code), #{}) || Code <- Examples].

parts(Config) ->
    File = open(log(Config)),
    ?assertEqual({ok, <<"first">>}, portcullis:file_read(File, #{length => 5})),
    ?assertEqual({ok, <<" line\n">>}, portcullis:file_read(File, [{length, 6}])),
    ?assertEqual({ok, <<"second line\n">>}, portcullis:file_read(File)),
    ?assertEqual({ok, <<>>}, portcullis:file_read(File)),
    ?assertEqual({ok, <<"line">>}, portcullis:file_read(File, #{offset => 6, length => 4, timeout => 5000})),
    ?assertEqual({ok, <<"\n">>}, portcullis:file_read(File, #{length => 1})),
    ?assertEqual({ok, <<>>}, portcullis:file_read(File, #{offset => 1000})),
    ok = portcullis:file_close(File),
    ?assertMatch({error, {posix, ebadf, _}}, portcullis:file_read(File)),
    ok = portcullis:file_close(File),
    ?assertEqual([], messages()).

spelled_paths(Config) ->
    Path = log(Config),
    [begin
         {ok, File} = portcullis:file_open(files_suite, Spelled, [{timeout, 5000}]),
         ok = portcullis:file_close(File)
     end || Spelled <- [Path, unicode:characters_to_binary(Path), [Path]]].

%% --- what is refused ------------------------------------------------------------------------------------------------

refused_paths(Config) ->
    Logs = proplists:get_value(logs, Config),
    Denied = fun(Path) -> {error, {denied_by_policy, Rule, _}} = portcullis:file_open(files_suite, Path, #{}), Rule end,
    [?assertEqual({Path, <<"files.read">>}, {Path, Denied(Path)})
     || Path <- ["/etc/shadow", filename:join(filename:dirname(Logs), "ok/portcullis-proc"), Logs ++ "x/other.log"]],
    {error, Error} = portcullis:read_file(files_suite, "/etc/shadow", #{}),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error),
                                         "\n    [files]\n    read = [{ path = \"/etc/shadow\", max_bytes = 1048576 }]\n")),
    ?assertEqual(<<"files.regular">>, Denied(Logs)),
    ?assertMatch({error, {posix, enoent, _}}, portcullis:file_open(files_suite, filename:join(Logs, "none"), #{})),
    %% A link inside of the folder is not followed, wherever it leads.
    Link = filename:join(Logs, "link.log"),
    {ok, _} = file:read_link(Link),
    ?assertMatch({error, {posix, eloop, _}}, portcullis:file_open(files_suite, Link, #{})).

wrong_arguments(Config) ->
    Logs = proplists:get_value(logs, Config),
    Expected = {error, {bad_request, [path], {expected, path}}},
    [?assertEqual({Path, Expected}, {Path, portcullis:file_open(files_suite, Path, #{})})
     || Path <- ["other.log", "", [], "/", "//", Logs ++ "/", Logs ++ "/../logs/other.log", Logs ++ "/./other.log", [Logs, 0], other, 7, [x, y],
                 [$/, 16#d800]]],
    File = open(log(Config)),
    [?assertMatch({Options, {error, {bad_request, Path, _}}}, {Options, portcullis:file_read(File, Options)})
     || {Options, Path} <- [{#{offset => -1}, [offset]}, {#{length => 0}, [length]}, {#{length => 524289}, [length]},
                            {#{timeout => 0}, [timeout]}, {#{colour => red}, [<<"colour">>]}, {x, []}, {[x | y], []}]],
    ?assertMatch({ok, <<"first", _/binary>>}, portcullis:file_read(File)),
    ok = portcullis:file_close(File).

too_long(Config) ->
    Read = fun(Max) -> portcullis:read_file(files_suite, log(Config), #{max_bytes => Max}) end,
    ?assertMatch({error, {posix, efbig, _}}, Read(22)),
    ?assertMatch({error, {posix, efbig, _}}, Read(0)),
    ?assertMatch({ok, <<_:23/binary>>}, Read(23)).

%% Three reads of the longest kind, and then root's bound.
beyond_the_permit(Config) ->
    Long = filename:join(proplists:get_value(logs, Config), "long.log"),
    {error, {denied_by_policy, <<"files.read">>, Hint}} = portcullis:read_file(files_suite, Long, #{}),
    ?assertNotEqual(nomatch, string:find(Hint, "max_bytes")),
    ?assertMatch({error, {posix, efbig, _}}, portcullis:read_file(files_suite, Long, #{max_bytes => 1000000})),
    Whole = filename:join(proplists:get_value(logs, Config), "whole.log"),
    {ok, Bytes} = portcullis:read_file(files_suite, Whole, #{}),
    ?assertEqual(1048576, byte_size(Bytes)).

bad_options(Config) ->
    [?assertMatch({Options, {error, {bad_request, Path, _}}},
                  {Options, portcullis:read_file(files_suite, log(Config), Options)})
     || {Options, Path} <- [{#{max_bytes => -1}, [max_bytes]}, {#{max_bytes => all}, [max_bytes]}, {x, []},
                            {#{timeout => infinity}, [timeout]}, {#{colour => red}, [<<"colour">>]}]].

%% --- how long it is open --------------------------------------------------------------------------------------------

owner_ends(Config) ->
    Path = log(Config),
    Self = self(),
    [begin
         {Pid, Monitor} = spawn_monitor(fun() -> Self ! {open, open(Path)}, receive go -> exit(Reason) end end),
         File = receive {open, Opened} -> Opened end,
         ?assertMatch({ok, _}, portcullis:file_read(File, #{length => 1})),
         _ = case Reason of kill -> exit(Pid, kill); _ -> Pid ! go end,
         receive {'DOWN', Monitor, process, Pid, _} -> ok end,
         handles(0),
         ?assertMatch({error, {posix, ebadf, _}}, portcullis:file_read(File))
     end || Reason <- [normal, crash, kill]].

%% However early.
owner_ends_while_it_opens(Config) ->
    Path = log(Config),
    [begin
         {Pid, Monitor} = spawn_monitor(fun() -> open(Path) end),
         [erlang:yield() || _ <- lists:seq(1, N)],
         true = exit(Pid, kill),
         receive {'DOWN', Monitor, process, Pid, _} -> ok end
     end || N <- lists:seq(1, 100)],
    handles(0).

%% Nothing of it is left in the BEAM.
closed_by_itself(Config) ->
    until(fun() -> keepers() =:= 0 end),
    Files = [open(log(Config)) || _ <- lists:seq(1, 10)],
    until(fun() -> keepers() =:= 10 end),
    [ok = portcullis:file_close(File) || File <- Files],
    until(fun() -> keepers() =:= 0 end),
    ?assertEqual([], messages()).

keepers() ->
    length([Pid || Pid <- processes(), process_info(Pid, current_function) =:= {current_function, {portcullis_file, keep, 2}}]).

too_many(Config) ->
    Files = [open(log(Config)) || _ <- lists:seq(1, 16)],
    ?assertEqual({error, overloaded}, portcullis:file_open(files_suite, log(Config), #{})),
    ok = portcullis:file_close(hd(Files)),
    Again = open(log(Config)),
    [ok = portcullis:file_close(File) || File <- [Again | Files]].

%% The next program gives the same numbers to other files.
killed_port(Config) ->
    {ok, Server} = portcullis:start_link(options(#{backoff => {10, 20}, required => true})),
    {ok, Old} = portcullis:file_open(Server, log(Config), #{}),
    signal(Server, "STOP"),
    Self = self(),
    Reader = spawn_link(fun() -> Self ! {self(), portcullis:file_read(Old)} end),
    %% In flight, and no answer comes.
    until(fun() -> {ok, #{proc := #{in_flight := InFlight}}} = portcullis:info(Server), InFlight =:= 1 end),
    signal(Server, "KILL"),
    receive {Reader, Answer} -> ?assertEqual({error, {down, {exit_status, 137}}}, Answer) end,
    %% Down or up again: it stays what it is.
    ?assertEqual({error, stale}, portcullis:file_read(Old)),
    ready(Server),
    {ok, New} = portcullis:file_open(Server, filename:join(proplists:get_value(logs, Config), "whole.log"), #{}),
    ?assertMatch({ok, #{handles := 1}}, answer(Server, info, #{})),
    ?assertEqual({error, stale}, portcullis:file_read(Old)),
    ?assertEqual({error, stale}, portcullis:file_read(Old, #{offset => 0})),
    ok = portcullis:file_close(Old),
    ?assertMatch({ok, #{handles := 1}}, answer(Server, info, #{})),
    ?assertMatch({ok, <<0, _/binary>>}, portcullis:file_read(New, #{length => 10})),
    ?assertEqual([], messages()),
    portcullis:stop(Server).

%% Under the same name.
restarted_server(Config) ->
    Options = options(#{name => restarted, required => true}),
    {ok, _} = portcullis:start_link(Options),
    {ok, Old} = portcullis:file_open(restarted, log(Config), #{}),
    ok = portcullis:stop(restarted),
    ?assertEqual({error, {down, {noproc, restarted}}}, portcullis:file_read(Old)),
    {ok, _} = portcullis:start_link(Options),
    {ok, New} = portcullis:file_open(restarted, log(Config), #{}),
    ?assertEqual({error, stale}, portcullis:file_read(Old)),
    ok = portcullis:file_close(Old),
    ?assertMatch({ok, <<"first", _/binary>>}, portcullis:file_read(New)),
    ok = portcullis:stop(restarted).

%% It can be lent, and is its opener's.
other_readers(Config) ->
    File = open(log(Config)),
    Self = self(),
    Reader = spawn_link(fun() -> Self ! {self(), portcullis:file_read(File, #{length => 5})} end),
    receive {Reader, Answer} -> ?assertEqual({ok, <<"first">>}, Answer) end,
    ?assertEqual({ok, <<" line">>}, portcullis:file_read(File, #{length => 5})),
    ok = portcullis:file_close(File).

%% --- help -----------------------------------------------------------------------------------------------------------

log(Config) ->
    filename:join(proplists:get_value(logs, Config), "other.log").

open(Path) ->
    {ok, File} = portcullis:file_open(files_suite, Path, #{}),
    File.

handles(Expected) ->
    until(fun() -> {ok, #{handles := Open}} = answer(files_suite, info, #{}), Open =:= Expected end).
