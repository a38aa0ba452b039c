%% @private Capabilities by name, and which rows of the table `processes' hold some that nobody expects.
-module(portcullis_capabilities).

-export([names/1, mask/1, holders/3, expected/1]).

%% linux/capability.h, in the order of the bits.
-define(NAMES, [chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, setuid, setpcap, linux_immutable,
                net_bind_service, net_broadcast, net_admin, net_raw, ipc_lock, ipc_owner, sys_module, sys_rawio,
                sys_chroot, sys_ptrace, sys_pacct, sys_admin, sys_boot, sys_nice, sys_resource, sys_time,
                sys_tty_config, mknod, lease, audit_write, audit_control, setfcap, mac_override, mac_admin, syslog,
                wake_alarm, block_suspend, audit_read, perfmon, bpf, checkpoint_restore]).
-define(BITS, 64).

%% linux/sched.h. Not "child of pid 2": in a pid namespace that is anybody.
-define(PF_KTHREAD, 16#200000).

-spec names(non_neg_integer()) -> [portcullis_checkup:capability()].
names(Set) ->
    [Name || {Bit, Name} <- numbered(), Set band (1 bsl Bit) =/= 0].

numbered() ->
    lists:zip(lists:seq(0, ?BITS - 1), ?NAMES ++ lists:seq(length(?NAMES), ?BITS - 1)).

%% The set of some names.
-spec mask(all | [portcullis_checkup:capability()]) -> {ok, pos_integer()} | error.
mask(all) -> {ok, (1 bsl ?BITS) - 1};
mask(Names) when length(Names) > 0 ->
    Bits = [Bit || {Bit, Name} <- numbered(), lists:member(Name, Names)],
    case length(Bits) =:= length(lists:usort(Names)) of
        true -> {ok, lists:sum([1 bsl Bit || Bit <- Bits])};
        false -> error
    end;
mask(_) -> error.

%% Of the rows with `pid', `uid', `comm', `flags', `cap_prm' and maybe `exe': the processes that are none of the
%% kernel's, hold one of a set, and are not expected. Only the permitted set counts: the effective and the ambient set
%% are never more.
-spec holders([portcullis:row()], pos_integer(), [portcullis_checkup:expected()]) -> [portcullis_checkup:holder()].
holders(Rows, Mask, Expected) ->
    [Holder || #{flags := Flags, cap_prm := Set} = Row <- Rows, is_integer(Flags), is_integer(Set),
               Flags band ?PF_KTHREAD =:= 0, Set band Mask =/= 0,
               Holder <- [holder(Row, Set)], not lists:any(fun(One) -> meets(One, Holder) end, Expected)].

holder(#{pid := Pid, uid := Uid, comm := Comm} = Row, Set) ->
    #{pid => Pid, uid => Uid, comm => Comm, capabilities => names(Set),
      exe => case Row of #{exe := Exe} when is_binary(Exe) -> Exe; _ -> undefined end}.

meets(Expected, Holder) ->
    maps:with(maps:keys(Expected), Holder) =:= Expected.

%% What callers write: a name is a `comm', a path an `exe', a map anything that a holder is compared by.
-spec expected(term()) -> {ok, [portcullis_checkup:expected()]} | error.
expected(List) when length(List) >= 0 ->
    Expected = [one(One) || One <- List],
    case lists:member(error, Expected) of
        true -> error;
        false -> {ok, Expected}
    end;
expected(_) -> error.

one(Map) when is_map(Map), map_size(Map) > 0 ->
    case maps:keys(Map) -- [pid, comm, exe, uid] of
        [] -> maps:map(fun(_, Value) -> bytes(Value) end, Map);
        _ -> error
    end;
one(Text) when is_binary(Text); is_list(Text) ->
    case bytes(Text) of
        <<"/", _/binary>> = Exe -> #{exe => Exe};
        <<_, _/binary>> = Comm -> #{comm => Comm};
        _ -> error
    end;
one(_) -> error.

bytes(List) when is_list(List) ->
    try unicode:characters_to_binary(List)
    catch error:badarg -> List
    end;
bytes(Value) -> Value.
