%% Attacks on the client that got somewhere: by callers with wrong arguments, and by a program that is not ours. Each case
%% says what should hold.
-module(portcullis_attack_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(portcullis_test_program, [script/3, says/3, hello/0, frame/1]).
-import(portcullis_test_server, [options/1, stop/1, os_pid/1, ready/1, until/1, quickest/2, of_five/1, within/2]).

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [nested_operation, refused_with_other_types, refused_that_is_no_text, hello_with_other_types, every_error_has_words,
     compressed_answer, answer_beyond_the_longest, rows_without_credit,
     events_without_credit, losses_add_up,
     no_control_character_in_words, process_that_is_no_server,
     doctor_of_a_program_that_drips, doctor_of_a_program_that_says_nonsense, silent_program_is_replaced].

%% One level more than the port takes is found out in the client, whatever it is in: the port answers under id 0, and the
%% connection ends for everybody.
nested_operation(_) ->
    {ok, Server} = portcullis:start_link(options(#{required => true})),
    Other = portcullis:send_request(Server, processes, #{}),
    Deep = lists:foldl(fun(_, Inner) -> {Inner} end, x, lists:seq(1, 16)),
    {error, Error} = portcullis:receive_response(portcullis:send_request(Server, Deep, #{})),
    ?assertMatch({{bad_request, [], {expected, atom}}, {ok, _, _}}, {Error, portcullis:receive_response(Other)}),
    stop(Server).

%% Errors are put into words in the connection's process: what cannot be must not end it, and the server with it.
refused_with_other_types(Config) ->
    refused(Config, "types", #{reason => internal, message => 1, fix => 2}).

refused_that_is_no_text(Config) ->
    refused(Config, "latin", #{reason => internal, message => <<255, 254>>, fix => <<255>>}).

refused(Config, Name, Refused) ->
    _ = process_flag(trap_exit, true),
    {ok, Server} = portcullis:start_link(options(#{path => says(Config, Name, [{refused, Refused}])})),
    _ = portcullis:receive_response(portcullis:send_request(Server, info, #{})),
    receive {'EXIT', Server, Reason} -> ct:fail({server_ended, Reason}) after 500 -> ok end,
    _ = portcullis_doctor:format(portcullis:doctor(Server)),
    stop(Server).

%% Each key by itself, in the place of one that is right: none reaches a user, the connection or the log.
hello_with_other_types(_) ->
    {hello, Right} = hello(),
    Texts = [3, [a], <<255>>, "text"],
    Numbers = [0, -1, 1.0, many, <<"1">>],
    Lists = [5, {1}, [1], [a | b], <<"a">>],
    Wrong = #{version => Texts, policy => Texts, role => Texts, operations => Lists, features => Lists,
              capabilities => Lists, missing => Lists, findings => [a, [a], [#{message => 1}], [#{} | #{}], [#{code => x}]],
              frame_max => Numbers, reply_max => Numbers, credit => Numbers, max_in_flight => Numbers,
              ticks_per_s => Numbers, page_size => Numbers, boot_time => [x, 1.0],
              protocol => [1, {1}, {a, b}, {1, 1, 1}, {1, <<>>}]},
    [?assertEqual({Key, Value, malformed}, {Key, Value, portcullis_codec:decode(frame({hello, Right#{Key => Value}}))})
     || {Key, Values} <- maps:to_list(Wrong), Value <- Values],
    ?assertEqual({ok, hello()}, portcullis_codec:decode(frame(hello()))),
    %% What a later protocol has there is not ours to judge: its versions are the news.
    Later = {hello, #{protocol => {2, 3}, version => [2]}},
    ?assertEqual({ok, Later}, portcullis_codec:decode(frame(Later))).

%% A program that was taken over says what a person then reads in a terminal.
no_control_character_in_words(_) ->
    Evil = <<"mend \e[2J\e[1;1Hit: ", 16#c2, 16#9b, "31m\r\b\0">>,
    [?assertEqual({Error, nomatch}, {Error, re:run(portcullis:format_error(Error), "[\\x00-\\x09\\x0b-\\x1f\\x7f\\x{80}-\\x{9f}]",
                                                   [unicode, {capture, none}])})
     || Error <- [{refused, #{code => 71, reason => file_mode, message => Evil, fix => Evil}}, {denied_by_policy, Evil, Evil},
                  {denied_by_policy, <<"files.read">>, <<"/f does not grant it; under [files] this would: ", Evil/binary>>},
                  {posix, eacces, Evil}, {unsupported, Evil}, {not_permitted, [sys_ptrace], Evil}]].

%% Nothing waits for ever, whatever is asked.
process_that_is_no_server(_) ->
    Other = spawn(fun() -> receive stop -> ok end end),
    ?assertEqual({error, timeout}, portcullis:process(Other, 1, #{items => [comm], timeout => 100})),
    Other ! stop.

%% Whatever stands in the place of whatever.
every_error_has_words(_) ->
    Odd = [<<255, 254>>, [16#110000], [a | b], {}, #{x => <<255>>}, self(), fun() -> ok end, 1.5, -1, <<1:3>>, 'a\e', []],
    Shapes = [fun(X) -> X end, fun(X) -> {error, X} end, fun(X) -> {shutdown, X} end, fun(X) -> {down, X} end,
              fun(X) -> {refused, X} end, fun(X) -> {refused, #{message => X, fix => X}} end,
              fun(X) -> {refused, #{message => <<"m">>, fix => X}} end, fun(X) -> {not_permitted, X, X} end,
              fun(X) -> {not_permitted, [X], <<>>} end, fun(X) -> {denied_by_policy, X, X} end,
              fun(X) -> {denied_by_policy, <<"x">>, X} end, fun(X) -> {unsupported, X} end, fun(X) -> {posix, X, X} end,
              fun(X) -> {posix, enoent, X} end, fun(X) -> {bad_request, X, X} end, fun(X) -> {bad_request, [X], X} end,
              fun(X) -> {bad_request, [where, state | X], X} end, fun(X) -> {bad_request, [x], {expected, X}} end,
              fun(X) -> {bad_request, [X], unknown_key} end, fun(X) -> {bad_request, [], {unknown_column, X}} end,
              fun(X) -> {bad_request, [], {not_comparable, X}} end, fun(X) -> {bad_option, X, X} end,
              fun(X) -> {bad_option, X, <<"no such option">>} end, fun(X) -> {down, {no_program, X}} end,
              fun(X) -> {down, {no_program, [{X, path, X}]}} end, fun(X) -> {down, {no_program, [{X, path, eacces}]}} end,
              fun(X) -> {down, {open, X, X}} end, fun(X) -> {down, {exit_status, X}} end, fun(X) -> {down, {protocol, X}} end,
              fun(X) -> {down, {protocol, {versions, X}}} end, fun(X) -> {unknown_outcome, X} end],
    [begin
         Text = portcullis:format_error(Shape(X)),
         ?assertEqual({Text, true}, {Text, is_list(unicode:characters_to_list(Text))}),
         ?assertNotEqual({Shape(X), <<>>}, {Shape(X), Text})
     end || Shape <- Shapes, X <- Odd].

%% The port compresses nothing. 200 KB can be a term of 200 MB, made in the connection's process.
compressed_answer(Config) ->
    Size = 200000000,
    Term = zlib:compress(<<109, (Size - 5):32, 0:(Size - 5)/unit:8>>),
    Path = says(Config, "bomb", [hello(), <<131, 80, Size:32, Term/binary>>]),
    {ok, Server} = portcullis:start_link(options(#{path => Path})),
    Self = self(),
    Meter = spawn_link(fun() -> peak(Self, 0) end),
    Before = erlang:memory(total),
    Answer = portcullis:receive_response(portcullis:send_request(Server, info, #{})),
    Meter ! stop,
    Peak = receive {peak, Bytes} -> (Bytes - Before) div 1000000 end,
    ?assertMatch({{error, {down, {protocol, _}}}, Few} when Few < 100, {Answer, Peak}),
    stop(Server).

peak(Parent, Highest) ->
    Higher = max(Highest, erlang:memory(total)),
    receive stop -> Parent ! {peak, Higher}
    after 1 -> peak(Parent, Higher)
    end.

%% The bound is that of hello; before it, what the protocol says.
answer_beyond_the_longest(Config) ->
    {hello, Map} = hello(),
    Small = {hello, Map#{reply_max => 100}},
    Padded = {hello, Map#{policy => binary:copy(<<"x">>, 1048576)}},
    Answer = fun(Size) -> {ok, 1, binary:copy(<<"x">>, Size)} end,
    Says = fun(Name, Frames) ->
                   {ok, Server} = portcullis:start_link(options(#{path => says(Config, Name, Frames)})),
                   Got = portcullis:receive_response(portcullis:send_request(Server, info, #{})),
                   ok = stop(Server),
                   Got
           end,
    ?assertMatch({ok, <<"x", _/binary>>}, Says("fits", [Small, Answer(80)])),
    ?assertEqual({error, {down, {protocol, malformed_frame}}}, Says("long", [Small, Answer(100)])),
    ?assertMatch({ok, <<"x", _/binary>>}, Says("longest", [hello(), Answer(1048000)])),
    ?assertEqual({error, {down, {protocol, malformed_frame}}}, Says("longer", [hello(), Answer(1048576)])),
    ?assertEqual({error, {down, {protocol, malformed_frame}}}, Says("padded", [Padded])).

%% 16 chunks may come unasked. More are not the protocol, and fill the mailbox of a slow caller.
rows_without_credit(Config) ->
    First = {rows, 1, [pid], [{1}]},
    Path = says(Config, "flood", [hello(), First | lists:duplicate(2000, {rows, 1, same, [{N} || N <- lists:seq(1, 256)]})]),
    of_five(fun() -> flooded(Path) end).

flooded(Path) ->
    {ok, Server} = portcullis:start_link(options(#{path => Path})),
    Id = portcullis:send_request(Server, processes, #{}),
    within(2000, fun() -> until(fun() -> {ok, #{proc := #{downs := Downs}}} = portcullis:info(Server), Downs > 0 end) end),
    {message_queue_len, Length} = process_info(self(), message_queue_len),
    ?assertEqual({error, {down, {protocol, rows_without_credit}}}, portcullis:receive_response(Id)),
    ?assert(Length =< 20, Length),
    stop(Server).

%% 64 events may come unasked.
events_without_credit(Config) ->
    Events = [{event, 1, Seq, #{kind => audit}} || Seq <- lists:seq(1, 65)],
    [begin
         Path = says(Config, Name, [hello() | Frames]),
         {ok, Server} = portcullis:start_link(options(#{path => Path, backoff => {600000, 600000}})),
         Answer = portcullis:subscribe(Server, audit, #{}),
         ?assertEqual({Name, {error, {down, {protocol, events_without_credit}}}}, {Name, Answer}),
         ?assertEqual({messages, []}, process_info(self(), messages)),
         stop(Server)
     end || {Name, Frames} <- [{"events", Events}]].

%% Word of lost events fills no mailbox, and none of them is forgotten.
losses_add_up(_) ->
    {ok, Added} = portcullis_pending:add(self(), Tag = erlang:alias(), <<"body">>, false, infinity, infinity, any,
                                         portcullis_pending:open(9, 9, 65536, 16, portcullis_pending:new(9))),
    {Id, _, Ready} = portcullis_pending:next(Added),
    Lost = fun(N, Pending) ->
                   {ok, Next} = portcullis_pending:event(lost, Id, term_to_binary({lost, Id, N}), Pending),
                   Next
           end,
    Flooded = lists:foldl(Lost, portcullis_pending:sent(Id, Ready), lists:duplicate(2000, 3)),
    ?assertEqual([{lost, Id, 3} || _ <- lists:seq(1, 64)], events_of(Tag)),
    {ok, Granted} = portcullis_pending:credit(Id, 1, Flooded),
    ?assertEqual([{lost, Id, 1936 * 3}], events_of(Tag)),
    Again = lists:foldl(Lost, Granted, lists:seq(1, 65)),
    ?assertEqual(64, length(events_of(Tag))),
    {ok, _} = portcullis_pending:event(event, Id, term_to_binary({event, Id, 9, #{}}), Again),
    ?assertEqual([{lost, Id, 65}, {event, Id, 9, #{}}], events_of(Tag)).

events_of(Tag) ->
    receive
        {Tag, {event, _, Frame}} -> [binary_to_term(Frame) | events_of(Tag)];
        {Tag, {sent, _, _}} -> events_of(Tag)
    after 0 -> []
    end.

%% "Nothing waits for ever."
doctor_of_a_program_that_drips(Config) ->
    Path = script(Config, "drips", "printf '\\000\\001\\000\\000'; while :; do printf x; sleep 0.2; done"),
    quickest(5000, fun() ->
        {Pid, Monitor} = spawn_monitor(fun() -> portcullis:doctor(options(#{path => Path, hello_timeout => 500})) end),
        receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason)
        after 60000 -> true = exit(Pid, kill), ct:fail(hangs)
        end
    end).

doctor_of_a_program_that_says_nonsense(Config) ->
    [begin
         Path = says(Config, Name, [Frame]),
         ?assertMatch({problems, _}, {element(1, portcullis:doctor(options(#{path => Path}))), Name})
     end || {Name, Frame} <- [{"hello_types", {hello, #{protocol => {1, 1}, role => proc, version => [a], policy => 3,
                                                        missing => 5, findings => 7, capabilities => {1}}}}]].

%% A port that answers nothing at all (it waits in the kernel for a lock that somebody else holds) is silent for ever. The
%% client gives up request by request; somebody has to give up the program.
silent_program_is_replaced(_) ->
    {ok, Server} = portcullis:start_link(options(#{required => true, backoff => {5000, 5000}, stuck_timeout => 500})),
    {ok, #{proc := #{os_pid := Pid}}} = portcullis:info(Server),
    [] = os:cmd("kill -STOP " ++ integer_to_list(Pid)),
    Answers = [portcullis:process(Server, 1, #{items => [pid], timeout => 100}) || _ <- lists:seq(1, 30)],
    %% The last of them can be answered by the next program.
    {Late, Others} = lists:splitwith(fun(Answer) -> Answer =:= {error, timeout} end, Answers),
    ?assertMatch({[_ | _], [{error, {down, stuck}} | _]}, {Late, Others}),
    ?assertEqual([], [Other || Other <- Others, Other =/= {error, {down, stuck}}, Other =/= {ok, #{pid => 1}}]),
    ready(Server),
    ?assertNotEqual(Pid, os_pid(Server)),
    ?assertEqual({ok, #{pid => 1}}, portcullis:process(Server, 1, [pid])),
    stop(Server).
