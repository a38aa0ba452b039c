%% A server behind a node inside TLS: the installed program, OTP nodes with -proto_dist inet_tls, and the files that `dist keys` makes.
-module(portcullis_tls_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_dist, [file/2, start/3, run/3, line/1, stop/1, otp/2, ours/0, on/4]).
-import(portcullis_test_server, [quickest/2]).

-define(FAR, far@localhost).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [a_server_behind_tls_answers_like_a_local_one, either_version_will_do, who_lacks_a_part_of_it_stays_outside,
     what_the_files_lack_is_told_before_it_listens, a_certificate_that_runs_out_soon_is_told].

init_per_suite(Config) -> portcullis_test_dist:init(Config).

end_per_suite(_) -> ok.

init_per_testcase(Case, Config)
  when Case =:= what_the_files_lack_is_told_before_it_listens; Case =:= a_certificate_that_runs_out_soon_is_told ->
    Config;
init_per_testcase(_, Config) ->
    [{far, start(Config, "node", "tls/node.toml")} | Config].

end_per_testcase(_, Config) ->
    case proplists:get_value(far, Config) of
        undefined -> ok;
        Far -> stop(Far)
    end.

%% --- cases ----------------------------------------------------------------------------------------------------------

a_server_behind_tls_answers_like_a_local_one(Config) ->
    Near = near("near", options(Config, "tls/near@localhost.conf")),
    ?assertEqual(pong, on(Near, net_adm, ping, [?FAR])),
    {ok, Server} = on(Near, portcullis_test_dist, unlinked, [[{name, undefined}, {transport, {node, ?FAR}}, {required, true}]]),
    {ok, Rows} = on(Near, portcullis, processes, [Server, #{columns => [pid, comm]}]),
    ?assert(length(Rows) > 1),
    {ok, [#{load1 := _}], #{rows := 1}} = on(Near, portcullis, query, [Server, load, #{}]),
    %% Many chunks, each with credit that travels too.
    {ok, Counted, _} = on(Near, ?MODULE, count, [Server]),
    ?assert(Counted > 50),
    ok = peer:stop(Near).

count(Server) ->
    portcullis:fold(Server, vmstat, #{timeout => 100000}, fun(_, N) -> N + 1 end, 0).

either_version_will_do(Config) ->
    [begin
         Near = near("near", changed(Config, "near@localhost.conf", "['tlsv1.3', 'tlsv1.2']", "['" ++ Version ++ "']")),
         ?assertEqual(pong, on(Near, net_adm, ping, [?FAR]), Version),
         ok = peer:stop(Near)
     end || Version <- ["tlsv1.2", "tlsv1.3"]].

who_lacks_a_part_of_it_stays_outside(Config) ->
    [begin
         Near = near("near", Options),
         ?assertEqual(pang, quickest(10000, fun() -> on(Near, net_adm, ping, [?FAR]) end), Why),
         ok = peer:stop(Near)
     end || {Why, Options} <-
         [{"a certificate of another node", options(Config, "tls/stranger@localhost.conf")},
          {"a certificate of another authority", options(Config, "tls-other/near@localhost.conf")},
          {"no TLS", []}]],
    %% One that could be let in under its own name is.
    Stranger = near("stranger", options(Config, "tls/stranger@localhost.conf")),
    ?assertEqual(pong, on(Stranger, net_adm, ping, [?FAR])),
    ok = peer:stop(Stranger).

%% The file of the node is root's, so that these are of the fixtures too.
what_the_files_lack_is_told_before_it_listens(Config) ->
    Program = file(Config, "ok/portcullis-proc"),
    [begin
         Said = os:cmd(Program ++ " node --config " ++ file(Config, File)),
         [?assertNotEqual(nomatch, string:find(Said, Part), Said) || Part <- ["to mend it: " | Parts]]
     end || {File, Parts} <-
         [{"tls/other-key.toml", ["does not fit the certificate", "openssl pkey"]},
          {"tls/other-name.toml", ["is for near@localhost, localhost, and this node is far@localhost", "dist keys node far@localhost"]},
          {"tls/open-key.toml", ["others can read or write the key", "chmod 0400"]},
          {"tls/no-authorities.toml", ["cannot be read: No such file", "ls -lL"]}]].

a_certificate_that_runs_out_soon_is_told(Config) ->
    Port = run(Config, "node", "tls/soon.toml"),
    Line = line(Port),
    ?assertNotEqual(nomatch, string:find(Line, "tls-other/far@localhost.pem runs out on 20"), Line),
    ?assertEqual("portcullis node: listens", line(Port)),
    stop(Port).

%% --- nodes ----------------------------------------------------------------------------------------------------------

options(Config, Name) -> ["-proto_dist", "inet_tls", "-ssl_dist_optfile", file(Config, Name)].

%% The file of options of a node, with something else in it.
changed(Config, Name, From, To) ->
    {ok, Text} = file:read_file(file(Config, "tls/" ++ Name)),
    New = iolist_to_binary(string:replace(Text, From, To)),
    ?assertNotEqual(Text, New),
    Path = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(Path, New),
    ["-proto_dist", "inet_tls", "-ssl_dist_optfile", Path].

near(Name, Options) ->
    Peer = otp(Name, ["-setcookie", "CUTFLEAMHALYARD", "-erl_epmd_port", "9110", "-dist_listen", "false", "-hidden",
                      "-kernel", "logger_level", "none" | ours()] ++ Options),
    {ok, _} = on(Peer, application, ensure_all_started, [portcullis]),
    Peer.
