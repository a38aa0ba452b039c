%% @doc What is wrong with an installation, and the one command that mends each of it.
%%
%% ```
%% case portcullis_doctor:print() of ok -> ready; problems -> to_be_mended end.
%% '''
-module(portcullis_doctor).

-export([run/1, run/2, format/1, lines/1, print/0, print/1]).
-export_type([report/0, check/0]).

-include_lib("kernel/include/file.hrl").

%% linux/capability.h. The program needs it in the bounding set of whoever starts it.
-define(NEEDED, [{8, <<"cap_setpcap">>}]).
%% What it needs beside that, only under some policies; they are the program's to read.
-define(MAY_NEED, #{proc => [{19, <<"cap_sys_ptrace">>}], net => [{12, <<"cap_net_admin">>}, {13, <<"cap_net_raw">>}]}).

-define(DIGITS, 12).

-type check() :: #{check := atom(), status := ok | warning | problem, message := binary(), fix => binary()}.
%% `fix' is there unless `status' is `ok'.

-type report() :: {ok | problems, [check()]}.
%% `problems': at least one check has status `problem': the program does not serve, or check `policy' says that it serves by
%% another policy than the file has now, or check `questions' that it ends at a question that its policy grants.

-type running() :: #{portcullis:role() => binary()}.
%% The policies of the programs that run, as hello names them.

