%% @private Addresses as callers write them, and who is meant where the server can be left out.
-module(portcullis_address).

-export([read/1, is_server/1]).

%% Text becomes the tuple that is sent; what is none stays as it is, and the program says what belongs there.
-spec read(term()) -> term().
read(<<_/binary>> = Text) ->
    case unicode:characters_to_list(Text) of
        Letters when is_list(Letters) -> of_text(Letters, Text);
        _ -> Text
    end;
read([_ | _] = Text) -> of_text(Text, Text);
read(Other) -> Other.

of_text(Letters, Text) ->
    try network(string:split(Letters, "/"))
    catch error:_ -> Text
    end.

network([Address]) -> address(Address);
network([Address, Bits]) -> {address(Address), bits(Bits)}.

%% `010' is eight for some and ten for others, and an interface behind a `%' is no part of an address.
address(Text) ->
    {ok, Address} = inet:parse_strict_address(Text),
    true = tuple_size(Address) =:= 8 orelse inet:ntoa(Address) =:= Text,
    false = lists:member($%, Text),
    Address.

bits(Text) ->
    Bits = list_to_integer(Text),
    true = Bits >= 0,
    Text = integer_to_list(Bits),
    Bits.

%% No address is an atom, a process, or a tuple that begins with an atom.
-spec is_server(term()) -> boolean().
is_server(Term) when is_tuple(Term), tuple_size(Term) > 1 -> is_atom(element(1, Term));
is_server(Term) -> is_atom(Term) orelse is_pid(Term).
