#!/usr/bin/env escript
%% What a reader types in the shell of Erlang: each line of standard input names a file with expressions. Variables and the mailbox stay.
%% What the last expression was is printed, as the shell does. The last line of each answer begins with \x01.
main([Ebin]) ->
    true = code:add_patha(Ebin),
    _ = io:setopts([{encoding, unicode}]),
    loop(erl_eval:new_bindings()).

loop(Bindings) ->
    case io:get_line("") of
        Line when is_list(Line) -> loop(block(string:trim(Line), Bindings));
        _ -> halt(0)
    end.

block(Path, Bindings) ->
    try
        {ok, Text} = file:read_file(Path),
        {Value, New} = forms(unicode:characters_to_list(Text), {ok, Bindings}),
        [io:format("~tp~n", [Value]) || Value =/= ok],
        io:format("\x01end ok~n"),
        New
    catch
        Class:Reason ->
            io:format("~n\x01end ~ts~n", [string:replace(io_lib:format("~p: ~0tp", [Class, Reason]), "\n", " ", all)]),
            Bindings
    end.

%% As many as there are, each with its full stop.
forms(Text, {Value, Bindings}) ->
    case erl_scan:tokens([], Text, 1) of
        {done, {ok, Tokens, _}, Rest} ->
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            {value, Next, New} = erl_eval:exprs(Expressions, Bindings),
            forms(Rest, {Next, New});
        _ ->
            %% What has no full stop would wait in the shell for ever.
            {ok, [], _} = erl_scan:string(Text),
            {Value, Bindings}
    end.
