%% The Erlang of the documents, run as it stands.
-module(portcullis_pages_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() ->
    [{timetrap, {minutes, 5}}].

all() ->
    [protocol_page_example, readme_example, examples_of_functions].

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

%% What other policies are for is in portcullis_nft_pages_SUITE, portcullis_files_SUITE and portcullis_sysctl_SUITE.
examples_of_functions(_) ->
    case os:cmd("id -u") of
        "0\n" -> {skip, "the page is for ordinary users"};
        _ ->
            %% What the application starts for `multicall'.
            {ok, Scope} = pg:start_link(portcullis_nodes),
            [begin
                 Examples = [Code || {basic, Code} <- portcullis_test_examples:of_module(Module)],
                 ?assert(length(Examples) >= Least, Module),
                 [portcullis_test_examples:run(Code, #{}) || Code <- Examples]
             end || {Module, Least} <- [{portcullis, 12}, {portcullis_cluster, 1}, {portcullis_mon, 1}, {portcullis_doctor, 1},
                                        {portcullis_checkup, 1}]],
            true = unlink(Scope),
            ok = gen_server:stop(Scope)
    end.

%% The Erlang blocks of one section.
blocks(File, Section) ->
    {ok, Page} = file:read_file(filename:join([filename:dirname(?FILE), "..", File])),
    [_, Rest] = string:split(Page, [Section, "\n"]),
    [Body | _] = string:split(Rest, "\n## "),
    {match, Blocks} = re:run(Body, "```erlang\n(.*?)```", [global, dotall, {capture, all_but_first, list}]),
    lists:append(Blocks).

evaluate(Code) -> portcullis_test_examples:evaluate(Code).
