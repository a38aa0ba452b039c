%% The examples in the documentation of our modules: found in the source, told apart by what they need, and run as they stand.
-module(portcullis_test_examples).

-export([of_module/1, run/2, evaluate/1]).

%% Each is of one kind, by the first of these words that is in it; `basic' is every other. So none is left out of all suites.
-define(KINDS, [{sysctl, "portcullis:sysctl"}, {files, "/var/log/nginx"}, {firewall, "nft"}, {firewall, "ban"}]).
%% Who is started before an example, and by one.
-define(SERVERS, [portcullis, pinger, network]).

%% [{Kind, Code}] in the order of the file.
of_module(Module) ->
    File = filename:join([filename:dirname(?FILE), "..", "erlang", "src", atom_to_list(Module) ++ ".erl"]),
    {ok, Source} = file:read_file(File),
    case re:run(Source, "^%% ```\n((?:%%.*\n)+?)%% '''$", [global, multiline, {capture, all_but_first, list}]) of
        {match, Blocks} -> [kind(re:replace(Block, "^%% ?", "", [global, multiline, {return, list}])) || [Block] <- Blocks];
        nomatch -> []
    end.

kind(Code) ->
    hd([{Kind, Code} || {Kind, Word} <- ?KINDS, string:find(Code, Word) =/= nomatch] ++ [{basic, Code}]).

%% In a process of its own, with a server under the default name unless the example starts it. Answers the bindings.
run(Code, Options) ->
    {Pid, Ref} = spawn_monitor(fun() ->
        _ = string:find(Code, "start_link([])") =/= nomatch
            orelse ({ok, _} = portcullis:start_link(portcullis_test_server:options(Options#{name => portcullis, required => true}))),
        try exit({bindings, evaluate(Code)})
        after [portcullis:stop(Server) || Server <- ?SERVERS]
        end
    end),
    receive
        {'DOWN', Ref, process, Pid, {bindings, Bindings}} -> Bindings;
        {'DOWN', Ref, process, Pid, Reason} -> ct:fail("~ts~n~p", [Code, Reason])
    end.

%% Forms end with a dot, as in the shell, and share their bindings.
evaluate(Code) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Code)),
    maps:from_list(erl_eval:bindings(forms(Tokens, erl_eval:new_bindings()))).

forms([], Bindings) -> Bindings;
forms(Tokens, Bindings) ->
    {Form, [Dot | Rest]} = lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens),
    {ok, Expressions} = erl_parse:parse_exprs(Form ++ [Dot]),
    {value, _, More} = erl_eval:exprs(Expressions, Bindings),
    forms(Rest, More).
