%% @private Where the program of a role is. One order for the connection and for the doctor.
-module(portcullis_program).

-export([find/2, candidates/2, installed/1, choose/1, unreachable/1, args/3]).
-export_type([tried/0, source/0]).

-include_lib("kernel/include/file.hrl").

-type source() :: path | environment | installed | development.
-type tried() :: {file:filename_all(), source(), ok | Why :: atom()}.

-define(FOLDERS, ["/usr/libexec/portcullis", "/usr/local/libexec/portcullis"]).

%% The file to start, or what was looked at in vain.
-spec find(portcullis_opts:role(), portcullis_opts:config()) ->
    {ok, file:filename_all(), source()} | {error, {no_program, [tried()]}}.
find(Role, Config) ->
    choose(candidates(Role, Config)).

%% The first that exists is meant, and is used or is an error: an installation that cannot be reached must not be
%% passed over for another program without a word.
-spec choose([tried()]) -> {ok, file:filename_all(), source()} | {error, {no_program, [tried()]}}.
choose(Candidates) ->
    {Absent, Rest} = lists:splitwith(fun({_, _, Why}) -> Why =:= enoent orelse Why =:= enotdir end, Candidates),
    case Rest of
        [{File, Source, ok} | _] -> {ok, File, Source};
        [Unusable | _] -> {error, {no_program, Absent ++ [Unusable]}};
        [] -> {error, {no_program, Absent}}
    end.

%% Every file that can be meant, in order, and why it will not do.
-spec candidates(portcullis_opts:role(), portcullis_opts:config()) -> [tried()].
candidates(Role, #{path := Path}) when Path =/= undefined ->
    [named(Path, Role, path)];
candidates(Role, Config) ->
    case os:getenv("PORTCULLIS_BIN") of
        Unset when Unset =:= false; Unset =:= "" -> [looked_at(File, Source) || {File, Source} <- places(Role, Config)];
        Path -> [named(Path, Role, environment)]
    end.

%% Those that an installation makes, whatever the environment names.
-spec installed(portcullis_opts:role()) -> [tried()].
installed(Role) ->
    [looked_at(filename:join(Folder, file_name(Role)), installed) || Folder <- ?FOLDERS].

%% The folder that keeps this user from a file, the uppermost of them.
-spec unreachable(file:filename_all()) -> {ok, file:filename_all()} | none.
unreachable(File) ->
    unreachable(filename:split(File), "").

unreachable([Folder, Name | Rest], Above) ->
    Here = filename:join(Above, Folder),
    case file:read_file_info(filename:join(Here, Name), [raw]) of
        {error, eacces} -> {ok, Here};
        _ -> unreachable([Name | Rest], Here)
    end;
unreachable(_, _) ->
    none.

%% What the program is started with. A build in `priv' belongs to its developer: it could never pass the checks of its
%% own file, and it must never hold a capability.
-spec args(portcullis_opts:role(), source(), portcullis_opts:config()) -> [string() | binary()].
args(Role, Source, #{args := Args, unprivileged := Unprivileged}) ->
    ["port", "--role", atom_to_list(Role)]
        ++ ["--unprivileged" || Unprivileged orelse Source =:= development]
        ++ Args.

%% A build in `priv' only for those who ask for a program without capabilities. Installed ones come before it: whoever
%% installed one meant it.
places(Role, #{unprivileged := Unprivileged}) ->
    [{filename:join(Folder, file_name(Role)), installed} || Folder <- ?FOLDERS]
        ++ [{filename:join(Priv, "portcullis"), development} || Unprivileged, Priv <- priv_folder()].

%% With `-pa' alone there is no application: beside the code, as there would be with one.
priv_folder() ->
    case {code:priv_dir(portcullis), code:which(?MODULE)} of
        {{error, bad_name}, [_ | _] = Beam} -> [filename:join(filename:dirname(filename:dirname(Beam)), "priv")];
        {{error, bad_name}, _} -> [];
        {Folder, _} -> [Folder]
    end.

named(Path, Role, Source) ->
    case filelib:is_dir(Path) of
        true -> looked_at(filename:join(Path, file_name(Role)), Source);
        false -> of_role(filename:basename(Path), Role, looked_at(Path, Source))
    end.

%% It would lack the capabilities of this role, and say how to give it some that its own must not have.
of_role(Name, Role, {File, Source, ok}) ->
    case [Other || Other <- [proc, net] -- [Role], string:equal(Name, file_name(Other))] of
        [] -> {File, Source, ok};
        [_] -> {File, Source, other_role}
    end;
of_role(_, _, Tried) -> Tried.

file_name(proc) -> "portcullis-proc";
file_name(net) -> "portcullis-net".

%% As open_port itself decides: any x bit. Whether this user may execute it, the kernel says at exec.
looked_at(Path, Source) ->
    File = filename:absname(Path),
    case file:read_file_info(File, [raw]) of
        {ok, #file_info{type = regular, mode = Mode}} when Mode band 8#111 =/= 0 -> {File, Source, ok};
        {ok, #file_info{type = regular}} -> {File, Source, eacces};
        {ok, #file_info{}} -> {File, Source, not_a_file};
        {error, Why} -> {File, Source, Why}
    end.
