%% @private The wire format, without any process: requests to bytes, frames to terms. docs/protocol.md is the contract.
-module(portcullis_codec).

-export([atoms/0, is_table/1, is_value/1, is_change/2, role/1, body/2, request/3, cancel/1, credit/2, route/1, decode/1]).
-export_type([request_id/0, message/0, control/0, error/0, path/0]).

%% The bounds of the port's validator that a client can break without noticing.
-define(DEPTH_MAX, 16).
-define(NET_DEPTH_MAX, 64).
-define(NET_TERMS_MAX, (4 bsl 20)).
-define(PAIRS_MAX, 64).
-define(INTEGER_LIMIT, (1 bsl 64)).
-define(ATOM_BYTES_MAX, 255).

-define(PROTOCOL, 1).

-type request_id() :: pos_integer().
-type path() :: [atom() | binary() | integer()].
-type error() :: {bad_request, path(), Why :: term()}.
%% Frames that belong to no request; an error only with id 0.
-type control() :: {hello, map()} | {refused, map()} | {error, non_neg_integer(), term()}.
-type message() :: control()
                 | {ok, request_id(), term()}
                 | {rows, request_id(), [atom()] | same, [tuple()]}
                 | {event, request_id(), Seq :: pos_integer(), map()}
                 | {lost, request_id(), pos_integer()}.

%% The whole vocabulary of the port.
-spec atoms() -> [atom(), ...].
atoms() ->
    portcullis_atoms:all().

%% Whether the answer of an operation is rows. A table without rows sends no chunk, so the name has to tell.
-spec is_table(term()) -> boolean().
is_table(Operation) ->
    lists:member(Operation, [processes, query, nft_list, banned]).

