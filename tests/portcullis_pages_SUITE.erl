%% The Erlang of the documents, run as it stands.
-module(portcullis_pages_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [protocol_page_example, readme_example].

protocol_page_example(_) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "the page is for ordinary users"};
        _ ->
            [Code] = blocks("docs/protocol.md", "## Without a client"),
            {ok, Config} = portcullis_opts:server(#{}),
            {ok, Program, _} = portcullis_program:find(proc, Config),
            Path = "/usr/local/libexec/portcullis/portcullis-proc",
            ?assertNotEqual(nomatch, string:find(Code, Path)),
            Bindings = evaluate(string:replace(Code, Path, Program)),
            ?assert(is_binary(maps:get('Comm', Bindings))),
            true = port_close(maps:get('Port', Bindings))
    end.

readme_example(_) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "the page is for ordinary users"};
        _ ->
            [Code] = blocks("README.md", "## Erlang"),
            #{'Threads' := Threads} = evaluate(Code),
            ?assert(Threads > 0),
            ok = portcullis:stop()
    end.

%% The Erlang blocks of one section.
blocks(File, Section) ->
    {ok, Page} = file:read_file(filename:join([filename:dirname(?FILE), "..", File])),
    [_, Rest] = string:split(Page, [Section, "\n"]),
    [Body | _] = string:split(Rest, "\n## "),
    {match, Blocks} = re:run(Body, "```erlang\n(.*?)```", [global, dotall, {capture, all_but_first, list}]),
    lists:append(Blocks).

evaluate(Code) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Code)),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, _, Bindings} = erl_eval:exprs(Expressions, erl_eval:new_bindings()),
    maps:from_list(erl_eval:bindings(Bindings)).
