#!/usr/bin/env escript
%%! -noinput
%% What an ordinary user sees through portcullis: scripts/quickstart.sh runs this. The argument is the folder with the
%% compiled client.
-mode(compile).

main([Ebin]) ->
    true = code:add_patha(Ebin),
    Uid = uid(),
    process_flag(trap_exit, true),
    say("This BEAM runs as uid ~s and holds no capability (CapEff ~s).", [Uid, status("self", "CapEff")]),
    case portcullis:start_link([{roles, [proc, net]}, {required, true}]) of
        {ok, _Server} ->
            table(),
            one_of_root(),
            firewall(),
            the_port_itself(),
            doctor();
        {error, Reason} ->
            say("the port does not serve: ~ts", [portcullis:format_error(Reason)]),
            doctor(),
            halt(1)
    end;
main(_) ->
    say("usage: escript quickstart.escript FOLDER_OF_THE_CLIENT", []),
    halt(2).

%% --- What it shows -------------------------------------------------------------------------------------------------

table() ->
    title("Processes of all users, by memory"),
    Columns = [pid, ppid, uid, state, rss, num_threads, comm, cmdline],
    {Time, Answer} = timer:tc(fun() -> portcullis:processes(#{columns => Columns}) end),
    Rows = answered(Answer),
    Sorted = lists:reverse(lists:sort([{Rss, R} || #{rss := Rss} = R <- Rows, is_integer(Rss)])),
    Line = "~7s ~7s ~6s ~-12s ~9s ~4s  ~-15ts ~ts",
    say(Line, ["PID", "PPID", "UID", "STATE", "RSS", "THR", "NAME", "COMMAND"]),
    [say(Line, [integer(pid, R), integer(ppid, R), integer(uid, R), text(maps:get(state, R)), mebibytes(Rss),
                integer(num_threads, R), cut(text(maps:get(comm, R)), 15), cut(command(maps:get(cmdline, R)), 45)])
     || {Rss, R} <- lists:sublist(Sorted, 15)],
    Uids = lists:usort([maps:get(uid, R) || R <- Rows]),
    say("~b processes of ~b users in ~.1f ms", [length(Rows), length(Uids), Time / 1000]).

%% Links that the kernel shows to nobody but the owner and holders of CAP_SYS_PTRACE.
one_of_root() ->
    case portcullis:processes(#{columns => [pid, exe], where => #{uid => 0}}) of
        {ok, Rows} ->
            case [Pid || #{pid := Pid, exe := Exe} <- Rows, is_binary(Exe)] of
                [Pid | _] -> in_depth(Pid);
                [] -> say("~nNo process of root has a program to show.", [])
            end;
        {error, Error} -> say("~n~ts", [portcullis:format_error(Error)])
    end.

in_depth(Pid) ->
    title(io_lib:format("Process ~b, which is root's, in depth", [Pid])),
    [say("without portcullis: readlink ~s -> ~tp", [Link, file:read_link(Link)])
     || Name <- ["exe", "cwd", "root"], Link <- [lists:flatten(io_lib:format("/proc/~b/~s", [Pid, Name]))]],
    say("with it:", []),
    Items = [comm, exe, cwd, root, ppid, num_threads, starttime, seccomp],
    Process = answered(portcullis:process(Pid, Items)),
    [say("~14ts  ~ts", [atom_to_list(Item), text(maps:get(Item, Process))]) || Item <- Items],
    denied(Pid).

%% A file of root's decides; what it denies, it says how to grant.
denied(Pid) ->
    title("What it does not show, and why"),
    Ref = answered(portcullis:subscribe(audit)),
    #{read_bytes := Io} = answered(portcullis:process(Pid, [read_bytes])),
    say("read_bytes of process ~b -> ~tp", [Pid, Io]),
    say("    the kernel wants cap_dac_read_search too, which level basic leaves out", []),
    answer(io_lib:format("environ of process ~b", [Pid]), portcullis:process(Pid, [environ])),
    answer("/var/log/syslog", portcullis:read_file("/var/log/syslog")),
    say("in the audit trail:", []),
    say_events(Ref, 2),
    portcullis:unsubscribe(Ref).

answer(What, {error, Error}) -> say("~ts ->~n    ~ts", [What, indented(portcullis:format_error(Error))]);
%% Another policy than the example.
answer(What, {ok, _}) -> say("~ts -> the policy of this host grants it", [What]).

indented(Text) -> string:replace(string:trim(Text), "\n", "\n    ", all).

say_events(_, 0) -> ok;
say_events(Ref, N) ->
    receive
        {portcullis, Ref, {event, #{operation := Operation, target := Target, decision := Decision, rule := Rule}}} ->
            say("    ~ts ~ts: ~s by ~ts", [text(Operation), text(Target), Decision, text(Rule)]),
            say_events(Ref, N - 1)
    after 500 -> ok
    end.

%% What is there, then a change that takes itself back: nothing is left of it.
firewall() ->
    title("The firewall of this machine"),
    case portcullis:nft_list() of
        {ok, Objects} ->
            Tables = [{Family, Name} || #{table := #{family := Family, name := Name}} <- Objects],
            [say("table ~ts ~ts: ~ts", [text(Family), text(Name), content(Family, Name, Objects)])
             || {Family, Name} <- Tables],
            say("~b tables, ~b objects", [length(Tables), length(Objects)]),
            change();
        {error, Error} -> say("~ts", [portcullis:format_error(Error)])
    end.

content(Family, Name, Objects) ->
    Kinds = [Kind || Object <- Objects, {Kind, #{family := F, table := T}} <- maps:to_list(Object),
                     F =:= Family, T =:= Name],
    case lists:usort(Kinds) of
        [] -> "empty";
        Each -> lists:join(", ", [[text(Kind), " ", text(length([K || K <- Kinds, K =:= Kind]))] || Kind <- Each])
    end.

%% 192.0.2.7 is an address for documents (RFC 5737): nobody is kept out.
change() ->
    Table = portcullis_nft:table(inet, portcullis),
    Chain = portcullis_nft:base_chain(inet, portcullis, demonstration,
                                      #{type => filter, hook => input, prio => -300, policy => accept}),
    Rule = portcullis_nft:rule(inet, portcullis, demonstration,
                               [portcullis_nft:match(portcullis_nft:payload(ip, saddr), {192, 0, 2, 7}),
                                portcullis_nft:counter(), portcullis_nft:drop()]),
    say("~na change that takes itself back after ten seconds, unless somebody confirms it:", []),
    case portcullis:nft_apply([portcullis_nft:add(Object) || Object <- [Table, Chain, Rule]], #{confirm => 10000}) of
        {ok, #{ref := Ref, generation := Generation}} ->
            Now = answered(portcullis:nft_list(portcullis_nft:list(Chain))),
            say("    made, as generation ~b of the ruleset:", [Generation]),
            [say("        ~tp", [Expression]) || #{rule := #{expr := Expressions}} <- Now, Expression <- Expressions],
            say("    taken back: ~tp", [portcullis:nft_rollback(Ref)]);
        {error, Error} -> say("    ~ts", [indented(portcullis:format_error(Error))])
    end,
    answer("a table that no line of the policy names", portcullis:nft_apply([portcullis_nft:add(
        portcullis_nft:table(inet, somebody_elses))], #{confirm => 10000})).

%% The kernel's own words, not the port's.
the_port_itself() ->
    title("What the port can still do: /proc/PORT/status"),
    #{proc := #{os_pid := Pid, program := Program}} = answered(portcullis:info()),
    Folder = integer_to_list(Pid),
    say("~ts, pid ~b", [text(unicode:characters_to_binary(Program)), Pid]),
    Lines = [{"CapPrm", "cap_sys_ptrace, raised only around a read"}, {"CapEff", "at rest: nothing"},
             {"CapBnd", "nothing more can be had"}, {"NoNewPrivs", "and no program can give it more"},
             {"Seccomp", "every system call that is not on a list kills it"}],
    [say("~12s  ~-18s ~s", [Key, status(Folder, Key), Comment]) || {Key, Comment} <- Lines],
    say("its memory, for this user -> ~tp", [file:open("/proc/" ++ Folder ++ "/mem", [read, raw])]).

doctor() ->
    title("Doctor"),
    say("~ts", [portcullis_doctor:format(portcullis:doctor())]).

%% What cannot be shown ends it, in words; quickstart.sh says how to undo what is there.
answered({ok, Answer}) -> Answer;
answered({error, Error}) ->
    say("~n~ts", [portcullis:format_error(Error)]),
    doctor(),
    halt(1).

%% --- How it shows it -----------------------------------------------------------------------------------------------

say(Format, Args) -> io:put_chars(trim(io_lib:format(Format, Args)) ++ "\n").

trim(Text) -> string:trim(unicode:characters_to_list(Text), trailing, " \n").

title(Text) -> io:format("~n--- ~ts~n", [Text]).

uid() -> hd(string:lexemes(status("self", "Uid"), "\t ")).

status(Process, Key) ->
    {ok, Text} = file:read_file("/proc/" ++ Process ++ "/status"),
    Lines = string:split(Text, "\n", all),
    [Value] = [V || Line <- Lines, [K, V] <- [string:split(Line, ":")], K =:= list_to_binary(Key)],
    string:trim(binary_to_list(Value)).

integer(Key, Row) -> text(maps:get(Key, Row)).

mebibytes(Bytes) -> io_lib:format("~.1f MiB", [Bytes / 1048576]).

cut(Text, Length) -> lists:sublist(Text, Length).

command(Line) when is_binary(Line) -> text(binary:replace(Line, <<0>>, <<" ">>, [global]));
command({truncated, Line}) -> command(Line);
command(_) -> "".

%% Names come from whoever started a process: what is not printable must not reach the terminal.
text(Bytes) when is_binary(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        Text when is_list(Text) -> [visible(C) || C <- Text];
        _NotUtf8 -> [visible(C) || C <- binary_to_list(Bytes)]
    end;
text(Number) when is_integer(Number) -> integer_to_list(Number);
text(undefined) -> "-";
text(Atom) when is_atom(Atom) -> atom_to_list(Atom);
text(Term) -> lists:flatten(io_lib:format("~tp", [Term])).

visible(C) when C >= 32, C < 127 -> C;
visible(C) when C >= 160, C < 16#2000 -> C;
visible(_) -> $?.
