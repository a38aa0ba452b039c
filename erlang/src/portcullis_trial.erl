%% @private A trial start, for the doctor: what a program says first, and whether it lives through a question of each kind that its
%% policy grants. A start alone shows nothing of a system call that only an answer takes.
-module(portcullis_trial).

-export([in_a_process/1, start/3, ask/4]).
-export_type([outcome/0, question/0]).

%% The longest frame that a port sends. Text that is taken for a length is far above it.
-define(FIRST_FRAME_MAX, 1048576).

%% Past its deadline a program that lives has answered.
-define(GRACE, 1000).

-type outcome() :: {ok, portcullis_codec:message()} | malformed | {silent, timeout_ms()} | {exit_status, non_neg_integer()}
                 | {text, binary()} | {failed, term()}.
-type question() :: {Words :: binary(), lived | {silent, timeout_ms()} | {ended, term()}}.
%% In the words of `policy explain'.
-type timeout_ms() :: portcullis_opts:timeout_ms().

%% What the program says must not stay in the caller's mailbox.
-spec in_a_process(fun(() -> Answer)) -> Answer | {failed, term()}.
in_a_process(Attempt) ->
    Caller = self(),
    Tag = make_ref(),
    {Pid, Monitor} = spawn_monitor(fun() -> Caller ! {Tag, Attempt()} end),
    receive
        {Tag, Outcome} ->
            true = erlang:demonitor(Monitor, [flush]),
            Outcome;
        {'DOWN', Monitor, process, Pid, Reason} -> {failed, Reason}
    end.

%% Without `{packet, 4}', and with what it says to a terminal: a loader that misses a library says so in plain text, of
%% which a port that expects frames sees nothing.
-spec start(file:filename_all(), [string() | binary()], timeout_ms()) -> outcome().
start(Program, Args, Timeout) ->
    Settings = [{args, Args}, stream, binary, exit_status, use_stdio, stderr_to_stdout],
    try open_port({spawn_executable, Program}, Settings) of
        Port ->
            Outcome = first(Port, <<>>, deadline(Timeout)),
            case Outcome of
                %% It may not read either, and would stay.
                silent -> ok = portcullis_transport_port:kill(Port), {silent, Timeout};
                _ -> ok = portcullis_transport_port:close(Port), Outcome
            end
    catch error:Reason -> {failed, Reason}
    end.

first(_, <<Size:32, Frame:Size/binary, _/binary>>, _) -> portcullis_codec:decode(Frame);
first(_, <<Size:32, _/binary>> = Text, _) when Size > ?FIRST_FRAME_MAX -> {text, Text};
%% One deadline for all of it: a program can go on for ever, byte by byte.
first(Port, Sofar, Deadline) ->
    receive
        {Port, {data, Data}} -> first(Port, <<Sofar/binary, Data/binary>>, Deadline);
        {Port, {exit_status, Status}} when Sofar =:= <<>> -> {exit_status, Status};
        {Port, {exit_status, _}} -> {text, Sofar}
    after left(Deadline) -> silent
    end.

%% --- questions ------------------------------------------------------------------------------------------------------

%% Cheap, of what each capability and each way to the kernel is for, and without a trace: what the policy does not grant would be
%% recorded as denied, and is not asked.
questions(proc) ->
    [{["query", "load"], query, #{table => load, limit => 1}},
     {["query", "listening"], query, #{table => listening, limit => 1}},
     {["processes"], processes, #{columns => [uid, comm], limit => 1}},
     %% With cap_sys_ptrace; with cap_dac_read_search too.
     {["process", "exe"], process, #{pid => 1, items => [exe]}},
     {["process", "read_bytes"], process, #{pid => 1, items => [read_bytes]}}];
questions(net) ->
    [{["nft_list"], nft_list, #{what => tables}},
     {["sysctl_list"], sysctl_list, #{}},
     {["ping", "127.0.0.1"], ping, #{address => {127, 0, 0, 1}}}].

%% Any answer will do. A program that ends at one question is started again for those after it.
-spec ask(portcullis_opts:role(), file:filename_all(), [string() | binary()], timeout_ms()) -> [question()].
ask(Role, Program, Args, Timeout) ->
    _ = process_flag(trap_exit, true),
    Granted = [Question || {Words, _, _} = Question <- questions(Role), is_granted(Program, Words, Timeout)],
    asked(Granted, Program, Args, Timeout).

is_granted(Program, Words, Timeout) ->
    Settings = [{args, ["policy", "explain" | Words]}, stream, binary, exit_status, use_stdio, stderr_to_stdout],
    try open_port({spawn_executable, Program}, Settings) of
        Port ->
            Ended = ended(Port, deadline(Timeout)),
            _ = case Ended of
                silent -> portcullis_transport_port:kill(Port);
                _ -> portcullis_transport_port:close(Port)
            end,
            Ended =:= 0
    catch error:_ -> false
    end.

ended(Port, Deadline) ->
    receive
        {Port, {data, _}} -> ended(Port, Deadline);
        {Port, {exit_status, Status}} -> Status
    after left(Deadline) -> silent
    end.

asked([], _, _, _) -> [];
asked(Questions, Program, Args, Timeout) ->
    {ok, Port} = portcullis_transport_port:open(Program, Args),
    case answer(Port, control, deadline(Timeout)) of
        lived -> each(Questions, Port, Program, Args, Timeout);
        %% It has said hello before: that it does not now is no answer to any of them.
        _ -> ok = portcullis_transport_port:kill(Port), []
    end.

each([], Port, _, _, _) ->
    ok = portcullis_transport_port:close(Port),
    [];
each([{Words, Operation, Arguments} | Rest], Port, Program, Args, Timeout) ->
    {ok, Body} = portcullis_codec:body(Operation, Arguments),
    _ = portcullis_transport_port:send(Port, portcullis_codec:request(length(Rest) + 1, Body, Timeout)),
    Name = unicode:characters_to_binary(lists:join(" ", Words)),
    case answer(Port, done, deadline(Timeout + ?GRACE)) of
        lived -> [{Name, lived} | each(Rest, Port, Program, Args, Timeout)];
        silent ->
            ok = portcullis_transport_port:kill(Port),
            [{Name, {silent, Timeout}} | asked(Rest, Program, Args, Timeout)];
        Ended -> [{Name, Ended} | asked(Rest, Program, Args, Timeout)]
    end.

answer(Port, Wanted, Deadline) ->
    receive
        Message ->
            case portcullis_transport_port:message(Message, Port) of
                {frame, Frame} ->
                    case portcullis_codec:route(Frame) of
                        {Wanted, _} -> lived;
                        _ -> answer(Port, Wanted, Deadline)
                    end;
                {closed, Reason} -> {ended, Reason};
                ignore -> answer(Port, Wanted, Deadline)
            end
    after left(Deadline) -> silent
    end.

deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

left(Deadline) -> max(0, Deadline - erlang:monotonic_time(millisecond)).
