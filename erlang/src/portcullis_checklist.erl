%% @private What the findings of a checkup mean, and what to type. Checks take what was found, or the file to look at:
%% they can be tested without the host that has it.
-module(portcullis_checklist).

-export([user/2, no_server/0, restarts/1, holders/1, distribution/3, cookies/2]).
-export([host/0, policy/2, no_policy/0, log/1, core_dumps/2, confinement/2, installed/4]).

-include_lib("kernel/include/file.hrl").

-define(POLICY, "/etc/portcullis/policy.toml").
%% As many as a line can list.
-define(FEW, 5).

-define(LOOPBACK, "-kernel inet_dist_use_interface '{127,0,0,1}'").
-define(TLS, "-proto_dist inet_tls -ssl_dist_optfile FILE").
-define(RANGE, "-kernel inet_dist_listen_min 9100 inet_dist_listen_max 9200").
-define(NO_CORE, <<"ulimit -c 0   # before it starts; in the unit: LimitCORE=0">>).
-define(WITHOUT_EPMD, "-start_epmd false -erl_epmd_port 9100").

-type found(What) :: {ok, What} | {error, term()}.

%% --- the BEAM and the server ----------------------------------------------------------------------------------------

%% The doctor looks at that too, unless it stops before.
-spec user([portcullis_doctor:check()], portcullis_host:status()) -> [portcullis_doctor:check()].
user(Doctor, #{uid := Uid}) ->
    case {[Check || #{check := user} = Check <- Doctor], Uid} of
        {[_ | _], _} -> [];
        {[], 0} -> [problem(user, <<"this BEAM runs as root">>, <<"systemctl edit UNIT   # User=YOURUSER">>)];
        {[], _} -> [good(user, portcullis_host:user_name(Uid))]
    end.

-spec no_server() -> [portcullis_doctor:check(), ...].
no_server() ->
    [warning(server, <<"it does not run: restarts and holders of capabilities were not looked at">>,
             <<"portcullis:start_link([])">>)].

-spec restarts(portcullis_checkup:restarts()) -> [portcullis_doctor:check()].
restarts(Roles) ->
    [restarts(Role, Info) || {Role, Info} <- lists:sort(maps:to_list(Roles))].

restarts(Role, #{downs := 0}) -> good(restarts, text("the program of role ~ts was never lost", [Role]));
restarts(Role, #{error := Error} = Info) ->
    case portcullis_error:cannot_start(Error) of
        {ok, Message, Fix} -> warning(restarts, text("the program of role ~ts does not run. ~ts", [Role, Message]), Fix);
        none -> lost(Role, Info)
    end;
restarts(Role, Info) -> lost(Role, Info).

lost(Role, #{downs := Downs} = Info) ->
    Why = case Info of #{error := Error} -> [" ", portcullis_error:cause(Error)]; _ -> "" end,
    warning(restarts, text("the program of role ~ts was lost ~p times.~ts", [Role, Downs, Why]),
            <<"journalctl -k --grep 'oom|audit|seccomp'; ausearch -m SECCOMP">>).

-spec holders(found([portcullis_checkup:holder()])) -> [portcullis_doctor:check(), ...].
holders({ok, []}) ->
    [good(holders, <<"no other process than root's and the port's own holds capabilities">>)];
holders({ok, Holders}) ->
    Message = text("~p hold capabilities: ~ts", [length(Holders), few([holder(Holder) || Holder <- Holders])]),
    Pids = few([integer_to_list(Pid) || #{pid := Pid} <- Holders], ",", ""),
    [warning(holders, Message,
             text("ps -o pid,user,args -p ~ts   # if they may: {portcullis, [{capability_holders, #{expected => [NAME]}}]}",
                  [Pids]))];
holders({error, Error}) ->
    [warning(holders, text("not looked at: ~ts", [portcullis_error:cause(Error)]), <<"portcullis_doctor:print()">>)].

holder(#{pid := Pid, uid := Uid, comm := Comm, capabilities := Names}) ->
    Of = case length(Names) > ?FEW of
        true -> io_lib:format("~p of them", [length(Names)]);
        false -> lists:join(" ", [io_lib:format("~p", [Name]) || Name <- Names])
    end,
    io_lib:format("~p ~0tp of ~ts (~ts)", [Pid, Comm, portcullis_host:user_name(Uid), Of]).

%% --- distribution ---------------------------------------------------------------------------------------------------

-spec distribution(portcullis_checkup:range(), found([portcullis_checkup:listener()]),
                   found([portcullis_checkup:peer()])) -> [portcullis_doctor:check(), ...].
distribution(Range, {ok, Listeners}, {ok, Peers}) ->
    Open = [Listener || #{open := true} = Listener <- Listeners],
    lists:append([own(Range, Open), epmd(of_service(epmd, Open)), neighbours(of_service(node, Open)),
                  peers(Range, [Peer || #{open := true, node := undefined} = Peer <- Peers])]);
distribution(_, {error, Error}, _) -> unknown(Error);
distribution(_, _, {error, Error}) -> unknown(Error).

unknown(Error) ->
    [warning(distribution, text("who can reach it is not known: ~ts", [portcullis_error:cause(Error)]), <<"ss -ltnp">>)].

of_service(Service, All) -> [One || #{service := Kind} = One <- All, Kind =:= Service].

own(#{alive := false}, _) -> [good(distribution, <<"not distributed">>)];
own(Range, Open) ->
    case {of_service(this_node, Open), Range} of
        {[], _} -> [good(distribution, <<"this node cannot be reached from the network">>)];
        {Own, #{tls := true}} ->
            [good(distribution, text("this node listens on ~ts, with TLS", [places(Own)])) | ports(Range)];
        {Own, _} ->
            [problem(distribution,
                     text("this node listens on ~ts without TLS: who reads that network can take over the BEAM",
                          [places(Own)]),
                     text("erl ~ts   # between hosts: erl ~ts", [?LOOPBACK, ?TLS]))
             | ports(Range)]
    end.

%% A firewall cannot be told a port that is another one every time.
ports(#{ports := any}) ->
    [warning(dist_ports, <<"this node listens on any free port: no firewall can be set up for it">>,
             text("erl ~ts   # or without EPMD, one node a host: erl ~ts", [?RANGE, ?WITHOUT_EPMD]))];
ports(#{ports := {Min, Max}}) ->
    [good(dist_ports, text("from ~p to ~p: let the firewall pass them from the other nodes only", [Min, Max]))].

epmd([]) -> [good(epmd, <<"cannot be reached from the network">>)];
epmd(Open) ->
    [warning(epmd,
             text("epmd listens on ~ts: it names the nodes of this host, and their ports, to anybody", [places(Open)]),
             %% It answers before it ends: the next one would find its port taken, and end without a word.
             <<"epmd -kill && while epmd -names >/dev/null 2>&1; do sleep 0.1; done && "
               "ERL_EPMD_ADDRESS=127.0.0.1 epmd -daemon   # while no node runs; "
               "in the unit: Environment=ERL_EPMD_ADDRESS=127.0.0.1; in a socket unit: ListenStream=127.0.0.1:4369">>)].

neighbours([]) -> [];
neighbours(Open) ->
    Names = few([io_lib:format("~0tp", [Name]) || #{name := Name} <- Open]),
    [warning(neighbours, text("other nodes of this host listen on ~ts: ~ts", [places(Open), Names]),
             text("erl ~ts   # where they are started", [?LOOPBACK]))].

%% A node that shows its cookie this moment looks the same; one that stays does not.
peers(#{alive := false}, []) -> [];
peers(_, []) -> [good(peers, <<"nobody is connected from the network but nodes that this one knows">>)];
peers(_, Unknown) ->
    Ports = lists:usort([Port || #{port := Port} <- Unknown]),
    Remotes = [[place(Remote), " to ", Service] || #{remote := Remote, name := Name} <- Unknown,
                                                   Service <- [io_lib:format("~0tp", [Name])]],
    [warning(peers, text("connected, and not known to be nodes of this one: ~ts", [few(Remotes)]),
             text("ss -tnp state established '( ~ts )'", [lists:join(" or ", [io_lib:format("sport = :~p", [Port])
                                                                             || Port <- Ports])]))].

places(Listeners) ->
    few([place({Address, Port}) || #{addresses := Addresses, port := Port} <- Listeners, Address <- Addresses,
                                   portcullis_dist_host:is_open(Address)]).

place({Address, Port}) when tuple_size(Address) =:= 8 -> io_lib:format("[~ts]:~p", [inet:ntoa(Address), Port]);
place({Address, Port}) -> io_lib:format("~ts:~p", [inet:ntoa(Address), Port]).

%% --- cookies --------------------------------------------------------------------------------------------------------

%% Other nodes of this user take the same file, so that it matters a little without distribution, too.
-spec cookies(boolean(), [portcullis_checkup:cookie()]) -> [portcullis_doctor:check(), ...].
cookies(Alive, Cookies) ->
    case [cookie(Alive, Fault, Cookie) || #{faults := Faults} = Cookie <- Cookies, Fault <- Faults] of
        [] when Cookies =:= [] -> [good(cookie, <<"there is no file with one">>)];
        [] -> [good(cookie, text("~ts: nobody else may read it, and it is long", [file(Cookie)]))
               || Cookie <- Cookies];
        Faulty -> Faulty
    end.

file(#{file := File}) -> File;
file(#{where := command_line}) -> "the command line".

cookie(_, visible, _) ->
    warning(cookie, <<"it is on the command line: every user of the host can read it with ps">>,
            <<"leave out -setcookie and --cookie; write it to ~/.erlang.cookie, mode 0400">>);
cookie(_, unreadable, #{file := File}) ->
    warning(cookie, text("~ts cannot be looked at", [File]), text("ls -ld ~ts", [File]));
cookie(Alive, Fault, #{file := File, mode := Mode, uid := Uid, size := Size}) ->
    {Message, Fix} = case Fault of
        mode ->
            {text("~ts has mode ~4.8.0b: others than its owner may use it", [File, Mode]),
             text("chmod 400 ~ts", [File])};
        owner ->
            {text("~ts belongs to ~ts", [File, portcullis_host:user_name(Uid)]),
             %% Who types it need not be who reads it.
             text("sudo chown ~ts ~ts", [portcullis_host:user_name(maps:get(uid, portcullis_host:status())), File])};
        made_by_otp ->
            {text("~ts was made by OTP itself, with a generator that is not for secrets", [File]), renew(File)};
        short ->
            {text("~ts has a cookie of ~p bytes, which can be guessed", [File, Size]), renew(File)}
    end,
    case Alive of
        true -> problem(cookie, Message, Fix);
        false -> warning(cookie, Message, Fix)
    end.

%% By a new name: a cookie of mode 0400 cannot be written over, and no node reads half of one.
renew(File) ->
    text("(umask 077; openssl rand -base64 32 | tr -d '\\n' >~ts.new && chmod 400 ~ts.new && mv -f ~ts.new ~ts)"
         "   # then copy it to all nodes, and restart them", [File, File, File, File]).

%% --- the host -------------------------------------------------------------------------------------------------------

-spec host() -> [portcullis_doctor:check(), ...].
host() ->
    [policy(?POLICY, file:read_file_info(?POLICY, [raw])), log("/dev/log"),
     core_dumps(file:read_file("/proc/self/limits"), file:read_file("/proc/sys/kernel/core_pattern")),
     confinement(file:read_file("/sys/kernel/security/lsm"), file:read_file("/proc/self/attr/current")),
     installed(auditd, ["/usr/sbin/auditd", "/sbin/auditd"], <<"nothing records what privileged programs do">>,
               <<"sudo apt-get install --no-install-recommends auditd">>),
     installed(integrity, ["/usr/bin/aide", "/usr/sbin/tripwire"], <<"nothing watches installed files for changes">>,
               <<"sudo apt-get install --no-install-recommends aide && sudo aideinit">>)].

-spec policy(file:filename_all(), {ok, file:file_info()} | {error, atom()}) -> portcullis_doctor:check().
policy(File, {ok, #file_info{type = regular, uid = 0, mode = Mode}}) when Mode band 8#022 =:= 0 ->
    good(policy_file, text("~ts, mode ~4.8.0b", [File, Mode band 8#7777]));
policy(File, {ok, #file_info{type = regular, uid = Uid, mode = Mode}}) ->
    problem(policy_file, text("~ts has mode ~4.8.0b, owner ~ts: others than root may change it",
                              [File, Mode band 8#7777, portcullis_host:user_name(Uid)]),
            %% A new file: whoever could write to the old one may have it open still.
            text("sudo install -o root -g root -m 0644 ~ts ~ts.new && sudo mv ~ts.new ~ts   # then read it: somebody else may have written it",
                 [File, File, File, File]));
policy(File, {ok, #file_info{}}) ->
    problem(policy_file, text("~ts is not a file", [File]), text("ls -ld ~ts", [File]));
policy(File, {error, enoent}) ->
    warning(policy_file, text("no ~ts: without it only what every user may see is answered~ts", [File, misnamed(File)]),
            portcullis_fix:policy(File));
policy(File, {error, Why}) ->
    warning(policy_file, text("~ts cannot be looked at: ~ts", [File, file:format_error(Why)]),
            text("namei -l ~ts", [File])).

%% What the doctor says of a program that found none. The same check: the checkup says it once.
-spec no_policy() -> portcullis_doctor:check().
no_policy() ->
    policy(?POLICY, {error, enoent}).

%% What may have been meant to be the policy.
misnamed(File) ->
    case file:list_dir_all(filename:dirname(File)) of
        {ok, Names} ->
            case [io_lib:format("~0tp", [Name]) || Name <- lists:sort(Names), is_like_policy(Name)] of
                [] -> "";
                Like -> io_lib:format("; in that folder, and not read: ~ts", [few(Like)])
            end;
        {error, _} -> ""
    end.

is_like_policy(Name) -> lists:member(filename:extension(Name), [".toml", ".tml", <<".toml">>, <<".tml">>]).

%% Where syslog(3) writes to. Whether somebody reads it cannot be seen from here.
-spec log(file:filename_all()) -> portcullis_doctor:check().
log(File) ->
    case file:read_file_info(File, [raw]) of
        {ok, #file_info{mode = Mode}} when Mode band 8#170000 =:= 8#140000 -> good(log, text("~ts is a socket", [File]));
        _ ->
            warning(log, text("~ts is no socket: what is written to the system's log is lost", [File]),
                    <<"sudo apt-get install --no-install-recommends rsyslog   # or enable systemd-journald-dev-log.socket">>)
    end.

%% core(5): a handler gets the memory whatever the limit is, and is told the limit.
-spec core_dumps(found(binary()), found(binary())) -> portcullis_doctor:check().
core_dumps({ok, Limits}, Pattern) ->
    Handled = case Pattern of {ok, <<"|", _/binary>>} -> "; a handler of the system gets them nevertheless"; _ -> "" end,
    case [Soft || [_, Rest] <- [binary:split(Limits, <<"Max core file size">>)],
                  [Soft | _] <- [string:lexemes(Rest, " \n")]] of
        [<<"0">>] -> good(core_dumps, text("none of this BEAM are written~ts", [Handled]));
        [Soft] ->
            warning(core_dumps, text("the memory of this BEAM, with the cookie, is written to disk (limit ~ts)", [Soft]),
                    ?NO_CORE);
        [] -> core_dumps({error, unknown}, Pattern)
    end;
core_dumps({error, _}, _) ->
    warning(core_dumps, <<"the limits of this BEAM cannot be read">>, ?NO_CORE).

%% What a profile allows is another question.
-spec confinement(found(binary()), found(binary())) -> portcullis_doctor:check().
confinement({ok, Modules}, Label) ->
    Known = [<<"apparmor">>, <<"selinux">>, <<"smack">>, <<"tomoyo">>],
    case [Module || Module <- string:lexemes(Modules, ", \n"), lists:member(Module, Known)] of
        [] -> unconfined("no security module that confines programs is active",
                         <<"sudo apt-get install --no-install-recommends apparmor apparmor-profiles">>);
        [Module | _] -> labelled(Module, Label)
    end;
confinement({error, _}, _) ->
    unconfined("whether a security module is active cannot be read",
               <<"sudo mount -t securityfs securityfs /sys/kernel/security">>).

labelled(Module, {ok, Label}) ->
    Text = string:trim(Label, both, [0, $\n]),
    case binary:match(Text, <<"unconfined">>) of
        nomatch -> good(confinement, text("~ts: ~0tp", [Module, Text]));
        _ -> unconfined([Module, " does not confine this BEAM"], <<"systemctl edit UNIT   # AppArmorProfile=NAME">>)
    end;
labelled(Module, {error, _}) ->
    unconfined(["what ", Module, " allows this BEAM cannot be read"], <<"ps -Z -p PID">>).

unconfined(Message, Fix) -> warning(confinement, text("~ts", [Message]), Fix).

-spec installed(auditd | integrity, [file:filename_all()], binary(), binary()) -> portcullis_doctor:check().
installed(Name, Files, Otherwise, Fix) ->
    case [File || File <- Files, filelib:is_regular(File)] of
        [File | _] -> good(Name, text("~ts is installed; whether it runs was not looked at", [File]));
        [] -> warning(Name, Otherwise, Fix)
    end.

%% --- shapes ---------------------------------------------------------------------------------------------------------

few(All) -> few(All, "; ", io_lib:format(" and ~p more", [max(0, length(All) - ?FEW)])).

few(All, Between, More) ->
    [lists:join(Between, lists:sublist(All, ?FEW)), [More || length(All) > ?FEW]].

good(Name, Message) -> #{check => Name, status => ok, message => Message}.
warning(Name, Message, Fix) -> #{check => Name, status => warning, message => Message, fix => Fix}.
problem(Name, Message, Fix) -> #{check => Name, status => problem, message => Message, fix => Fix}.

text(Format, Args) ->
    portcullis_error:text(Format, Args).
