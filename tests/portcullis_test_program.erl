%% Programs that stand in the place of ours, and what they say on the wire.
-module(portcullis_test_program).

-export([script/3, says/3, hello/0, frames/1, frame/1]).

script(Config, Name, Text) ->
    Script = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(Script, ["#!/bin/sh\n", Text, "\n"]),
    ok = file:change_mode(Script, 8#700),
    Script.

%% It says the first frame at once, and the others when it is asked something. It stays for longer than a case may take.
says(Config, Name, [Hello | Answers]) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    ok = file:write_file(File ++ ".hello", frames([Hello])),
    ok = file:write_file(File ++ ".answers", frames(Answers)),
    script(Config, Name, ["cat ", File, ".hello; head -c 4 >/dev/null; cat ", File, ".answers; exec sleep 300"]).

hello() -> {hello, #{protocol => {1, 1}, role => proc, frame_max => 65536, max_in_flight => 9, credit => 16}}.

frames(Terms) ->
    [<<(byte_size(Frame)):32, Frame/binary>> || Term <- Terms, Frame <- [frame(Term)]].

%% One that is bytes already is none of the protocol.
frame(Frame) when is_binary(Frame) -> Frame;
frame(Term) -> term_to_binary(Term, [{minor_version, 2}]).
