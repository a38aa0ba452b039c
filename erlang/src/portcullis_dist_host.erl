%% @private What the host says about Erlang's distribution: the tables of TCP sockets, EPMD, the sockets of this node, a
%% cookie file. Parsers take bytes, so that they can be tested without the host they describe.
-module(portcullis_dist_host).

-export([sockets/0, parse_sockets/1, is_open/1, unmapped/1, services/1, known_nodes/0, cookie/1, measure/1, range/3]).
-export_type([socket/0, service/0, cookie/0]).

-include_lib("kernel/include/file.hrl").
-include_lib("kernel/include/net_address.hrl").

-define(EPMD_PORT, 4369).
%% What may answer on that port is anybody's; the names of 1,000 nodes need a tenth of it. In words.
-define(EPMD_HEAP_MAX, 1000000).
%% A cookie is an atom. What is longer than some of them is none, and not worth reading.
-define(COOKIE_FILE_MAX, 4096).

-type socket() :: {listen | established, Local :: endpoint(), Remote :: endpoint()}.
-type endpoint() :: {inet:ip_address(), inet:port_number()}.
-type service() :: {epmd | this_node | node, Name :: binary(), inet:port_number()}.
-type cookie() :: #{mode := non_neg_integer(), uid := non_neg_integer(), size := non_neg_integer(),
                    made_by_otp := boolean()}.

%% --- the tables of sockets ------------------------------------------------------------------------------------------

%% Of the network namespace that the BEAM is in. A kernel without IPv6 has no second table.
-spec sockets() -> {ok, [socket()]} | {error, {posix, atom(), binary()}}.
sockets() ->
    case [{File, file:read_file(File)} || File <- [<<"/proc/net/tcp">>, <<"/proc/net/tcp6">>]] of
        [{_, {ok, Four}}, {_, {ok, Six}}] -> {ok, parse_sockets(Four) ++ parse_sockets(Six)};
        [{_, {ok, Four}}, {_, {error, enoent}}] -> {ok, parse_sockets(Four)};
        Results -> hd([{error, {posix, Why, <<"reading ", File/binary>>}} || {File, {error, Why}} <- Results])
    end.

%% proc_pid_net(5): who listens, and who is connected. Other states are on their way to or from these.
-spec parse_sockets(binary()) -> [socket()].
parse_sockets(Bytes) ->
    [Socket || Line <- binary:split(Bytes, <<"\n">>, [global, trim_all]),
               [_, Fields] <- [binary:split(Line, <<": ">>)], Socket <- socket(Fields)].

socket(<<Local:8/binary, ":", LocalPort:4/binary, " ", Remote:8/binary, ":", Port:4/binary, " ", State:2/binary, " ",
         _/binary>>) ->
    socket(State, {Local, LocalPort}, {Remote, Port});
socket(<<Local:32/binary, ":", LocalPort:4/binary, " ", Remote:32/binary, ":", Port:4/binary, " ", State:2/binary, " ",
         _/binary>>) ->
    socket(State, {Local, LocalPort}, {Remote, Port});
socket(_) -> [].

socket(<<"0A">>, Local, Remote) -> socket(listen, Local, Remote);
socket(<<"01">>, Local, Remote) -> socket(established, Local, Remote);
socket(State, Local, Remote) when is_atom(State) ->
    try [{State, endpoint(Local), endpoint(Remote)}]
    catch error:badarg -> []
    end;
socket(_, _, _) -> [].

%% The kernel prints addresses as words of the host's byte order, ports as numbers.
endpoint({Address, Port}) ->
    <<Number:16>> = binary:decode_hex(Port),
    {address(<< <<Word:32/native>> || <<Word:32>> <= binary:decode_hex(Address) >>), Number}.

address(<<A, B, C, D>>) -> {A, B, C, D};
address(Bytes) -> unmapped(list_to_tuple([Word || <<Word:16>> <= Bytes])).

