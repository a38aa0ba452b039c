%% @private The commands that mend, with absolute paths where the sources of this app are at hand: whoever reads a log is
%% not in their folder.
-module(portcullis_fix).

-export([install/1, install_command/2, role_of/1, build/0, policy/1, policy_check/0, join/4, forbidden/1, absolute/1,
         absolute/2, block/1]).

-include_lib("kernel/include/file.hrl").

%% Groups whose members may do much more than start a program (on Debian, the static gids are below 100).
-define(GREAT_GROUPS, [<<"root">>, <<"sudo">>, <<"wheel">>, <<"adm">>, <<"shadow">>, <<"docker">>, <<"disk">>, <<"lxd">>]).
-define(STATIC_GIDS, 100).

-spec install([portcullis_opts:role(), ...]) -> binary().
install(Roles) ->
    {ok, Config} = portcullis_opts:server([]),
    Installed = [File || Role <- [proc, net], {File, installed, ok} <- portcullis_program:candidates(Role, Config)],
    Command = install_command(Roles, [Gid || File <- Installed,
                                             {ok, #file_info{gid = Gid}} <- [file:read_file_info(File, [raw])]]),
    case sources() of
        none -> <<Command/binary, "   # from the source of portcullis">>;
        Folder -> absolute(Command, Folder)
    end.

%% Only the administrator knows the group, which is what decides who may start the program; once one is installed, its
%% group says it. The installer looks at the file of the same role alone.
-spec install_command([portcullis_opts:role(), ...], [non_neg_integer()]) -> binary().
install_command(Roles, Gids) ->
    Known = [Name || Gid <- Gids, Name <- [portcullis_host:group_name(Gid)], not is_great(Gid, Name)],
    Group = hd(Known ++ [<<"YOURGROUP">>]),
    text("sudo sh scripts/install.sh --group ~ts~ts",
         [Group, [[" --role ", lists:join(",", [atom_to_list(Role) || Role <- Roles])] || Roles =/= [proc]]]).

%% Whose program a file is, by its name. In doubt it is what the installer would make without a word.
-spec role_of(file:filename_all()) -> portcullis_opts:role().
role_of(File) ->
    case unicode:characters_to_list(filename:basename(File)) of
        "portcullis-net" -> net;
        _ -> proc
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
-spec join(portcullis_opts:role(), non_neg_integer(), binary(), binary()) -> binary().
join(Role, Gid, Group, User) ->
    case is_great(Gid, Group) of
        true -> install([Role]);
        false -> <<"sudo usermod -aG ", Group/binary, " ", User/binary, "   # then log in again and restart the BEAM">>
    end.

is_great(Gid, Group) ->
    Gid < ?STATIC_GIDS orelse lists:member(Group, ?GREAT_GROUPS).

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
                 true -> install([role_of(File)]);
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
    Absolute = lists:foldl(fun(Script, Text) ->
                                   Path = quoted(unicode:characters_to_binary(filename:join(Folder, Script))),
                                   binary:replace(Text, <<"sh ", Script/binary>>, <<"sh ", Path/binary>>, [global])
                           end, Fix, [<<"scripts/install.sh">>, <<"scripts/build-port.sh">>]),
    case binary:match(Fix, <<"sudo sh scripts/">>) of
        nomatch -> Absolute;
        _ -> <<Absolute/binary, (of_somebody(Folder))/binary>>
    end.

%% Whoever can write there decides what root runs.
of_somebody(Folder) ->
    case file:read_file_info(Folder, [raw]) of
        {ok, #file_info{uid = Uid}} when Uid =/= 0 ->
            <<"   # root runs what is in that folder: use a checkout of root's">>;
        _ -> <<>>
    end.

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
