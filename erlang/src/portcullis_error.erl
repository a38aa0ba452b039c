%% @private Errors as sentences, with what mends them. A command stands alone on its lines, to be copied.
-module(portcullis_error).

-export([format/1, cause/1, cannot_start/1, text/2]).

-define(DOCTOR, "portcullis_doctor:print() says more.").
-define(OF_A_SHELL, " What raises in a shell ends the server that was started there; one in a supervisor stays.").
-define(CONDITIONS, "a value, a list of values, {min, N}, {max, N}, {range, Min, Max}, {prefix, Binary} or {any_of, List}").
-define(KEYS, [address, cell_max, check, columns, commands, comment, confirm, events, every, generation, interval, items, length,
               limit, max_bytes, measure, name, offset, path, pid, ref, resource, role, share, size, table, text, threads, threshold,
               timeout, topic, value, what, where]).
%% What `subscribe' knows, and the tables of two samples.
-define(TOPICS, [audit, nft, query, processes, exit, pressure, interfaces, addresses, routes, neighbours]).
-define(RATES, [process_rates, cpu_rates, disk_rates, interface_rates]).
%% As many names as a sentence can list.
-define(FEW, 30).
%% Milliseconds between two samples at most.
-define(INTERVAL_MAX, 60000).

%% For who asked something.
-spec format(portcullis:error() | portcullis_opts:error() | term()) -> binary().
format({error, Error}) -> format(Error);
format({down, Reason} = Error) ->
    case restarted(Reason) of
        true -> <<(cause(Error))/binary, " It is started again by itself.">>;
        false -> cause(Error)
    end;
format(Error) -> cause(Error).

%% For who knows what comes next.
-spec cause(portcullis:error() | portcullis_opts:error() | term()) -> binary().
cause(Error) ->
    %% Errors come from other programs and nodes too. What is not of their shape is shown as it is, and never raises:
    %% the connection itself puts them into words.
    %% A text that ends in a command ends as others do.
    try visible(<<_/binary>> = string:trim(unicode:characters_to_binary(text(Error)), trailing, "\n"))
    catch error:_ -> text("~0tp", [Error])
    end.

%% Parts of it are chosen by the program, and by whoever took it over: a terminal must not act on them.
visible(Text) ->
    << <<(shown(C))/utf8>> || <<C/utf8>> <= Text >>.

shown(C) when C < 32, C =/= $\n; C >= 127, C < 160 -> $?;
shown(C) -> C.

%% As io_lib:format/2, also of file names and messages that are no UTF-8.
-spec text(io:format(), [term()]) -> binary().
text(Format, Args) ->
    try <<_/binary>> = unicode:characters_to_binary(io_lib:format(Format, Args))
    catch error:_ -> <<_/binary>> = unicode:characters_to_binary(io_lib:format("~0tp", [Args]))
    end.

%% A missing program does not come by itself, and a stopped server starts none.
restarted({exit_status, _}) -> true;
restarted(Reason) -> lists:member(Reason, [epipe, stuck, hello_timeout]).

text({error, Error}) -> text(Error);
text({shutdown, Error}) -> text(Error);
text({failed_to_start_child, _, Error}) -> text(Error);
text({already_started, Pid}) -> io_lib:format("A server of that name runs already: ~p.", [Pid]);
text(timeout) -> "The deadline passed; ask for less, or give a longer one: #{timeout => Milliseconds}.";
text(overloaded) ->
    ["Too much is under way: requests, or 16 open files or subscriptions (8 of topic exit); wait for some answers and close what is not "
     "used, or raise max_in_flight and queue_limit of the server."];
text(cancelled) -> "The request was cancelled.";
text(esrch) -> "There is no such process, or its pid belongs to another one by now.";
text(stale) ->
    "What the request was made for is gone. Of nft_confirm and nft_rollback: no change waits by that ref; it was confirmed or taken back "
    "already, which it does itself when its time is over or its program ends, so look at what holds with portcullis:nft_list(). Of a file: "
    "it was closed when its program ended, so open it again. Of generation: the firewall is of another one by now, so list it again.";
text(busy) ->
    "Something else was in the way: others changed the firewall each time before the change was made, or the kernel was still giving a list "
    "to who does not take it; try again.";
text({nft, 0, _, What}) -> ["The kernel refused it: ", sentence(What)];
text({nft, Index, _, What}) -> io_lib:format("The kernel refused command ~b, ~ts", [Index, sentence(What)]);
text({refused, #{message := Message, fix := Fix}}) ->
    ["The program refuses to serve: ", sentence(Message), " To mend it:",
     portcullis_fix:block(portcullis_fix:absolute(Fix))];
text({refused, Map}) -> io_lib:format("The program refuses to serve: ~0tp.", [Map]);
text({down, Reason}) -> down(Reason);
text({denied_by_policy, Rule, Hint}) -> denied(Rule, Hint);
text({not_permitted, [net_raw], Hint}) ->
    ["The program does not hold net_raw: ", sentence(Hint), " To open ping sockets to everybody, until the next boot:",
     portcullis_fix:block(<<"sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'">>)];
text({not_permitted, Missing, Hint}) ->
    io_lib:format("The program does not hold ~ts: ~ts", [lists:join(", ", [atom_to_list(M) || M <- Missing]),
                                                        sentence(Hint)]);
text({unsupported, What}) when is_binary(What) -> unsupported(binary:split(What, <<": ">>));
text({posix, ebadf, _}) ->
    "The file is closed: by its owner, or because nobody read from it for too long (file_idle_ms of the policy). Open it again.";
text({posix, efbig, What}) -> io_lib:format("It is too much: ~ts.", [What]);
text({posix, Errno, <<"an ICMP error came back">>}) ->
    io_lib:format("No reply, but an error came back: ~ts.", [posix(Errno)]);
text({posix, Errno, What}) -> io_lib:format("The kernel refused ~ts: ~ts.", [What, posix(Errno)]);
text({bad_request, Path, Why}) ->
    ["The request is wrong", at(Path), ": ", sentence(wrong(Path, Why))];
text({unknown_outcome, undefined}) -> "Whether the change was made is not known; look before you repeat it.";
text({unknown_outcome, Id}) -> io_lib:format("Whether change ~0tp was made is not known; look before you repeat it.", [Id]);
%% Of `portcullis_dist': who denied it says why.
text({Why, <<Text/binary>>}) when Why =:= bad_request; Why =:= not_permitted; Why =:= unknown_node; Why =:= loosens;
                                 Why =:= no_such_subject; Why =:= too_many; Why =:= no_handler; Why =:= no_protected_node;
                                 Why =:= overloaded ->
    io_lib:format("The node did not do it (~ts): ~ts", [Why, sentence(Text)]);
