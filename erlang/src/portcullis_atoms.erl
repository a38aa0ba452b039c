%% @private Every atom that a port can send. They are made when this module is loaded, so that `binary_to_term/2' with
%% `safe' knows them and no wire data ever makes one. `tests/vectors/atoms.txt' is the port's list; a test compares them.
-module(portcullis_atoms).

-export([load/0, all/0, columns/0, states/0]).

%% They exist once this has returned.
-spec load() -> ok.
load() ->
    ok.

-spec all() -> [atom(), ...].
all() ->
    lists:usort(frames() ++ hello() ++ refused() ++ errors() ++ operations() ++ columns() ++ states() ++ limits()
                ++ errnos() ++ netfilter()).

frames() ->
    [hello, refused, ok, error, rows, same, req, cancel, event, lost].

hello() ->
    [protocol, version, role, proc, net, operations, features, mdwe, landlock, syslog, kernel_audit, frame_max, reply_max, credit, max_in_flight,
     capabilities, sys_ptrace, dac_read_search, setpcap, net_admin, net_raw, audit_write, all, missing, findings,
     policy, ticks_per_s, page_size, boot_time].

refused() ->
    [code, reason, message, fix, bad_arguments, stdio_not_pipe, header_too_large, running_as_root, internal, file_mode,
     file_owner, file_links, file_acl, directory_writable, policy_file, capability_missing, hardening_failed].

errors() ->
    [stale, busy, nft, unknown_outcome, timeout, overloaded, cancelled, esrch, denied_by_policy, not_permitted, unsupported, posix, bad_request, bad_frame,
     unknown_key, missing, duplicate, empty, in_flight, expected, range, too_many, unknown_column, not_comparable,
     request, integer, atom, binary, list, tuple, map, pid, condition, args,
     version, truncated, trailing_bytes, tag, too_deep, too_many_terms, too_many_pairs, length, float, improper_list,
     frame_too_long].

operations() ->
    [changes, more, 'after', nft_apply, nft_confirm, nft_rollback, nft_list, nft_json, ban, unban, banned, commands, confirm, confirmed, check, generation, ref,
     by, change, changed, interface, netfilter,
     info, args, requests, errors, bad_frames, rows, in_flight, uptime,
     processes, columns, where, limit, cell_max, min, max, range, prefix,
     started, duration, vanished, denied, cut, truncated, source, procfs, true, false,
     process, pid, items, undefined, redacted,
     file_open, file_read, file_close, handle, path, offset, length, size, mtime, handles,
     ping, address, addresses, rtt, ttl,
     sysctl_get, sysctl_set, sysctl_list, name, parameter, value, before, as_asked,
     subscribe, topic, subscriptions, audit, seq, time, operation, target, decision, rule, result, granted, failed, loaded,
     limited, kind, peer, files].

-spec columns() -> [atom(), ...].
columns() ->
    [pid, uid, gid, comm, state, ppid, pgrp, session, tty_nr, tpgid, flags, minflt, cminflt, majflt, cmajflt, priority,
     nice, num_threads, exit_signal, processor, rt_priority, policy, utime, stime, cutime, cstime, starttime,
     blkio_ticks, guest_time, vsize, rss, cmdline, argv, ruid, suid, fsuid, rgid, sgid, fsgid, groups, umask,
     tracer_pid, fd_size, no_new_privs, seccomp, voluntary_ctxt_switches, nonvoluntary_ctxt_switches, cap_inh, cap_prm,
     cap_eff, cap_bnd, cap_amb, vm_peak, vm_hwm, vm_lck, vm_pin, vm_data, vm_stk, vm_exe, vm_lib, vm_pte, vm_swap,
     rss_anon, rss_file, rss_shmem, exe, cwd, root, rchar, wchar, syscr, syscw, read_bytes, write_bytes,
     cancelled_write_bytes, limits, environ].

-spec states() -> [running | sleeping | disk_sleep | stopped | tracing_stop | zombie | dead | idle | parked | unknown,
                   ...].
states() ->
    [running, sleeping, disk_sleep, stopped, tracing_stop, zombie, dead, idle, parked, unknown].

limits() ->
    [cpu_time, file_size, data_size, stack_size, core_file_size, resident_set, processes, open_files, locked_memory,
     address_space, file_locks, pending_signals, msgqueue_size, nice_priority, realtime_priority, realtime_timeout,
     unlimited].

errnos() ->
    [e2big, eacces, eaddrnotavail, eafnosupport, eagain, ebadf, ebusy, econnrefused, edestaddrreq, eexist, efault, efbig, ehostunreach, eintr, einval, eio, eisdir, eloop, emfile, emsgsize,
     enametoolong, enetdown, enetunreach, enfile, enobufs, enodev, enoent, enomem, enospc, enosys, enotconn, enotdir, enotempty, enotty, enxio, eopnotsupp,
     eoverflow, eperm, epipe, eproto, eprotonosupport, erange, erofs, espipe, esrch, etimedout].

%% Keys of libnftables-json(5), and what can be wrong with a value of it.
netfilter() ->
    ['&', '<<', '>>', '^', accept, add, addr, 'auto-merge', base, boolean, burst, burst_unit, bytes, chain,
     chains, comment, concat, concatenation, continue, counter, counters, create, ct, 'ct count', 'ct expectation',
     'ct helper', 'ct timeout', data, 'dccp option', delete, destroy, dev, dir, dnat, drop, dup, elem,
     element, elements, excludes, expires, expr, expression, exthdr, family, fib, field, flow, flowtable, flowtables,
     flush, fwd, 'gc-interval', goto, group, hook, index, insert, inv, 'ip option', ipsec, jhash,
     json, json_schema_version, jump, key, last, left, len, level, listed_only, log, mangle, maps, masquerade,
     match, meta, metainfo, meter, mod, mode, mss, name, newname, nftables, notrack, nul, null, num, numgen,
     object, op, opaque, osf, packets, payload, per, port, prio, queue, 'queue-threshold', quota, quotas,
     rate, rate_unit, redirect, reject, release_name, rename, replace, reset, return, right, rt, rules,
     ruleset, 'sctp chunk', secmark, seed, set, sets, snaplen, snat, socket, spnum, stmt, symhash, synproxy,
     table, tables, 'tcp option', text, tproxy, tunnel, type, type_flags, typeof, unit, unknown_name, used,
     used_unit, val, val_unit, value, verdict, vmap, what, wscale, xt, '|'].
