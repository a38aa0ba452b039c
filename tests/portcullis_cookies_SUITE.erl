%% What the checkup finds of cookies: real files, good ones and bad ones.
-module(portcullis_cookies_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_nodes, [epmd/1, end_epmd/1, node/4, call/2, call/3, peer_checks/1, check/2, folder/2]).

-define(LONG, <<"0123456789abcdefghijklmnopqrstuvwxyz">>).
-define(MADE_BY_OTP, <<"ABCDEFGHIJKLMNOPQRST">>).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [cookies, cookie_of_otp, cookies_and_no_files, cookie_fixes, command_line_cookie, cookie_of_xdg].

init_per_testcase(cookie_of_otp, Config) -> [{epmd, epmd([])} | Config];
init_per_testcase(_, Config) -> Config.

end_per_testcase(_, Config) ->
    case proplists:get_value(epmd, Config) of
        undefined -> ok;
        Epmd -> end_epmd(Epmd)
    end.

%% Each in the home of a BEAM, and nothing of it in what is answered.
cookies(Config) ->
    Cases = [{?LONG, 8#400, []}, {?LONG, 8#600, []}, {<<?LONG/binary, "\n">>, 8#400, []}, {?LONG, 8#440, [mode]},
             {?LONG, 8#644, [mode]}, {?LONG, 8#402, [mode]}, {?LONG, 8#410, [mode]}, {<<"secret">>, 8#400, [short]},
             {binary:part(?LONG, 0, 31), 8#400, [short]}, {binary:part(?LONG, 0, 32), 8#400, []},
             {?MADE_BY_OTP, 8#400, [made_by_otp]}, {<<"secret">>, 8#666, [mode, short]}, {<<>>, 8#400, [short]}],
    Home = folder(Config, "home"),
    Peer = node(#{}, undefined, [], [{"HOME", Home}]),
    [begin
         File = cookie(Home, Cookie, Mode),
         [Found] = call(Peer, cookie_files),
         #{where := home, file := File, mode := Mode, faults := Faults, size := Size} = Found,
         ?assertEqual({Cookie, Mode, Expected}, {Cookie, Mode, Faults}),
         ?assertEqual(byte_size(string:trim(Cookie)), Size),
         ?assertEqual(list_to_integer(string:trim(os:cmd("id -u"))), maps:get(uid, Found)),
         Checks = peer_checks(Peer),
         ?assertEqual(case Expected of [] -> [ok]; _ -> [warning || _ <- Expected] end,
                      [Status || #{check := cookie, status := Status} <- Checks]),
         [?assertEqual(nomatch, binary:match(term_to_binary({Found, Checks}), Cookie)) || byte_size(Cookie) > 5]
     end || {Cookie, Mode, Expected} <- Cases],
    ok = peer:stop(Peer).

%% The one that OTP itself makes for a node that has none.
cookie_of_otp(Config) ->
    Home = folder(Config, "fresh"),
    Peer = node(Config, fresh, [], [{"HOME", Home}]),
    ?assertMatch([#{where := home, mode := 8#400, size := 20, faults := [made_by_otp]}], call(Peer, cookie_files)),
    ?assertMatch(#{status := problem}, check(cookie, peer_checks(Peer))),
    ok = peer:stop(Peer).

cookies_and_no_files(Config) ->
    Home = folder(Config, "none"),
    Look = fun() -> portcullis_checkup:cookie_files(#{home => Home, config => Home ++ "/no"}) end,
    File = filename:join(Home, ".erlang.cookie"),
    ?assertEqual([], Look()),
    ok = file:make_dir(File),
    ?assertMatch([#{faults := [unreadable]}], Look()),
    ok = file:del_dir(File),
    %% Nobody waits for a writer.
    "" = os:cmd("mkfifo " ++ File),
    ?assertMatch([#{faults := [unreadable]}], Look()),
    ok = file:delete(File),
    ok = file:make_symlink(".erlang.cookie", File),
    ?assertMatch([#{faults := [unreadable]}], Look()),
    ok = file:delete(File),
    ok = file:make_symlink("/etc/passwd", File),
    [#{faults := Faults}] = Look(),
    ?assertEqual(os:cmd("id -u") =/= "0\n", lists:member(owner, Faults)),
    ?assert(lists:member(mode, Faults)),
    ok = file:delete(File).

%% The commands, as a shell takes them.
cookie_fixes(Config) ->
    Home = folder(Config, "mended"),
    Look = fun() -> portcullis_checkup:cookie_files(#{home => Home, config => Home ++ "/no"}) end,
    [begin
         File = cookie(Home, Cookie, Mode),
         [#{faults := [Fault]}] = Cookies = Look(),
         [#{status := problem, fix := Fix}] = portcullis_checklist:cookies(true, Cookies),
         "" = os:cmd(unicode:characters_to_list(Fix)),
         ?assertMatch([#{mode := 8#400, faults := []}], Look()),
         ?assertMatch([#{status := ok}], portcullis_checklist:cookies(true, Look())),
         [?assertMatch([#{size := 44}], Look()) || Fault =/= mode],
         ok = file:delete(File)
     end || {Cookie, Mode} <- [{?LONG, 8#644}, {<<"secret">>, 8#400}, {?MADE_BY_OTP, 8#400}]].

command_line_cookie(Config) ->
    Home = folder(Config, "visible"),
    Option = #{home => Home, config => Home},
    %% At the end of the command line, whatever stands there to make it a peer: behind -extra that would be nothing.
    [begin
         Peer = node(#{}, undefined, [], [{"ERL_ZFLAGS", Flags}]),
         ?assertEqual(Expected, call(Peer, cookie_files, [Option])),
         ok = peer:stop(Peer)
     end || {Flags, Expected} <- [{"-setcookie topsecret", [#{where => command_line, faults => [visible]}]},
                                  {"-extra --cookie topsecret", [#{where => command_line, faults => [visible]}]},
                                  {"-extra --cookies x", []}, {"", []}]].

cookie_of_xdg(Config) ->
    Home = folder(Config, "xdg"),
    ok = filelib:ensure_path(filename:join(Home, "erlang")),
    File = cookie(filename:join(Home, "erlang"), ?LONG, 8#444),
    Peer = node(#{}, undefined, [], [{"HOME", Home}, {"XDG_CONFIG_HOME", Home}]),
    ?assertMatch([#{where := config, file := File, faults := [mode]}], call(Peer, cookie_files)),
    ok = peer:stop(Peer).

cookie(Folder, Cookie, Mode) ->
    File = filename:join(Folder, ".erlang.cookie"),
    _ = file:delete(File),
    ok = file:write_file(File, Cookie),
    ok = file:change_mode(File, Mode),
    File.