text({bad_option, _, _} = Error) -> portcullis_opts:format_error(Error);
text(Other) -> io_lib:format("~0tp", [Other]).

%% The hint ends in the line to add, behind its section: both are shown as they belong into the file.
denied(Rule, Hint) ->
    Shape = "^(.+?); (?:in it, )?under (\\[(?:\\w|\\.|\"[^\"]*\")+\\]) this would: (.+)$",
    case re:run(Hint, Shape, [dotall, {capture, [1, 2, 3], binary}]) of
        {match, [Why, Section, Line]} ->
            case where(Why) of
                none -> not_granted(Rule, Hint);
                Where ->
                    ["The policy does not grant ", Rule, Where, ", under ", Section, ", this line would; in a "
                     "list that stands there already, what is between its brackets:",
                     portcullis_fix:block(<<Section/binary, "\n", Line/binary>>), beside(Rule), "To check the file, before the "
                     "application is restarted:", portcullis_fix:block(portcullis_fix:policy_check()),
                     "If the line is there already, restart the application: a port reads the file when it starts."]
            end;
        nomatch -> not_granted(Rule, Hint)
    end.

%% Pasted alone, that line would have the next start refused.
beside(<<"files.read">>) ->
    "Files are read with cap_dac_read_search: a program that was installed without --level full refuses to start with such a line.\n";
beside(_) -> "".

not_granted(Rule, Hint) -> io_lib:format("The policy does not grant ~ts: ~ts", [Rule, sentence(Hint)]).

%% Which file is to be changed, and what is to be known of it: that it is not there, or that the line is not all.
where(Why) ->
    Of = fun(Shape) -> re:run(Why, Shape, [dotall, {capture, [1, 2], binary}]) end,
    case {Of("^(\\S+) does not grant (.+)$"), Of("^(there is no (\\S+), [^(]*)")} of
        {{match, [File, <<"it">>]}, _} -> [". In ", File];
        {{match, [File, <<"it to node ", Node/binary>>]}, _} -> [" to node ", Node, ". In ", File];
        {{match, [File, What]}, _} -> [": ", What, ". In ", File];
        {_, {match, [Missing, File]}} ->
            [": ", string:trim(Missing), ". To put the example there, in which comments say what each line does:",
             portcullis_fix:block(portcullis_fix:policy(File)), "In it"];
        _ -> none
    end.

