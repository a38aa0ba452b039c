%% The live table: what it says, from two samples; and that it comes from a port.
-module(portcullis_top_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() -> [{timetrap, {minutes, 5}}].

all() -> [shares, nothing_happened, who_listens, whom_the_policy_hides, hidden_on_this_host, what_others_choose_does_not_reach_the_terminal, on_this_host, no_server].

row(Pid, Start) ->
    #{pid => Pid, starttime => Start, uid => 1000, state => sleeping, rss => 1 bsl 20, comm => <<"x">>, cmdline => <<"x", 0, "y">>}.

rate(Pid, Start, Cpu) -> #{pid => Pid, starttime => Start, cpu => Cpu}.

cpus(Used, Idle) ->
    One = #{user => Used, nice => 0, system => 0, idle => Idle, iowait => 0, irq => 0, softirq => 0, steal => 0},
    [One#{cpu => all}, One#{cpu => 0}, One#{cpu => 1}].

sample(Processes, Rates, Cpus) ->
    #{processes => Processes, rates => Rates, cpus => Cpus, memory => [], load => [], listening => [], banned => []}.

lines(Sample, Options) ->
    Text = unicode:characters_to_list(portcullis_top:screen(Sample, Options#{width => 100})),
    [string:lexemes(Line, " ") || Line <- string:split(Text, "\n", all), Line =/= ""].

%% Within a short interval no tick may have passed.
nothing_happened(_) ->
    [["cpu", _ | Cpu] | _] = tl(lines(sample([row(1, 5)], [], {cpus(1000, 1000), cpus(1000, 1000)}), #{})),
    ?assertMatch(["0.0", "%", "of", "2"], lists:nthtail(length(Cpu) - 4, Cpu)).

%% 200 ticks of two processors: 100 of each.
shares(_) ->
    Processes = [row(1, 5), row(2, 77), row(3, 5), row(4, 99), row(5, 1)],
    %% Pid 2 is another process than the one that was sampled; nobody has sampled pid 5, and of pid 3 nothing is known.
    Rates = [rate(1, 5, 5004), rate(2, 5, 2000), rate(3, 5, undefined), rate(4, 99, 10000)],
    Sample = sample(Processes, Rates, {cpus(1000, 1000), cpus(1150, 1050)}),
    [["cpu", _ | Cpu] | Rest] = tl(lines(Sample, #{})),
    ?assertMatch(["75.0", "%", "of", "2"], lists:nthtail(length(Cpu) - 4, Cpu)),
    Shares = [{Pid, Share} || [Pid, "1000", "S", Share | _] <- Rest],
    ?assertEqual([{"4", "100.0"}, {"1", "50.0"}], lists:sublist(Shares, 2)),
    ?assertEqual([{"2", "-"}, {"3", "-"}, {"5", "-"}], lists:sort(lists:nthtail(2, Shares))),
    ?assertEqual(["4", "1"], [Pid || [Pid, "1000" | _] <- lines(Sample, #{rows => 2})]).

who_listens(_) ->
    Sample = sample([row(1, 5), (row(2, 5))#{comm => <<"a\e[2J">>}], [], {cpus(0, 0), cpus(1, 1)}),
    Socket = fun(Port, Inode) -> #{protocol => tcp, local_port => Port, inode => Inode} end,
    Listening = [Socket(80, 7), Socket(22, 8), Socket(443, 9), Socket(8080, undefined), Socket(80, 7)],
    Holders = [#{inode => 7, pid => 1}, #{inode => 8, pid => 2}, #{inode => 10, pid => 1}],
    [Line] = [L || ["listening" | L] <- lines(Sample#{listening => Listening, holders => Holders}, #{})],
    ?assertEqual("tcp/22(a?[2J 2) tcp/80(x 1) tcp/443 tcp/8080", lists:flatten(lists:join(" ", Line))).

%% Nothing beside a port would read as nobody.
whom_the_policy_hides(_) ->
    Sample = sample([row(1, 5)], [], {cpus(0, 0), cpus(1, 1)}),
    Socket = fun(Port, Inode) -> #{protocol => tcp, local_port => Port, inode => Inode, uid => 33} end,
    Listening = [Socket(80, 7), Socket(22, 8), Socket(8080, undefined)],
    Lines = fun(Hidden) ->
                    Text = portcullis_top:screen(Sample#{listening => Listening, holders => [#{inode => 7, pid => 1}], hidden => Hidden},
                                                 #{width => 100}),
                    [Line || Line <- string:split(unicode:characters_to_list(Text), "\n", all),
                             Prefix <- ["listening", "(uid"], lists:prefix(Prefix, Line)]
            end,
    ?assertMatch(["listening tcp/22(uid 33) tcp/80(x 1) tcp/8080", "(uid N): whose process this is the policy hides; level = \"full\"" ++ _],
                 Lines(true)),
    ?assertEqual(["listening tcp/22 tcp/80(x 1) tcp/8080"], Lines(false)).

%% At level basic the files of root's processes are not seen.
hidden_on_this_host(_) ->
    case {os:cmd("id -u"), os:getenv("PORTCULLIS_FIXTURES")} of
        {"0\n", _} -> {skip, "root sees what others' processes have"};
        {_, false} -> {skip, "needs PORTCULLIS_FIXTURES, see tests/fixtures/make.sh"};
        _ ->
            {ok, Server} = portcullis:start_link(portcullis_test_server:options(#{required => true})),
            {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
            {ok, #{hidden := Hidden, holders := Holders}} = portcullis_top:sample(Server, 50),
            ?assertEqual(true, Hidden),
            Own = list_to_integer(os:getpid()),
            ?assert(lists:any(fun(#{pid := Pid}) -> Pid =:= Own end, Holders)),
            ok = gen_tcp:close(Listener),
            ok = portcullis:stop(Server)
    end.

what_others_choose_does_not_reach_the_terminal(_) ->
    Odd = (row(7, 1))#{comm => <<"a\e[2J", 255>>, cmdline => <<"/x", 0, "\n\r\e]0;t\a", 16#202e/utf8>>},
    Missing = (row(8, 1))#{cmdline => undefined, rss => {error, eacces}},
    Long = (row(9, 1))#{cmdline => {truncated, binary:copy(<<"z">>, 4096)}},
    Text = unicode:characters_to_list(portcullis_top:screen(sample([Odd, Missing, Long], [], {cpus(0, 0), cpus(1, 1)}),
                                                            #{width => 80})),
    ?assertEqual([], [C || C <- Text, C < 32, C =/= $\n]),
    %% Neither controls of eight bits nor marks of direction.
    ?assertEqual([], [C || C <- Text, C > 126, C < 160 orelse C >= 16#2000]),
    ?assertEqual([], [Line || Line <- string:split(Text, "\n", all), length(Line) > 80]).

on_this_host(_) ->
    {ok, Server} = portcullis:start_link(portcullis_test_server:options(#{required => true})),
    Self = self(),
    Leader = spawn_link(fun() -> collect(Self, []) end),
    Mine = group_leader(),
    true = group_leader(Leader, self()),
    %% Whatever comes of it, what is written afterwards goes where it belongs.
    Done = try portcullis:top(Server, #{times => 2, interval => 100, rows => 1000, width => 100})
    after true = group_leader(Mine, self())
    end,
    ?assertEqual(ok, Done),
    Leader ! done,
    Text = receive {text, Written} -> unicode:characters_to_list(Written) end,
    ?assertEqual(2, length([L || L <- string:split(Text, "\n", all), string:prefix(L, "cpu [") =/= nomatch])),
    ?assertMatch({match, _}, re:run(Text, "beam.smp|portcullis-proc")),
    ?assertMatch({match, _}, re:run(Text, "[0-9]+ +[0-9]+ [A-Z] +[0-9]+\\.[0-9]")),
    ok = portcullis:stop(Server).

no_server(_) ->
    ?assertEqual({error, {down, {noproc, no_such_server}}}, portcullis:top(no_such_server, #{times => 1})),
    ?assertEqual({error, {down, {noproc, no_such_server}}}, portcullis:top(no_such_server, [{times, 1}])),
    %% Before anything is asked.
    [?assertMatch({_, {error, {bad_request, Path, _}}}, {Options, portcullis:top(no_such_server, Options)})
     || {Options, Path} <- [{#{sort => rss}, [sort]}, {#{rows => 0}, [rows]}, {#{colour => red}, [colour]},
                            {[{interval, 10}], [interval]}, {#{times => once}, [times]}, {[times], []}, {5, []}]].

collect(To, Text) ->
    receive
        {io_request, From, As, {put_chars, unicode, Characters}} ->
            From ! {io_reply, As, ok},
            collect(To, [Text, Characters]);
        {io_request, From, As, {put_chars, unicode, Module, Function, Args}} ->
            From ! {io_reply, As, ok},
            collect(To, [Text, apply(Module, Function, Args)]);
        {io_request, From, As, _} ->
            From ! {io_reply, As, {error, enotsup}},
            collect(To, Text);
        done -> To ! {text, Text}
    end.
