%% @private The firewall operations as the API has them: answers put together, listings asked again that others have
%% disturbed, and the number of a change bound to the port that gave it.
-module(portcullis_firewall).

-export([list/3, change/3, check/3, confirm/2, rollback/2, json/3, commit/3, ban/3, unban/2, banned/1]).
-export_type([ref/0]).

%% How often a listing is asked for that is stale when it comes.
-define(TRIES, 5).

%% The next port counts from 1 again: a number alone could confirm somebody else's change.
-opaque ref() :: {pos_integer(), reference()}.

-type options() :: map() | [{atom(), term()}].

-spec list(portcullis:server(), term(), options()) -> {ok, [map()]} | {error, portcullis:error()}.
list(Server, #{list := What}, Options) -> list(Server, What, Options);
list(Server, What, Options) ->
    Args = portcullis_opts:with(what, What, Options),
    case again(fun() -> portcullis_request:ask(Server, nft_list, Args) end) of
        {ok, Rows, _Meta} -> {ok, [Object || #{object := Object} <- Rows]};
        {error, Error} -> {error, Error}
    end.

-spec change(portcullis:server(), term(), options()) -> {ok, portcullis:applied()} | {error, portcullis:error()}.
%% The program takes a map for a document, `#{nftables => Commands}', and would tell of a key that it lacks.
change(_, Commands, _) when is_map(Commands), not is_map_key(nftables, Commands), not is_map_key(<<"nftables">>, Commands) ->
    {error, {bad_request, [commands], {expected, list}}};
change(Server, Commands, Options) ->
    case portcullis_request:ask_one(Server, nft_apply, portcullis_opts:with(commands, Commands, Options), any) of
        {ok, Applied, Instance} -> {ok, bound(Applied, Instance)};
        {error, Error} -> {error, callable(Server, Error)}
    end.

-spec check(portcullis:server(), term(), options()) -> {ok, portcullis:applied()} | {error, portcullis:error()}.
check(Server, Commands, Options) ->
    change(Server, Commands, portcullis_opts:with(check, true, Options)).

-spec confirm(portcullis:server(), ref() | pos_integer()) -> ok | {error, portcullis:error()}.
confirm(Server, Ref) ->
    decide(Server, nft_confirm, Ref).

-spec rollback(portcullis:server(), ref() | pos_integer()) -> ok | {error, portcullis:error()}.
rollback(Server, Ref) ->
    decide(Server, nft_rollback, Ref).

decide(Server, Operation, {Ref, Instance}) when is_reference(Instance) -> decide(Server, Operation, Ref, Instance);
decide(Server, Operation, Ref) -> decide(Server, Operation, Ref, any).

decide(Server, Operation, Ref, Instance) ->
    case portcullis_request:ask_one(Server, Operation, #{ref => Ref}, Instance) of
        {ok, _, _} -> ok;
        {error, Error} -> {error, Error}
    end.

-spec json(portcullis:server(), iodata(), options()) ->
    {ok, binary() | portcullis:applied()} | {error, portcullis:error()}.
json(Server, Text, Options) ->
    Args = portcullis_opts:with(text, bytes(Text), Options),
    %% A change is never stale unless its `generation' is: it is not made again.
    Ask = fun() -> portcullis_request:ask_all(Server, nft_json, Args) end,
    Answer = case portcullis_codec:is_change(nft_json, #{text => bytes(Text)}) of
        true -> Ask();
        false -> again(Ask)
    end,
    case Answer of
        {ok, [], Applied, Instance} -> {ok, bound(Applied, Instance)};
        {ok, Rows, _Meta, _} -> {ok, << <<Piece/binary>> || #{text := Piece} <- Rows >>};
        {error, Error} -> {error, callable(Server, Error)}
    end.

%% What is no text is for the program to refuse, with the words for it.
bytes(Text) ->
    try iolist_to_binary(Text)
    catch error:badarg -> Text
    end.

%% The same for who expects nft: nothing for a change, and what is wrong with the request as text.
-spec commit(portcullis:server(), iodata(), options()) -> {ok, binary()} | {error, portcullis:error()}.
commit(Server, Text, Options) ->
    case json(Server, Text, Options) of
        {ok, Listed} when is_binary(Listed) -> {ok, Listed};
        {ok, _} -> {ok, <<>>};
        {error, {nft, 0, _, Why}} -> {ok, <<"Error: Could not process ", Why/binary, $\n>>};
        {error, {nft, Index, _, Why}} ->
            {ok, <<"Error: Could not process command ", (integer_to_binary(Index))/binary, ", ", Why/binary, $\n>>};
        {error, {Refused, _, _} = Error} when Refused =:= bad_request; Refused =:= denied_by_policy ->
            {ok, <<"Error: ", (portcullis_error:format(Error))/binary, $\n>>};
        {error, Error} -> {error, Error}
    end.

-spec ban(portcullis:server(), term(), options()) -> {ok, term()} | {error, portcullis:error()}.
ban(_, _, Options) when not is_map(Options), not is_list(Options) ->
    {error, {bad_request, [], {expected, <<"an address, and options in a map, times in milliseconds: #{timeout => 3600000}">>}}};
ban(Server, Address, Options) ->
    Args = portcullis_opts:with(address, portcullis_address:read(Address), Options),
    case portcullis_request:ask(Server, ban, Args) of
        {ok, Changed} -> {ok, Changed};
        {error, Error} -> {error, callable(Server, Error)}
    end.

-spec unban(portcullis:server(), term()) -> {ok, term()} | {error, portcullis:error()}.
unban(Server, Address) ->
    case portcullis_request:ask(Server, unban, #{address => portcullis_address:read(Address)}) of
        {ok, Changed} -> {ok, Changed};
        {error, Error} -> {error, callable(Server, Error)}
    end.

-spec banned(portcullis:server()) -> {ok, [portcullis:row()]} | {error, portcullis:error()}.
banned(Server) ->
    case again(fun() -> portcullis_request:ask(Server, banned, #{}) end) of
        {ok, Rows, _Meta} -> {ok, Rows};
        %% The table is made by the first ban.
        {error, {nft, 0, enoent, _}} -> {ok, []};
        {error, Error} -> {error, Error}
    end.

bound(#{ref := Ref} = Applied, Instance) -> Applied#{ref := {Ref, Instance}};
bound(Applied, _) -> Applied.

%% The program does not know which server asks: what it tells to call becomes what can be called.
callable(Server, {nft, 0, ebusy, What}) ->
    Of = case Server of
        portcullis -> "";
        _ when is_pid(Server) -> io_lib:format("list_to_pid(\"~w\"), ", [Server]);
        _ -> io_lib:format("~0tp, ", [Server])
    end,
    By = unicode:characters_to_binary(["portcullis:nft_\\1(", string:replace(Of, "\\", "\\\\", all), "\\2)"]),
    {nft, 0, ebusy, re:replace(What, "\\bnft_(confirm|rollback)\\((\\d+)\\)", By, [global, {return, binary}])};
callable(_, Error) -> Error.

%% Others wrote while rows were on their way.
again(Ask) -> again(Ask, ?TRIES).

again(Ask, Tries) ->
    case Ask() of
        {error, stale} when Tries > 1 -> again(Ask, Tries - 1);
        Answer -> Answer
    end.
