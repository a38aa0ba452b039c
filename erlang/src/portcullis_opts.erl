%% @private Everything that users can set, checked in one place.
-module(portcullis_opts).

-export([server/1, call/1, calls/1, own/2, with/3, role/2, name/1, nearest/2, format_error/1]).
-export_type([config/0, error/0, role/0, server_name/0, timeout_ms/0]).

%% The longest deadline that the port keeps; longer ones would be cut without a word.
-define(TIMEOUT_MAX, 600000).
%% `{spawn_executable, _}' passes them on as they are; the port knows few.
-define(ARGS_MAX, 32).
-define(NAME_MAX, 64).

-type role() :: portcullis:role().
-type timeout_ms() :: 1..?TIMEOUT_MAX.
-type server_name() :: {local, atom()} | {global, term()} | {via, module(), term()}.

-type config() ::
        #{name := server_name() | undefined,
          roles := [role(), ...],
          transport := port | {node, node()} | {socket, file:filename_all()},
          path := file:filename_all() | undefined,
          args := [string() | binary()],
          unprivileged := boolean(),
          max_in_flight := pos_integer(),
          queue_limit := non_neg_integer(),
          hello_timeout := timeout_ms(),
          default_timeout := timeout_ms(),
          stuck_timeout := timeout_ms(),
          backoff := {pos_integer(), pos_integer()},
          required := boolean(),
          event_handler := fun((portcullis:event()) -> term()) | undefined}.

-type error() :: portcullis:option_error().

%% Options of a server, as a list or a map, with the defaults filled in.
-spec server([portcullis:option()] | map()) -> {ok, config()} | {error, error()}.
server(Options) when is_map(Options) -> server(maps:to_list(Options));
server(Options) when is_list(Options) -> server(Options, defaults());
server(Options) -> {error, {bad_option, Options, <<"a list or a map of options">>}}.

server([], Config) -> {ok, Config};
server([{Key, Value} | Rest], Config) ->
    case option(Key, Value) of
        {ok, Checked} -> server(Rest, Config#{Key := Checked});
        {expected, What} -> {error, {bad_option, Key, What}};
        unknown -> {error, {bad_option, Key, no_such(Key)}}
    end;
server([Key | Rest], Config) when is_atom(Key) -> server([{Key, true} | Rest], Config);
server([Other | _], _) -> {error, {bad_option, Other, <<"{Name, Value}">>}};
server(_, _) -> {error, {bad_option, options, <<"a proper list">>}}.

%% The options of one call: the deadline is the client's, the rest goes to the port as it is.
%% Where an argument is called `timeout' too, both come apart: `{Args, Timeout}'.
-spec call(map() | [{atom(), term()}] | {map() | [{atom(), term()}], timeout_ms() | default}) ->
    {ok, timeout_ms() | default, map()} | {error, {bad_request, [atom()], term()}}.
