%% @private The commands that mend, with absolute paths where the sources of this app are at hand: whoever reads a log is
%% not in their folder.
-module(portcullis_fix).

-export([install/0, build/0, policy/1, policy_check/0, join/3, forbidden/1, absolute/1, absolute/2, block/1]).

-include_lib("kernel/include/file.hrl").

%% Groups whose members may do much more than start a program (on Debian, the static gids are below 100).
-define(GREAT_GROUPS, [<<"root">>, <<"sudo">>, <<"wheel">>, <<"adm">>, <<"shadow">>, <<"docker">>, <<"disk">>, <<"lxd">>]).
-define(STATIC_GIDS, 100).

%% Only the administrator knows the group, which is what decides who may start the program.
-spec install() -> binary().
install() ->
    case sources() of
        none -> <<"sudo sh scripts/install.sh --group YOURGROUP   # from the source of portcullis">>;
        Folder -> absolute(<<"sudo sh scripts/install.sh --group YOURGROUP">>, Folder)
    end.

-spec build() -> binary().
build() ->
    case sources() of
        none -> <<"sh scripts/build-port.sh   # from the source of portcullis">>;
        Folder -> absolute(<<"sh scripts/build-port.sh">>, Folder)
    end.

%% The commented example, as the policy.
-spec policy(file:filename_all()) -> binary().
policy(File) ->
    case sources() of
        none -> text("sudo install -D -m 0644 priv/policy.toml ~ts   # from the source of portcullis", [File]);
        Folder ->
            Example = quoted(unicode:characters_to_binary(filename:join([Folder, "priv", "policy.toml"]))),
            text("sudo install -D -m 0644 ~ts ~ts", [Example, File])
    end.

%% Either program reads the whole policy.
-spec policy_check() -> binary().
policy_check() ->
    {ok, Config} = portcullis_opts:server([]),
    Found = [File || Role <- [proc, net], {ok, File, _} <- [portcullis_program:find(Role, Config)]],
    text("~ts policy check", [hd(Found ++ ["portcullis-proc"])]).

%% Who may start the program is who is in the group of its file. Where that group can do more, the file is given another.
-spec join(non_neg_integer(), binary(), binary()) -> binary().
join(Gid, Group, User) ->
    case Gid < ?STATIC_GIDS orelse lists:member(Group, ?GREAT_GROUPS) of
        true -> install();
        false -> <<"sudo usermod -aG ", Group/binary, " ", User/binary, "   # then log in again and restart the BEAM">>
    end.

%% Why a file cannot be reached or executed, and what mends it. The home of a user is not opened to all for it.
-spec forbidden(file:filename_all()) -> {Message :: unicode:chardata(), binary()}.
forbidden(File) ->
    case portcullis_program:unreachable(File) of
        none -> {"no x bit in its mode", text("sudo chmod 0750 ~ts", [File])};
        {ok, Folder} ->
            Home = case filename:split(Folder) of
                ["/", "root" | _] -> true;
                ["/", "home" | _] -> true;
                _ -> false
            end,
            {text("folder ~ts~ts lets this user not pass", [Folder, mode(Folder)]),
             case Home of
                 true -> install();
                 false -> text("sudo chmod 0755 ~ts", [Folder])
             end}
    end.

mode(Folder) ->
    case file:read_file_info(Folder, [raw]) of
        {ok, #file_info{mode = Mode}} -> io_lib:format(" (mode ~4.8.0b)", [Mode band 8#7777]);
        {error, _} -> ""
    end.

text(Format, Args) ->
    portcullis_error:text(Format, Args).

%% A fix as the program gave it, which does not know where the sources are.
-spec absolute(unicode:chardata()) -> binary().
absolute(Fix) ->
    absolute(unicode:characters_to_binary(Fix), sources()).

-spec absolute(binary(), file:filename_all() | none) -> binary().
absolute(Fix, none) -> Fix;
absolute(Fix, Folder) ->
    lists:foldl(fun(Script, Text) ->
                        Path = quoted(unicode:characters_to_binary(filename:join(Folder, Script))),
                        binary:replace(Text, <<"sh ", Script/binary>>, <<"sh ", Path/binary>>, [global])
                end, Fix, [<<"scripts/install.sh">>, <<"scripts/build-port.sh">>]).

%% A command alone on its lines, to be copied.
-spec block(binary()) -> nonempty_binary().
block(Command) ->
    Lines = binary:split(Command, <<"\n">>, [global, trim_all]),
    <<"\n", << <<"    ", Line/binary, "\n">> || Line <- Lines >>/binary>>.

%% For a shell, whatever is in it.
quoted(Path) ->
    case re:run(Path, "^[A-Za-z0-9_./+-]+$", [{capture, none}]) of
        match -> Path;
        nomatch -> <<"'", (binary:replace(Path, <<"'">>, <<"'\\''">>, [global]))/binary, "'">>
    end.

%% The app itself, or what its `priv' points to: rebar3 and Mix build next to the sources, and link it.
sources() ->
    Folders = case code:lib_dir(portcullis) of
        {error, bad_name} -> [];
        Lib -> [Lib | linked(filename:join(Lib, "priv")) ++ linked(filename:join(Lib, "erlang"))]
    end,
    case [Folder || Folder <- Folders, filelib:is_regular(filename:join([Folder, "scripts", "install.sh"]))] of
        [Folder | _] -> Folder;
        [] -> none
    end.

linked(Link) ->
    case file:read_link_all(Link) of
        {ok, Target} -> [without_dots(filename:dirname(filename:absname(Target, filename:dirname(filename:absname(Link)))))];
        {error, _} -> []
    end.

without_dots(Path) ->
    filename:join(lists:reverse(lists:foldl(fun("..", [_ | Above]) -> Above; (Name, Above) -> [Name | Above] end, [],
                                            filename:split(Path)))).