unsupported([What, Instead]) -> io_lib:format("There is no ~ts here: ~ts.", [plain(What), plain(Instead)]);
unsupported([<<"topic ", Topic/binary>>]) ->
    io_lib:format("There is no topic ~ts; there are ~ts. A table is watched by the topic query: "
                  "portcullis:subscribe(query, #{table => listening, every => 1000}).", [plain(Topic), listed(?TOPICS)]);
unsupported([What]) -> io_lib:format("This program does not have ~ts; update it, or ask for less.", [plain(What)]).

down({no_program, [{_, _, other_role}]} = Reason) ->
    {ok, Message, Fix} = cannot_start({down, Reason}),
    io_lib:format("~ts. ~ts.", [Message, string:titlecase(Fix)]);
down({no_program, Tried} = Reason) ->
    {ok, Message, Fix} = cannot_start({down, Reason}),
    case [File || {File, _, eacces} <- Tried] of
        [] ->
            [Message, ". To install it:", portcullis_fix:block(Fix), without_installing(Tried)];
        _ -> [Message, ". To mend it:", portcullis_fix:block(Fix)]
    end;
down({open, Program, Why}) ->
    case Why =:= eacces andalso portcullis_fix:stopped(Program) of
        {ok, Message, Fix} ->
            [io_lib:format("The program could not be started: ~ts. To mend it:", [Message]), portcullis_fix:block(Fix), ?DOCTOR];
        _ -> io_lib:format("The program ~ts could not be started: ~ts. ~s", [Program, posix(Why), ?DOCTOR])
    end;
down({node, Node, {start, Why}}) ->
    io_lib:format("Node ~ts cannot start the program: ~ts. It is named under [programs] in the file of that node.",
                  [Node, plain(Why)]);
down({node, Node, {overloaded, Why}}) -> io_lib:format("Node ~ts has no room: ~ts.", [Node, plain(Why)]);
down({node, Node, denied}) ->
    io_lib:format("Node ~ts does not let this node open sessions; on its host: portcullis dist test-filter --config FILE "
                  "--node ~ts --direction in --message reg_send portcullis", [Node, node()]);
down({node, Node, closed}) -> io_lib:format("The program behind node ~ts has ended.", [Node]);
down({node, Node, _}) when node() =:= nonode@nohost ->
    io_lib:format("Node ~ts cannot be reached, as this BEAM is not distributed. It has to be started with a name, without epmd with the port of that node: "
                  "erl -sname app@localhost -start_epmd false -erl_epmd_port 9100 -dist_listen false; that node must allow the name.", [Node]);
down({node, Node, _}) ->
    io_lib:format("Node ~ts cannot be reached. Here: erlang:get_cookie() must be its cookie, and net_adm:ping('~ts') pong; on "
                  "its host: portcullis node must run, and allow ~ts.", [Node, Node, node()]);
down({socket, Path, closed}) ->
    io_lib:format("The program behind ~ts has ended; its unit's log says why: journalctl -u 'portcullis-*'", [Path]);
down({socket, Path, eacces}) ->
    io_lib:format("This user may not connect to ~ts: ls -l ~ts; usermod -aG portcullis USER, then restart the BEAM.", [Path, Path]);
down({socket, Path, Why}) when Why =:= enoent; Why =:= econnrefused ->
    io_lib:format("Nobody listens at ~ts: sudo systemctl enable --now ~ts", [Path, unit(Path)]);
down({socket, Path, Why}) -> io_lib:format("The socket ~ts: ~ts.", [Path, posix(Why)]);
down({exit_status, 137}) -> "The program was killed (SIGKILL).";
down({exit_status, 159}) ->
    "The program was killed for a forbidden system call (SIGSYS); the kernel's log has its number: sudo dmesg | grep type=1326";
down({exit_status, Status}) ->
    io_lib:format("The program ended with status ~p (was it killed?).", [Status]);
down(hello_timeout) ->
    ["The program was started but did not say hello in time. ", ?DOCTOR];
down({protocol, {versions, {Min, Max}}}) ->
    io_lib:format("The program speaks protocol ~p to ~p, this client 1; install the program of this release. ~s",
                  [Min, Max, ?DOCTOR]);
