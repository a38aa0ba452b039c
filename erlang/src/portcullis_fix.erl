%% @private The commands that mend, with absolute paths where the sources of this app are at hand: whoever reads a log is
%% not in their folder.
-module(portcullis_fix).

-export([install/1, install_command/2, mix_command/2, built_first/2, missing/2, named/3, named_fix/2, or_else/1, role_of/1, build/0, policy/1,
         policy_check/0, join/4, forbidden/1, not_executable/5, stopped/1, absolute/1, absolute/2, block/1]).

-include_lib("kernel/include/file.hrl").

%% Groups whose members may do much more than start a program (on Debian, the static gids are below 100).
-define(GREAT_GROUPS, [<<"root">>, <<"sudo">>, <<"wheel">>, <<"adm">>, <<"shadow">>, <<"docker">>, <<"disk">>, <<"lxd">>]).
-define(STATIC_GIDS, 100).

%% What a program is refused for that is of its file and its place alone.
-define(OF_THE_FILE, [file_mode, file_owner, file_links, file_acl, directory_writable]).

%% In a Mix project the task does the same, and finds the sources and the group by itself.
-spec install([portcullis_opts:role(), ...]) -> binary().
install(Roles) ->
    Gids = [Gid || Role <- [proc, net], {File, _, ok} <- portcullis_program:installed(Role),
                   {ok, #file_info{gid = Gid}} <- [file:read_file_info(File, [raw])]],
    case {has_mix_task(), sources()} of
        {true, _} -> mix_command(Roles, Gids);
        {false, none} -> <<(install_command(Roles, Gids))/binary, "   # from the source of portcullis">>;
        {false, Folder} -> absolute(built_first(install_command(Roles, Gids), Folder), Folder)
    end.

%% What was looked for in vain. Whatever the environment names, nothing else is looked for.
-spec missing([portcullis_program:tried()], [portcullis_opts:role(), ...]) -> binary().
missing([{_, environment, _}], Roles) ->
    Installed = [Role || Role <- Roles, {_, _, ok} <- portcullis_program:installed(Role)],
    case Roles -- Installed of
        [] -> <<"unset PORTCULLIS_BIN">>;
        Absent -> named_fix(environment, install(Absent))
    end;
missing(_, Roles) ->
    install(Roles).

%% Once a program is installed, its group says who may start it. The installer makes the one that all pages name. It looks at the
%% file of the same role alone.
-spec install_command([portcullis_opts:role()], [non_neg_integer()]) -> binary().
install_command(Roles, Gids) ->
    Group = hd(known_groups(Gids) ++ [<<"portcullis">>]),
    text("sudo sh scripts/install.sh --group ~ts~ts", [Group, of_roles(Roles)]).

-spec mix_command([portcullis_opts:role()], [non_neg_integer()]) -> binary().
mix_command(Roles, Gids) ->
    Group = [[" --group ", Name] || Name <- lists:sublist(known_groups(Gids), 1)],
    text("mix portcullis.install~ts~ts", [Group, of_roles(Roles)]).

known_groups(Gids) ->
    [Name || Gid <- Gids, Name <- [portcullis_host:group_name(Gid)], not is_great(Gid, Name)].

of_roles(Roles) ->
    [[" --role ", lists:join(",", [atom_to_list(Role) || Role <- Roles])] || Roles =/= [proc]].

%% Mix is loaded where somebody works on a project, and never in a release.
has_mix_task() ->
    code:is_loaded('Elixir.Mix.Project') =/= false
        andalso code:which('Elixir.Mix.Tasks.Portcullis.Install') =/= non_existing.

%% Where nothing is built yet, there is nothing to install.
-spec built_first(binary(), file:filename_all()) -> binary().
built_first(Command, Folder) ->
    case filelib:is_regular(filename:join([Folder, "priv", "portcullis"])) of
        true -> Command;
        false -> <<"sh scripts/build-port.sh && ", Command/binary>>
    end.

%% A program that is named takes the place of whatever is installed: to install one changes nothing while it is. So both ways are
%% said, of what is wrong with that very file.
-spec named(portcullis_program:source() | undefined, file:filename_all() | undefined, map()) -> map().
named(Source, File, #{reason := Reason, message := Message, fix := Fix} = Refused) ->
    case lists:member(Reason, ?OF_THE_FILE) orelse (Reason =:= capability_missing andalso is_about(File, Fix)) of
        true -> Refused#{message := <<Message/binary, (or_else(Source))/binary>>, fix := named_fix(Source, Fix)};
        false -> Refused
    end;
named(_, _, Refused) -> Refused.

-spec or_else(portcullis_program:source() | undefined) -> binary().
or_else(environment) ->
    <<"; PORTCULLIS_BIN names this file: unset it and start the BEAM again, so that the installed program is taken, or mend the file">>;
or_else(path) -> <<"; option path names this file: leave it out, so that the installed program is taken, or mend the file">>;
or_else(_) -> <<>>.

-spec named_fix(portcullis_program:source() | undefined, binary()) -> binary().
named_fix(environment, Fix) -> <<"unset PORTCULLIS_BIN\n", Fix/binary>>;
named_fix(_, Fix) -> Fix.

is_about(File, Fix) when is_list(File); is_binary(File) -> binary:match(Fix, unicode:characters_to_binary(File)) =/= nomatch;
is_about(_, _) -> false.

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

%% The commented example, as the policy: of the sources, or of a release, which has it too.
-spec policy(file:filename_all()) -> binary().
policy(File) ->
    Folders = [filename:join(Folder, "priv") || Folder <- [sources()], Folder =/= none]
        ++ [Folder || Folder <- [code:priv_dir(portcullis)], Folder =/= {error, bad_name}],
    case [Example || Folder <- Folders, Example <- [filename:join(Folder, "policy.toml")], filelib:is_regular(Example)] of
        [] -> text("sudo install -D -m 0644 priv/policy.toml ~ts   # from the source of portcullis", [File]);
        [Example | _] -> text("sudo install -D -m 0644 ~ts ~ts", [quoted(unicode:characters_to_binary(Example)), File])
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

%% Why a user may not execute a program that is there, and what mends it.
-spec not_executable(file:filename_all(), Mode :: non_neg_integer(), Owner :: non_neg_integer(), Gid :: non_neg_integer(),
                     Uid :: non_neg_integer()) -> {binary(), binary()}.
not_executable(Program, Mode, Owner, Gid, Uid) ->
    User = portcullis_host:user_name(Uid),
    Group = portcullis_host:group_name(Gid),
    Message = text("~ts has mode ~4.8.0b, owner ~ts, group ~ts: user ~ts of this BEAM may not execute it",
                   [Program, Mode band 8#7777, portcullis_host:user_name(Owner), Group, User]),
    Fix = case lists:member(User, portcullis_host:members(Gid)) of
        _ when Uid =:= Owner; Mode band 8#010 =:= 0 -> text("sudo chmod 0750 ~ts", [Program]);
        true -> text("log in again and restart the BEAM: ~ts is in group ~ts, this BEAM is older", [User, Group]);
        false -> join(role_of(Program), Gid, Group, User)
    end,
    {Message, Fix}.

%% The same of a program that the kernel did not start, as far as its file says why.
-spec stopped(file:filename_all()) -> {ok, binary(), binary()} | none.
stopped(Program) ->
    #{uid := Uid, groups := Groups} = portcullis_host:status(),
    case file:read_file_info(Program, [raw]) of
        {ok, #file_info{mode = Mode, uid = Owner, gid = Gid}} when Uid =/= 0 ->
            Bit = case {Uid =:= Owner, lists:member(Gid, Groups)} of
                {true, _} -> 8#100;
                {false, true} -> 8#010;
                {false, false} -> 8#001
            end,
            case Mode band Bit of
                0 ->
                    {Message, Fix} = not_executable(Program, Mode, Owner, Gid, Uid),
                    {ok, Message, Fix};
                _ -> none
            end;
        _ -> none
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
