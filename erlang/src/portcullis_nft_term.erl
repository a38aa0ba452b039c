%% @private What callers of `portcullis_nft' write (atoms, strings, addresses, pairs) to terms of the schema libnftables-json(5).
%% No atom is made of anything.
-module(portcullis_nft_term).

-export([object/5, options/1, identity/1, type/1, mapping/2, nat/1, elements/1, value/1, word/1]).

%% What these functions make is more than callers shall know of it.
-dialyzer(no_underspecs).

-type name() :: portcullis_nft:name().
-type options() :: portcullis_nft:options().

-spec object(atom(), portcullis_nft:family(), name(), name(), options()) -> portcullis_nft:object().
object(Kind, Family, Table, Name, Options) ->
    #{Kind => (options(Options))#{family => word(Family), table => word(Table), name => word(Name)}}.

-spec options(options()) -> options().
options(Options) ->
    maps:map(fun(elem, {done, Elements}) -> Elements;
                (elem, Elements) -> elements(Elements);
                (_, Value) -> value(Value)
             end, Options).

%% What names an object. A listing has the handle beside the name, and the schema takes one of them.
-spec identity(portcullis_nft:object()) -> portcullis_nft:object().
identity(#{table := Table}) -> #{table => either(Table, maps:with([family], Table))};
identity(#{rule := Rule}) -> #{rule => maps:with([family, table, chain, handle], Rule)};
identity(#{element := Elements}) -> #{element => maps:with([family, table, name, elem], Elements)};
identity(Object) ->
    maps:map(fun(_, Parts) when is_map(Parts) -> either(Parts, maps:with([family, table], Parts));
                (_, Other) -> Other
             end, Object).

either(#{name := Name}, Place) -> Place#{name => Name};
either(#{handle := Handle}, Place) -> Place#{handle => Handle};
either(_, Place) -> Place.

-spec type(name() | [name()] | portcullis_nft:expression()) -> portcullis_nft:value().
type(#{typeof := _} = Type) -> Type;
type(Expression) when is_map(Expression) -> #{typeof => Expression};
type(Words) -> value(Words).

-spec mapping(portcullis_nft:expression(), [{portcullis_nft:value(), portcullis_nft:value()}] | binary()) -> map().
mapping(Key, Data) when is_list(Data) -> #{key => Key, data => #{set => elements(Data)}};
mapping(Key, Data) -> #{key => Key, data => Data}.

-spec nat(portcullis_nft:value()) -> options().
nat(Options) when is_map(Options) ->
    case maps:keys(Options) -- [addr, port, family, flags, type_flags] of
        [] -> options(Options);
        %% An expression.
        _ -> #{addr => Options}
    end;
nat(Address) -> #{addr => value(Address)}.

-spec elements([portcullis_nft:value() | {portcullis_nft:value(), portcullis_nft:value()}]) -> [term()].
elements(Elements) -> [pair(Element) || Element <- Elements].

pair({Key, Data}) -> [value(Key), value(Data)];
pair(Value) -> value(Value).

-spec value(portcullis_nft:value()) -> term().
value(Value) when is_integer(Value); is_binary(Value); is_map(Value); is_boolean(Value); Value =:= null -> Value;
value(Word) when is_atom(Word) -> atom_to_binary(Word);
value(Address) when tuple_size(Address) =:= 4; tuple_size(Address) =:= 8 -> list_to_binary(inet:ntoa(Address));
value([First | _] = Text) when is_integer(First) ->
    %% A list of numbers that is meant as one would be another port: [53] is the text "5".
    case lists:all(fun is_digit/1, Text) orelse not io_lib:printable_unicode_list(Text) of
        true -> error({bad_value, Text, <<"a number is written without brackets and quotes, one of several numbers as "
                                          "portcullis_nft:set([22, 80]), a text of digits as a binary">>});
        false -> word(Text)
    end;
value(Values) when is_list(Values) -> [value(Value) || Value <- Values];
value(Other) ->
    error({bad_value, Other, <<"it should be a number, an atom, a text, an address, an expression, or a list of them; from one to another: "
                               "portcullis_nft:range(22, 80)">>}).

is_digit(Character) -> Character >= $0 andalso Character =< $9.

-spec word(name()) -> binary().
word(Word) when is_binary(Word) -> Word;
word(Word) when is_atom(Word) -> atom_to_binary(Word);
word(Word) when is_list(Word) ->
    Bytes = <<_/binary>> = unicode:characters_to_binary(Word),
    Bytes.