down({protocol, What}) ->
    io_lib:format("The program broke the protocol (~0tp); install the program of this release. ~s", [What, ?DOCTOR]);
down(epipe) -> "The program ended while it was written to (was it killed?).";
down(stuck) -> "The program stopped answering (was it stopped by a signal?) and was killed.";
down(noproc) -> ["There is no such server; start one with portcullis:start_link/1.", ?OF_A_SHELL];
down({noproc, portcullis}) ->
    ["No server named portcullis runs here. To start it: portcullis:start_link([]).", ?OF_A_SHELL];
down({noproc, {Name, Node}}) when is_atom(Name), is_atom(Node), Name =/= global ->
    io_lib:format("No server named ~0tp runs on ~ts, or that node cannot be reached: net_adm:ping('~ts') must be pong.", [Name, Node, Node]);
down({noproc, Pid}) when is_pid(Pid) -> io_lib:format("The server ~w has ended.~s", [Pid, ?OF_A_SHELL]);
down({noproc, Name}) when is_atom(Name); is_tuple(Name) ->
    io_lib:format("No server named ~0tp runs here. To start it: portcullis:start_link([{name, ~0tp}]).~s", [Name, Name, ?OF_A_SHELL]);
down(stopped) -> "The server was stopped.";
down({refused, _} = Refused) -> text(Refused);
down(Reason) -> io_lib:format("The connection is down: ~0tp.", [Reason]).

%% Who asked for a program without capabilities already is told which file that is.
without_installing(Tried) ->
    case lists:keymember(development, 2, Tried) of
        false -> "For development, the server can be started with {unprivileged, true}.";
        true -> ["Without installing, as a program that has no capability:", portcullis_fix:block(portcullis_fix:build()),
                 "makes priv/portcullis there; options {unprivileged, true} and {path, \"THAT/priv/portcullis\"} take it."]
    end.

%% Why a program is not started and will not be by itself, and what mends it; for texts and for checks.
-spec cannot_start(portcullis:error() | term()) -> {ok, Message :: binary(), Fix :: binary()} | none.
cannot_start({down, {no_program, [{File, environment, other_role}]}}) ->
    {ok, text("~ts, which the environment variable PORTCULLIS_BIN names, is the program of another role", [File]),
     text("unset PORTCULLIS_BIN, or name in it the folder that has both: ~ts", [filename:dirname(File)])};
cannot_start({down, {no_program, [{File, _, other_role}]}}) ->
    {ok, text("~ts, which option path names, is the program of another role", [File]),
     text("name the folder that has both: ~ts", [filename:dirname(File)])};
cannot_start({down, {no_program, [{First, _, _} | _] = Tried}}) ->
    Looked = lists:join(", ", [[File, ": ", posix(Why)] || {File, _, Why} <- Tried]),
    case [{File, Source} || {File, Source, eacces} <- Tried] of
        [] ->
            {ok, text("~ts (~ts)", [absent(Tried), Looked]), portcullis_fix:missing(Tried, [portcullis_fix:role_of(First)])};
        [{File, Source} | _] ->
            {Message, Fix} = portcullis_fix:forbidden(File),
            {ok, text("The program cannot be started (~ts): ~ts~ts", [Looked, Message, portcullis_fix:or_else(Source)]),
             portcullis_fix:named_fix(Source, Fix)}
    end;
cannot_start({down, {open, Program, eacces}} = Error) ->
    case portcullis_fix:stopped(Program) of
        {ok, Message, Fix} -> {ok, text("The program could not be started: ~ts", [Message]), Fix};
        none ->
            {down, {open, _, Why}} = Error,
            {ok, text("The program ~ts could not be started: ~ts", [Program, posix(Why)]), <<"portcullis_doctor:print()">>}
    end;
cannot_start({down, {open, Program, Why}}) ->
    {ok, text("The program ~ts could not be started: ~ts", [Program, posix(Why)]), <<"portcullis_doctor:print()">>};
