%% @private What the host says about the BEAM: `/proc/self/status', the mounts, the names of users and groups. Parsers
%% take bytes, so that they can be tested without the host they describe.
-module(portcullis_host).

-export([status/0, parse_status/1, mount_options/1, parse_mount_options/2, group_name/1, user_name/1, parse_name/2,
         members/1, parse_members/2]).
-export_type([status/0]).

-type status() :: #{uid := non_neg_integer(), groups := [non_neg_integer(), ...], no_new_privs := boolean(),
                    bounding := non_neg_integer()}.

-spec status() -> status().
status() ->
    parse_status(contents("/proc/self/status")).

%% proc_pid_status(5). Effective ids; the capability sets are hexadecimal.
-spec parse_status(binary()) -> status().
parse_status(Bytes) ->
    Fields = maps:from_list([{Key, string:lexemes(Value, "\t ")}
                             || Line <- lines(Bytes), [Key, Value] <- [binary:split(Line, <<":">>)]]),
    #{uid => effective(maps:get(<<"Uid">>, Fields, [])),
      groups => [effective(maps:get(<<"Gid">>, Fields, []))
                 | [binary_to_integer(G) || G <- maps:get(<<"Groups">>, Fields, [])]],
      no_new_privs => maps:get(<<"NoNewPrivs">>, Fields, []) =:= [<<"1">>],
      bounding => case maps:get(<<"CapBnd">>, Fields, []) of
                      [Hex] -> binary_to_integer(Hex, 16);
                      _ -> 0
                  end}.

effective([_Real, Effective | _]) -> binary_to_integer(Effective);
effective(_) -> 0.

%% The options of the mount that a path is on.
-spec mount_options(file:filename_all()) -> [binary()].
mount_options(Path) ->
    parse_mount_options(unicode:characters_to_binary(Path), contents("/proc/self/mountinfo")).

%% proc_pid_mountinfo(5): field 5 is the mount point, 6 its options, the last one those of the file system. The longest
%% mount point that covers the path wins; of equal ones the later, which hides the earlier.
-spec parse_mount_options(binary(), binary()) -> [binary()].
parse_mount_options(Path, Bytes) ->
    Covering = [{byte_size(Point), Options}
                || Line <- lines(Bytes),
                   [_, _, _, _, Point, Own | Rest] <- [binary:split(Line, <<" ">>, [global])],
                   covers(Point, Path),
                   Options <- [binary:split(<<Own/binary, ",", (lists:last([Own | Rest]))/binary>>, <<",">>, [global])]],
    {_, Found} = lists:foldl(fun({Size, Options}, {Longest, _}) when Size >= Longest -> {Size, Options};
                                (_, Best) -> Best
                             end, {0, []}, Covering),
    Found.

covers(<<"/">>, _) -> true;
covers(Point, Path) ->
    Size = byte_size(Point),
    case Path of
        <<Point:Size/binary>> -> true;
        <<Point:Size/binary, "/", _/binary>> -> true;
        _ -> false
    end.

-spec group_name(non_neg_integer()) -> binary().
group_name(Gid) ->
    parse_name(Gid, contents("/etc/group")).

-spec user_name(non_neg_integer()) -> binary().
user_name(Uid) ->
    parse_name(Uid, contents("/etc/passwd")).

%% passwd(5) and group(5) both have the name first and the number third. The number itself where there is no name.
-spec parse_name(non_neg_integer(), binary()) -> binary().
parse_name(Number, Bytes) ->
    Wanted = integer_to_binary(Number),
    hd([Name || Line <- lines(Bytes), [Name, _, Found | _] <- [binary:split(Line, <<":">>, [global])], Found =:= Wanted]
       ++ [Wanted]).

%% The users that a group lists.
-spec members(non_neg_integer()) -> [binary()].
members(Gid) ->
    parse_members(Gid, contents("/etc/group")).

-spec parse_members(non_neg_integer(), binary()) -> [binary()].
parse_members(Gid, Bytes) ->
    Wanted = integer_to_binary(Gid),
    lists:append([binary:split(Members, <<",">>, [global, trim_all])
                  || Line <- lines(Bytes),
                     [_, _, Found, Members] <- [binary:split(Line, <<":">>, [global])], Found =:= Wanted]).

lines(Bytes) ->
    binary:split(Bytes, <<"\n">>, [global, trim_all]).

contents(File) ->
    case file:read_file(File) of
        {ok, Bytes} -> Bytes;
        {error, _} -> <<>>
    end.
