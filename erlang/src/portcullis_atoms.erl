%% @private Every atom that a port can send. They are made when this module is loaded, so that `binary_to_term/2' with
%% `safe' knows them and no wire data ever makes one. `tests/vectors/atoms.txt' is the port's list; a test compares them.
-module(portcullis_atoms).

-export([load/0, all/0, columns/0, table_names/0, topics/0]).

%% They exist once this has returned.
-spec load() -> ok.
load() ->
    ok.

-spec all() -> [atom(), ...].
all() ->
    lists:usort(frames() ++ hello() ++ refused() ++ errors() ++ operations() ++ columns() ++ states() ++ limits()
                ++ errnos() ++ netfilter() ++ tables() ++ topics() ++ watches()).

frames() ->
    [hello, refused, ok, error, rows, same, req, cancel, event, lost].

hello() ->
    [protocol, version, role, proc, net, operations, features, mdwe, landlock, hidepid, syslog, kernel_audit, frame_max, reply_max, credit, max_in_flight,
     capabilities, sys_ptrace, dac_read_search, setpcap, net_admin, net_raw, audit_write, all, missing, findings,
     policy, ticks_per_s, page_size, boot_time].

refused() ->
    [code, reason, message, fix, bad_arguments, stdio_not_pipe, header_too_large, running_as_root, internal, file_mode,
     file_owner, file_links, file_acl, directory_writable, policy_file, capability_missing, hardening_failed,
     peer_not_allowed].

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
     processes, columns, where, limit, cell_max, min, max, range, prefix, any_of,
     started, duration, vanished, denied, cut, truncated, source, procfs, true, false,
     process, pid, items, undefined, redacted,
     file_open, file_read, file_close, handle, path, offset, length, size, mtime, handles,
     ping, address, addresses, rtt, ttl,
     sysctl_get, sysctl_set, sysctl_list, name, parameter, value, before, as_asked,
     subscribe, topic, subscriptions, audit, seq, time, operation, target, decision, rule, result, granted, failed, loaded,
     limited, kind, peer, files].

