%% @private Where the program of a role is. One order for the connection and for the doctor.
-module(portcullis_program).

-export([find/2, candidates/2, args/3]).
-export_type([tried/0, source/0]).

-include_lib("kernel/include/file.hrl").

-type source() :: path | environment | installed | development.
-type tried() :: {file:filename_all(), source(), ok | Why :: atom()}.

%% Installed folders come before `priv': whoever installed one meant it.
-define(FOLDERS, ["/usr/libexec/portcullis", "/usr/local/libexec/portcullis"]).

%% The file to start and the arguments that its place asks for. A path that was named is used or is an error; the
%% others are tried in turn.
-spec find(portcullis_opts:role(), portcullis_opts:config()) ->
    {ok, file:filename_all(), source()} | {error, {no_program, [tried()]}}.
find(Role, Config) ->
    Candidates = candidates(Role, Config),
    case lists:keyfind(ok, 3, Candidates) of
        {File, Source, ok} -> {ok, File, Source};
        false -> {error, {no_program, Candidates}}
    end.

%% Every file that is looked at, in order, and why it will not do.
-spec candidates(portcullis_opts:role(), portcullis_opts:config()) -> [tried()].
candidates(Role, #{path := Path}) when Path =/= undefined ->
    [named(Path, Role, path)];
candidates(Role, _) ->
    case os:getenv("PORTCULLIS_BIN") of
        Unset when Unset =:= false; Unset =:= "" -> [looked_at(File, Source) || {File, Source} <- places(Role)];
        Path -> [named(Path, Role, environment)]
    end.

%% What the program is started with. A build in `priv' belongs to its developer: it could never pass the checks of its
%% own file, and it must never hold a capability.
-spec args(portcullis_opts:role(), source(), portcullis_opts:config()) -> [string() | binary()].
args(Role, Source, #{args := Args, unprivileged := Unprivileged}) ->
    ["port", "--role", atom_to_list(Role)]
        ++ ["--unprivileged" || Unprivileged orelse Source =:= development]
        ++ Args.

places(Role) ->
    [{filename:join(Folder, file_name(Role)), installed} || Folder <- ?FOLDERS]
        ++ [{filename:join(Priv, "portcullis"), development} || Priv <- priv_folder()].

priv_folder() ->
    case code:priv_dir(portcullis) of
        {error, bad_name} -> [];
        Folder -> [Folder]
    end.

named(Path, Role, Source) ->
    case filelib:is_dir(Path) of
        true -> looked_at(filename:join(Path, file_name(Role)), Source);
        false -> looked_at(Path, Source)
    end.

file_name(proc) -> "portcullis-proc";
file_name(net) -> "portcullis-net".

looked_at(Path, Source) ->
    File = filename:absname(Path),
    case file:read_file_info(File, [raw]) of
        {ok, #file_info{type = regular}} -> {File, Source, executable(File)};
        {ok, #file_info{}} -> {File, Source, not_a_file};
        {error, Why} -> {File, Source, Why}
    end.

%% The way that open_port itself decides: any x bit. Whether this user may execute it, the kernel says at exec.
executable(File) ->
    case file:read_file_info(File, [raw]) of
        {ok, #file_info{mode = Mode}} when Mode band 8#111 =/= 0 -> ok;
        {ok, _} -> eacces;
        {error, Why} -> Why
    end.
