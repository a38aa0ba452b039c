%% What the checkup makes of what it finds: bytes of the host, files, answers of monitors. What needs real nodes and
%% processes is in portcullis_checkup_SUITE.
-module(portcullis_checklist_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("kernel/include/file.hrl").
-include_lib("stdlib/include/assert.hrl").

-define(LONG, <<"0123456789abcdefghijklmnopqrstuvwxyz">>).
-define(MADE_BY_OTP, <<"ABCDEFGHIJKLMNOPQRST">>).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [parse_sockets, parse_sockets_mapped, parse_sockets_garbage, parse_many_sockets, open_addresses, ranges, measured,
     names_of_capabilities, names_of_the_kernel, sets_of_names, unexpected_holders, policy, misnamed_policy, log,
     core_dumps, confinement, installed, checks_of_distribution, checks_of_processes, checks_of_cookies].

%% --- parsers --------------------------------------------------------------------------------------------------------

%% Captured on Debian 12.
parse_sockets(_) ->
    Text = <<"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
             "   0: 00000000:1111 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 28636 1 00\n"
             "   1: 0100007F:A1A7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     999        0 27531 1 00\n"
             "   2: 020200C0:9C44 507100CB:0050 06 00000000:00000000 03:00000F05 00000000     0        0 0 3 00\n"
             "1042: 020200C0:A1A7 507100CB:0050 01 00000000:00000000 02:00000F05 00000000   999        0 4711 3 00\n">>,
    ?assertEqual([{listen, {{0, 0, 0, 0}, 4369}, {{0, 0, 0, 0}, 0}},
                  {listen, {{127, 0, 0, 1}, 41383}, {{0, 0, 0, 0}, 0}},
                  {established, {{192, 0, 2, 2}, 41383}, {{203, 0, 113, 80}, 80}}],
                 portcullis_dist_host:parse_sockets(Text)).

parse_sockets_mapped(_) ->
    Zero = "00000000000000000000000000000000:0000",
    Rest = " 00000000:00000000 00:00000000 00000000     0        0 28637 1 000000000b3bdbe7 100 0 0 10 0\n",
    Text = iolist_to_binary(["  sl  local_address                         remote_address                        st\n",
                             "   0: 00000000000000000000000000000000:1111 ", Zero, " 0A", Rest,
                             "   1: 00000000000000000000000001000000:1112 ", Zero, " 0A", Rest,
                             "   2: B80D0120000000000000000001000000:1113 ", Zero, " 0A", Rest,
                             "   3: 0000000000000000FFFF00000100007F:1114 0000000000000000FFFF0000020200C0:FFFF 01", Rest]),
    ?assertEqual([{listen, {{0, 0, 0, 0, 0, 0, 0, 0}, 4369}, {{0, 0, 0, 0, 0, 0, 0, 0}, 0}},
                  {listen, {{0, 0, 0, 0, 0, 0, 0, 1}, 4370}, {{0, 0, 0, 0, 0, 0, 0, 0}, 0}},
                  {listen, {{16#2001, 16#db8, 0, 0, 0, 0, 0, 1}, 4371}, {{0, 0, 0, 0, 0, 0, 0, 0}, 0}},
                  {established, {{127, 0, 0, 1}, 4372}, {{192, 0, 2, 2}, 65535}}],
                 portcullis_dist_host:parse_sockets(Text)).

parse_sockets_garbage(_) ->
    [?assertEqual([], portcullis_dist_host:parse_sockets(Text))
     || Text <- [<<>>, <<"\n\n\n">>, <<": ">>, <<0, 255, "\n: \n">>,
                 <<"   0: 0000000G:1111 00000000:0000 0A 0\n">>,
                 <<"   0: 00000000:+111 00000000:0000 0A 0\n">>,
                 <<"   0: 00000000:1111 00000000:0000 0A">>,
                 <<"   0: 00000000:1111 00000000:0000 0B 0\n">>,
                 <<"   0: 0000000000000000:1111 00000000:0000 0A 0\n">>,
                 <<"00000000:1111 00000000:0000 0A 0\n">>]],
    %% One bad line costs nothing but itself.
    ?assertMatch([{listen, {{0, 0, 0, 0}, 1}, _}],
                 portcullis_dist_host:parse_sockets(<<"x: y\n   0: 00000000:0001 00000000:0000 0A 0\nx">>)).

%% A server with as many connections as it can have does not keep the checkup busy.
parse_many_sockets(_) ->
    Lines = [io_lib:format("~4w: 0100007F:1111 ~8.16.0B:~4.16.0B 01 00000000:00000000 00:00000000 00000000  0  0\n",
                           [N, N, N rem 65536]) || N <- lists:seq(1, 100000)],
    Text = iolist_to_binary(Lines),
    Sockets = portcullis_test_server:quickest(5000, fun() -> portcullis_dist_host:parse_sockets(Text) end),
    ?assertEqual(100000, length(Sockets)),
    ?assertMatch({established, {{127, 0, 0, 1}, 4369}, {{160, 134, 1, 0}, 34464}}, lists:last(Sockets)).

open_addresses(_) ->
    [?assertNot(portcullis_dist_host:is_open(A)) || A <- [{127, 0, 0, 1}, {127, 255, 0, 9}, {0, 0, 0, 0, 0, 0, 0, 1}]],
    [?assert(portcullis_dist_host:is_open(A))
     || A <- [{0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0}, {10, 0, 0, 1}, {128, 0, 0, 1}]],
    Mapped = {0, 0, 0, 0, 0, 16#ffff, 16#7f00, 1},
    ?assertNot(portcullis_dist_host:is_open(portcullis_dist_host:unmapped(Mapped))).

ranges(_) ->
    ?assertEqual([any, any, any, {9100, 9100}, {9100, 9200}, {7, 7}, {7, 7}, {9100, 9200}, {9100, 9200}],
                 [portcullis_dist_host:range(Fixed, Min, Max)
                  || {Fixed, Min, Max} <- [{error, any, any}, {error, any, 9200}, {error, 0, 0}, {error, 9100, any},
                                           {error, 9100, 9200}, {{ok, [["7"]]}, 9100, 9200}, {{ok, [["7"]]}, any, any},
                                           {{ok, [["0"]]}, 9100, 9200}, {{ok, [["x"]]}, 9100, 9200}]]).

measured(_) ->
    ?assertEqual([{20, true}, {20, true}, {20, false}, {19, false}, {21, false}, {0, false}, {36, false}],
                 [portcullis_dist_host:measure(Bytes)
                  || Bytes <- [?MADE_BY_OTP, <<?MADE_BY_OTP/binary, "\n">>, <<"ABCDEFGHIJKLMNOPQRS1">>,
                               <<"ABCDEFGHIJKLMNOPQRS">>, <<?MADE_BY_OTP/binary, "A">>, <<>>, ?LONG]]).

%% --- capabilities ---------------------------------------------------------------------------------------------------

names_of_capabilities(_) ->
    ?assertEqual([], portcullis_capabilities:names(0)),
    ?assertEqual([chown, sys_ptrace, checkpoint_restore],
                 portcullis_capabilities:names(1 bor (1 bsl 19) bor (1 bsl 40))),
    %% What a newer kernel has is not overlooked.
    ?assertEqual([41, 63], portcullis_capabilities:names((1 bsl 41) bor (1 bsl 63))).

names_of_the_kernel(_) ->
    case file:read_file("/usr/include/linux/capability.h") of
        {error, _} -> {skip, "needs linux/capability.h (linux-libc-dev)"};
        {ok, Header} ->
            {match, Found} = re:run(Header, "^#define CAP_(\\w+)\\s+(\\d+)\\s*$",
                                    [global, multiline, {capture, [1, 2], list}]),
            ?assert(length(Found) >= 38),
            [?assertEqual([list_to_atom(string:lowercase(Name))],
                          portcullis_capabilities:names(1 bsl list_to_integer(Bit)))
             || [Name, Bit] <- Found]
    end.

sets_of_names(_) ->
    ?assertEqual({ok, (1 bsl 19) bor 1}, portcullis_capabilities:mask([sys_ptrace, chown])),
    ?assertEqual({ok, 1 bsl 41}, portcullis_capabilities:mask([41])),
    ?assertEqual({ok, (1 bsl 64) - 1}, portcullis_capabilities:mask(all)),
    [?assertEqual(error, portcullis_capabilities:mask(Wrong))
     || Wrong <- [[], [cap_chown], [chown, none], none, [chown | x]]].

unexpected_holders(_) ->
    Row = #{pid => 7, uid => 100, comm => <<"x">>, flags => 0, cap_prm => 16#2000},
    Holder = #{pid => 7, uid => 100, comm => <<"x">>, exe => undefined, capabilities => [net_raw]},
    Find = fun(Rows, Expected) -> portcullis_capabilities:holders(Rows, 1 bsl 13, Expected) end,
    ?assertEqual([Holder], Find([Row], [])),
    ?assertEqual([Holder#{exe := <<"/x">>}], Find([Row#{exe => <<"/x">>}], [])),
    ?assertEqual([Holder], Find([Row#{exe => {error, eacces}}], [#{exe => <<"/x">>}])),
    %% The kernel's own, and what holds others only or could not be read.
    ?assertEqual([], Find([Row#{flags := 16#200000}, Row#{cap_prm := 1}, Row#{cap_prm := {error, eacces}}], [])),
    ?assertEqual([], Find([Row#{exe => <<"/x">>}], [#{exe => <<"/x">>, comm => <<"x">>}])),
    %% All of it must agree.
    ?assertEqual([Holder], Find([Row], [#{pid => 8}, #{comm => <<"x">>, uid => 101}])).

%% --- the checks -----------------------------------------------------------------------------------------------------

policy(Config) ->
    Check = fun(File) -> portcullis_checklist:policy(File, file:read_file_info(File, [raw])) end,
    Status = fun(File) -> #{status := Status} = Check(File), Status end,
    Root = os:cmd("id -u") =:= "0\n",
    ?assertEqual(case Root of true -> ok; false -> problem end, Status(file(Config, "policy.toml", "", 8#644))),
    ?assertEqual(problem, Status(proplists:get_value(priv_dir, Config))),
    ?assertEqual(warning, Status("/nonexistent/policy.toml")),
    ?assertEqual(warning, Status("/etc/passwd/policy.toml")),
    %% A file of root's that only root writes to, and what becomes of it with other modes.
    ?assertEqual(ok, Status("/etc/passwd")),
    {ok, Info} = file:read_file_info("/etc/passwd", [raw]),
    [?assertMatch({Mode, #{status := Expected}},
                  {Mode, portcullis_checklist:policy("/p", {ok, Info#file_info{mode = 8#100000 bor Mode}})})
     || {Mode, Expected} <- [{8#600, ok}, {8#644, ok}, {8#755, ok}, {8#664, problem}, {8#646, problem}, {8#602, problem}]],
    ?assertMatch(#{status := problem}, portcullis_checklist:policy("/p", {ok, Info#file_info{uid = 1}})),
    #{fix := Fix} = Check("/nonexistent/policy.toml"),
    ["sudo", "install", "-D", "-m", "0644", Example, "/nonexistent/policy.toml"]
        = string:lexemes(unicode:characters_to_list(Fix), " "),
    ?assertEqual({true, absolute}, {filelib:is_regular(Example), filename:pathtype(Example)}).

%% A name with a mistake in it is one more way to have no policy.
misnamed_policy(Config) ->
    Folder = filename:join(proplists:get_value(priv_dir, Config), "etc"),
    ok = filelib:ensure_path(Folder),
    Says = fun() ->
                   #{message := Message} = portcullis_checklist:policy(filename:join(Folder, "policy.toml"), {error, enoent}),
                   lists:last(string:split(Message, ": "))
           end,
    ?assertEqual(<<"without it only what every user may see is answered">>, Says()),
    [_ = file(Config, filename:join("etc", Name), "", 8#644) || Name <- ["policy.tml", "Policy.toml", "policy.toml~"]],
    ?assertEqual(<<"without it only what every user may see is answered; in that folder, and not read: "
                   "\"Policy.toml\"; \"policy.tml\"">>, iolist_to_binary(Says())).

log(Config) ->
    Status = fun(File) -> #{status := Status} = portcullis_checklist:log(File), Status end,
    %% A path of its own: that of the case is longer than the address of a socket may be.
    File = "/tmp/portcullis." ++ os:getpid(),
    {ok, Socket} = gen_udp:open(0, [local, {ifaddr, {local, File}}]),
    ?assertEqual(ok, Status(File)),
    ok = gen_udp:close(Socket),
    ok = file:delete(File),
    ?assertEqual([warning, warning, warning], [Status(F) || F <- [File, "/dev/null", file(Config, "log", "", 8#600)]]).

core_dumps(_) ->
    Limits = fun(Soft) ->
                     {ok, <<"Limit   Soft Limit   Hard Limit   Units\nMax stack size   1   1   bytes\n"
                            "Max core file size        ", Soft/binary, "   unlimited   bytes\nMax processes 0 0 x\n">>}
             end,
    Status = fun(Text) -> #{status := S} = portcullis_checklist:core_dumps(Text, {error, enoent}), S end,
    ?assertEqual([ok, warning, warning, warning, warning],
                 [Status(Text) || Text <- [Limits(<<"0">>), Limits(<<"unlimited">>), Limits(<<"4096">>), {ok, <<>>},
                                           {error, enoent}]]),
    #{status := ok, message := Message} = portcullis_checklist:core_dumps(Limits(<<"0">>), {ok, <<"|/bin/handler %p">>}),
    ?assertNotEqual(nomatch, string:find(Message, "handler")),
    %% Of a BEAM that was started with each.
    [?assertEqual({Soft, Expected}, {Soft, core_dumps_of_a_beam(Soft)})
     || {Soft, Expected} <- [{"0", "ok"}, {"8", "warning"}]].

core_dumps_of_a_beam(Soft) ->
    Expression = "#{status := S} = portcullis_checklist:core_dumps(file:read_file(\"/proc/self/limits\"), {error, x}), "
                 "io:put_chars(atom_to_list(S)), halt().",
    os:cmd("ulimit -S -c " ++ Soft ++ "; erl -noshell -pa " ++ ebin() ++ " -eval '" ++ Expression ++ "'").

confinement(_) ->
    Status = fun(Modules, Label) -> #{status := S} = portcullis_checklist:confinement(Modules, Label), S end,
    AppArmor = {ok, <<"lockdown,capability,landlock,yama,apparmor">>},
    ?assertEqual([ok, ok, warning, warning, warning, warning, warning, warning],
                 [Status(AppArmor, {ok, <<"/usr/bin/beam (enforce)\n">>}),
                  Status({ok, <<"capability,selinux">>}, {ok, <<"system_u:system_r:beam_t:s0", 0>>}),
                  Status(AppArmor, {ok, <<"unconfined\n">>}),
                  Status({ok, <<"capability,selinux">>}, {ok, <<"u:r:unconfined_service_t:s0", 0>>}),
                  Status(AppArmor, {error, einval}), Status({ok, <<"capability,yama">>}, {ok, <<>>}),
                  Status({ok, <<>>}, {error, enoent}), Status({error, enoent}, {error, enoent})]).

installed(Config) ->
    File = file(Config, "aide", "", 8#755),
    ?assertMatch(#{check := auditd, status := ok},
                 portcullis_checklist:installed(auditd, ["/nonexistent", File], <<"m">>, <<"f">>)),
    ?assertEqual(#{check => integrity, status => warning, message => <<"m">>, fix => <<"f">>},
                 portcullis_checklist:installed(integrity, ["/nonexistent"], <<"m">>, <<"f">>)).

checks_of_distribution(_) ->
    Range = #{alive => true, ports => any, interface => any, tls => false},
    Own = #{service => this_node, name => <<"a@b">>, port => 9100, addresses => [{0, 0, 0, 0}], open => true},
    Six = #{service => epmd, name => <<"epmd">>, port => 4369, addresses => [{0, 0, 0, 0, 0, 0, 0, 0}], open => true},
    Peer = #{service => this_node, name => <<"a@b">>, port => 9100, remote => {{203, 0, 113, 1}, 5}, open => true,
             node => undefined},
    Statuses = fun(R, Listeners, Peers) ->
                       [{Name, Status} || #{check := Name, status := Status}
                                              <- portcullis_checklist:distribution(R, Listeners, Peers)]
               end,
    ?assertEqual([{distribution, problem}, {dist_ports, warning}, {epmd, warning}, {peers, warning}],
                 Statuses(Range, {ok, [Own, Six]}, {ok, [Peer]})),
    ?assertEqual([{distribution, ok}, {dist_ports, ok}, {epmd, ok}, {peers, ok}],
                 Statuses(Range#{tls := true, ports := {9100, 9200}}, {ok, [Own]}, {ok, [Peer#{node := 'c@d'}]})),
    %% Without distribution, an EPMD that is open is still worth a word.
    ?assertEqual([{distribution, ok}, {epmd, warning}], Statuses(Range#{alive := false}, {ok, [Six]}, {ok, []})),
    Error = {error, {posix, eacces, <<"reading /proc/net/tcp">>}},
    ?assertEqual([{distribution, warning}], Statuses(Range, Error, {ok, []})),
    ?assertEqual([{distribution, warning}], Statuses(Range, {ok, []}, Error)),
    [_, _, #{message := Message}, #{message := Remote}]
        = portcullis_checklist:distribution(Range, {ok, [Own, Six]}, {ok, [Peer || _ <- lists:seq(1, 7)]}),
    ?assertNotEqual(nomatch, string:find(Message, "[::]:4369")),
    ?assertNotEqual(nomatch, string:find(Remote, "203.0.113.1:5 to <<\"a@b\">>")),
    ?assertNotEqual(nomatch, string:find(Remote, "and 2 more")).

checks_of_processes(_) ->
    Holder = #{pid => 7, uid => 0, comm => <<"\e[2J">>, exe => undefined, capabilities => [net_raw, 41]},
    [#{status := warning, message := Message, fix := Fix}]
        = portcullis_checklist:holders({ok, [Holder, Holder#{pid := 8}]}),
    ?assertEqual(nomatch, binary:match(Message, <<"\e">>)),
    ?assertNotEqual(nomatch, string:find(Message, "of root (net_raw 41)")),
    ?assertMatch(<<"ps -o pid,user,args -p 7,8 ", _/binary>>, Fix),
    ?assertMatch([#{status := ok}], portcullis_checklist:holders({ok, []})),
    ?assertMatch([#{status := warning, fix := _}], portcullis_checklist:holders({error, {down, stuck}})),
    %% What is lost is another thing than what was never there.
    Restarts = fun(Error) ->
                       [Check] = portcullis_checklist:restarts(#{net => #{state => backoff, downs => 4, error => Error}}),
                       Check
               end,
    #{message := NotThere, fix := Install} = Restarts({down, {no_program, [{"/x/portcullis-net", installed, enoent}]}}),
    ?assertEqual(<<"the program of role net does not run. There is no program to start "
                   "(/x/portcullis-net: no such file or directory (enoent))">>, NotThere),
    ?assertNotEqual(nomatch, string:find(Install, "--role net")),
    [?assertMatch({Error, nomatch}, {Error, re:run(maps:values(maps:with([message, fix], Restarts(Error))), "lost|journalctl")})
     || Error <- [{down, {open, "/x", eacces}}, {down, {no_program, [{"/x", path, eacces}]}},
                  {refused, #{message => <<"m">>, fix => <<"f">>}}]],
    ?assertMatch(#{message := <<"the program of role net was lost 4 times. ", _/binary>>, fix := <<"journalctl ", _/binary>>},
                 Restarts({down, {exit_status, 137}})),
    Root = #{uid => 0, groups => [0], no_new_privs => false, bounding => 0},
    ?assertMatch([#{status := problem}], portcullis_checklist:user([], Root)),
    ?assertMatch([#{status := ok}], portcullis_checklist:user([], Root#{uid := 7})),
    ?assertEqual([], portcullis_checklist:user([#{check => user, status => ok, message => <<>>}], Root)).

%% With distribution, a cookie that others know is a problem; without, it may become one.
checks_of_cookies(_) ->
    Cookie = #{where => home, file => "/h/.erlang.cookie", mode => 8#644, uid => 0, size => 6,
               faults => [mode, owner, short]},
    ?assertEqual([problem, problem, problem], [S || #{status := S} <- portcullis_checklist:cookies(true, [Cookie])]),
    ?assertEqual([warning, warning, warning], [S || #{status := S} <- portcullis_checklist:cookies(false, [Cookie])]),
    Visible = #{where => command_line, faults => [visible]},
    ?assertMatch([#{status := warning}], portcullis_checklist:cookies(true, [Visible])),
    ?assertMatch([#{status := warning}], portcullis_checklist:cookies(true, [Cookie#{faults := [unreadable]}])),
    ?assertMatch([#{status := ok}], portcullis_checklist:cookies(true, [])).

%% --- help -----------------------------------------------------------------------------------------------------------

ebin() -> filename:dirname(code:which(portcullis)).

file(Config, Name, Content, Mode) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(File, Content),
    ok = file:change_mode(File, Mode),
    File.