call({Args, default}) when is_map(Args) -> {ok, default, Args};
call({Args, Timeout}) when is_map(Args) ->
    case call(#{timeout => Timeout}) of
        {ok, Checked, _} -> {ok, Checked, Args};
        {error, Error} -> {error, Error}
    end;
call({Args, Timeout}) when is_list(Args) ->
    case are_pairs(Args) of
        true -> call({maps:from_list(Args), Timeout});
        false -> {error, {bad_request, [], {expected, map}}}
    end;
call(Options) when is_list(Options) ->
    case are_pairs(Options) of
        true -> call(maps:from_list(Options));
        false -> {error, {bad_request, [], {expected, map}}}
    end;
call(#{timeout := Timeout} = Options) when is_integer(Timeout) ->
    case Timeout >= 1 andalso Timeout =< ?TIMEOUT_MAX of
        true -> {ok, Timeout, maps:remove(timeout, Options)};
        false -> {error, {bad_request, [timeout], {range, 1, ?TIMEOUT_MAX}}}
    end;
call(#{timeout := _}) -> {error, {bad_request, [timeout], {expected, integer}}};
call(Options) when is_map(Options) -> {ok, default, Options};
call(_) -> {error, {bad_request, [], {expected, map}}}.

%% Where it takes several requests: the options of each, and the others.
-spec calls(map() | [{atom(), term()}]) ->
    {ok, #{timeout => timeout_ms()}, map()} | {error, {bad_request, [atom()], term()}}.
calls(Options) ->
    case call(Options) of
        {ok, default, Others} -> {ok, #{}, Others};
        {ok, Timeout, Others} -> {ok, #{timeout => Timeout}, Others};
        {error, Error} -> {error, Error}
    end.

%% Options that no program sees: what each must be, and the words for it. A misspelt one would count for nothing.
-spec own(term(), #{atom() => {fun((term()) -> boolean()), Why :: term()}}) -> {ok, map()} | {error, {bad_request, [atom()], term()}}.
own(Options, Known) when is_map(Options) ->
    Wrong = [{Key, Value} || {Key, Value} <- lists:sort(maps:to_list(Options)), not fits(Key, Value, Known)],
    case Wrong of
        [] -> {ok, Options};
        [{Key, _} | _] when is_map_key(Key, Known) -> {error, {bad_request, [Key], element(2, map_get(Key, Known))}};
        [{Key, _} | _] -> {error, {bad_request, [Key], {expected, names(Known)}}}
    end;
own(Options, Known) when is_list(Options) ->
    case are_pairs(Options) of
        true -> own(maps:from_list(Options), Known);
        false -> {error, {bad_request, [], {expected, map}}}
    end;
own(_, _) -> {error, {bad_request, [], {expected, map}}}.

fits(Key, Value, Known) ->
    case Known of
        #{Key := {Is, _}} -> Is(Value);
        _ -> false
    end.

names(Known) ->
    iolist_to_binary(["one of " | lists:join(", ", [atom_to_list(Key) || Key <- lists:sort(maps:keys(Known))])]).

%% The options of one call, and one more that the caller cannot change. What is neither a map nor a proper list is an error
%% later, with the words for it.
-spec with(atom(), term(), term()) -> term().
with(Key, Value, Options) when is_map(Options) -> Options#{Key => Value};
with(Key, Value, Options) when length(Options) >= 0 -> Options ++ [{Key, Value}];
with(_, _, Options) -> Options.

%% The role that a request is for: its operation's, or for what every role has the one that is asked for.
-spec role(term(), map()) -> {ok, role() | any, map()} | {error, {bad_request, [atom()], term()}}.
role(Operation, Args) ->
    case {portcullis_codec:role(Operation), Args} of
        {any, #{role := Role}} when Role =:= proc; Role =:= net -> {ok, Role, maps:remove(role, Args)};
        {any, #{role := _}} -> {error, {bad_request, [role], {expected, role}}};
        {Role, _} -> {ok, Role, Args}
    end.

%% The name of a server that was not normalised yet; for child specs.
-spec name([portcullis:option()] | map()) -> term().
name(Options) when is_map(Options) -> maps:get(name, Options, portcullis);
name(Options) when is_list(Options) -> proplists:get_value(name, Options, portcullis).

-spec format_error(error()) -> io_lib:chars().
format_error({bad_option, Name, <<"no such option", _/binary>>}) ->
    Options = lists:sort(maps:keys(defaults())),
    Meant = case nearest(Name, Options) of
        {ok, Near} -> ["did you mean ", atom_to_list(Near), "?"];
        none -> ["there are ", lists:join(", ", [atom_to_list(Option) || Option <- Options]), "."]
    end,
    io_lib:format("There is no option ~0tp; ~ts See portcullis:start_link/1.", [Name, Meant]);
format_error({bad_option, Name, Expected}) ->
    io_lib:format("Option ~0tp must be ~ts; see portcullis:start_link/1.", [Name, Expected]).

%% For who sees the term and not the sentence.
no_such(Name) ->
    case nearest(Name, maps:keys(defaults())) of
        {ok, Near} -> <<"no such option; did you mean ", (atom_to_binary(Near))/binary, "?">>;
        none -> <<"no such option">>
    end.

%% The name that was probably meant: at most a third of its letters differ.
-spec nearest(term(), [atom()]) -> {ok, atom()} | none.
nearest(Name, Known) when is_atom(Name) -> nearest(atom_to_binary(Name), Known);
nearest(Name, Known) when is_binary(Name), byte_size(Name) =< ?NAME_MAX ->
    Letters = binary_to_list(Name),
    case lists:sort([{distance(Letters, atom_to_list(Other)), Other} || Other <- Known]) of
        [{Distance, Near} | _] when Distance * 3 =< byte_size(Name) + 1 -> {ok, Near};
        _ -> none
    end;
nearest(_, _) -> none.

%% Levenshtein's, row by row.
distance(A, B) ->
    lists:last(lists:foldl(fun(C, [First | _] = Row) -> distance(C, B, Row, [First + 1]) end,
                           lists:seq(0, length(B)), A)).

distance(_, [], _, Row) -> lists:reverse(Row);
distance(C, [D | Rest], [Diagonal, Above | Before], [Left | _] = Row) ->
    Changed = case C of D -> Diagonal; _ -> Diagonal + 1 end,
    distance(C, Rest, [Above | Before], [lists:min([Changed, Above + 1, Left + 1]) | Row]).

defaults() ->
    #{name => {local, portcullis}, roles => [proc], transport => port, path => undefined, args => [], unprivileged => false,
      max_in_flight => 1024, queue_limit => 4096, hello_timeout => 5000, default_timeout => 5000, stuck_timeout => 5000,
      backoff => {100, 30000}, required => false, event_handler => undefined}.

option(name, undefined) -> {ok, undefined};
option(name, Name) when is_atom(Name), not is_boolean(Name) -> {ok, {local, Name}};
option(name, {local, Name}) when is_atom(Name) -> {ok, {local, Name}};
option(name, {global, _} = Name) -> {ok, Name};
option(name, {via, Module, _} = Name) when is_atom(Module) -> {ok, Name};
option(name, _) -> {expected, <<"an atom, {local, Name}, {global, Name} or {via, Module, Name}">>};
option(roles, Roles) when length(Roles) > 0 ->
    expect(lists:all(fun(Role) -> Role =:= proc orelse Role =:= net end, Roles) andalso Roles =:= lists:uniq(Roles),
           Roles, <<"a list of proc and net">>);
option(roles, _) -> {expected, <<"a list of proc and net">>};
option(transport, port) -> {ok, port};
option(transport, {node, Node}) when is_atom(Node) ->
    Parts = string:split(atom_to_list(Node), "@", all),
    expect(length(Parts) =:= 2 andalso not lists:member([], Parts), {node, Node}, <<"port, {node, 'name@host'} or {socket, Folder}">>);
option(transport, {socket, Folder}) ->
    expect(is_text(Folder) andalso filename:pathtype(Folder) =:= absolute, {socket, Folder},
           <<"port, {node, 'name@host'} or {socket, \"/an/absolute/folder\"}">>);
option(transport, _) -> {expected, <<"port, {node, 'name@host'} or {socket, Folder}">>};
option(path, Path) ->
    expect(Path =:= undefined orelse is_text(Path), Path, <<"a folder or a file, as a string or a binary">>);
option(args, Args) ->
    expect(is_short(Args) andalso lists:all(fun is_text/1, Args), Args, <<"a list of at most 32 strings or binaries">>);
option(unprivileged, Flag) -> expect(is_boolean(Flag), Flag, <<"true or false">>);
option(required, Flag) -> expect(is_boolean(Flag), Flag, <<"true or false">>);
option(max_in_flight, N) -> expect(is_integer(N) andalso N > 0, N, <<"a positive integer">>);
option(queue_limit, N) -> expect(is_integer(N) andalso N >= 0, N, <<"an integer from 0">>);
option(hello_timeout, T) -> timeout(T);
option(default_timeout, T) -> timeout(T);
option(stuck_timeout, T) -> timeout(T);
option(backoff, {Min, Max}) when is_integer(Min), is_integer(Max), Min > 0, Max >= Min, Max =< ?TIMEOUT_MAX ->
    {ok, {Min, Max}};
option(backoff, _) -> {expected, <<"{Min, Max} in milliseconds, 0 < Min =< Max =< 600000">>};
option(event_handler, Fun) ->
    expect(Fun =:= undefined orelse is_function(Fun, 1), Fun, <<"a function of one argument">>);
option(_, _) -> unknown.

%% `infinity' is not accepted anywhere: a port that was stopped by a signal must not hold its callers.
timeout(T) ->
    expect(is_integer(T) andalso T >= 1 andalso T =< ?TIMEOUT_MAX, T, <<"milliseconds from 1 to 600000">>).

expect(true, Value, _) -> {ok, Value};
expect(false, _, What) -> {expected, What}.

%% No NUL: it would end the argument, or the path, early in the kernel.
is_text(<<>>) -> false;
is_text(Text) when is_binary(Text) -> binary:match(Text, <<0>>) =:= nomatch;
is_text([_ | _] = Text) -> io_lib:char_list(Text) andalso not lists:member(0, Text);
is_text(_) -> false.

%% In a guard: the length of an improper list is an exception.
is_short(List) when length(List) =< ?ARGS_MAX -> true;
is_short(_) -> false.

are_pairs([{_, _} | Rest]) -> are_pairs(Rest);
are_pairs(Rest) -> Rest =:= [].