%% @private
-spec run(portcullis_opts:config() | [portcullis:option()] | map()) -> report().
run(#{backoff := _, required := _, roles := _} = Config) -> checked(Config, #{});
run(Options) ->
    case portcullis_opts:server(Options) of
        {ok, Config} -> run(Config);
        {error, Error} ->
            report([problem(options, portcullis_error:format(Error), <<"correct the option">>)])
    end.

%% @private For a server that runs: a program reads the policy when it starts, and may have another than the file by now.
-spec run(portcullis_opts:config(), {ok, #{portcullis:role() => map()}} | {error, term()}) -> report().
run(Config, {ok, Roles}) ->
    checked(Config, maps:from_list([{Role, Policy} || {Role, #{hello := #{policy := Policy}}} <- maps:to_list(Roles)]));
run(Config, {error, _}) -> checked(Config, #{}).

-spec checked(portcullis_opts:config(), running()) -> report().
checked(#{roles := Roles} = Config, Running) ->
    %% What is the same for both roles is said once.
    report(lists:uniq([Check || Role <- Roles, Check <- role(Role, Config, maps:get(Role, Running, undefined))])).

%% @equiv print(portcullis)
-spec print() -> ok | problems.
print() ->
    print(portcullis).

%% @doc Prints what {@link portcullis:doctor/1} finds, for a person.
-spec print(portcullis:server() | [portcullis:option()] | map()) -> ok | problems.
print(ServerOrOptions) ->
    {Status, _} = Report = portcullis:doctor(ServerOrOptions),
    ok = io:put_chars(format(Report)),
    Status.

%% @doc A report as text, one line for each check and one for each fix.
-spec format(report()) -> binary().
format({Status, Checks}) ->
    Last = case lists:usort([Name || #{check := Name, status := problem} <- Checks]) of
        _ when Status =:= ok -> no_problem([Fix || #{check := policy_file, fix := Fix} <- Checks]);
        [policy] -> "The program serves, but not by the policy of the file.\n";
        [questions] -> "The program serves, but not every question.\n";
        [policy, questions] -> "The program serves, but not every question, and not by the policy of the file.\n";
        _ -> "The program does not serve.\n"
    end,
    <<(lines(Checks))/binary, (unicode:characters_to_binary(Last))/binary>>.

%% What serves and grants nothing looks like a success to who expects more of it.
no_problem([]) -> "No problem found.\n";
no_problem([Fix | _]) ->
    ["No problem found, but nothing privileged is granted: there is no policy. To put the example there:", portcullis_fix:block(Fix)].

%% @private
-spec lines([check()]) -> binary().
lines(Checks) ->
    <<_/binary>> = unicode:characters_to_binary([line(Check) || Check <- Checks]).

line(#{check := Name, status := Status, message := Message} = Check) ->
    [io_lib:format("~-8ts ~-14ts ~ts~n", [Status, Name, Message]),
     [to_mend(binary:split(Fix, <<"\n">>, [global])) || #{fix := Fix} <- [Check]]].

to_mend([First | More]) ->
    [io_lib:format("~-23ts to mend it: ~ts~n", ["", First]) | [io_lib:format("~-35ts~ts~n", ["", Line]) || Line <- More]].

report(Checks) ->
    Problems = [Check || #{status := problem} = Check <- Checks],
    {case Problems of [] -> ok; _ -> problems end, Checks}.

role(Role, #{transport := {_, _}} = Config, Running) ->
    Outcome = portcullis_trial:in_a_process(fun() -> first_elsewhere(Role, Config) end),
    Checks = [of_role(Role, Config, Check) || Check <- elsewhere(Outcome, Role, Config)],
    lists:append([as_root(portcullis_host:status()), Checks, policy(Outcome, Running)]);
role(Role, Config, Running) ->
    Status = portcullis_host:status(),
    case portcullis_program:find(Role, Config) of
        {error, {no_program, Tried}} -> [not_found(Tried, Config) | host(Role, Status, Config)];
        {ok, Program, Source} ->
            Permission = [or_unset(Source, Check) || Check <- may_execute(Program, Status)],
            lists:append([[found(Program, Source, Config)], Permission, mount(Program, Config), host(Role, Status, Config),
                          started(Permission, Program, Source, Role, Config, Running)])
    end.

%% A file that may not be executed is explained already; the trial would only say it again, and vaguely.
started([#{status := problem}], _, _, _, _, _) -> [];
started(_, Program, Source, Role, Config, Running) ->
    Args = portcullis_program:args(Role, Source, Config),
    #{hello_timeout := Timeout} = Config,
    Outcome = portcullis_trial:in_a_process(fun() -> portcullis_trial:start(Program, Args, Timeout) end),
    Checks = outcome(named(Outcome, Source, Program), Program, Role),
    Asked = [Check || #{check := start, status := ok} <- Checks, Check <- questions(Role, Program, Args, Timeout)],
    implied(privileged(Config), [of_role(Role, Config, Check) || Check <- Checks]) ++ Asked ++ policy(Outcome, Running).

named({ok, {refused, Refused}}, Source, Program) -> {ok, {refused, portcullis_fix:named(Source, Program, Refused)}};
named(Outcome, _, _) -> Outcome.

of_role(Role, #{roles := [_, _]}, #{check := start, message := Message} = Check) ->
    Check#{message := text("role ~s: ~ts", [Role, Message])};
of_role(_, _, Check) -> Check.

%% What it lived through is one line, and each question that it did not another.
questions(Role, Program, Args, Timeout) ->
    case portcullis_trial:in_a_process(fun() -> portcullis_trial:ask(Role, Program, Args, Timeout) end) of
        {failed, _} -> [];
        Asked ->
            Lived = [Words || {Words, lived} <- Asked],
            [good(questions, text("role ~s answers: ~ts", [Role, lists:join(", ", Lived)])) || Lived =/= []]
                ++ [problem(questions, text("role ~s ~ts when it was asked: ~ts", [Role, Message, Words]), Fix)
                    || {Words, How} <- Asked, How =/= lived, {Message, Fix} <- [not_lived(How, Program)]]
    end.

not_lived({ended, {exit_status, 159}}, _) ->
    {"was killed for a forbidden system call (SIGSYS)",
     <<"sudo dmesg | grep type=1326 | tail -n 1   # syscall= is its number: report it; install a release that has it">>};
not_lived({ended, {exit_status, Status}}, Program) when Status > 128 ->
    {text("was killed by signal ~b", [Status - 128]), text("sudo dmesg | tail   # then: sudo ~ts doctor", [Program])};
not_lived({ended, {exit_status, Status}}, Program) -> {text("ended with status ~b", [Status]), text("sudo ~ts doctor", [Program])};
%% Before it had read all of the question, so that nothing says how.
not_lived({ended, _}, Program) -> {"ended", text("sudo dmesg | tail   # then: sudo ~ts doctor", [Program])};
not_lived({silent, Timeout}, _) ->
    {text("said nothing for ~b ms", [Timeout]), <<"raise hello_timeout on a slow host; sudo dmesg | tail">>}.

%% What a program without capabilities lacks is what was asked for.
implied(true, Checks) -> Checks;
implied(false, Checks) -> [Check || #{check := start} = Check <- Checks].

%% --- the file -------------------------------------------------------------------------------------------------------

not_found([{_, _, other_role}] = Tried, _) ->
    {ok, Message, Fix} = portcullis_error:cannot_start({down, {no_program, Tried}}),
    problem(program, Message, Fix);
not_found(Tried, #{roles := Roles} = Config) ->
    Looked = text("no program: ~ts", [lists:join("; ", [[File, ": ", why(Why)] || {File, _, Why} <- Tried])]),
    case [{File, Source} || {File, Source, eacces} <- Tried] of
        [] ->
            %% One command for all that is missing.
            Missing = [Role || Role <- Roles, {error, _} <- [portcullis_program:find(Role, Config)]],
            Named = [<<"; PORTCULLIS_BIN names it: correct that, or unset it and start the BEAM again">>
                     || [{_, environment, _}] <- [Tried]],
            problem(program, text("~ts~ts", [Looked, Named]), portcullis_fix:missing(Tried, Missing));
        [{File, Source} | _] ->
            {Message, Fix} = portcullis_fix:forbidden(File),
            problem(program, text("~ts: ~ts~ts", [Looked, Message, portcullis_fix:or_else(Source)]),
                    portcullis_fix:named_fix(Source, Fix))
    end.

why(Why) ->
    case file:format_error(Why) of
        "unknown POSIX error" ++ _ -> atom_to_list(Why);
        Text -> Text
    end.

found(Program, Source, Config) ->
    Without = case privileged(Config) of true -> ""; false -> ", unprivileged: it drops every capability first" end,
    good(program, text("~ts (~ts)~ts", [Program, Source, Without])).

may_execute(_, #{uid := 0}) -> [];
may_execute(Program, #{uid := Uid, groups := Groups}) ->
    {ok, #file_info{mode = Mode, uid = Owner, gid = Gid}} = file:read_file_info(Program, [raw]),
    {Bit, As} = case {Uid =:= Owner, lists:member(Gid, Groups)} of
        {true, _} -> {8#100, "its owner"};
        {false, true} -> {8#010, ["a member of group ", portcullis_host:group_name(Gid)]};
        {false, false} -> {8#001, "anybody"}
    end,
    case Mode band Bit of
        0 -> [forbidden(Program, Mode band 8#7777, Owner, Gid, Uid)];
        %% What its mode must be beside that, the program says.
        _ -> [good(permission, text("user ~ts may execute it as ~ts", [portcullis_host:user_name(Uid), As]))]
    end.

or_unset(Source, #{status := problem, message := Message, fix := Fix} = Check) ->
    Check#{message := <<Message/binary, (portcullis_fix:or_else(Source))/binary>>, fix := portcullis_fix:named_fix(Source, Fix)};
or_unset(_, Check) -> Check.

forbidden(Program, Mode, Owner, Gid, Uid) ->
    {Message, Fix} = portcullis_fix:not_executable(Program, Mode, Owner, Gid, Uid),
    problem(permission, Message, Fix).

mount(Program, Config) ->
    Options = portcullis_host:mount_options(Program),
    [problem(mount, text("~ts is on a file system that is mounted ~ts", [Program, Option]),
             text("sudo mount -o remount,~ts $(df --output=target ~ts | tail -1)", [Opposite, Program]))
     || {Option, Opposite} <- [{<<"noexec">>, "exec"} | [{<<"nosuid">>, "suid"} || privileged(Config)]],
        lists:member(Option, Options)].

%% --- the BEAM and the host ------------------------------------------------------------------------------------------

host(Role, Status, Config) ->
    lists:append([as_root(Status)] ++ [no_new_privs(Status) || privileged(Config)]
                 ++ [bounding(Role, Status) || privileged(Config)] ++ [hidepid(Config) || Role =:= proc]).

as_root(#{uid := 0}) ->
    [warning(user, <<"this BEAM runs as root: the boundary that the program guards is not there">>,
             <<"run the BEAM as an ordinary user; only for a trial: portcullis:start_link([{args, [\"--allow-root\"]}])">>)];
as_root(#{uid := Uid}) ->
    [good(user, portcullis_host:user_name(Uid))].

no_new_privs(#{no_new_privs := true}) ->
    [problem(no_new_privs, <<"this BEAM runs with no_new_privs: file capabilities have no effect below it">>,
             <<"systemctl edit UNIT   # NoNewPrivileges=no, and without the settings that imply it (systemd.exec(5)); or leave it on, and "
               "let systemd start the program: {transport, {socket, \"/run/portcullis\"}} (docs/guides/systemd.md)">>)];
no_new_privs(_) ->
    [good(no_new_privs, <<"not set">>)].

bounding(Role, #{bounding := Bounding}) ->
    Lacking = fun(Wanted) -> [Name || {Bit, Name} <- Wanted, Bounding band (1 bsl Bit) =:= 0] end,
    case {Lacking(?NEEDED), Lacking(map_get(Role, ?MAY_NEED))} of
        {[], []} -> [good(bounding_set, <<"has what the program needs">>)];
        {[], Names} -> [warning(bounding_set, text("~ts, which some policies make role ~s need", [lacks(Names), Role]),
                                widen(Names))];
        {Needed, Names} -> [problem(bounding_set, lacks(Needed ++ Names), widen(Needed ++ Names))]
    end.

lacks(Names) ->
    text("the bounding set of this BEAM lacks ~ts", [lists:join(" ", Names)]).

widen(Names) ->
    text("systemctl edit UNIT   # CapabilityBoundingSet=~ts; docker run --cap-add for containers", [lists:join(" ", Names)]).

%% proc(5). A capability to trace lifts it for the program; without one the view is partial.
hidepid(Config) ->
    Hidden = [Option || <<"hidepid=", Value/binary>> = Option <- portcullis_host:mount_options("/proc"),
                        Value =/= <<"0">>, Value =/= <<"off">>],
    case {Hidden, privileged(Config)} of
        {[], _} -> [];
        {[Option | _], true} -> [good(hidepid, text("/proc is mounted ~ts; cap_sys_ptrace lifts it", [Option]))];
        {[Option | _], false} ->
            [warning(hidepid, text("/proc is mounted ~ts: only processes of the same user are seen", [Option]),
                     <<"sudo mount -o remount,hidepid=0 /proc">>)]
    end.

privileged(#{unprivileged := Unprivileged, args := Args}) ->
    not (Unprivileged orelse lists:member("--unprivileged", [unicode:characters_to_list(A) || A <- Args])).

%% --- a trial start --------------------------------------------------------------------------------------------------

%% The first frame of a program that somebody else starts: a service manager, or a node.
first_elsewhere(Role, #{transport := {_, Where}, hello_timeout := Timeout} = Config) ->
    _ = process_flag(trap_exit, true),
    Transport = portcullis_conn:transport(Config),
    {ok, Handle} = Transport:open(Where, [Role]),
    Said = said(Transport, Handle, Timeout, erlang:monotonic_time(millisecond) + Timeout),
    ok = Transport:close(Handle),
    Said.

said(Transport, Handle, Timeout, Deadline) ->
    receive
        Message ->
            case Transport:message(Message, Handle) of
                {frame, Frame} -> portcullis_codec:decode(Frame);
                {closed, Reason} -> {down, Reason};
                ignore -> said(Transport, Handle, Timeout, Deadline)
            end
    after max(0, Deadline - erlang:monotonic_time(millisecond)) -> {silent, Timeout}
    end.

elsewhere({down, Reason}, Role, #{transport := Transport}) ->
    [problem(start, portcullis_error:format({down, Reason}), look(Transport, Role))];
elsewhere({silent, Timeout}, Role, #{transport := Transport}) ->
    [problem(start, text("no hello within ~p ms", [Timeout]), look(Transport, Role))];
elsewhere(Outcome, Role, _) ->
    outcome(Outcome, undefined, Role).

look({socket, _}, Role) -> text("systemctl status portcullis-~s.socket; journalctl -u 'portcullis-~s@*'", [Role, Role]);
look({node, Node}, _) -> text("net_adm:ping('~ts'); on its host: portcullis dist check --config FILE", [Node]).

outcome({ok, {hello, #{protocol := {Min, Max}} = Hello}}, _, Role) when Min =< 1, Max >= 1 ->
    Missing = maps:get(missing, Hello, []),
    [good(start, text("version ~ts, policy ~ts, capabilities ~0p",
                      [maps:get(version, Hello, <<"?">>), maps:get(policy, Hello, <<"?">>),
                       maps:get(capabilities, Hello, [])]))]
        ++ [warning(capabilities, text("the program lacks ~0p: what needs that is not answered", [Missing]),
                    portcullis_fix:install([Role])) || Missing =/= []]
        ++ [warning(finding, Message, portcullis_fix:absolute(Fix))
            || #{message := Message, fix := Fix} <- maps:get(findings, Hello, [])];
outcome({ok, {hello, Hello}}, _, Role) ->
    [problem(start, text("it speaks protocol ~0p, this client 1", [maps:get(protocol, Hello, unknown)]),
             portcullis_fix:install([Role]))];
outcome({ok, {refused, #{message := Message, fix := Fix}}}, _, _) -> [problem(start, Message, portcullis_fix:absolute(Fix))];
outcome({exit_status, Status}, Program, Role) ->
    [problem(start, Message, Fix) || {Message, Fix} <- [ended(Status, Program, Role)]];
outcome({silent, Timeout}, _, _) ->
    [problem(start, text("no hello within ~p ms: it hangs", [Timeout]),
             <<"check that the path names portcullis and not a wrapper script; raise hello_timeout on a slow host">>)];
outcome({text, Text}, _, _) ->
    [problem(start, text("it writes text where frames belong: ~0tp", [binary:part(Text, 0, min(200, byte_size(Text)))]),
             portcullis_fix:build())];
outcome({failed, Reason}, _, _) ->
    [problem(start, text("it could not be started: ~0tp", [Reason]), <<"check the path and its mode">>)];
outcome(_, _, Role) ->
    [problem(start, <<"what it says is not the protocol of portcullis">>,
             portcullis_fix:install([Role]))].

%% It ended without a word. Statuses below 126 are what execve(2) said: erl_child_setup passes the errno on.
ended(1, _, Role) ->
    {<<"the kernel refused to start it (EPERM): its file wants capabilities that the bounding set lacks">>,
     %% It sets =p instead of =ep, so that the program can say what is missing.
     portcullis_fix:install([Role])};
ended(2, _, _) -> {<<"its loader is not on this host (ENOENT): built for another libc">>, portcullis_fix:build()};
ended(8, _, _) -> {<<"built for another architecture (ENOEXEC)">>, portcullis_fix:build()};
ended(13, Program, _) ->
    {<<"it may not be executed (EACCES): its mode, or a file system mounted noexec">>,
     text("namei -l ~ts; findmnt -T ~ts", [Program, Program])};
ended(Status, _, _) when Status =:= 126; Status =:= 127 ->
    {text("it could not be loaded (status ~p): a library of another version", [Status]),
     portcullis_fix:build()};
ended(137, _, _) -> {<<"it was killed (SIGKILL)">>, <<"journalctl -k | grep -i oom">>};
ended(159, _, _) -> {<<"it was killed for a forbidden system call">>, <<"sudo dmesg | grep type=1326">>};
ended(Status, Program, _) ->
    {text("it ended with status ~p and without a word", [Status]), text("sudo ~ts doctor", [Program])}.

policy({ok, {hello, #{policy := Policy}}}, Running) ->
    restart(Policy, Running) ++ [portcullis_checklist:no_policy() || Policy =:= <<"none">>];
policy(_, _) -> [].

%% The policy that the trial has read, beside that of the program that runs.
restart(Policy, Running) when Running =:= undefined; Running =:= Policy -> [];
restart(Policy, Running) ->
    [problem(policy, text("the running program has another policy than the file: it has ~ts, the file ~ts",
                          [digest(Running), digest(Policy)]),
             <<"restart the application; in a shell: portcullis:stop(SERVER), portcullis:start_link(OPTIONS)">>)].

%% As much as tells two of them apart.
digest(<<"sha256:", Digits:?DIGITS/binary, _/binary>>) -> Digits;
digest(Name) -> Name.

%% --- shapes ---------------------------------------------------------------------------------------------------------

good(Name, Message) -> #{check => Name, status => ok, message => Message}.
warning(Name, Message, Fix) -> #{check => Name, status => warning, message => Message, fix => Fix}.
problem(Name, Message, Fix) -> #{check => Name, status => problem, message => Message, fix => Fix}.

text(Format, Args) ->
    portcullis_error:text(Format, Args).
