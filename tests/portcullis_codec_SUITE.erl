%% The wire format, against the vectors that the port's own tests read.
-module(portcullis_codec_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

all() ->
    [vocabulary, requests, replies, routes, other_encodings, hostile_frames, cut_frames, no_new_atoms,
     unsendable_terms, sendable_bounds, roles, rows].

vectors() ->
    filename:join(filename:dirname(?FILE), "vectors").

vector(Name) ->
    {ok, Bytes} = file:read_file(filename:join(vectors(), Name)),
    Bytes.

%% Both sets are the same: what the port can send, the client knows, and nothing else.
vocabulary(_) ->
    Words = binary:split(vector("atoms.txt"), <<"\n">>, [global, trim_all]),
    Ours = [atom_to_binary(Atom) || Atom <- portcullis_codec:atoms()],
    ?assertEqual({[], []}, {Words -- Ours, Ours -- Words}).

%% As terms: the BEAM writes the pairs of a map in an order that is not the same in every release.
requests(_) ->
    Names = [filename:basename(File) || File <- filelib:wildcard(filename:join(vectors(), "request_*.etf"))],
    ?assert(length(Names) > 5),
    [?assertEqual({Name, Term}, {Name, binary_to_term(iolist_to_binary(encode(Term)))})
     || Name <- Names, Name =/= "request_forms.etf", Term <- [binary_to_term(vector(Name))]].

encode({req, Id, Operation, Args, Timeout}) ->
    {ok, Body} = portcullis_codec:body(Operation, Args),
    portcullis_codec:request(Id, Body, Timeout);
encode({cancel, Id}) -> portcullis_codec:cancel(Id);
encode({credit, Id, Chunks}) -> portcullis_codec:credit(Id, Chunks).

replies(_) ->
    Files = filelib:wildcard(filename:join(vectors(), "reply_*.etf")),
    Frames = [{Bytes, Term} || File <- Files, Bytes <- [vector(filename:basename(File))],
                               Term <- [binary_to_term(Bytes)],
                               is_tuple(Term), lists:member(element(1, Term), [hello, refused, ok, error, rows])],
    ?assert(length(Frames) > 5),
    [?assertEqual({ok, Term}, portcullis_codec:decode(Bytes)) || {Bytes, Term} <- Frames].

routes(_) ->
    Id = fun(Term) -> portcullis_codec:route(frame(Term)) end,
    [begin
         ?assertEqual({done, N}, Id({ok, N, #{}})),
         ?assertEqual({done, N}, Id({error, N, esrch})),
         ?assertEqual({rows, N}, Id({rows, N, [pid], [{1}]})),
         ?assertEqual({rows, N}, Id({rows, N, same, []})),
         ?assertEqual({event, N}, Id({event, N, 1, #{}})),
         ?assertEqual({lost, N}, Id({lost, N, 7}))
     end || N <- [1, 255, 256, (1 bsl 31) - 1, 1 bsl 31, 1 bsl 40, 1 bsl 59]],
    ?assertEqual({control, {error, 0, {bad_frame, 1, tag}}}, Id({error, 0, {bad_frame, 1, tag}})),
    ?assertEqual({control, {hello, #{}}}, Id({hello, #{}})),
    ?assertEqual({control, {refused, #{}}}, Id({refused, #{}})),
    [?assertEqual(malformed, Id(Term))
     || Term <- [ok, {ok, 1}, {ok, 0, x}, {ok, -1, x}, {error, -1, x}, {ok, 1.0, x}, {rows, 0, same, []}, {hello, []},
                 {event, 0, 1, #{}}, {event, 1, 0, #{}}, {event, 1, 1, []}, {event, 1, #{}}, {lost, 0, 1}, {lost, 1, 0},
                 {lost, 1, many},
                 {refused, x}, {req, 1, info, #{}, 1}]],
    %% Only its head is looked at on the way; who decodes it finds out.
    ?assertEqual({rows, 1}, Id({rows, 1, same, x})),
    ?assertEqual(malformed, portcullis_codec:decode(frame({rows, 1, same, x}))).

%% The same terms, written otherwise: long atoms, integers with more bytes than they need.
other_encodings(_) ->
    ?assertEqual({done, 7}, portcullis_codec:route(<<131, 104, 3, 118, 0, 2, "ok", 97, 7, 106>>)),
    ?assertEqual({done, 7}, portcullis_codec:route(<<131, 105, 3:32, 119, 2, "ok", 98, 7:32, 106>>)),
    ?assertEqual({done, 7}, portcullis_codec:route(<<131, 104, 3, 119, 2, "ok", 110, 3, 0, 7, 0, 0, 106>>)).

%% What is made to hurt a port must not hurt a client either.
hostile_frames(_) ->
    Files = filelib:wildcard(filename:join([vectors(), "hostile", "*.etf"])),
    ?assert(length(Files) > 20),
    [?assertEqual({File, malformed}, {File, portcullis_codec:route(Bytes)})
     || File <- Files, {ok, Bytes} <- [file:read_file(File)]].

cut_frames(_) ->
    Frame = vector("reply_hello.etf"),
    [?assertEqual(malformed, portcullis_codec:decode(binary:part(Frame, 0, Size)))
     || Size <- lists:seq(0, byte_size(Frame) - 1)],
    ?assertEqual(malformed, portcullis_codec:decode(<<Frame/binary, 0>>)).

no_new_atoms(_) ->
    _ = portcullis_codec:atoms(),
    Name = <<"portcullis_never_seen_", (integer_to_binary(erlang:unique_integer([positive])))/binary>>,
    Frame = <<131, 104, 3, 119, 2, "ok", 97, 1, 119, (byte_size(Name)), Name/binary>>,
    ?assertEqual(malformed, portcullis_codec:decode(Frame)),
    ?assertError(badarg, binary_to_existing_atom(Name)).

unsendable_terms(_) ->
    Why = fun(Args) -> {error, {bad_request, Path, Reason}} = portcullis_codec:body(process, Args), {Path, Reason} end,
    [?assertEqual({[where, <<"a">>, 2], tag}, Why(#{where => #{<<"a">> => [1, Bad]}}))
     || Bad <- [self(), make_ref(), fun() -> ok end, <<1:3>>]],
    ?assertEqual({[pid], integer}, Why(#{pid => 1 bsl 64})),
    ?assertEqual({[pid], integer}, Why(#{pid => -(1 bsl 64)})),
    ?assertEqual({[columns], improper_list}, Why(#{columns => [pid | comm]})),
    ?assertEqual({[where], too_many_pairs}, Why(#{where => maps:from_list([{N, N} || N <- lists:seq(1, 65)])})),
    ?assertEqual({[], {expected, atom}}, Why(#{{pid} => 1})),
    [?assertEqual({error, {bad_request, [], {expected, atom}}}, portcullis_codec:body(Operation, #{}))
     || Operation <- [{process}, "process", <<"process">>, 1, self(), []]],
    ?assertEqual({[x], atom}, Why(#{x => list_to_atom(lists:duplicate(100, 16#2603))})),
    ?assertMatch({_, too_deep}, Why(#{x => nested(15)})).

%% The frame's tuple and the arguments are two of the sixteen levels.
sendable_bounds(_) ->
    [?assertMatch({ok, _}, portcullis_codec:body(process, Args))
     || Args <- [#{}, #{x => nested(14)}, #{x => (1 bsl 64) - 1}, #{x => -(1 bsl 64) + 1}, #{x => "string"},
                 #{x => maps:from_list([{N, N} || N <- lists:seq(1, 64)])}, #{x => [[], {}, #{}, <<>>, 1.5]}]].

%% What is of one role, and what is left to the server.
roles(_) ->
    [?assertEqual({Operation, Role}, {Operation, portcullis_codec:role(Operation)})
     || {Operation, Role} <- [{process, proc}, {processes, proc}, {file_open, proc}, {file_read, proc}, {file_close, proc},
                              {ping, net}, {sysctl_set, net}, {nft_apply, net}, {nft_confirm, net},
                              {nft_rollback, net}, {nft_list, net}, {nft_json, net}, {ban, net}, {unban, net}, {banned, net}, {info, any}, {subscribe, any}, {make_tea, any}, {"process", any}]].

nested(0) -> [];
nested(N) -> [nested(N - 1)].

rows(_) ->
    Default = [pid, ppid, comm, state, uid, rss, utime, stime, starttime, cmdline],
    Expected = maps:from_list(lists:zip(Default, lists:seq(1, 10))),
    ?assertEqual({ok, [Expected]}, maps(Default, [lists:seq(1, 10)])),
    ?assertEqual({ok, [Expected, Expected]}, maps(lists:reverse(Default), lists:duplicate(2, lists:seq(10, 1, -1)))),
    Many = [list_to_atom("c" ++ integer_to_list(N)) || N <- lists:seq(1, 60)],
    ?assertEqual({ok, [maps:from_list(lists:zip(Many, lists:seq(1, 60)))]}, maps(Many, [lists:seq(1, 60)])),
    [?assertEqual(malformed, maps(Columns, [lists:seq(1, Width)]))
     || Columns <- [Default, [pid, comm]], Width <- [0, 1, 3, 9, 11]],
    ?assertEqual(malformed, portcullis_rows:maps(portcullis_rows:reader([pid]), [x])),
    ?assertEqual(malformed, portcullis_rows:maps(portcullis_rows:reader([pid]), [{1} | x])).

maps(Columns, Rows) ->
    portcullis_rows:maps(portcullis_rows:reader(Columns), [list_to_tuple(Row) || Row <- Rows]).

frame(Term) ->
    term_to_binary(Term, [{minor_version, 2}]).
