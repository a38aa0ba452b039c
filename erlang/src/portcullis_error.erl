%% @private Errors as one sentence each, with what mends them.
-module(portcullis_error).

-export([format/1]).

-spec format(portcullis:error() | portcullis_opts:error() | term()) -> binary().
format(Error) ->
    unicode:characters_to_binary(text(Error)).

text({error, Error}) -> text(Error);
text(timeout) -> "The deadline passed; ask for less, or give a longer one: #{timeout => Milliseconds}.";
text(overloaded) ->
    "Too many requests are in flight; wait for some answers, or raise max_in_flight and queue_limit of the server.";
text(cancelled) -> "The request was cancelled.";
text(esrch) -> "There is no such process, or its pid belongs to another one by now.";
text({refused, #{message := Message, fix := Fix}}) ->
    io_lib:format("The program refuses to serve: ~ts To mend it: ~ts", [sentence(Message), Fix]);
text({refused, Map}) -> io_lib:format("The program refuses to serve: ~0tp.", [Map]);
text({down, Reason}) -> down(Reason);
text({denied_by_policy, Rule, Hint}) -> io_lib:format("The policy does not grant ~ts: ~ts", [Rule, sentence(Hint)]);
text({not_permitted, Missing, Hint}) ->
    io_lib:format("The program does not hold ~ts: ~ts", [lists:join(", ", [atom_to_list(M) || M <- Missing]),
                                                        sentence(Hint)]);
text({unsupported, What}) -> io_lib:format("This program does not have ~ts; update it, or ask for less.", [plain(What)]);
text({posix, Errno, What}) -> io_lib:format("The kernel refused ~ts: ~ts.", [What, posix(Errno)]);
text({bad_request, Path, Why}) ->
    io_lib:format("The request is wrong~ts: ~ts; see docs/protocol.md.", [at(Path), why(Why)]);
text({unknown_outcome, Id}) -> io_lib:format("Whether change ~0tp was made is not known; look before you repeat it.", [Id]);
text({bad_option, _, _} = Error) -> portcullis_opts:format_error(Error);
text(Other) -> io_lib:format("~0tp", [Other]).

down({no_program, Tried}) ->
    io_lib:format("There is no program to start (~ts). Install it, or name it with the option path or the "
                  "environment variable PORTCULLIS_BIN; portcullis:doctor() says more.",
                  [lists:join(", ", [[File, ": ", posix(Why)] || {File, _, Why} <- Tried])]);
down({open, Program, Why}) ->
    io_lib:format("The program ~ts could not be started: ~ts; portcullis:doctor() says why.", [Program, posix(Why)]);
down({exit_status, 137}) -> "The program was killed (SIGKILL); it is started again.";
down({exit_status, 159}) ->
    "The program was killed for a forbidden system call (SIGSYS); look for its audit record: ausearch -m SECCOMP.";
down({exit_status, Status}) ->
    io_lib:format("The program ended with status ~p; portcullis:doctor() says more.", [Status]);
down(hello_timeout) ->
    "The program was started but did not say hello in time; portcullis:doctor() shows what it does.";
down({protocol, {versions, {Min, Max}}}) ->
    io_lib:format("The program speaks protocol ~p to ~p, this client 1; install the program of this release.",
                  [Min, Max]);
down({protocol, What}) ->
    io_lib:format("The program broke the protocol (~0tp); install the program of this release.", [What]);
down(epipe) -> "The program ended while it was written to; portcullis:doctor() says more.";
down(noproc) -> "There is no such server; start one with portcullis:start_link/1.";
down(stopped) -> "The server was stopped.";
down(Reason) -> io_lib:format("The connection is down: ~0tp.", [Reason]).

at([]) -> "";
at(Path) -> [" at ", lists:join(".", [step(Step) || Step <- Path])].

step(Step) when is_integer(Step) -> integer_to_list(Step);
step(Step) -> printable(Step).

why(unknown_key) -> "there is no such key";
why(missing) -> "it is missing";
why(duplicate) -> "it stands twice";
why(empty) -> "it is empty";
why(in_flight) -> "its id belongs to a request that is running";
why({expected, What}) -> io_lib:format("it should be of type ~ts", [printable(What)]);
why({range, Min, Max}) -> io_lib:format("it must be between ~p and ~p", [Min, Max]);
why({too_many, Max}) -> io_lib:format("at most ~p elements are allowed", [Max]);
why({unknown_column, Name}) -> io_lib:format("there is no column ~ts", [printable(Name)]);
why({not_comparable, Column}) -> io_lib:format("column ~ts holds lists or maps and cannot be compared", [Column]);
why({frame_too_long, Max}) -> io_lib:format("it is longer than ~p bytes", [Max]);
why(tag) -> "pids, references, functions and bit strings cannot be sent";
why(too_deep) -> "it is nested too deep";
why(too_many_pairs) -> "the map has too many pairs";
why(Other) -> io_lib:format("~0tp", [Other]).

%% Text of others: what a terminal would act on is escaped.
printable(Text) when is_atom(Text) -> io_lib:format("~tw", [Text]);
printable(Text) -> io_lib:format("~0tp", [Text]).

%% The name of an operation is whatever the caller wrote.
plain(Text) when is_binary(Text) ->
    case io_lib:printable_unicode_list(unicode:characters_to_list(Text)) of
        true -> Text;
        false -> printable(Text)
    end;
plain(Other) -> printable(Other).

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
