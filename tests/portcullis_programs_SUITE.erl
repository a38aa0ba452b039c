%% Programs that do not serve: they refuse, are not there, hang, or are not ours.
-module(portcullis_programs_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_program, [script/3, says/3, hello/0, frames/1]).
-import(portcullis_test_server, [options/0, options/1, start/1, stop/1, answer/3, signal/2, ready/1, until/1, of_five/1, within/3]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [refused, missing_program, required_program, lost_for_good, backoff_grows, program_that_hangs, forbidden_program,
     program_that_stops_reading, program_of_another_protocol, malformed_answers].

%% A copy belongs to whoever made it, and the program refuses that.
refused(Config) ->
    Copy = copy(Config, "refused"),
    Options = options(#{path => Copy, unprivileged => false, required => true}),
    process_flag(trap_exit, true),
    {error, {refused, #{reason := Reason, message := Message, fix := Fix}} = Error} = portcullis:start_link(Options),
    ct:pal("~ts", [portcullis:format_error(Error)]),
    ?assert(lists:member(Reason, [file_mode, file_owner, directory_writable, running_as_root])),
    [?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), Part)) || Part <- [Message, portcullis_fix:absolute(Fix)]],
    {ok, Server} = portcullis:start_link(Options#{required => false}),
    ?assertEqual({error, Error}, portcullis:process(Server, 1, [pid])),
    stop(Server).

%% The supervisor and the server live, and the program is used once it is there.
missing_program(Config) ->
    Path = filename:join(proplists:get_value(priv_dir, Config), "not-yet"),
    _ = application:stop(portcullis),
    {ok, Supervisor} = portcullis_sup:start_link(),
    Options = options(#{path => Path, backoff => {10, 20}, unprivileged => true}),
    {ok, Server} = supervisor:start_child(Supervisor, portcullis:child_spec(Options)),
    ?assertMatch({error, {down, {no_program, [{Path, path, enoent}]}}}, portcullis:process(Server, 1, [pid])),
    {ok, _} = file:copy(program(), Path ++ ".new"),
    ok = file:change_mode(Path ++ ".new", 8#700),
    ok = file:rename(Path ++ ".new", Path),
    ready(Server),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    ?assertEqual([{ok, Server}], [{ok, Pid} || {Id, Pid, _, _} <- supervisor:which_children(Supervisor), Id =/= portcullis_nodes]),
    true = unlink(Supervisor),
    ok = gen_server:stop(Supervisor).

required_program(_) ->
    process_flag(trap_exit, true),
    ?assertMatch({error, {down, {no_program, [{"/nonexistent", path, enoent}]}}},
                 portcullis:start_link([{path, "/nonexistent"}, {required, true}])),
    Server = start(#{required => true}),
    ?assertMatch({ok, #{proc := #{state := ready}}}, portcullis:info(Server)),
    stop(Server).

%% Required, and gone with its program: the server ends, and its supervisor decides.
lost_for_good(Config) ->
    process_flag(trap_exit, true),
    Copy = copy(Config, "lost"),
    Server = start(#{path => Copy, unprivileged => true, required => true, backoff => {10, 20}}),
    ok = file:delete(Copy),
    signal(Server, "KILL"),
    receive {'EXIT', Server, Reason} -> ?assertMatch({shutdown, {down, {no_program, _}}}, Reason) end.

%% A program that dies again and again is started less and less often, with a random part.
backoff_grows(Config) ->
    Self = self(),
    Down = fun({down, _}) -> Self ! {down, erlang:monotonic_time(millisecond)}; (_) -> ok end,
    Path = script(Config, "dies", "exit 3"),
    {ok, Server} = portcullis:start_link(options(#{path => Path, backoff => {40, 100000}, event_handler => Down})),
    Times = [receive {down, Time} -> Time end || _ <- lists:seq(1, 6)],
    Delays = lists:zipwith(fun(A, B) -> B - A end, lists:droplast(Times), tl(Times)),
    %% Half of 40, 80, 160, 320, 640 at the least.
    [?assert(Delay >= Least) || {Delay, Least} <- lists:zip(Delays, [20, 40, 80, 160, 320])],
    until(fun() -> {ok, #{proc := Info}} = portcullis:info(Server), maps:get(state, Info) =:= backoff end),
    {ok, #{proc := #{downs := Downs, error := Error}}} = portcullis:info(Server),
    ?assertEqual({down, {exit_status, 3}}, Error),
    %% Each of them was told, and each that was told is counted.
    {messages, More} = process_info(self(), messages),
    ?assert(Downs >= 6 andalso Downs =< 6 + length(More), {Downs, More}),
    stop(Server).

program_that_hangs(Config) ->
    Path = script(Config, "hangs", "exec sleep 300"),
    of_five(fun() -> given_up(Path) end).

given_up(Path) ->
    {Server, Pid} = within(2000, 5000, fun() ->
        {ok, Server} = portcullis:start_link(options(#{path => Path, hello_timeout => 2000, backoff => {600000, 600000}})),
        {ok, #{proc := #{os_pid := Pid, state := connecting}}} = portcullis:info(Server),
        Id = portcullis:send_request(Server, info, #{}),
        ?assertEqual({error, {down, hello_timeout}}, portcullis:receive_response(Id)),
        {Server, Pid}
    end),
    %% It does not end when its stdin does.
    until(fun() -> not filelib:is_dir(filename:join("/proc", integer_to_list(Pid))) end),
    stop(Server).

%% The owner's bits count for the owner: the kernel says so at exec.
forbidden_program(Config) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "root may execute every program"};
        _ ->
            Path = script(Config, "not_for_its_owner", "exit 0"),
            ok = file:change_mode(Path, 8#070),
            {ok, Server} = portcullis:start_link(options(#{path => Path})),
            ?assertEqual({error, {down, {open, Path, eacces}}}, portcullis:process(Server, 1, [pid])),
            stop(Server)
    end.

%% A write into a closed pipe ends the port with an exit signal and without an exit status.
program_that_stops_reading(Config) ->
    File = filename:join(proplists:get_value(priv_dir, Config), "deaf"),
    ok = file:write_file(File ++ ".hello", frames([hello()])),
    Path = script(Config, "deaf", ["exec 0<&-; cat ", File, ".hello; exec sleep 300"]),
    {ok, Server} = portcullis:start_link(options(#{path => Path, backoff => {600000, 600000}})),
    ?assertEqual({error, {down, epipe}}, answer(Server, info, #{})),
    ?assertMatch({ok, #{proc := #{state := backoff}}}, portcullis:info(Server)),
    stop(Server).

program_of_another_protocol(Config) ->
    Hello = #{protocol => {2, 3}, role => proc, frame_max => 65536, max_in_flight => 1, credit => 16},
    Server = start(#{path => says(Config, "newer", [{hello, Hello}])}),
    {error, Error} = answer(Server, info, #{}),
    ?assertEqual({down, {protocol, {versions, {2, 3}}}}, Error),
    ?assertNotEqual(nomatch, string:find(portcullis:format_error(Error), "install")),
    stop(Server).

%% A frame that is not of the protocol ends the connection, wherever it is found out.
malformed_answers(Config) ->
    [begin
         Path = says(Config, Name, [hello(), Frame]),
         {ok, Server} = portcullis:start_link(options(#{path => Path, backoff => {600000, 600000}})),
         Answer = answer(Server, Operation, #{}),
         ?assertEqual({Name, {error, {down, {protocol, Why}}}}, {Name, Answer}),
         stop(Server)
     end || {Name, Operation, Frame, Why} <-
                [{"more", info, <<(term_to_binary({ok, 1, []}))/binary, 0>>, malformed_frame},
                 {"atom", info, <<131, 104, 3, 119, 2, "ok", 97, 1, 119, 22, "portcullis_unheard_of!">>, malformed_frame},
                 {"rows", processes, {rows, 1, same, [{1}]}, malformed_frame},
                 {"arity", processes, {rows, 1, [pid, comm], [{1}]}, malformed_frame},
                 {"columns", processes, {rows, 1, [1], [{1}]}, malformed_frame},
                 {"tag", info, {okay, 1, 1}, malformed_frame},
                 {"late_hello", info, hello(), unexpected_frame},
                 {"nobody", info, {error, 0, {bad_frame, 1, tag}}, {bad_frame, 1, tag}}]].

%% --- help -----------------------------------------------------------------------------------------------------------

program() ->
    {ok, Config} = portcullis_opts:server(options()),
    {ok, Program, _} = portcullis_program:find(proc, Config),
    Program.

copy(Config, Name) ->
    Copy = filename:join(proplists:get_value(priv_dir, Config), Name),
    {ok, _} = file:copy(program(), Copy),
    ok = file:change_mode(Copy, 8#700),
    Copy.