cannot_start({refused, #{message := Message, fix := Fix}}) ->
    {ok, text("The program refuses to serve: ~ts", [Message]), portcullis_fix:absolute(Fix)};
cannot_start(_) -> none.

absent([{_, path, _}]) -> "Option path names a program that is not there; correct it, or leave it out";
absent([{_, environment, _}]) ->
    "The environment variable PORTCULLIS_BIN names a program that is not there; correct it, or unset it";
absent(_) -> "There is no program to start".

wrong([commands], {expected, list}) -> "it should be a list of commands; a single one belongs into a list too: [Command]";
wrong([columns], {expected, list}) -> "it should be a list of columns, such as [pid, comm]";
wrong(_, {unknown_key, Meant}) -> ["there is no such key; did you mean ", plain(Meant), "?"];
wrong([Top, _ | _], unknown_key) when Top =:= commands; Top =:= what; Top =:= text ->
    "there is no such key here; see libnftables-json(5)";
wrong(Path, unknown_key) when Path =/= [] ->
    case lists:member(name(lists:last(Path)), [atom_to_binary(Key) || Key <- ?KEYS]) of
        true -> "this request does not take it";
        false -> ["there is no such key", meant(lists:last(Path), ?KEYS)]
    end;
wrong([Columns, N], {expected, atom}) when is_integer(N), (Columns =:= columns orelse Columns =:= items) ->
    "it should be the name of a column, such as comm";
wrong([where], {expected, map}) -> "it should be a map from columns to conditions, such as #{pid => 1}";
wrong([pid | _], tag) -> why({expected, pid});
wrong([address, 2], {range, Min, Max}) when Max =:= 32; Max =:= 128 ->
    io_lib:format("a network has a prefix of ~b to ~b bits: {{10,0,0,0},8}. To take back every ban, unban each that portcullis:banned/1 "
                  "lists", [Min, Max]);
wrong([address | _], {range, 0, 255}) -> "each of the four numbers of an address is between 0 and 255";
wrong([address | _], {range, 0, 65535}) -> "each of the eight numbers of an address is between 0 and 65535";
wrong([timeout], {range, 1000, Max}) ->
    io_lib:format("it is in milliseconds, and must be between 1000 and ~b: for an hour, #{timeout => 3600000}", [Max]);
wrong([timeout], {expected, integer}) -> "it is a number of milliseconds: for an hour, #{timeout => 3600000}";
wrong([ref], Why) when Why =/= missing -> "it should be the ref of a change, as nft_apply with confirm has answered it";
wrong([timeout], {range, Min, Max}) -> io_lib:format("it is in milliseconds, and must be between ~b and ~b", [Min, Max]);
wrong([table], {unknown_name, Name}) ->
    case portcullis_opts:nearest(Name, portcullis_atoms:table_names()) of
        {ok, Near} -> io_lib:format("there is no table ~ts; did you mean ~ts?", [name(Name), Near]);
        none -> io_lib:format("there is no table ~ts; there are ~ts", [name(Name), listed(portcullis_atoms:table_names())])
    end;
wrong([], {expected, atom}) -> "the name of a table, topic or operation should be an atom, such as listening";
wrong([interval], {range, Min, Max}) when Max < ?INTERVAL_MAX ->
    io_lib:format("it must be between ~b and ~b, as it must end before the deadline; for more, give a longer one: "
                  "#{timeout => Milliseconds}", [Min, Max]);
wrong([where, Column | _], {expected, condition}) when is_atom(Column) -> ["it should be ", ?CONDITIONS];
wrong([text, Line, Column], {expected, json}) when is_integer(Column) ->
    io_lib:format("line ~b is no JSON at character ~b", [Line, Column]);
wrong(_, Why) -> why(Why).

%% What was meant: the nearest name there is, or all of them where they are few.
meant(Name, Known) ->
    case {portcullis_opts:nearest(Name, Known), length(Known) =< ?FEW} of
        {{ok, Near}, _} -> io_lib:format("; did you mean ~ts?", [Near]);
        {none, true} -> ["; there are ", listed(Known)];
        {none, false} -> "; see docs/protocol.md"
    end.

listed(Names) -> lists:join(", ", [atom_to_list(Name) || Name <- Names]).

at([]) -> "";
at(Path) -> [" at ", lists:join(".", [step(Step) || Step <- Path])].

step(Step) when is_integer(Step) -> integer_to_list(Step);
step(Step) -> printable(Step).

why(unknown_key) -> "there is no such key";
why(missing) -> "it is missing";
why(duplicate) -> "it stands twice";
why(empty) -> "it is empty";
why(in_flight) -> "its id belongs to a request that is running";
why({expected, binary}) -> "it should be a binary, such as <<\"this\">>";
why({expected, pid}) -> "it should be the id of a process of the system, a number, or {Pid, StartTime}";
why({expected, condition}) -> ["it should be ", ?CONDITIONS];
why({expected, path}) -> "it should be an absolute path without . and .., such as \"/var/log/syslog\"";
why({expected, address}) ->
    "it should be an address such as \"127.0.0.1\" or {127,0,0,1} (see inet:parse_strict_address/1); a network has no bits behind its "
    "prefix: \"10.0.0.0/8\" or {{10,0,0,0},8}";
why({expected, parameter}) ->
    "it should be a parameter below net., such as \"net.ipv4.ip_forward\"; a dot in the name of an interface is written /";
why({expected, value}) -> "it should be a number, or one line of printable ASCII";
why({expected, role}) -> "it should be proc or net";
%% Not a type but what there can be, in words.
why({expected, What}) when is_binary(What) -> ["it should be ", plain(What)];
why({expected, What}) -> io_lib:format("it should be of type ~ts", [printable(What)]);
why({range, Min, Max}) -> io_lib:format("it must be between ~p and ~p", [Min, Max]);
why({too_many, Max}) -> io_lib:format("at most ~p elements are allowed", [Max]);
%% The error does not say of which table: what is near may be a column of another.
why({unknown_column, Name}) ->
    Near = case portcullis_opts:nearest(Name, portcullis_atoms:columns()) of
        {ok, Meant} ->
            case atom_to_binary(Meant) =:= name(Name) of
                true -> ";";
                false -> ["; did you mean ", atom_to_list(Meant), "?"]
            end;
        none -> ";"
    end,
    ["there is no column ", name(Name), " in this table", Near, " portcullis:tables() has the columns of each"];
why({unknown_column, Name, Meant}) ->
    ["there is no column ", name(Name), " in this table; did you mean ", plain(Meant), "? portcullis:tables() has the columns of each"];
why({not_comparable, Column}) -> io_lib:format("column ~ts holds lists or maps and cannot be compared", [Column]);
why({frame_too_long, Max}) -> io_lib:format("it is longer than ~p bytes", [Max]);
why({unknown_name, Name}) -> ["nothing has the name ", printable(Name)];
why({unknown_name, Name, Meant}) -> ["nothing has the name ", printable(Name), "; did you mean ", plain(Meant), "?"];
why(listed_only) -> "it stands in listings only: what this program does not know can be deleted and moved, not written";
why(not_sampled) -> ["the table tells of one moment; those of two samples take it: ", listed(?RATES)];
why({unsupported, What}) -> ["this program does not have ", printable(What)];
why({length, Min, Max}) -> io_lib:format("it must have ~b to ~b bytes", [Min, Max]);
why({excludes, Other}) -> ["it excludes ", printable(Other), ", which is there too"];
why(nul) -> "it has a NUL in it";
why(too_many_terms) -> "it has too many terms";
why(tag) -> "pids, references, functions and bit strings cannot be sent";
why(too_deep) -> "it is nested too deep";
why(too_many_pairs) -> "the map has too many pairs";
why(Other) -> io_lib:format("~0tp", [Other]).

%% Text of others: what a terminal would act on is escaped.
printable(Text) when is_atom(Text) -> io_lib:format("~tw", [Text]);
printable(Text) -> io_lib:format("~0tp", [Text]).

%% As it was written where it was an atom, if it is a word; it comes back as a binary.
name(Name) when is_atom(Name) -> atom_to_binary(Name);
name(Name) when is_binary(Name) ->
    case re:run(Name, "^\\w+$", [{capture, none}]) of
        match -> Name;
        nomatch -> iolist_to_binary(printable(Name))
    end;
name(Other) -> iolist_to_binary(printable(Other)).

%% The name of an operation is whatever the caller wrote.
%% The unit that listens there (priv/systemd).
unit(Path) -> ["portcullis-", filename:basename(Path, ".sock"), ".socket"].

plain(Text) ->
    case io_lib:printable_unicode_list(unicode:characters_to_list(Text)) of
        true -> Text;
        false -> printable(Text)
    end.

posix(Errno) when is_atom(Errno) ->
    case file:format_error(Errno) of
        "unknown POSIX error" ++ _ -> atom_to_list(Errno);
        Text -> [Text, " (", atom_to_list(Errno), ")"]
    end;
posix(Other) -> io_lib:format("~0tp", [Other]).

sentence(Text) ->
    case string:is_empty(Text) orelse lists:member(lists:last(unicode:characters_to_list(Text)), ".!?:") of
        true -> Text;
        false -> [Text, "."]
    end.