%% Whether it is one value. That of `nft_json' depends on the text: a change is answered by a value, a listing by rows, of
%% which there is always one.
-spec is_value(term()) -> boolean().
is_value(Operation) ->
    not (is_table(Operation) orelse Operation =:= nft_json).

%% Whether something may be different after it: of such a request that was sent and not answered nobody knows what has
%% become.
-spec is_change(term(), map()) -> boolean().
is_change(nft_apply, #{check := true}) -> false;
is_change(nft_json, #{check := true}) -> false;
%% The port takes a `list' beside commands for a mistake: with one in front there is no change.
is_change(nft_json, #{text := Text}) when is_binary(Text) ->
    re:run(Text, "^\\s*(\\{\\s*\"nftables\"\\s*:\\s*)?\\[\\s*\\{\\s*\"list\"\\s*:", [{capture, none}]) =:= nomatch;
is_change(Operation, _) ->
    lists:member(Operation, [nft_apply, nft_json, nft_confirm, nft_rollback, ban, unban, sysctl_set]).

%% The role that has an operation; `any' for what every role has, and for what none has.
-spec role(term()) -> proc | net | any.
role(process) -> proc;
role(processes) -> proc;
role(query) -> proc;
role(tables) -> proc;
role(file_open) -> proc;
role(file_read) -> proc;
role(file_close) -> proc;
role(ping) -> net;
role(sysctl_get) -> net;
role(sysctl_set) -> net;
role(sysctl_list) -> net;
role(nft_apply) -> net;
role(nft_confirm) -> net;
role(nft_rollback) -> net;
role(nft_list) -> net;
role(nft_json) -> net;
role(ban) -> net;
role(unban) -> net;
role(banned) -> net;
role(_) -> any.

%% Operation and arguments as the middle of a request frame. What the port's validator would answer under id 0, where
%% nobody could tell whose it is, is found here and has a path.
-spec body(term(), map()) -> {ok, binary()} | {error, error()}.
body(Operation, _) when not is_atom(Operation) ->
    {error, {bad_request, [], {expected, atom}}};
body(Operation, Args) ->
    try
        ok = check(Operation, 1, []),
        %% The frame's tuple is one level.
        ok = check(Args, levels(Operation) - 1, []),
        Body = <<(bare(Operation))/binary, (bare(Args))/binary>>,
        %% A term has a byte at least, so that only long ones need counting.
        ok = accept(byte_size(Body) =< ?NET_TERMS_MAX orelse count(Args) =< ?NET_TERMS_MAX, [], too_many_terms),
        {ok, Body}
    catch
        throw:{Path, Why} -> {error, {bad_request, lists:reverse(Path), Why}}
    end.

-spec request(request_id(), binary(), pos_integer()) -> [binary(), ...].
request(Id, Body, Timeout) ->
    [<<131, 104, 5, 119, 3, "req">>, integer(Id), Body, integer(Timeout)].

-spec cancel(request_id()) -> [binary(), ...].
cancel(Id) ->
    [<<131, 104, 2, 119, 6, "cancel">>, integer(Id)].

-spec credit(request_id(), pos_integer()) -> [binary(), ...].
credit(Id, Chunks) ->
    [<<131, 104, 3, 119, 6, "credit">>, integer(Id), integer(Chunks)].

%% Whose a frame is. Only the first bytes of an answer are looked at: who asked decodes it, so that one connection
%% serves many callers without doing their work.
-spec route(binary()) -> {done | rows | event | lost, request_id()} | {control, control()} | malformed.
route(<<131, 104, 4, 119, 4, "rows", Rest/binary>> = Frame) -> route(rows, Rest, Frame);
route(<<131, 104, 3, 119, 2, "ok", Rest/binary>> = Frame) -> route(done, Rest, Frame);
route(<<131, 104, 3, 119, 5, "error", Rest/binary>> = Frame) -> route(done, Rest, Frame);
route(Frame) -> route_decoded(Frame).

route(Kind, <<97, Id, _/binary>>, _) when Id > 0 -> {Kind, Id};
route(Kind, <<98, Id:32/signed, _/binary>>, _) when Id > 0 -> {Kind, Id};
route(Kind, <<110, Size, 0, Id:Size/little-unit:8, _/binary>>, _) when Id > 0 -> {Kind, Id};
route(_, _, Frame) -> route_decoded(Frame).

%% Any other way to write the same terms, and the frames that belong to nobody.
route_decoded(Frame) ->
    case decode(Frame) of
        {ok, {rows, Id, _, _}} -> {rows, Id};
        {ok, {event, Id, _, _}} -> {event, Id};
        {ok, {lost, Id, _}} -> {lost, Id};
        {ok, {ok, Id, _}} -> {done, Id};
        {ok, {error, Id, _}} when Id > 0 -> {done, Id};
        {ok, Message} -> {control, Message};
        malformed -> malformed
    end.

%% A frame from the port. `safe' makes no atoms, so those that the port sends have to exist, on whichever node this is;
%% `used' finds bytes after the term. A compressed term (80) can be a thousand times its frame; the port makes none.
-spec decode(binary()) -> {ok, message()} | malformed.
decode(<<131, 80, _/binary>>) -> malformed;
decode(Frame) ->
    ok = portcullis_atoms:load(),
    try binary_to_term(Frame, [safe, used]) of
        {Term, Used} when Used =:= byte_size(Frame) -> message(Term);
        _ -> malformed
    catch
        error:badarg -> malformed
    end.

message({ok, Id, _} = Message) when is_integer(Id), Id > 0 -> {ok, Message};
message({error, Id, _} = Message) when is_integer(Id), Id >= 0 -> {ok, Message};
message({rows, Id, same, Rows} = Message) when is_integer(Id), Id > 0, is_list(Rows) -> {ok, Message};
message({rows, Id, [_ | _] = Columns, Rows} = Message) when is_integer(Id), Id > 0, is_list(Rows) ->
    accept_message(is(atoms, Columns), Message);
message({event, Id, Seq, Event} = Message) when is_integer(Id), Id > 0, is_integer(Seq), Seq > 0, is_map(Event) ->
    {ok, Message};
message({lost, Id, N} = Message) when is_integer(Id), Id > 0, is_integer(N), N > 0 -> {ok, Message};
message({hello, Map} = Message) when is_map(Map) -> accept_message(is_hello(Map), Message);
message({refused, Map} = Message) when is_map(Map) -> accept_message(is_refused(Map), Message);
message(_) -> malformed.

accept_message(true, Message) -> {ok, Message};
accept_message(false, _) -> malformed.

%% What both are made of is read by people and by the connection: no other type goes further. Keys that a later program
%% may add are left alone, and so is all of a hello in a protocol that is not ours.
is_hello(#{protocol := {Min, Max}}) when is_integer(Min), is_integer(Max), (Min > ?PROTOCOL orelse Max < ?PROTOCOL) ->
    true;
is_hello(Map) ->
    fits(Map, #{protocol => versions, version => text, role => atom, operations => atoms, features => atoms,
                frame_max => positive, reply_max => positive, credit => positive, max_in_flight => positive,
                capabilities => atoms, missing => atoms, findings => findings, policy => text,
                ticks_per_s => positive, page_size => positive, boot_time => integer}).

is_refused(Map) ->
    fits(Map, #{code => integer, reason => atom, message => text, fix => text}).

fits(Map, Types) ->
    lists:all(fun({Key, Value}) ->
                      case Types of
                          #{Key := Type} -> is(Type, Value);
                          _ -> true
                      end
              end, maps:to_list(Map)).

is(atom, Value) -> is_atom(Value);
is(integer, Value) -> is_integer(Value);
is(positive, Value) -> is_integer(Value) andalso Value > 0;
is(text, Value) -> is_binary(Value) andalso is_list(unicode:characters_to_list(Value));
is(versions, {Min, Max}) -> is_integer(Min) andalso is_integer(Max);
is(versions, _) -> false;
is(atoms, Values) -> is_proper(Values) andalso lists:all(fun is_atom/1, Values);
is(findings, Values) -> is_proper(Values) andalso lists:all(fun(Map) -> is_map(Map) andalso is_refused(Map) end, Values).

is_proper(List) when length(List) >= 0 -> true;
is_proper(_) -> false.

%% minor_version 2: UTF-8 atoms, which OTP 25 does not write by itself.
bare(Term) ->
    <<131, Bare/binary>> = term_to_binary(Term, [{minor_version, 2}]),
    Bare.

integer(N) when N < 256 -> <<97, N>>;
integer(N) when N < (1 bsl 31) -> <<98, N:32>>;
integer(N) -> bare(N).

levels(Operation) ->
    case role(Operation) of
        net -> ?NET_DEPTH_MAX;
        _ -> ?DEPTH_MAX
    end.

count(List) when is_list(List) -> lists:foldl(fun(Term, N) -> N + count(Term) end, 1, List);
count(Tuple) when is_tuple(Tuple) -> count(tuple_to_list(Tuple));
count(Map) when is_map(Map) -> maps:fold(fun(Key, Value, N) -> N + count(Key) + count(Value) end, 1, Map);
count(_) -> 1.

%% `Left' levels may still be opened.
check(Term, _, _) when is_binary(Term); is_float(Term) -> ok;
check(Term, _, Path) when is_atom(Term) ->
    accept(byte_size(atom_to_binary(Term)) =< ?ATOM_BYTES_MAX, Path, atom);
check(Term, _, Path) when is_integer(Term) ->
    accept(abs(Term) < ?INTEGER_LIMIT, Path, integer);
check(Empty, _, _) when Empty =:= []; Empty =:= {}; Empty =:= #{} -> ok;
check(Term, 0, Path) when is_list(Term); is_tuple(Term); is_map(Term) ->
    throw({Path, too_deep});
check(Term, Left, Path) when is_list(Term) -> check_list(Term, 1, Left - 1, Path);
check(Term, Left, Path) when is_tuple(Term) -> check_list(tuple_to_list(Term), 1, Left - 1, Path);
check(Term, Left, Path) when is_map(Term) ->
    ok = accept(map_size(Term) =< ?PAIRS_MAX, Path, too_many_pairs),
    check_pairs(maps:to_list(Term), Left - 1, Path);
check(_, _, Path) -> throw({Path, tag}).

check_list([], _, _, _) -> ok;
check_list([Term | Rest], Position, Left, Path) ->
    ok = check(Term, Left, [Position | Path]),
    check_list(Rest, Position + 1, Left, Path);
check_list(_, _, _, Path) -> throw({Path, improper_list}).

check_pairs([], _, _) -> ok;
check_pairs([{Key, Value} | Rest], Left, Path) when is_atom(Key); is_binary(Key); is_integer(Key) ->
    ok = check(Key, Left, Path),
    ok = check(Value, Left, [Key | Path]),
    check_pairs(Rest, Left, Path);
check_pairs(_, _, Path) -> throw({Path, {expected, atom}}).

accept(true, _, _) -> ok;
accept(false, Path, Why) -> throw({Path, Why}).
