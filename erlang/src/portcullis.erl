%% @doc The kernel for the BEAM, without the privileges.
%%
%% A server starts a small program that holds the capabilities, and asks it. Everything in this module is a question to
%% a server; the first argument names it and can be left out for the server that is called `portcullis':
%%
%% ```
%% {ok, _} = portcullis:start_link([]).
%% {ok, #{comm := Name, uid := 0}} = portcullis:process(1, [comm, uid]).
%% {ok, Rows} = portcullis:processes(#{columns => [pid, comm, rss], where => #{state => running}}).
%% '''
%%
%% In an application, put {@link child_spec/1} into a supervisor, or list the servers in the environment of the app:
%% `{portcullis, [{servers, [[{name, portcullis}]]}]}'. The other key there is of {@link checkup/1}:
%% `{portcullis, [{capability_holders, #{expected => ["chronyd"]}}]}'.
%%
%% <h2>Policy</h2>
%% What is answered is root's decision, in `/etc/portcullis/policy.toml'; without that file, what every user of the host
%% sees. Anything else is `{error, {denied_by_policy, Rule, Hint}}', and `Hint' has the line that would grant it;
%% {@link format_error/1} shows it by itself.
%%
%% <h2>Answers</h2>
%% Rows and processes are maps with atom keys. A cell is a value, `undefined' (does not apply), `{error, eacces}' (the
%% kernel denied it) or `{truncated, Value}' (longer than `cell_max'). A variable in `environ' that the policy does not
%% name is `{redacted, Name}'. Names, paths and arguments are binaries as the
%% kernel has them, not always UTF-8. Columns, units and conditions are in `docs/protocol.md'.
%%
%% <h2>Errors and time</h2>
%% Nothing here raises for what the system does, and nothing waits for ever: every request has a deadline (`timeout' in
%% its options, in milliseconds, at most 600000; otherwise `default_timeout' of the server). While the program is being
%% started, requests wait for it; when it is down they fail at once with `{error, {down, Reason}}' or
%% `{error, {refused, Map}}'. {@link format_error/1} makes sentences of an error.
-module(portcullis).

-export([start_link/1, child_spec/1, stop/0, stop/1, info/0, info/1, doctor/0, doctor/1, checkup/0, checkup/1]).
-export([process/1, process/2, process/3, processes/0, processes/1, processes/2]).
-export([query/1, query/2, query/3, fold/4, fold/5, tables/0, tables/1, multicall/3, top/0, top/1, top/2]).
-export([file_open/1, file_open/2, file_open/3, file_read/1, file_read/2, file_close/1, read_file/1, read_file/2,
         read_file/3]).
-export([ping/1, ping/2, ping/3]).
-export([sysctl/1, sysctl/2, sysctl_set/2, sysctl_set/3, sysctls/0, sysctls/1]).
-export([nft_list/0, nft_list/1, nft_list/2, nft_list/3, nft_apply/1, nft_apply/2, nft_apply/3, nft_check/1, nft_check/2,
         nft_check/3, nft_confirm/1, nft_confirm/2, nft_rollback/1, nft_rollback/2, nft_json/1, nft_json/2, nft_json/3]).
-export([ban/1, ban/2, ban/3, unban/1, unban/2, banned/0, banned/1]).
-export([subscribe/1, subscribe/2, subscribe/3, ack/2, unsubscribe/1]).
-export([send_request/2, send_request/3, receive_response/1, receive_response/2, cancel/1, cancel/2]).
-export([format_error/1]).

-export_type([server/0, role/0, address/0, option/0, option_error/0, event/0, error/0, pid_ref/0, column/0, row/0, cell/0, options/0, meta/0,
              table/0, request_id/0, file/0, echo/0, change/0, parameter/0, nft_object/0, nft_command/0, nft_listing/0, nft_options/0, applied/0,
              change_ref/0, network/0, audit_event/0, nft_event/0, topic/0, query_event/0, process_event/0, processes_event/0,
              network_event/0, exit_event/0, pressure_event/0]).

-define(SERVER, ?MODULE).

-type server() :: pid() | atom() | {atom(), node()} | {global, term()} | {via, module(), term()}.
%% A server: its pid or its name.

-type role() :: proc | net.
%% What a program is for, and a program of its own: `proc' answers for processes, files and the kernel's state, `net' for {@link ping/3},
%% kernel parameters and the firewall.

-type option() :: {name, atom() | {local, atom()} | {global, term()} | {via, module(), term()}}
                | {roles, [role(), ...]}
                | {transport, port | {node, node()} | {socket, Folder :: file:filename_all()}}
                | {path, file:filename_all()}
                | {args, [string() | binary()]}
                | {unprivileged, boolean()}
                | {max_in_flight, pos_integer()}
                | {queue_limit, non_neg_integer()}
                | {hello_timeout, pos_integer()}
                | {default_timeout, pos_integer()}
                | {stuck_timeout, pos_integer()}
                | {backoff, {Min :: pos_integer(), Max :: pos_integer()}}
                | {required, boolean()}
                | {event_handler, fun((event()) -> term())}.
%% What a server can be told; see {@link start_link/1}.

-type option_error() :: {bad_option, Name :: term(), Expected :: binary()}.
%% An option that is none, or has another value than it can have.

-type event() :: {up, Hello :: map()} | {down, error()}.
%% What an event handler is told.

-type error() :: timeout | overloaded | cancelled | esrch | stale | busy
               | {down, Reason :: term()}
               | {refused, #{atom() => term()}}
               | {not_permitted, Missing :: [atom()], Hint :: binary()}
               | {denied_by_policy, Rule :: binary(), Hint :: binary()}
               | {unsupported, What :: binary()}
               | {posix, Errno :: atom(), What :: binary()}
               | {nft, Command :: non_neg_integer(), Errno :: atom(), What :: binary()}
               | {bad_request, Path :: [atom() | binary() | integer()], Why :: term()}
               | {unknown_outcome, Id :: term()}.
%% Why a request has no answer. `down': there is no connection to the program. `refused': the program will not serve;
%% the map has `reason', `message' and `fix'. `bad_request': the arguments are wrong at `Path'. `stale': the file was
%% opened by a program that has ended; the firewall is of another generation than the one that was named; a change has been
%% confirmed or taken back already. `busy': others kept changing the firewall meanwhile. `nft': the kernel refused a command
%% of a change, counted from 1, or with 0 the change as a whole. `unknown_outcome': a change was sent, and then the program
%% or the time ended; it may be made, and nothing repeats it. `Id' is its number on the connection, or `undefined'.

-type pid_ref() :: pos_integer() | {pos_integer(), StartTime :: non_neg_integer()}.
%% A process of the system. With its start time (column `starttime') it cannot be mistaken for a later one of that pid.

-type column() :: atom().

-type cell() :: term() | undefined | {error, atom()} | {truncated, binary()}.

-type row() :: #{column() => cell()}.

-type options() :: #{columns => [column()], where => #{column() => term()}, limit => pos_integer(),
                     cell_max => pos_integer(), interval => 50..60000, timeout => pos_integer()}
                 | [{atom(), term()}].
%% What a table is asked for; all of it can be left out. `interval' is for tables that take two samples (`sampled' in
%% {@link tables/1}): milliseconds between them (1000), fewer than `timeout'. In `where', a list is one of its values; `{any_of, List}' is so too
%% where the list reads as a text (`"80"' is `[56, 48]'), which is refused in a column of numbers.

-type meta() :: #{atom() => term()}.
%% About an answer: `started', `duration', `rows', `vanished', `denied', `cut', `truncated', `source'.

-type table() :: #{name := atom(), columns := [{column(), number | binary | atom | address | compound, Unit :: atom()}],
                   source := atom(), capabilities := [atom()], cost := constant | per_row | per_process,
                   sampled := boolean()}.
%% A table of {@link query/3}: its columns, with what each can be compared with and the unit of its numbers; what reading all of it
%% takes; and whether it takes two samples.

-type request_id() :: portcullis_request:id().
%% A question that waits for its answer; see {@link send_request/3}.

-type file() :: portcullis_file:file().
%% An open file; see {@link file_open/3}.

-type echo() :: #{rtt := Microseconds :: non_neg_integer(), ttl := 0..255 | undefined, size := Bytes :: non_neg_integer(),
                  address := inet:ip_address()}.
%% A reply to {@link ping/3}.

-type change() :: #{value := binary() | undefined, before := binary() | undefined, as_asked := boolean() | undefined}.
%% What came of {@link sysctl_set/3}.

-type parameter() :: #{name := binary(), value := binary() | {error, atom()}}.
%% A kernel parameter in the list of {@link sysctls/1}.

-type nft_object() :: #{atom() | binary() => term()}.
%% An object of the schema libnftables-json(5): a map with one key, such as `#{chain => #{family => <<"inet">>, ...}}'. In
%% requests keys and words are atoms or binaries, names and texts binaries; in answers keys are atoms, all else binaries, and
%% null is the atom `null'. {@link portcullis_nft} makes them.

-type nft_command() :: #{atom() | binary() => term()}.
%% `#{add => Object}' and so on; an object alone is added.

-type nft_listing() :: atom() | nft_object().
%% What is listed: `ruleset', `tables', `chains', `rules', `sets', `maps', `counters', `quotas', `limits'; those of one family
%% or table, `#{rules => #{family => inet, table => <<"filter">>}}'; one with what is in it: `table', `chain', `set', `map', or
%% some elements, `#{element => #{family, table, name, elem}}'.

-type nft_options() :: #{confirm => Milliseconds :: pos_integer(), generation => non_neg_integer(), check => boolean(),
                         timeout => pos_integer()}
                     | [{confirm | generation | check | timeout, term()}].

-type applied() :: #{generation := non_neg_integer(), handles := [pos_integer() | null], ref => change_ref(),
                     check => true, reset => [nft_object() | null]}.
%% What came of {@link nft_apply/3}: the generation that the change made, the handle of what each command has added, with
%% `confirm' what names the change, and of resets the objects as they were.

-type change_ref() :: portcullis_firewall:ref() | pos_integer().
%% A change that waits to be confirmed: what {@link nft_apply/3} gave, or the number that an error names.

-type address() :: inet:ip_address() | string() | binary().
%% As a tuple, or as text: `"192.0.2.7"', `<<"2001:db8::7">>'.

-type network() :: address() | {inet:ip_address(), PrefixLength :: 0..128}.
%% An address, or all that begin with the same bits; as text: `"192.0.2.0/24"'.

-type audit_event() :: #{kind := audit, seq := pos_integer(), time := UnixMicroseconds :: integer(),
                         operation := binary(), target := binary(),
                         decision := loaded | granted | failed | denied | limited, rule := binary()}.
%% A record of the program's audit trail; see {@link subscribe/3}.

-type nft_event() :: #{kind := nft, generation := non_neg_integer() | undefined, pid := pos_integer() | undefined,
                       comm := binary() | undefined,
                       changes := [#{add | insert | delete | opaque := nft_object(), 'after' => pos_integer()}],
                       more := non_neg_integer()}.
%% A transaction: what it changed, in its order, and how many changes are not shown; see {@link subscribe/3}.

-type topic() :: audit | nft | query | processes | exit | pressure | interfaces | addresses | routes | neighbours.
%% What can be told as it happens; see {@link subscribe/3}.

-type query_event() :: #{kind := query, table := atom(), columns := [atom()], added := [row()], removed := [row()],
                         changed := [{Before :: row(), After :: row()}], last := boolean(), truncated := boolean(),
                         skipped := non_neg_integer(), time := UnixMicroseconds :: integer()}.
%% How an answer differs from what was told before. The first is all of it. A difference of many rows is several events, of which the
%% last has `last'. `skipped': so many times it was not asked, as the last answer was not finished or there was no credit.

-type process_event() :: #{event := fork | exec | uid | gid | sid | ptrace | comm | coredump | exit, pid := pos_integer(),
                           tid := pos_integer(), time := UnixMicroseconds :: integer(), ppid => non_neg_integer(),
                           code => 0..255 | undefined, signal => pos_integer() | undefined, comm => binary(),
                           ruid => non_neg_integer(), euid => non_neg_integer(), rgid => non_neg_integer(),
                           egid => non_neg_integer(), tracer_pid => non_neg_integer()}.
%% What a process did: `ppid' of `fork', `exit' and `coredump', `code' and `signal' of `exit'.

-type processes_event() :: #{kind := processes, events := [process_event()], resnapshot := boolean()}.
%% What processes did. `resnapshot': something before it is missing, and who keeps an image of the processes asks for them anew.

-type network_event() :: #{kind := interfaces | addresses | routes | neighbours, resnapshot := boolean(),
                           events := [#{event := new | deleted, atom() => term()}]}.
%% Changes, each with the columns of the table of that name. `new' is also one that has changed.

-type exit_event() :: #{kind := exit, pid := pos_integer(), starttime := non_neg_integer(),
                        code := 0..255 | undefined, signal := pos_integer() | undefined}.
%% The end of a process. Both are `undefined' where the kernel does not tell strangers (before Linux 6.15), or where the parent has
%% not asked within a second.

-type pressure_event() :: #{kind := pressure, resource := cpu | memory | io | irq, share := some | full,
                            measure := avg10 | stall, state := above | below, value := non_neg_integer(),
                            threshold := non_neg_integer(), time := UnixMicroseconds :: integer()}.
%% A threshold was crossed.

%% @doc Starts a server. It owns one connection to one program for each role.
%%
%% Options, as a list or a map:
%% <ul>
%% <li>`name' (`portcullis'): an atom, `{global, Name}', `{via, Module, Name}', or `undefined' for none</li>
%% <li>`roles' (`[proc]'): `proc' for processes and files, `net' for {@link ping/3}, {@link sysctl/2} and the
%%     firewall, or both. Each is a program of its own</li>
%% <li>`transport' (`port'): a program of this host; or `{node, Node}': one behind a hidden node, `portcullis node'
%%     (docs/distribution.md). This node must be distributed and have its cookie; or `{socket, Folder}': one that a service
%%     manager starts for each connection to `proc.sock' and `net.sock' in that folder (docs/guides/systemd.md)</li>
%% <li>`path': the folder with `portcullis-proc' and `portcullis-net', or one file for one role. Without it: the environment variable `PORTCULLIS_BIN',
%%     `/usr/libexec/portcullis', `/usr/local/libexec/portcullis'. The first that exists is used, or is an error</li>
%% <li>`unprivileged' (`false'): the program drops every capability first. It then runs from any folder, and where none
%%     is installed the development build in the app's `priv' folder is used</li>
%% <li>`args' (`[]'): further arguments of the program</li>
%% <li>`max_in_flight' (1024), `queue_limit' (4096): how many requests the program works on, and how many wait for
%%     that; more are `overloaded'</li>
%% <li>`hello_timeout' (5000), `default_timeout' (5000): milliseconds</li>
%% <li>`stuck_timeout' (5000): a program that lets the deadline of a request pass without an answer, and then is silent
%%     for that many milliseconds, is killed and started again</li>
%% <li>`backoff' (`{100, 30000}'): the shortest and the longest delay before a lost program is started again</li>
%% <li>`required' (`false'): `true' waits for the program, fails with `{error, {refused, Map}}' or
%%     `{error, {down, Reason}}' without it, and ends the server when the program is lost and does not come back.
%%     Otherwise a server without its program lives and says so to whoever asks</li>
%% <li>`event_handler': a fun that is called with `{up, Hello}' and `{down, Error}' in the connection's process; it must
%%     be quick</li>
%% </ul>
-spec start_link([option()] | map()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    case portcullis_opts:server(Options) of
        {ok, Config} -> portcullis_server:start_link(Config);
        {error, Error} -> {error, Error}
    end.

%% @doc A server for a supervisor. Its id is its name.
-spec child_spec([option()] | map()) -> supervisor:child_spec().
child_spec(Options) ->
    #{id => portcullis_opts:name(Options), start => {?MODULE, start_link, [Options]}, type => worker,
      shutdown => 5000, modules => [portcullis_server]}.

%% @equiv stop(portcullis)
-spec stop() -> ok.
stop() -> stop(?SERVER).

%% @doc Stops a server and closes its programs. One that does not run is stopped already.
-spec stop(server()) -> ok.
stop(Server) ->
    try gen_server:stop(Server)
    catch exit:noproc -> ok
    end.

%% @equiv info(portcullis)
-spec info() -> {ok, #{role() => map()}} | {error, error()}.
info() -> info(?SERVER).

%% @doc The connections of a server, by role: `state' (`connecting', `ready', `backoff'), `in_flight', `queued', `downs',
%% and where they are known `program', `os_pid', `hello' and the last `error'. The program's own counters are an
%% operation: `receive_response(send_request(info, #{role => proc}))'.
%%
%% ```
%% {ok, #{proc := #{state := State, downs := Downs}}} = portcullis:info().
%% '''
-spec info(server()) -> {ok, #{role() => map()}} | {error, error()}.
info(Server) ->
    portcullis_request:call(Server, info).

%% @doc Checks the installation; `portcullis_doctor:print()' prints what it finds. With the options of the server
%% `portcullis' if it runs.
-spec doctor() -> portcullis_doctor:report().
doctor() -> doctor(?SERVER).

%% @doc Checks the installation for a server or for the options of one, and says how to mend what is wrong. The program
%% is started once for it; of a server that runs, its policy is compared with that of the programs which run already.
%% {@link portcullis_doctor:print/1} prints the report.
%%
%% ```
%% {problems, [#{check := options, message := Why, fix := _}]} = portcullis:doctor([{rolls, [proc]}]).
%% '''
-spec doctor(server() | [option()] | map()) -> portcullis_doctor:report().
doctor(Options) when is_list(Options); is_map(Options) ->
    portcullis_doctor:run(Options);
doctor(Server) ->
    case portcullis_request:call(Server, config) of
        Config when is_map(Config) -> portcullis_doctor:run(Config, info(Server));
        {error, _} -> portcullis_doctor:run([])
    end.

%% @equiv checkup(portcullis)
-spec checkup() -> portcullis_doctor:report().
checkup() -> checkup(?SERVER).

%% @doc Checks the deployment: what {@link doctor/1} looks at, who else holds capabilities, distribution, cookies and the
%% host. {@link portcullis_checkup:print/1} prints the report, with what to type for each thing.
%%
%% Processes that may hold capabilities are named in the environment of the app, with the options of
%% {@link portcullis_checkup:capability_holders/1}: `{portcullis, [{capability_holders, #{expected => ["chronyd"]}}]}'.
%%
%% ```
%% {_, Checks} = portcullis:checkup(),
%% Problems = [{Check, Message} || #{check := Check, status := problem, message := Message} <- Checks].
%% '''
-spec checkup(server() | [option()] | map()) -> portcullis_doctor:report().
checkup(ServerOrOptions) ->
    portcullis_checkup:run(ServerOrOptions).

%% @equiv process(portcullis, Pid, #{})
-spec process(pid_ref()) -> {ok, row()} | {error, error()}.
process(Pid) -> process(?SERVER, Pid, #{}).

%% @doc As {@link process/3} of the server `portcullis', or of another one without items: `process(Server, Pid)'.
-spec process(pid_ref() | server(),
              [column()] | #{items => [column()], cell_max => pos_integer(), timeout => pos_integer()}
                         | [{items | cell_max | timeout, term()}, ...] | pid_ref()) ->
    {ok, row()} | {error, error()}.
process(Server, Pid) when is_integer(Pid); is_tuple(Pid) -> process(Server, Pid, #{});
process(Pid, Items) -> process(?SERVER, Pid, Items).

%% @doc One process: the items that are named, or those that the policy gives of every process: at level `public' what
%% every user sees, above it `exe', `cwd' and `root' too. `{error, esrch}' if it is gone.
%%
%% ```
%% Pid = list_to_integer(os:getpid()),
%% {ok, #{starttime := Start}} = portcullis:process(Pid, [starttime]),
%% {ok, #{rss := Bytes}} = portcullis:process(portcullis, {Pid, Start}, #{items => [rss], timeout => 10000}),
%% %% Another process, had it that pid.
%% {error, esrch} = portcullis:process({Pid, Start + 1}).
%% '''
-spec process(server(), pid_ref(),
              [column()] | #{items => [column()], cell_max => pos_integer(), timeout => pos_integer()}
                         | [{items | cell_max | timeout, term()}, ...]) ->
    {ok, row()} | {error, error()}.
process(Server, Pid, [{_, _} | _] = Options) ->
    portcullis_request:ask(Server, process, portcullis_opts:with(pid, Pid, Options));
process(Server, Pid, Items) when is_list(Items) ->
    process(Server, Pid, #{items => Items});
process(Server, Pid, Options) when is_map(Options) ->
    portcullis_request:ask(Server, process, Options#{pid => Pid});
process(_, _, _) ->
    {error, {bad_request, [items], {expected, list}}}.

%% @equiv processes(portcullis, #{})
-spec processes() -> {ok, [row()]} | {error, error()}.
processes() -> processes(?SERVER, #{}).

%% @doc As {@link processes/2} of the server `portcullis', or of another one without options: `processes(Server)'.
-spec processes(options() | server()) -> {ok, [row()]} | {error, error()}.
processes(Options) ->
    case portcullis_address:is_server(Options) of
        true -> processes(Options, #{});
        false -> processes(?SERVER, Options)
    end.

%% @doc The processes of the system, in ascending order of pid. {@link query/3} also says what was left out.
-spec processes(server(), options()) -> {ok, [row()]} | {error, error()}.
processes(Server, Options) ->
    case query(Server, processes, Options) of
        {ok, Rows, _Meta} -> {ok, Rows};
        {error, Error} -> {error, Error}
    end.

%% @equiv query(portcullis, Table, #{})
-spec query(atom()) -> {ok, [row()], meta()} | {error, error()}.
query(Table) -> query(?SERVER, Table, #{}).

%% @doc As {@link query/3} of the server `portcullis', or of another one without options: `query(Server, Table)'.
-spec query(atom() | server(), options() | atom()) -> {ok, [row()], meta()} | {error, error()}.
query(Table, Options) ->
    case is_atom(Options) andalso portcullis_address:is_server(Table) of
        true -> query(Table, Options, #{});
        false -> query(?SERVER, Table, Options)
    end.

%% @doc The rows of a table, and what is to be known about them: `processes', those of {@link tables/1}, `nft_list' (rows
%% `#{object => Object}', see {@link nft_list/3}) and `banned'.
%%
%% ```
%% {ok, Rows, #{vanished := _, denied := _}} =
%%     portcullis:query(portcullis, processes, #{columns => [pid, comm], where => #{comm => {prefix, <<"beam">>}}}).
%% '''
%% Some tables tell what happens in a time: `process_rates', `cpu_rates', `disk_rates', `interface_rates'. Their answer takes two
%% samples, and so a second, unless `interval' says otherwise. What was not there at the first has no rates (`undefined').
%%
%% ```
%% {ok, Rows, _} = portcullis:query(process_rates, #{columns => [pid, comm, cpu], interval => 200, where => #{cpu => {min, 100}}}).
%% '''
%% Who listens on which port. Of processes of other users it takes level `full'; at another level they are counted in `denied'.
%%
%% ```
%% {ok, Rows, #{denied := _}} = portcullis:query(process_sockets, #{columns => [pid, protocol, local_address, local_port],
%%                                                                  where => #{protocol => tcp, state => listen}}).
%% '''
-spec query(server(), atom(), options()) -> {ok, [row()], meta()} | {error, error()}.
query(Server, Table, Options) ->
    {Operation, Args} = table(Table, Options),
    portcullis_request:ask(Server, Operation, Args).

%% @equiv tables(portcullis)
-spec tables() -> {ok, [table()]} | {error, error()}.
tables() -> tables(?SERVER).

%% @doc The tables of {@link query/3} that tell of the kernel's state: their columns (name, what it can be compared with, unit),
%% where they come from, what reading all of them takes, whether the work grows with what there is, and whether they take two samples.
%%
%% ```
%% {ok, Tables} = portcullis:tables(),
%% [io:format("~p: ~0p~n", [Name, [Column || {Column, _, _} <- Columns]]) || #{name := Name, columns := Columns} <- Tables].
%% '''
-spec tables(server()) -> {ok, [table()]} | {error, error()}.
tables(Server) ->
    portcullis_request:ask(Server, tables, #{}).

%% @doc The same question on many nodes: {@link portcullis_cluster:multicall/3}.
%%
%% ```
%% [{Node, {ok, [#{load1 := _}], _Meta}}] = portcullis:multicall([node()], query, #{table => load}).
%% '''
-spec multicall([node()] | all, atom(), map()) -> portcullis_cluster:answers().
multicall(Nodes, Operation, Args) ->
    portcullis_cluster:multicall(Nodes, Operation, Args).

%% @equiv top(portcullis, #{})
-spec top() -> ok | {error, error()}.
top() -> top(?SERVER, #{}).

%% @doc As {@link top/2} of the server `portcullis', or of another one without options: `top(Server)'.
-spec top(portcullis_top:options() | [{atom(), term()}] | server()) -> ok | {error, error()}.
top(Options) ->
    case portcullis_address:is_server(Options) of
        true -> top(Options, #{});
        false -> top(?SERVER, Options)
    end.

%% @doc A live table for a person in the shell: processors and memory, who uses them, ports that are listened on, bans. Enter ends
%% it. With `times' it ends by itself and draws one screen below the other.
%%
%% ```
%% ok = portcullis:top(#{times => 1, interval => 100, rows => 5}).
%% '''
-spec top(server(), portcullis_top:options() | [{atom(), term()}]) -> ok | {error, error()}.
top(Server, Options) ->
    portcullis_top:run(Server, Options).

%% @equiv fold(portcullis, Table, Options, Fun, Acc)
-spec fold(atom(), options(), fun((row(), Acc) -> Acc), Acc) -> {ok, Acc, meta()} | {error, error()}.
fold(Table, Options, Fun, Acc) -> fold(?SERVER, Table, Options, Fun, Acc).

%% @doc Folds over the rows of a table as they come. `Fun' runs in the calling process, and a slow one slows the
%% program: no more than one window of rows (16 chunks of at most 256 rows or 64 KiB) waits for it. If `Fun' raises, the
%% request is cancelled and the exception goes on.
%%
%% ```
%% Sum = fun(#{rss := Rss}, Total) when is_integer(Rss) -> Total + Rss; (_, Total) -> Total end,
%% {ok, Bytes, _Meta} = portcullis:fold(portcullis, processes, #{columns => [rss]}, Sum, 0).
%% '''
-spec fold(server(), atom(), options(), fun((row(), Acc) -> Acc), Acc) -> {ok, Acc, meta()} | {error, error()}.
fold(Server, Table, Options, Fun, Acc) when is_function(Fun, 2) ->
    {Operation, Args} = table(Table, Options),
    portcullis_request:fold(Server, Operation, Args, Fun, Acc).

%% @equiv file_open(portcullis, Path, #{})
-spec file_open(file:filename_all()) -> {ok, file()} | {error, error()}.
file_open(Path) -> file_open(?SERVER, Path, #{}).

%% @doc As {@link file_open/3} of the server `portcullis', or of another one without options: `file_open(Server, Path)'.
-spec file_open(file:filename_all() | server(),
                #{timeout => pos_integer()} | [{timeout, pos_integer()}] | file:filename_all()) ->
    {ok, file()} | {error, error()}.
file_open(Path, Options) -> two_of_three(fun file_open/3, Path, Options).

%% @doc Opens a file for reading that the policy lists (`[files]'), whoever owns it. The path is absolute and has no
%% symbolic link in it; the file has no second name.
%%
%% The file is closed when the process that opened it ends, when nobody has read from it for a minute (`file_idle_ms` of the policy), and when the
%% program ends: it is `{error, stale}' then, for ever. A program keeps 16 files open; more are `{error, overloaded}'.
%%
%% ```
%% {ok, File} = portcullis:file_open("/var/log/nginx/access.log"),
%% {ok, Begin} = portcullis:file_read(File, #{length => 80}),
%% {ok, Rest} = portcullis:file_read(File),
%% ok = portcullis:file_close(File).
%% '''
-spec file_open(server(), file:filename_all(), #{timeout => pos_integer()} | [{timeout, pos_integer()}]) ->
    {ok, file()} | {error, error()}.
file_open(Server, Path, Options) ->
    portcullis_file:open(Server, Path, Options).

%% @equiv file_read(File, #{})
-spec file_read(file()) -> {ok, binary()} | {error, error()}.
file_read(File) -> file_read(File, #{}).

%% @doc Reads at most `length' (65536, at most 524288) bytes from `offset' on, or from where the last read ended. Empty
%% at the end of the file, which can grow. What is read through one file in all is at most what the policy says
%% (`max_bytes'); more is `denied_by_policy'.
-spec file_read(file(), #{offset => non_neg_integer(), length => pos_integer(), timeout => pos_integer()}
                      | [{offset | length | timeout, non_neg_integer()}]) ->
    {ok, binary()} | {error, error()}.
file_read(File, Options) ->
    portcullis_file:read(File, Options).

%% @doc Closes a file. One that is closed already stays so.
-spec file_close(file()) -> ok | {error, timeout | overloaded}.
file_close(File) ->
    portcullis_file:close(File).

%% @equiv read_file(portcullis, Path, #{})
-spec read_file(file:filename_all()) -> {ok, binary()} | {error, error()}.
read_file(Path) -> read_file(?SERVER, Path, #{}).

%% @doc As {@link read_file/3} of the server `portcullis', or of another one without options: `read_file(Server, Path)'.
-spec read_file(file:filename_all() | server(),
                #{max_bytes => non_neg_integer(), timeout => pos_integer()}
                | [{max_bytes | timeout, non_neg_integer()}] | file:filename_all()) ->
    {ok, binary()} | {error, error()}.
read_file(Path, Options) -> two_of_three(fun read_file/3, Path, Options).

%% @doc The whole of a file: opens it, reads to its end, closes it. One that is longer than `max_bytes' (16 MiB) is
%% `{error, {posix, efbig, _}}'. `timeout' counts for each of the requests that this takes.
%%
%% ```
%% {ok, Text} = portcullis:read_file("/var/log/nginx/access.log", #{max_bytes => 1000000}).
%% '''
-spec read_file(server(), file:filename_all(), #{max_bytes => non_neg_integer(), timeout => pos_integer()}
                                             | [{max_bytes | timeout, non_neg_integer()}]) ->
    {ok, binary()} | {error, error()}.
read_file(Server, Path, Options) ->
    portcullis_file:read_whole(Server, Path, Options).

%% @equiv ping(portcullis, Address, #{})
-spec ping(address()) -> {ok, echo()} | {error, error()}.
ping(Address) -> ping(?SERVER, Address, #{}).

%% @doc As {@link ping/3} of the server `portcullis', or of another one without options: `ping(Server, Address)'.
-spec ping(address() | server(), #{size => non_neg_integer(), timeout => pos_integer()}
                               | [{size | timeout, non_neg_integer()}] | address()) -> {ok, echo()} | {error, error()}.
ping(Address, Options) -> two_of_three(fun ping/3, Address, Options).

%% @doc One ICMP echo request with `size' (56, at most 1200) bytes, to an address that the policy allows (`[ping]'), from
%% a server with role `net'. `{error, timeout}' if no reply comes in time, `{error, {posix, ehostunreach, _}}' and others
%% if an error comes back.
%%
%% ```
%% {ok, _} = portcullis:start_link([{name, pinger}, {roles, [net]}]),
%% {ok, #{rtt := Microseconds}} = portcullis:ping(pinger, {127, 0, 0, 1}, #{timeout => 10000}).
%% '''
-spec ping(server(), address(), #{size => non_neg_integer(), timeout => pos_integer()}
                             | [{size | timeout, non_neg_integer()}]) -> {ok, echo()} | {error, error()}.
ping(Server, Address, Options) ->
    portcullis_request:ask(Server, ping, portcullis_opts:with(address, portcullis_address:read(Address), Options)).

%% @equiv sysctl(portcullis, Name)
-spec sysctl(binary() | string()) -> {ok, binary()} | {error, error()}.
sysctl(Name) -> sysctl(?SERVER, Name).

%% @doc A kernel parameter below `net.' that the policy lets read (`[sysctl]'), as the kernel shows it, without the newline;
%% from a server with role `net'. A dot in the name of an interface is written `/', as in sysctl(8): `net.ipv4.conf.eth0/100.rp_filter'.
%%
%% ```
%% {ok, _} = portcullis:start_link([{name, network}, {roles, [net]}]),
%% {ok, Sizes} = portcullis:sysctl(network, <<"net.ipv4.tcp_rmem">>),
%% [_Least, _Default, _Most] = binary:split(Sizes, <<"\t">>, [global]).
%% '''
-spec sysctl(server(), binary() | string()) -> {ok, binary()} | {error, error()}.
sysctl(Server, Name) ->
    portcullis_request:ask(Server, sysctl_get, #{name => text(Name)}).

%% @equiv sysctl_set(portcullis, Name, Value)
-spec sysctl_set(binary() | string(), binary() | string() | integer()) -> {ok, change()} | {error, error()}.
sysctl_set(Name, Value) -> sysctl_set(?SERVER, Name, Value).

%% @doc Sets a kernel parameter to a value that the policy lists for it. The kernel rounds some values, and takes a part of
%% others, without a word: `value' is what it has now, `before' what it had, `as_asked' whether that is what was asked for.
%% `undefined': it may not be read, or not any more. Of an error, `{posix, einval, _}' and others, a parameter that holds several
%% numbers may have taken some.
%%
%% ```
%% {ok, _} = portcullis:start_link([{name, network}, {roles, [net]}]),
%% {ok, #{value := <<"1">>, before := Before, as_asked := true}} =
%%     portcullis:sysctl_set(network, <<"net.ipv4.conf.lo.rp_filter">>, 1),
%% {ok, #{value := Before}} = portcullis:sysctl_set(network, <<"net.ipv4.conf.lo.rp_filter">>, Before).
%% '''
-spec sysctl_set(server(), binary() | string(), binary() | string() | integer()) -> {ok, change()} | {error, error()}.
sysctl_set(Server, Name, Value) ->
    portcullis_request:ask(Server, sysctl_set, #{name => text(Name), value => text(Value)}).

%% @equiv sysctls(portcullis)
-spec sysctls() -> {ok, [parameter()]} | {error, error()}.
sysctls() -> sysctls(?SERVER).

%% @doc Every kernel parameter that the policy lets read, by name. One that is not there, or may not be read, has
%% `{error, enoent}' or another errno for its value.
%%
%% ```
%% {ok, _} = portcullis:start_link([{name, network}, {roles, [net]}]),
%% {ok, [#{name := <<"net.ipv4.", _/binary>>, value := _} | _]} = portcullis:sysctls(network).
%% '''
-spec sysctls(server()) -> {ok, [parameter()]} | {error, error()}.
sysctls(Server) ->
    portcullis_request:ask(Server, sysctl_list, #{}).

%% @equiv nft_list(portcullis, ruleset, #{})
-spec nft_list() -> {ok, [nft_object()]} | {error, error()}.
nft_list() -> nft_list(?SERVER, ruleset, #{}).

%% @equiv nft_list(portcullis, What, #{})
-spec nft_list(nft_listing()) -> {ok, [nft_object()]} | {error, error()}.
nft_list(What) -> nft_list(?SERVER, What, #{}).

%% @doc As {@link nft_list/3} of the server `portcullis', or of another one without options: `nft_list(Server, tables)'.
-spec nft_list(nft_listing() | server(), #{timeout => pos_integer()} | [{timeout, pos_integer()}] | atom()) ->
    {ok, [nft_object()]} | {error, error()}.
nft_list(Server, What) when is_atom(What) -> nft_list(Server, What, #{});
nft_list(What, Options) -> nft_list(?SERVER, What, Options).

%% @doc What the firewall of this network namespace is, as objects of the schema libnftables-json(5), if the policy lets it
%% read (`[nft]'); from a server with role `net'. All of it is of one generation. A listing that others disturb is asked
%% for again, five times at most, and `timeout' counts for each; then it is `{error, stale}'. What the program does not
%% know stands there as `#{opaque => #{name, data}}' and is never left out.
%%
%% ```
%% {ok, Objects} = portcullis:nft_list(),
%% {ok, [#{chain := _} | Rules]} =
%%     portcullis:nft_list(#{chain => #{family => inet, table => <<"fw">>, name => <<"web">>}}),
%% [#{rule := #{handle := Handle, expr := Statements}} | _] = Rules.
%% '''
%%
%% {@link fold/5} over the table `nft_list' reads a large one in bounded memory: `#{what => rules}' are its options.
-spec nft_list(server(), nft_listing(), #{timeout => pos_integer()} | [{timeout, pos_integer()}]) ->
    {ok, [nft_object()]} | {error, error()}.
nft_list(Server, What, Options) ->
    portcullis_firewall:list(Server, What, Options).

%% @equiv nft_apply(portcullis, Commands, #{})
-spec nft_apply([nft_command()]) -> {ok, applied()} | {error, error()}.
nft_apply(Commands) -> nft_apply(?SERVER, Commands, #{}).

%% @doc As {@link nft_apply/3} of the server `portcullis', or of another one without options: `nft_apply(Server, Commands)'.
-spec nft_apply([nft_command()] | server(), nft_options() | [nft_command()]) -> {ok, applied()} | {error, error()}.
nft_apply(Commands, Options) ->
    case portcullis_address:is_server(Commands) of
        true -> nft_apply(Commands, Options, #{});
        false -> nft_apply(?SERVER, Commands, Options)
    end.

%% @doc Changes the firewall: all of the commands, in their order, or none of them. Each must be granted by the policy.
%%
%% ```
%% Known = portcullis_nft:match(portcullis_nft:ct(state), [established, related]),
%% Ssh = portcullis_nft:match(portcullis_nft:payload(tcp, dport), 22),
%% {ok, #{ref := Ref, handles := [_, _, _, Handle]}} = portcullis:nft_apply(
%%     [portcullis_nft:table(inet, fw),
%%      portcullis_nft:base_chain(inet, fw, input, #{type => filter, hook => input, prio => 0, policy => drop}),
%%      portcullis_nft:rule(inet, fw, input, [Known, portcullis_nft:accept()]),
%%      portcullis_nft:rule(inet, fw, input, [Ssh, portcullis_nft:accept()])],
%%     #{confirm => 10000}),
%% %% Still there? Then nobody is locked out.
%% ok = portcullis:nft_confirm(Ref).
%% '''
%%
%% Options:
%% <ul>
%% <li>`confirm': milliseconds (100 to 3600000) after which the change takes itself back, unless {@link nft_confirm/2} comes
%%     before; also when the program's input closes and when this node dies. The policy can ask for it. Until then, nobody
%%     changes the tables of it through the same program</li>
%% <li>`generation': only if the firewall is still of that generation, as a listing or a change named it; otherwise `stale'</li>
%% <li>`check': the kernel looks at it and makes nothing of it</li>
%% <li>`timeout': as everywhere. A change that was sent and not answered is `{error, {unknown_outcome, Id}}': look before
%%     you repeat it</li>
%% </ul>
%%
%% `{error, {nft, N, Errno, What}}': the kernel refused the command at position N. `{bad_request, [commands, N | Path], Why}':
%% it is not of the schema, and nothing was sent to the kernel.
-spec nft_apply(server(), [nft_command()], nft_options()) -> {ok, applied()} | {error, error()}.
nft_apply(Server, Commands, Options) ->
    portcullis_firewall:change(Server, Commands, Options).

%% @equiv nft_check(portcullis, Commands, #{})
-spec nft_check([nft_command()]) -> {ok, applied()} | {error, error()}.
nft_check(Commands) -> nft_check(?SERVER, Commands, #{}).

%% @doc As {@link nft_check/3} of the server `portcullis', or of another one without options: `nft_check(Server, Commands)'.
-spec nft_check([nft_command()] | server(), nft_options() | [nft_command()]) -> {ok, applied()} | {error, error()}.
nft_check(Commands, Options) ->
    case portcullis_address:is_server(Commands) of
        true -> nft_check(Commands, Options, #{});
        false -> nft_check(?SERVER, Commands, Options)
    end.

%% @doc What {@link nft_apply/3} would say, without any change: policy, schema and kernel look at it.
%%
%% ```
%% Commands = [portcullis_nft:add(portcullis_nft:chain(inet, fw, mail))],
%% {ok, #{generation := Generation}} = portcullis:nft_check(Commands),
%% {ok, _} = portcullis:nft_apply(Commands, #{generation => Generation}).
%% '''
-spec nft_check(server(), [nft_command()], nft_options()) -> {ok, applied()} | {error, error()}.
nft_check(Server, Commands, Options) ->
    portcullis_firewall:check(Server, Commands, Options).

%% @equiv nft_confirm(portcullis, Ref)
-spec nft_confirm(change_ref()) -> ok | {error, error()}.
nft_confirm(Ref) -> nft_confirm(?SERVER, Ref).

%% @doc Lets a change stay that was made with `confirm'. `{error, stale}': it was confirmed or taken back already, or its
%% program has ended.
%%
%% ```
%% Commands = [portcullis_nft:add(portcullis_nft:chain(inet, fw, mail))],
%% {ok, #{ref := Ref}} = portcullis:nft_apply(Commands, #{confirm => 10000}),
%% ok = portcullis:nft_confirm(Ref).
%% '''
-spec nft_confirm(server(), change_ref()) -> ok | {error, error()}.
nft_confirm(Server, Ref) ->
    portcullis_firewall:confirm(Server, Ref).

%% @equiv nft_rollback(portcullis, Ref)
-spec nft_rollback(change_ref()) -> ok | {error, error()}.
nft_rollback(Ref) -> nft_rollback(?SERVER, Ref).

%% @doc Takes a change back that was made with `confirm': its tables are as they were.
%%
%% ```
%% Commands = [portcullis_nft:add(portcullis_nft:chain(inet, fw, mail))],
%% {ok, #{ref := Ref}} = portcullis:nft_apply(Commands, #{confirm => 10000}),
%% ok = portcullis:nft_rollback(Ref).
%% '''
-spec nft_rollback(server(), change_ref()) -> ok | {error, error()}.
nft_rollback(Server, Ref) ->
    portcullis_firewall:rollback(Server, Ref).

%% @equiv nft_json(portcullis, Text, #{})
-spec nft_json(iodata()) -> {ok, binary() | applied()} | {error, error()}.
nft_json(Text) -> nft_json(?SERVER, Text, #{}).

%% @doc As {@link nft_json/3} of the server `portcullis', or of another one without options: `nft_json(Server, Text)'.
-spec nft_json(iodata() | server(), nft_options() | iodata()) -> {ok, binary() | applied()} | {error, error()}.
nft_json(Text, Options) -> two_of_three(fun nft_json/3, Text, Options).

%% @doc The same with JSON text, as `nft -j' takes and prints it: a document that is one `list' is answered by a document,
%% commands by what {@link nft_apply/3} answers. Options are those of {@link nft_apply/3}.
%%
%% ```
%% {ok, #{generation := _}} =
%%     portcullis:nft_json(<<"{\"nftables\": [{\"add\": {\"table\": {\"family\": \"inet\", \"name\": \"fw\"}}}]}">>),
%% {ok, <<"{\"nftables\": [", _/binary>>} = portcullis:nft_json(<<"{\"nftables\": [{\"list\": {\"ruleset\": null}}]}">>).
%% '''
-spec nft_json(server(), iodata(), nft_options()) -> {ok, binary() | applied()} | {error, error()}.
nft_json(Server, Text, Options) ->
    portcullis_firewall:json(Server, Text, Options).

%% @equiv ban(portcullis, Address, #{})
-spec ban(network()) -> {ok, #{changed := boolean()}} | {error, error()}.
ban(Address) -> ban(?SERVER, Address, #{}).

%% @doc As {@link ban/3} of the server `portcullis', or of another one without options: `ban(Server, Address)'.
-spec ban(network() | server(), #{timeout => Milliseconds :: pos_integer(), comment => binary()}
                              | [{timeout | comment, pos_integer() | binary()}] | network()) ->
    {ok, #{changed := boolean()}} | {error, error()}.
ban(Address, Options) -> two_of_three(fun ban/3, Address, Options).

%% @doc Drops what comes from an address or a network, for `timeout' milliseconds or until {@link unban/2}. Who is out already
%% is out for the longer time, and nothing is `changed' if that is the old one. Here `timeout' is that of the ban; the request
%% has the deadline of the server. What is banned stays so when the program ends: the sets, the chain and its rules lie in
%% the table `inet portcullis', which is made where it is missing.
%%
%% ```
%% {ok, #{changed := true}} = portcullis:ban({192, 0, 2, 7}, #{timeout => 3600000, comment => <<"too many logins">>}),
%% {ok, _} = portcullis:ban("2001:db8::/32").
%% '''
-spec ban(server(), network(), #{timeout => Milliseconds :: pos_integer(), comment => binary()}
                             | [{timeout | comment, pos_integer() | binary()}]) ->
    {ok, #{changed := boolean()}} | {error, error()}.
ban(Server, Address, Options) ->
    portcullis_firewall:ban(Server, Address, Options).

%% @equiv unban(portcullis, Address)
-spec unban(network()) -> {ok, #{changed := boolean()}} | {error, error()}.
unban(Address) -> unban(?SERVER, Address).

%% @doc Lets an address or a network in again, also as a part of a larger one that is out.
%%
%% ```
%% {ok, _} = portcullis:ban({{192, 0, 2, 0}, 24}),
%% {ok, #{changed := true}} = portcullis:unban({192, 0, 2, 7}),
%% {ok, #{changed := false}} = portcullis:unban({192, 0, 2, 7}).
%% '''
-spec unban(server(), network()) -> {ok, #{changed := boolean()}} | {error, error()}.
unban(Server, Address) ->
    portcullis_firewall:unban(Server, Address).

%% @equiv banned(portcullis)
-spec banned() -> {ok, [row()]} | {error, error()}.
banned() -> banned(?SERVER).

%% @doc Who is kept out: `address' and `prefix'; in milliseconds `timeout' and `expires', which are `undefined' where it is for
%% ever; `comment'; what came since, `packets' and `bytes'.
%%
%% ```
%% {ok, _} = portcullis:ban({192, 0, 2, 7}, #{timeout => 3600000}),
%% {ok, [#{address := {192, 0, 2, 7}, expires := _} | _]} = portcullis:banned().
%% '''
-spec banned(server()) -> {ok, [row()]} | {error, error()}.
banned(Server) ->
    portcullis_firewall:banned(Server).

%% @equiv subscribe(portcullis, Topic, #{})
-spec subscribe(topic()) -> {ok, reference()} | {error, error()}.
subscribe(Topic) -> subscribe(?SERVER, Topic, #{}).

%% @doc As {@link subscribe/3} of the server `portcullis', or of another one without options: `subscribe(Server, Topic)'.
-spec subscribe(topic() | server(), map() | [{atom(), term()}] | topic()) -> {ok, reference()} | {error, error()}.
subscribe(Server, Topic) when is_atom(Topic) -> subscribe(Server, Topic, #{});
subscribe(Topic, Options) -> subscribe(?SERVER, Topic, Options).

%% @doc Events as they happen, as messages to the calling process:
%% <ul>
%% <li>`{portcullis, Ref, {event, Event}}'</li>
%% <li>`{portcullis, Ref, {lost, N}}': so many came while there was no credit</li>
%% <li>`{portcullis, Ref, {down, Reason}}': the program has ended, and the subscription with it</li>
%% </ul>
%%
%% 64 events come unasked, and then no more: call `portcullis:ack(Ref, 1)' for each that was handled. What comes without credit is
%% counted in `lost', but for topic `query', whose next event has it. A program has 16 subscriptions; more are `{error, overloaded}'.
%%
%% Topic `audit': what the program of `role' (the first of the server) writes down from now on, {@link audit_event()}:
%% refusals, opened files, echo requests, changes of parameters and of the firewall. A server with `{roles, [proc, net]}' so hears of `proc' only; what the other
%% program writes down is a subscription of its own, with `#{role => net}'.
%%
%% Topic `nft': changes of the firewall, whoever makes them, {@link nft_event()}; from the program of role `net', if the
%% policy lets it be read. {@link ack/2} each message. After `{lost, N}', list what you keep anew.
%%
%% ```
%% {ok, Ref} = portcullis:subscribe(nft),
%% {ok, _} = portcullis:nft_apply([portcullis_nft:chain(inet, fw, mail)]),
%% receive {portcullis, Ref, {event, #{generation := _, changes := [#{add := #{chain := #{name := <<"mail">>}}} | _]}}} ->
%%     portcullis:ack(Ref, 1)
%% end.
%% '''
%%
%% The other topics are of role `proc':
%% <ul>
%% <li>`query': how the answer to a question changes, {@link query_event()}. Options: `table' (`processes' too) and `every' (milliseconds,
%%     100..3600000), and `columns', `where', `limit', `cell_max' as for {@link query/3}. The program keeps what it has told, 4 MiB of it at
%%     most, and compares; columns that tell rows apart are added. What there was no credit for is not lost but in the next event</li>
%% <li>`processes': processes that are started, execute a program and end, {@link processes_event()}. Options: `events', a list of `fork',
%%     `exec', `uid', `gid', `sid', `ptrace', `comm', `coredump', `exit' (default: `fork', `exec', `exit'), and `threads' (default: `false').
%%     Needs Linux 6.6 and the first network and pid namespaces; elsewhere `query' does</li>
%% <li>`exit': the end of one process, {@link exit_event()}, which is the last message. Option `pid': `Pid' or `{Pid, StartTime}'. A program
%%     watches 8</li>
%% <li>`pressure': tasks lose more time than they should, {@link pressure_event()}. Options: `resource', `threshold' and `every', and `share'
%%     (default: `some') and `measure': `avg10' (hundredths of a percent; the default) or `stall' (microseconds lost since the last sample)</li>
%% <li>`interfaces', `addresses', `routes', `neighbours': their changes, {@link network_event()}</li>
%% </ul>
%%
%% ```
%% {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
%% {ok, Ref} = portcullis:subscribe(query, #{table => listening, every => 1000, columns => [local_port]}),
%% receive {portcullis, Ref, {event, #{added := [#{local_port := _} | _], last := true}}} -> portcullis:ack(Ref, 1) end,
%% ok = portcullis:unsubscribe(Ref).
%% '''
%%
%% ```
%% Cat = open_port({spawn_executable, "/bin/cat"}, []),
%% {os_pid, Pid} = erlang:port_info(Cat, os_pid),
%% {ok, End} = portcullis:subscribe(exit, #{pid => Pid}),
%% true = port_close(Cat),
%% receive {portcullis, End, {event, #{pid := Pid, code := Code}}} -> Code end.
%% '''
%%
%% The subscription ends with {@link unsubscribe/1} and with the process that subscribed.
-spec subscribe(server(), topic(), map() | [{atom(), term()}]) ->
    {ok, reference()} | {error, error()}.
subscribe(Server, Topic, Options) ->
    portcullis_subscription:start(Server, Topic, Options).

%% @doc Allows a subscription so many more events. What it missed meanwhile is said then.
-spec ack(reference(), Events :: pos_integer()) -> ok.
ack(Ref, Events) ->
    portcullis_subscription:ack(Ref, Events).

%% @doc Ends a subscription. Its messages are taken out of the mailbox; one that is under way may still come.
-spec unsubscribe(reference()) -> ok.
unsubscribe(Ref) ->
    portcullis_subscription:stop(Ref).

%% @equiv send_request(portcullis, Operation, Args)
-spec send_request(atom(), map() | [{atom(), term()}]) -> request_id().
send_request(Operation, Args) -> send_request(?SERVER, Operation, Args).

%% @doc Asks without waiting. `Args' are those of the operation in `docs/protocol.md', and `timeout'; for an operation of
%% both roles also `role'. The answer comes to
%% the calling process, and {@link receive_response/2} takes it. If the process ends, the request is cancelled.
%%
%% ```
%% Id = portcullis:send_request(portcullis, info, #{}),
%% {ok, #{requests := _}} = portcullis:receive_response(Id, 10000).
%% '''
-spec send_request(server(), atom(), map() | [{atom(), term()}]) -> request_id().
send_request(Server, Operation, Args) ->
    portcullis_request:send(Server, Operation, Args).

%% @doc Waits until the request has ended.
-spec receive_response(request_id()) -> {ok, term()} | {ok, [row()], meta()} | {error, error()}.
receive_response(Id) ->
    portcullis_request:await(Id).

%% @doc Waits for at most `Timeout' milliseconds. A request that has not ended by then is cancelled, and the answer is
%% `{error, timeout}'. Tables answer `{ok, Rows, Meta}', other operations `{ok, Value}'. Raises `badarg' for what is no time.
-spec receive_response(request_id(), timeout()) -> {ok, term()} | {ok, [row()], meta()} | {error, error()}.
receive_response(Id, Timeout) ->
    portcullis_request:await(Id, Timeout).

%% @doc Ends a request early. Its answer, which is still to be received, is `{error, cancelled}', unless the real one was
%% on its way already.
-spec cancel(request_id()) -> ok.
cancel(Id) ->
    portcullis_request:cancel(Id).

%% @doc The same; a request knows its server.
-spec cancel(server(), request_id()) -> ok.
cancel(_Server, Id) ->
    portcullis_request:cancel(Id).

%% @doc An error of this module in sentences, with what mends it. A command stands on a line of its own. No newline is
%% at the end. What supervisors wrap around an error is taken off.
%%
%% ```
%% {error, {denied_by_policy, <<"files.read">>, _} = Error} = portcullis:read_file("/var/log/syslog"),
%% Text = portcullis:format_error(Error),
%% %% It ends with the lines that would grant it.
%% [_, _] = binary:split(Text, <<"read = [{ path = \"/var/log/syslog\", max_bytes = 1048576 }]">>).
%% '''
-spec format_error(error() | {error, term()} | term()) -> binary().
format_error(Error) ->
    portcullis_error:format(Error).

%% The server was left out, or the options were. What is asked about is never a server here, and a map is options: where it can be a
%% command too (`nft_apply'), the first argument alone decides.
two_of_three(Fun, First, Second) ->
    case portcullis_address:is_server(First) andalso not is_map(Second) of
        true -> Fun(First, Second, #{});
        false -> Fun(?SERVER, First, Second)
    end.

%% What is no text is for the program to refuse, with the words for it.
text([_ | _] = Text) ->
    try list_to_binary(Text)
    catch error:badarg -> Text
    end;
text(Other) -> Other.

%% Tables that are operations of their own, and those that one operation answers.
table(Table, Options) ->
    case is_atom(Table) andalso (Table =:= query orelse not portcullis_codec:is_table(Table)) of
        true -> {query, portcullis_opts:with(table, Table, Options)};
        %% What is no name of a table is no name of an operation either, and is refused as such.
        false -> {Table, Options}
    end.
