%% @doc The kernel for the BEAM, without the privileges.
%%
%% A server starts a small program that holds the capabilities, and asks it. Everything in this module is a question to
%% a server; the first argument names it and can be left out for the server that is called `portcullis':
%%
%% ```
%% {ok, _} = portcullis:start_link([]).
%% {ok, #{comm := <<"systemd">>, uid := 0}} = portcullis:process(1, [comm, uid]).
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
-export([query/2, query/3, fold/4, fold/5]).
-export([file_open/1, file_open/2, file_open/3, file_read/1, file_read/2, file_close/1, read_file/1, read_file/2,
         read_file/3]).
-export([ping/1, ping/2, ping/3]).
-export([sysctl/1, sysctl/2, sysctl_set/2, sysctl_set/3, sysctls/0, sysctls/1]).
-export([subscribe/1, subscribe/2, subscribe/3, ack/2, unsubscribe/1]).
-export([send_request/2, send_request/3, receive_response/1, receive_response/2, cancel/1, cancel/2]).
-export([format_error/1]).

-export_type([server/0, option/0, event/0, error/0, pid_ref/0, column/0, row/0, cell/0, options/0, meta/0, request_id/0,
              file/0, echo/0, change/0, parameter/0, audit_event/0]).

-define(SERVER, ?MODULE).

-type server() :: pid() | atom() | {atom(), node()} | {global, term()} | {via, module(), term()}.
%% A server: its pid or its name.

-type option() :: {name, atom() | {local, atom()} | {global, term()} | {via, module(), term()}}
                | {roles, [proc | net, ...]}
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

-type event() :: {up, Hello :: map()} | {down, error()}.
%% What an event handler is told.

-type error() :: timeout | overloaded | cancelled | esrch | stale | busy
               | {down, Reason :: term()}
               | {refused, #{atom() => term()}}
               | {not_permitted, Missing :: [atom()], Hint :: binary()}
               | {denied_by_policy, Rule :: binary(), Hint :: binary()}
               | {unsupported, What :: binary()}
               | {posix, Errno :: atom(), What :: binary()}
               | {bad_request, Path :: [atom() | binary() | integer()], Why :: term()}
               | {unknown_outcome, Id :: term()}.
%% Why a request has no answer. `down': there is no connection to the program. `refused': the program will not serve;
%% the map has `reason', `message' and `fix'. `bad_request': the arguments are wrong at `Path'. `stale': the file was
%% opened by a program that has ended.

-type pid_ref() :: pos_integer() | {pos_integer(), StartTime :: non_neg_integer()}.
%% A process of the system. With its start time (column `starttime') it cannot be mistaken for a later one of that pid.

-type column() :: atom().

-type cell() :: term() | undefined | {error, atom()} | {truncated, binary()}.

-type row() :: #{column() => cell()}.

-type options() :: #{columns => [column()], where => #{column() => term()}, limit => pos_integer(),
                     cell_max => pos_integer(), timeout => pos_integer()}
                 | [{atom(), term()}].
%% What a table is asked for; all of it can be left out.

-type meta() :: #{atom() => term()}.
%% About an answer: `started', `duration', `rows', `vanished', `denied', `cut', `truncated', `source'.

-type request_id() :: portcullis_request:id().

-type file() :: portcullis_file:file().
%% An open file; see {@link file_open/3}.

-type echo() :: #{rtt := Microseconds :: non_neg_integer(), ttl := 0..255 | undefined, size := Bytes :: non_neg_integer(),
                  address := inet:ip_address()}.
%% A reply to {@link ping/3}.

-type change() :: #{value := binary() | undefined, before := binary() | undefined, as_asked := boolean() | undefined}.
%% What came of {@link sysctl_set/3}.

-type parameter() :: #{name := binary(), value := binary() | {error, atom()}}.
%% A kernel parameter in the list of {@link sysctls/1}.

-type audit_event() :: #{kind := audit, seq := pos_integer(), time := UnixMicroseconds :: integer(),
                         operation := binary(), target := binary(),
                         decision := loaded | granted | failed | denied | limited, rule := binary()}.
%% A record of the program's audit trail; see {@link subscribe/3}.

%% @doc Starts a server. It owns one connection to one program for each role.
%%
%% Options, as a list or a map:
%% <ul>
%% <li>`name' (`portcullis'): an atom, `{global, Name}', `{via, Module, Name}', or `undefined' for none</li>
%% <li>`roles' (`[proc]'): `proc' for processes and files, `net' for {@link ping/3} and {@link sysctl/2}, or both. Each
%%     is a program of its own</li>
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
stop() ->
    stop(?SERVER).

%% @doc Stops a server and closes its programs. One that does not run is stopped already.
-spec stop(server()) -> ok.
stop(Server) ->
    try gen_server:stop(Server)
    catch exit:noproc -> ok
    end.

%% @equiv info(portcullis)
-spec info() -> {ok, #{portcullis_opts:role() => map()}} | {error, error()}.
info() ->
    info(?SERVER).

%% @doc The connections of a server, by role: `state' (`connecting', `ready', `backoff'), `in_flight', `queued', `downs',
%% and where they are known `program', `os_pid', `hello' and the last `error'. The program's own counters are an
%% operation: `receive_response(send_request(info, #{role => proc}))'.
-spec info(server()) -> {ok, #{portcullis_opts:role() => map()}} | {error, error()}.
info(Server) ->
    portcullis_request:call(Server, info).

%% @doc Checks the installation; `portcullis_doctor:print()' prints what it finds. With the options of the server
%% `portcullis' if it runs.
-spec doctor() -> portcullis_doctor:report().
doctor() ->
    doctor(?SERVER).

%% @doc Checks the installation for a server or for the options of one, and says how to mend what is wrong. The program
%% is started once for it; of a server that runs, its policy is compared with that of the programs which run already.
%% {@link portcullis_doctor:print/1} prints the report.
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
checkup() ->
    checkup(?SERVER).

%% @doc Checks the deployment: what {@link doctor/1} looks at, who else holds capabilities, distribution, cookies and the
%% host. {@link portcullis_checkup:print/1} prints the report, with what to type for each thing.
%%
%% Processes that may hold capabilities are named in the environment of the app, with the options of
%% {@link portcullis_checkup:capability_holders/1}:
%%
%% ```
%% {portcullis, [{capability_holders, #{expected => ["chronyd", "/usr/lib/systemd/systemd-networkd"]}}]}
%% '''
-spec checkup(server() | [option()] | map()) -> portcullis_doctor:report().
checkup(ServerOrOptions) ->
    portcullis_checkup:run(ServerOrOptions).

%% @equiv process(portcullis, Pid, #{})
-spec process(pid_ref()) -> {ok, row()} | {error, error()}.
process(Pid) ->
    process(?SERVER, Pid, #{}).

%% @equiv process(portcullis, Pid, Items)
-spec process(pid_ref(), [column()] | #{items => [column()], cell_max => pos_integer(), timeout => pos_integer()}
                                    | [{items | cell_max | timeout, term()}, ...]) ->
    {ok, row()} | {error, error()}.
process(Pid, Items) ->
    process(?SERVER, Pid, Items).

%% @doc One process: the items that are named, or those that the policy gives of every process: at level `public' what
%% every user sees, above it `exe', `cwd' and `root' too. `{error, esrch}' if it is gone.
%%
%% ```
%% {ok, #{starttime := Start}} = portcullis:process(4711, [starttime]),
%% {ok, #{rss := Bytes}} = portcullis:process(portcullis, {4711, Start}, #{items => [rss], timeout => 100}).
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
processes() ->
    processes(?SERVER, #{}).

%% @equiv processes(portcullis, Options)
-spec processes(options()) -> {ok, [row()]} | {error, error()}.
processes(Options) ->
    processes(?SERVER, Options).

%% @doc The processes of the system, in ascending order of pid. {@link query/3} also says what was left out.
-spec processes(server(), options()) -> {ok, [row()]} | {error, error()}.
processes(Server, Options) ->
    case query(Server, processes, Options) of
        {ok, Rows, _Meta} -> {ok, Rows};
        {error, Error} -> {error, Error}
    end.

%% @equiv query(portcullis, Table, Options)
-spec query(atom(), options()) -> {ok, [row()], meta()} | {error, error()}.
query(Table, Options) ->
    query(?SERVER, Table, Options).

%% @doc The rows of a table, and what is to be known about them. This release has the table `processes'.
%%
%% ```
%% {ok, Rows, #{vanished := _, denied := _}} =
%%     portcullis:query(portcullis, processes, #{columns => [pid, comm], where => #{comm => {prefix, <<"beam">>}}}).
%% '''
-spec query(server(), atom(), options()) -> {ok, [row()], meta()} | {error, error()}.
query(Server, Table, Options) ->
    case portcullis_codec:is_table(Table) of
        true -> portcullis_request:ask(Server, Table, Options);
        false -> no_table(Table)
    end.

%% @equiv fold(portcullis, Table, Options, Fun, Acc)
-spec fold(atom(), options(), fun((row(), Acc) -> Acc), Acc) -> {ok, Acc, meta()} | {error, error()}.
fold(Table, Options, Fun, Acc) ->
    fold(?SERVER, Table, Options, Fun, Acc).

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
    case portcullis_codec:is_table(Table) of
        true -> portcullis_request:fold(Server, Table, Options, Fun, Acc);
        false -> no_table(Table)
    end.

%% @equiv file_open(portcullis, Path, #{})
-spec file_open(file:filename_all()) -> {ok, file()} | {error, error()}.
file_open(Path) ->
    file_open(?SERVER, Path, #{}).

%% @equiv file_open(portcullis, Path, Options)
-spec file_open(file:filename_all(), #{timeout => pos_integer()} | [{timeout, pos_integer()}]) ->
    {ok, file()} | {error, error()}.
file_open(Path, Options) ->
    file_open(?SERVER, Path, Options).

%% @doc Opens a file for reading that the policy lists (`[files]'), whoever owns it. The path is absolute and has no
%% symbolic link in it; the file has no second name.
%%
%% The file is closed when the process that opened it ends, when nobody has read from it for a minute (`file_idle_ms` of the policy), and when the
%% program ends: it is `{error, stale}' then, for ever. A program keeps 16 files open; more are `{error, overloaded}'.
-spec file_open(server(), file:filename_all(), #{timeout => pos_integer()} | [{timeout, pos_integer()}]) ->
    {ok, file()} | {error, error()}.
file_open(Server, Path, Options) ->
    portcullis_file:open(Server, Path, Options).

%% @equiv file_read(File, #{})
-spec file_read(file()) -> {ok, binary()} | {error, error()}.
file_read(File) ->
    file_read(File, #{}).

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
read_file(Path) ->
    read_file(?SERVER, Path, #{}).

%% @equiv read_file(portcullis, Path, Options)
-spec read_file(file:filename_all(), #{max_bytes => non_neg_integer(), timeout => pos_integer()}
                                   | [{max_bytes | timeout, non_neg_integer()}]) ->
    {ok, binary()} | {error, error()}.
read_file(Path, Options) ->
    read_file(?SERVER, Path, Options).

%% @doc The whole of a file: opens it, reads to its end, closes it. One that is longer than `max_bytes' (16 MiB) is
%% `{error, {posix, efbig, _}}'. `timeout' counts for each of the requests that this takes.
-spec read_file(server(), file:filename_all(), #{max_bytes => non_neg_integer(), timeout => pos_integer()}
                                             | [{max_bytes | timeout, non_neg_integer()}]) ->
    {ok, binary()} | {error, error()}.
read_file(Server, Path, Options) ->
    portcullis_file:read_whole(Server, Path, Options).

%% @equiv ping(portcullis, Address, #{})
-spec ping(inet:ip_address()) -> {ok, echo()} | {error, error()}.
ping(Address) ->
    ping(?SERVER, Address, #{}).

%% @equiv ping(portcullis, Address, Options)
-spec ping(inet:ip_address(), #{size => non_neg_integer(), timeout => pos_integer()}
                            | [{size | timeout, non_neg_integer()}]) -> {ok, echo()} | {error, error()}.
ping(Address, Options) ->
    ping(?SERVER, Address, Options).

%% @doc One ICMP echo request with `size' (56, at most 1200) bytes, to an address that the policy allows (`[ping]'), from
%% a server with role `net'. `{error, timeout}' if no reply comes in time, `{error, {posix, ehostunreach, _}}' and others
%% if an error comes back.
%%
%% ```
%% {ok, _} = portcullis:start_link([{name, pinger}, {roles, [net]}]),
%% {ok, #{rtt := Microseconds}} = portcullis:ping(pinger, {127, 0, 0, 1}, #{timeout => 1000}).
%% '''
-spec ping(server(), inet:ip_address(), #{size => non_neg_integer(), timeout => pos_integer()}
                                      | [{size | timeout, non_neg_integer()}]) -> {ok, echo()} | {error, error()}.
ping(Server, Address, Options) ->
    portcullis_request:ask(Server, ping, portcullis_opts:with(address, Address, Options)).

%% @equiv sysctl(portcullis, Name)
-spec sysctl(binary() | string()) -> {ok, binary()} | {error, error()}.
sysctl(Name) ->
    sysctl(?SERVER, Name).

%% @doc A kernel parameter below `net.' that the policy lets read (`[sysctl]'), as the kernel shows it, without the newline;
%% from a server with role `net'. A dot in the name of an interface is written `/', as in sysctl(8).
%%
%% ```
%% {ok, _} = portcullis:start_link([{name, network}, {roles, [net]}]),
%% {ok, <<"0">>} = portcullis:sysctl(network, <<"net.ipv4.conf.eth0/100.rp_filter">>).
%% '''
-spec sysctl(server(), binary() | string()) -> {ok, binary()} | {error, error()}.
sysctl(Server, Name) ->
    portcullis_request:ask(Server, sysctl_get, #{name => text(Name)}).

%% @equiv sysctl_set(portcullis, Name, Value)
-spec sysctl_set(binary() | string(), binary() | string() | integer()) -> {ok, change()} | {error, error()}.
sysctl_set(Name, Value) ->
    sysctl_set(?SERVER, Name, Value).

%% @doc Sets a kernel parameter to a value that the policy lists for it. The kernel rounds some values, and takes a part of
%% others, without a word: `value' is what it has now, `before' what it had, `as_asked' whether that is what was asked for.
%% `undefined': it may not be read, or not any more. Of an error, `{posix, einval, _}' and others, a parameter that holds several
%% numbers may have taken some.
%%
%% ```
%% {ok, #{value := <<"1">>, before := <<"0">>, as_asked := true}} =
%%     portcullis:sysctl_set(network, <<"net.ipv4.ip_forward">>, 1).
%% '''
-spec sysctl_set(server(), binary() | string(), binary() | string() | integer()) -> {ok, change()} | {error, error()}.
sysctl_set(Server, Name, Value) ->
    portcullis_request:ask(Server, sysctl_set, #{name => text(Name), value => text(Value)}).

%% @equiv sysctls(portcullis)
-spec sysctls() -> {ok, [parameter()]} | {error, error()}.
sysctls() ->
    sysctls(?SERVER).

%% @doc Every kernel parameter that the policy lets read, by name. One that is not there, or may not be read, has
%% `{error, enoent}' or another errno for its value.
-spec sysctls(server()) -> {ok, [parameter()]} | {error, error()}.
sysctls(Server) ->
    portcullis_request:ask(Server, sysctl_list, #{}).

%% @equiv subscribe(portcullis, Topic, #{})
-spec subscribe(audit) -> {ok, reference()} | {error, error()}.
subscribe(Topic) ->
    subscribe(?SERVER, Topic, #{}).

%% @equiv subscribe(portcullis, Topic, Options)
-spec subscribe(audit, #{role => proc | net, timeout => pos_integer()}
                     | [{role, proc | net} | {timeout, pos_integer()}]) -> {ok, reference()} | {error, error()}.
subscribe(Topic, Options) ->
    subscribe(?SERVER, Topic, Options).

%% @doc Events as they happen, as messages to the calling process:
%% <ul>
%% <li>`{portcullis, Ref, {event, Event}}'</li>
%% <li>`{portcullis, Ref, {lost, N}}': so many came while there was no credit</li>
%% <li>`{portcullis, Ref, {down, Reason}}': the program has ended, and the subscription with it</li>
%% </ul>
%%
%% Topic `audit': what the program of `role' (the first of the server) writes down from now on, {@link audit_event()}:
%% refusals, opened files, echo requests, changes of parameters. A server with `{roles, [proc, net]}' so hears of `proc' only; what the other
%% program writes down is a subscription of its own, with `#{role => net}'. 64 events come unasked; {@link ack/2} allows more. A program has 16
%% subscriptions; more are `{error, overloaded}'.
%%
%% The subscription ends with {@link unsubscribe/1} and with the process that subscribed.
-spec subscribe(server(), audit, #{role => proc | net, timeout => pos_integer()}
                               | [{role, proc | net} | {timeout, pos_integer()}]) ->
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
send_request(Operation, Args) ->
    send_request(?SERVER, Operation, Args).

%% @doc Asks without waiting. `Args' are those of the operation in `docs/protocol.md', and `timeout'; for an operation of
%% both roles also `role'. The answer comes to
%% the calling process, and {@link receive_response/2} takes it. If the process ends, the request is cancelled.
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
-spec format_error(error() | {error, term()} | term()) -> binary().
format_error(Error) ->
    portcullis_error:format(Error).

%% What is no text is for the program to refuse, with the words for it.
text([_ | _] = Text) ->
    try list_to_binary(Text)
    catch error:badarg -> Text
    end;
text(Other) -> Other.

no_table(Table) when is_atom(Table) ->
    {error, {unsupported, <<"table ", (atom_to_binary(Table))/binary>>}};
no_table(_) ->
    {error, {bad_request, [], {expected, atom}}}.
