%% Says what process 1 runs, which the kernel tells nobody but root: once it is known, or whenever the reason changes why it is not.
-module(lookout).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_continue/2, handle_info/2, handle_call/3, handle_cast/2]).

-define(AGAIN_MS, 1000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    case gen_server:start_link({local, ?MODULE}, ?MODULE, [], []) of
        ignore -> {error, ignore};
        Started -> Started
    end.

-spec init([]) -> {ok, binary(), {continue, look}}.
init([]) ->
    {ok, <<>>, {continue, look}}.

-spec handle_continue(look, binary()) -> {noreply, binary()}.
handle_continue(look, Said) ->
    look(Said).

-spec handle_info(look, binary()) -> {noreply, binary()}.
handle_info(look, Said) ->
    look(Said).

-spec handle_call(term(), gen_server:from(), binary()) -> {reply, {error, unknown_call}, binary()}.
handle_call(_, _, Said) ->
    {reply, {error, unknown_call}, Said}.

-spec handle_cast(term(), binary()) -> {noreply, binary()}.
handle_cast(_, Said) ->
    {noreply, Said}.

look(Said) ->
    {Next, Text} = case portcullis:process(1, [comm, exe]) of
        {ok, #{comm := Name, exe := File}} -> {done, line("process 1 is ~ts: ~ts", [Name, cell(File)])};
        %% What is wrong, and the command that mends it.
        {error, Reason} -> {again, line("cannot see process 1: ~ts", [portcullis:format_error(Reason)])}
    end,
    ok = case Text of
        Said -> ok;
        _ -> io:put_chars(Text)
    end,
    case Next of
        done -> ok;
        again -> _ = erlang:send_after(?AGAIN_MS, self(), look), ok
    end,
    {noreply, Text}.

%% A cell of a row can have an error of its own: the policy's level, or what the kernel said.
cell(File) when is_binary(File) -> File;
cell(Other) -> io_lib:format("~tp", [Other]).

line(Format, Args) ->
    unicode:characters_to_binary(io_lib:format("lookout: " ++ Format ++ "\n", Args)).