%% An IPv4 address that came through an IPv6 socket is the same host.
-spec unmapped(inet:ip_address()) -> inet:ip_address().
unmapped({0, 0, 0, 0, 0, 16#ffff, High, Low}) -> {High bsr 8, High band 255, Low bsr 8, Low band 255};
unmapped(Address) -> Address.

%% Can it be reached from elsewhere? All addresses but the loopback's can, also private ones.
-spec is_open(inet:ip_address()) -> boolean().
is_open({127, _, _, _}) -> false;
is_open({0, 0, 0, 0, 0, 0, 0, 1}) -> false;
is_open(_) -> true.

%% --- EPMD and this node ---------------------------------------------------------------------------------------------

%% The ports of distribution on this host: EPMD's, this node's own, and of the names that EPMD lists.
-spec services(Timeout :: pos_integer()) -> [service(), ...].
services(Timeout) ->
    Names = epmd_names(Timeout),
    Own = [{this_node, atom_to_binary(node()), Port} || Port <- own_ports()],
    Others = [{node, Name, Port} || {Name, Port} <- Names, not lists:keymember(Port, 3, Own)],
    [{epmd, <<"epmd">>, epmd_port()} | Own ++ Others].

%% As erl_epmd has it. The starter makes that argument of ERL_EPMD_PORT; what is set later has no effect.
epmd_port() ->
    case init:get_argument(epmd_port) of
        {ok, [[Port | _] | _]} -> list_to_integer(Port);
        _ -> ?EPMD_PORT
    end.

%% In a process of its own: erl_epmd waits for ever for whoever listens there and is silent.
epmd_names(Timeout) ->
    Bound = #{size => ?EPMD_HEAP_MAX, kill => true, error_logger => false},
    {Pid, Monitor} = spawn_opt(fun ask_epmd/0, [monitor, {max_heap_size, Bound}]),
    receive
        {'DOWN', Monitor, process, Pid, {names, {ok, Names}}} ->
            [{list_to_binary(Name), Port} || {Name, Port} <- Names, Port > 0, Port < 65536];
        {'DOWN', Monitor, process, Pid, _} -> []
    after Timeout ->
        true = erlang:demonitor(Monitor, [flush]),
        true = exit(Pid, kill),
        []
    end.

-spec ask_epmd() -> no_return().
ask_epmd() ->
    exit({names, erl_epmd:names({127, 0, 0, 1})}).

%% net_kernel opens them and stays linked to them. EPMD need not know this node.
own_ports() ->
    case whereis(net_kernel) of
        undefined -> [];
        Pid ->
            Links = case process_info(Pid, links) of {links, Found} -> Found; undefined -> [] end,
            lists:usort([Number || Port <- Links, is_port(Port), {error, enotconn} =:= inet:peername(Port),
                                   {ok, Number} <- [inet:port(Port)]])
    end.

%% The far ends of this node's connections, hidden ones too.
-spec known_nodes() -> #{endpoint() => node()}.
known_nodes() ->
    case is_alive() andalso net_kernel:nodes_info() of
        {ok, Nodes} ->
            maps:from_list([{{unmapped(Address), Port}, Node}
                            || {Node, Info} <- Nodes, {state, up} <- [lists:keyfind(state, 1, Info)],
                               {address, #net_address{address = {Address, Port}}} <- [lists:keyfind(address, 1, Info)],
                               is_tuple(Address)]);
        _ -> #{}
    end.

%% As inet_tcp_dist reads it: a port that EPMD is not asked for, or a range, of which a first port without a last one is
%% the only one.
-spec range({ok, [[string()]]} | error, term(), term()) -> {pos_integer(), pos_integer()} | any.
range({ok, [[Fixed]]}, Min, Max) ->
    case string:to_integer(Fixed) of
        {Port, ""} when is_integer(Port), Port > 0 -> {Port, Port};
        _ -> range(error, Min, Max)
    end;
range(_, Min, Max) when is_integer(Min), Min > 0, is_integer(Max) -> {Min, Max};
range(_, Min, _) when is_integer(Min), Min > 0 -> {Min, Min};
range(_, _, _) -> any.

%% --- cookies --------------------------------------------------------------------------------------------------------

%% About a cookie, and nothing of it: what this answers is printed and logged.
-spec cookie(file:filename_all()) -> {ok, cookie()} | {error, atom()}.
cookie(File) ->
    case file:read_file_info(File, [raw]) of
        {ok, #file_info{type = regular, size = Size, mode = Mode, uid = Uid}} ->
            {Length, ByOtp} = case Size =< ?COOKIE_FILE_MAX andalso file:read_file(File) of
                {ok, Bytes} -> measure(Bytes);
                _ -> {Size, false}
            end,
            {ok, #{mode => Mode band 8#7777, uid => Uid, size => Length, made_by_otp => ByOtp}};
        {ok, #file_info{}} -> {error, not_a_file};
        {error, Why} -> {error, Why}
    end.

%% The length of a cookie without its end of line, and whether OTP made it: 20 capital letters from a generator that is
%% not for secrets.
-spec measure(binary()) -> {non_neg_integer(), boolean()}.
measure(Bytes) ->
    [Cookie | _] = binary:split(Bytes, [<<"\n">>, <<"\r">>]),
    {byte_size(Cookie), byte_size(Cookie) =:= 20 andalso << <<C>> || <<C>> <= Cookie, C >= $A, C =< $Z >> =:= Cookie}.
