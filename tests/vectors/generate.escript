#!/usr/bin/env escript
%% Writes the valid vectors beside it, with the encoder of the BEAM itself: request_*.etf as a client sends them,
%% reply_*.etf as the port sends them. The hostile ones are written by tests/wire_hostile.rs.
main([]) ->
    Dir = filename:dirname(filename:absname(escript:script_name())),
    [write(Dir, Name, Term) || {Name, Term} <- requests() ++ replies()],
    ok.

write(Dir, Name, Term) ->
    File = filename:join(Dir, atom_to_list(Name) ++ ".etf"),
    ok = file:write_file(File, term_to_binary(Term, [{minor_version, 2}])).

requests() ->
    [{request_info, {req, 1, info, #{}, 5000}},
     {request_processes_default, {req, 2, processes, #{}, 600000}},
     {request_processes_columns,
      {req, 3, processes, #{columns => [pid, ppid, comm, state, rss, cmdline], limit => 100, cell_max => 65536}, 5000}},
     {request_processes_where,
      {req, 4, processes,
       #{columns => [pid, comm],
         where => #{state => [zombie, running], uid => {range, 1000, 60000}, rss => {min, 1 bsl 40},
                    pid => [1, 2, 3, 70000], comm => {prefix, <<"beam">>}, nice => {max, -1}}},
       2147483647}},
     {request_process, {req, 5, process, #{pid => 4194304, items => [comm, uid, exe, limits]}, 5000}},
     {request_process_exact, {req, 1 bsl 59, process, #{pid => {4711, 123456789012}, cell_max => 1}, 1}},
     {request_cancel, {cancel, 4294967296}},
     {request_credit, {credit, 3, 1048576}},
     %% A list of small integers travels as a string.
     {request_string, {req, 6, processes, #{where => #{pid => "\x{1}\x{2}\x{ff}"}}, 5000}},
     {request_forms,
      [[], {}, #{}, <<>>, '', 0, 255, 256, -1, 2147483647, -2147483648, 2147483648, -2147483649,
       18446744073709551615, -18446744073709551615, 0.0, -1.5, 1.0e308, 'ÿ☃', "abc", [a, "b" | [c]],
       #{1 => 2, 1.0 => 3, <<"k">> => [], {x} => #{}}, list_to_tuple(lists:seq(1, 256))]}].

replies() ->
    [{reply_hello,
      {hello, #{protocol => {1, 1}, version => <<"0.1.0">>, role => proc, operations => [info, process, processes],
                features => [mdwe], frame_max => 65536, reply_max => 1048576, credit => 16, max_in_flight => 256,
                capabilities => [sys_ptrace, dac_read_search], missing => [], findings => [],
                policy => <<"builtin">>, ticks_per_s => 100, page_size => 4096,
                boot_time => 1700000000000000}}},
     {reply_refused,
      {refused, #{code => 66, reason => running_as_root, message => <<"must not run as root">>,
                  fix => <<"run it as another user">>}}},
     {reply_rows,
      {rows, 3, [pid, comm, rss, cmdline, exe, groups],
       [{1, <<"systemd">>, 12345678901, <<"/sbin/init", 0, "splash">>, {error, eacces}, [0, 1000]},
        {2, <<"kthreadd">>, 0, undefined, undefined, []},
        {300, <<255, 10, 27>>, 4096, {truncated, <<"/bin/x">>}, <<"/bin/x (deleted)">>, [65534]}]}},
     {reply_rows_same, {rows, 3, same, [{65536, <<>>, -1, <<>>, undefined, []}]}},
     {reply_meta,
      {ok, 3, #{started => 1700000000123456, duration => 4321, rows => 4, vanished => 0, denied => 1, cut => 1,
                truncated => false, source => procfs}}},
     {reply_limits,
      {ok, 5, #{limits => #{open_files => {1024, 1048576}, cpu_time => {unlimited, unlimited}}, no_new_privs => true}}},
     {reply_error_denied,
      {error, 7, {denied_by_policy, <<"proc.environ">>, <<"set proc.environ in the policy">>}}},
     {reply_error_not_permitted, {error, 7, {not_permitted, [sys_ptrace], <<"setcap">>}}},
     {reply_error_bad_request, {error, 8, {bad_request, [where, <<"colour">>, 300], {expected, integer}}}},
     {reply_error_bad_frame, {error, 0, {bad_frame, 65535, too_deep}}},
     {reply_error_posix, {error, 9, {posix, eacces, <<"open /proc">>}}},
     {reply_integers,
      [0, 1, 255, 256, 65536, 2147483647, 2147483648, 4294967295, 4294967296, 1 bsl 59, (1 bsl 59) - 1, 1 bsl 60,
       9223372036854775807, 9223372036854775808, 18446744073709551615, -1, -255, -256, -2147483648, -2147483649,
       -(1 bsl 40), -9223372036854775808]}].
