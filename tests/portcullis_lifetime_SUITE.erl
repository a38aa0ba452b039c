%% What becomes of the port when the BEAM is killed, and of the client when the BEAM was started with less than the port
%% needs. Each case starts a BEAM of its own.
-module(portcullis_lifetime_SUITE).
-compile([export_all, nowarn_export_all]).
-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_server, [options/1, until/1, of_five/1, within/2]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [killed_in_the_middle_of_a_scan, wrong_installations, no_new_privs, reduced_bounding_set].

%% The BEAM has no time to close anything: only the kernel can end the port, whose scan is under way and unread.
killed_in_the_middle_of_a_scan(_) ->
    of_five(fun port_ends_with_its_beam/0).

port_ends_with_its_beam() ->
    Code = "{ok, S} = portcullis:start_link([{name, undefined}, {required, true}]), "
           "{ok, #{proc := #{os_pid := P}}} = portcullis:info(S), "
           "spawn(fun() -> portcullis:fold(S, processes, #{columns => [exe, argv, limits]}, "
           "                               fun(_, _) -> timer:sleep(50) end, ok) end), "
           "[spawn(fun F() -> portcullis:processes(S, #{columns => [ruid, argv, exe]}), F() end) || _ <- [1, 2, 3]], "
           "timer:sleep(200), io:format(\"~s ~b~n\", [os:getpid(), P]), "
           %% The server is linked to the process that evaluates this, and ends with it.
           "timer:sleep(infinity)",
    Beam = beam(Code),
    [BeamPid, PortPid] = string:lexemes(line(Beam), " "),
    ?assert(runs(PortPid)),
    ok = within(1000, fun() ->
                              [] = os:cmd("kill -9 " ++ BeamPid),
                              until(fun() -> not runs(PortPid) end)
                      end),
    %% It closed itself when its program ended, if that was heard already.
    try port_close(Beam) catch error:badarg -> true end.

%% Every installation that the port refuses reaches the caller as a term with the command that mends it.
wrong_installations(_) ->
    case os:getenv("PORTCULLIS_FIXTURES") of
        false -> {skip, "needs PORTCULLIS_FIXTURES, see tests/fixtures/make.sh"};
        Fixtures ->
            [refused(filename:join(Fixtures, Name), Code, Fix)
             || {Name, Code, Fix} <- [{"mode-0755", 71, "chmod 0750"}, {"mode-0770", 71, "install.sh"},
                                      {"mode-0710", 71, "chmod 0750"}, {"mode-4750", 71, "chmod 0750"},
                                      {"mode-2750", 71, "chmod 0750"}, {"app-owned", 72, "install.sh"},
                                      {"hard-link", 73, "mv"}, {"acl", 74, "install.sh"}, {"app-dir", 75, "install.sh"},
                                      {"group-dir", 75, "chmod go-w"}, {"nosuid", 77, "remount,suid"},
                                      {"no-xattr", 77, "setcap"}, {"partial-xattr", 77, "setcap"}]]
    end.

refused(Path, Code, Fix) ->
    {ok, Server} = portcullis:start_link(options(#{path => Path})),
    ?assertMatch({Path, {error, {refused, #{code := Code}}}}, {Path, portcullis:process(Server, 1, [comm])}),
    {error, {refused, #{fix := Said, message := Message}} = Error} = portcullis:process(Server, 1, [comm]),
    ?assertNotEqual({Path, nomatch}, {Path, string:find(Said, Fix)}),
    ?assertNotEqual({Path, nomatch}, {Path, string:find(portcullis:format_error(Error), Message)}),
    portcullis:stop(Server).

%% The whole BEAM is started so, as a unit with NoNewPrivileges=yes would start it.
no_new_privs(_) ->
    %% What it logs stands before or after what it prints.
    Code = "ok = logger:set_primary_config(level, none), {ok, S} = portcullis:start_link([{name, undefined}]), "
           "{error, {refused, #{code := C, message := M, fix := F}}} = portcullis:process(S, 1, [comm]), "
           "io:format(\"~b ~ts ~ts~n\", [C, M, F])",
    Beam = beam(os:find_executable("setpriv"), ["--no-new-privs", os:find_executable("erl")], Code),
    Line = line(Beam),
    ?assertMatch("77 " ++ _, Line),
    [?assertNotEqual({nomatch, Word}, {string:find(Line, Word), Word}) || Word <- ["no_new_privs", "NoNewPrivileges=no"]],
    try port_close(Beam) catch error:badarg -> true end.

%% Only root can start a BEAM so: scripts/test-all.sh runs this suite once more under it.
reduced_bounding_set(_) ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Hex]} = re:run(Status, "CapBnd:\t([0-9a-f]+)", [{capture, [1], list}]),
    case list_to_integer(Hex, 16) band (1 bsl 19) of
        0 ->
            Expected = {error, {refused, refusal()}},
            ?assertMatch({error, {refused, #{code := 77, reason := capability_missing}}}, Expected),
            {error, {refused, #{message := Message, fix := Fix}}} = Expected,
            ?assertNotEqual(nomatch, string:find(Message, "bounding set")),
            ?assertNotEqual(nomatch, string:find(Fix, "CAP_SYS_PTRACE")),
            {ok, Server} = portcullis:start_link(options(#{required => true, unprivileged => true})),
            {ok, #{proc := #{hello := #{findings := Findings}}}} = portcullis:info(Server),
            ?assert(lists:any(fun(#{code := Code}) -> Code =:= 77 end, Findings)),
            portcullis:stop(Server);
        _ ->
            {skip, "the bounding set is whole: scripts/test-all.sh runs this with a reduced one"}
    end.

refusal() ->
    {ok, Server} = portcullis:start_link(options(#{})),
    {error, {refused, Refused}} = portcullis:process(Server, 1, [comm]),
    portcullis:stop(Server),
    Refused.

beam(Code) ->
    beam(os:find_executable("erl"), [], Code).

beam(Program, Before, Code) ->
    Paths = lists:append([["-pa", Dir] || Dir <- code:get_path(), string:find(Dir, "portcullis") =/= nomatch]),
    Args = Before ++ ["-noinput", "-noshell"] ++ Paths ++ ["-eval", Code],
    open_port({spawn_executable, Program}, [{args, Args}, {line, 1000}, exit_status]).

line(Port) ->
    receive
        {Port, {data, {eol, Line}}} -> Line;
        {Port, {exit_status, Status}} -> ct:fail({beam_ended, Status})
    after 120000 -> ct:fail(no_line)
    end.

%% A zombie has ended: whether it is reaped is up to its new parent.
runs(Pid) ->
    case file:read_file("/proc/" ++ Pid ++ "/stat") of
        {ok, Stat} -> string:find(Stat, ") Z ") =:= nomatch;
        {error, _} -> false
    end.