%% What can be subscribed to of role `proc' only.
-spec topics() -> [query | processes | exit | pressure | interfaces | addresses | routes | neighbours, ...].
topics() ->
    [query, processes, exit, pressure, interfaces, addresses, routes, neighbours].

%% What their events are made of, and their options.
watches() ->
    [added, removed, changed, every, skipped, last, events, resnapshot, threads, event, fork, exec, euid, egid, sid,
     ptrace, coredump, signal, new, deleted, threshold, measure, stall, above, below].

%% Tables of the kernel's state, their columns and what is said of them.
-spec tables() -> [atom(), ...].
tables() ->
    [active, active_anon, active_file, addresses, aio_max_nr, aio_nr, anon_huge_pages, anon_inode, anon_pages,
     anonymous, anycast, atime, available, avg10, avg300, avg60, backlog, balloon, bgp, bird, blackhole,
     block_devices, boot, boot_id, bounce, bound, broadcast, btime, buffers, busy, bytes_acked, bytes_per_second,
     bytes_received, cached, cgid, cgroup_id, cgroup_ns, cgroupfs, cgroups, close, close_wait, closing, cma_free,
     cma_total, commit_limit, committed_as, compound, congestion, constant, controllers, cookie, cost, counts,
     covered, cpid, cpu, cpu_period, cpu_quota, cpu_rates, cpu_system, cpu_usage, cpu_user, cpus, ctime, ctxt, cuid,
     delay, delivery_rate, destination, dgram, dhcp, direct_map_1g, direct_map_2m, direct_map_4k, dirty,
     discard_bytes, discard_ios, discard_merges, discard_time, disk_rates, disk_usage, disks, domainname, dormant,
     down, dtime, eigrp, established, fd, file, file_huge_pages, file_max, file_nr, file_pmd_mapped, filesystems,
     fin_wait1, fin_wait2, flush_ios, flush_time, fs_type, full, gateway, global, guest, guest_nice, hard,
     hardware_corrupted, hierarchy, host, hostname, huge_pages_free, huge_pages_rsvd, huge_pages_surp,
     huge_pages_total, hugepagesize, hugetlb, hundredths, inactive, inactive_anon, inactive_file, incomplete, inet,
     inet6, ino, inode, inode_nr, inode_nr_free, inodes, inodes_used, interface_rates, interfaces, interrupted,
     interrupts, interval, intr, io, io_time, iowait, ipc_ns, irq, isis, keepalive, keepalived, kernel,
     kernel_counters, kernel_limits, kernel_stack, kreclaimable, label, last_ack, last_pid, link, listen, listening,
     live, load, load1, load15, load5, loading, local, local_address, local_port, locked, lowerlayerdown, lpid, mac,
     machine, major, mapped, master, max_backlog, max_map_count, mem_available, mem_free, mem_total, memory,
     memory_anon, memory_current, memory_file, memory_kernel, memory_max, memory_shmem, memory_slab, memory_sock,
     memory_swap_current, memory_swap_max, metric, microseconds, milliseconds, min_rtt, minor, mlocked, mnt_id,
     mnt_ns, model, modules, mount_id, mount_point, mounts, mtu, multicast, nanoseconds, nat, nattch, neighbours,
     net_ns, netlink, nexthop_id, nfs_unstable, noarp, nodev, none, not_sampled, notpresent, nowhere, nr_open,
     nr_periods, nr_throttled, number, off, on, oom_kill, operstate, optional_fields, options, ospf, osrelease,
     ostype, other, own_limits, pacing_rate, packet, page_tables, parent_id, partition, per_process, per_row,
     per_second, percpu, permanent, perms, persist, pgfault, pgmajfault, pid_max, pid_ns, pids_current, pids_max,
     pipe, populated, portid, pos, preferred_lifetime, prefix_length, prefsrc, pressure, private_clean, private_dirty,
     probe, process_cgroups, process_files, process_limits, process_memory, process_namespaces, process_rates,
     process_sockets, procs_blocked, procs_running, prohibit, protocol_number, pss, pss_anon, pss_dirty, pss_file,
     pss_shmem, qdisc, query, ra, raw, rdm, reachable, read_ios, read_merges, read_only, read_time, refcount,
     referenced, remote_address, remote_port, removable, resource, retrans, retransmits, rip, rotational, routes,
     rqueue, rtnetlink, rttvar, runnable, rx_bytes, rx_dropped, rx_errors, rx_packets, sampled, scope,
     sec_page_tables, seconds, segs_in, segs_out, seqpacket, share, shared_clean, shared_dirty, shared_memory, shmem,
     shmem_huge_pages, shmem_pmd_mapped, shmid, site, slab, snd_cwnd, sock_diag, socket, sockets, soft, softirq,
     softirqs, somaxconn, some, sreclaimable, statfs, static, steal, stream, sunreclaim, super_options, swap,
     swap_cached, swap_free, swap_pss, swap_total, swaps, syn_recv, syn_sent, sysfs, system, table, tables, taints,
     target, tasks, tcp, testing, thousandths, threads, threads_max, throttled_time, throw, ticks, tid, time_in_queue,
     time_ns, time_wait, timer, timer_expires, tos, total, total_retrans, tx_bytes, tx_dropped, tx_errors, tx_packets,
     udp, unaccepted, unevictable, unicast, unix, unloading, unreachable, unspec, up, used_by, user, user_ns, uts_ns,
     valid_lifetime, vmalloc_chunk, vmalloc_total, vmalloc_used, vmstat, weight, wqueue, write_ios, write_merges,
     write_time, writeback, writeback_tmp, xresolve, zebra, zswap, zswapped].

%% Those of role `proc', as `tables' has them.
-spec table_names() -> [atom(), ...].
table_names() ->
    [processes, process_rates, threads, process_files, process_memory, process_limits, environ, process_namespaces, process_cgroups,
     load, cpus, kernel_counters, memory, uptime, pressure, kernel, vmstat, modules, mounts, disk_usage, block_devices, disks,
     interrupts, softirqs, shared_memory, swaps, filesystems, kernel_limits, cgroups, own_limits, cpu_rates, disk_rates, sockets,
     listening, process_sockets, interfaces, interface_rates, addresses, routes, neighbours].

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
