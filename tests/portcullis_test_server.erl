%% Servers of the tests: started, asked, disturbed and waited for.
-module(portcullis_test_server).

-export([options/0, options/1, start/0, start/1, stop/1, answer/3, os_pid/1, signal/2, ready/1, idle/1, until/1,
         quickest/2, of_five/1, within/2, within/3, took/3, messages/0]).

%% What is waited for without being the claim: a machine that does much else is slow, and only what hangs is waited for so long.
-define(PATIENCE, 60000).

options() -> options(#{}).

%% As root only for whoever has nothing else; the tests that count run as an ordinary user. The times are those of a slow machine: cases
%% that are about times say their own.
options(More) ->
    Root = os:cmd("id -u") =:= "0\n",
    maps:merge(#{name => undefined, args => ["--allow-root" || Root], hello_timeout => ?PATIENCE,
                 default_timeout => ?PATIENCE, stuck_timeout => ?PATIENCE}, More).

start() -> start(#{}).

start(More) ->
    {ok, Server} = portcullis:start_link(options(More)),
    _ = answer(Server, info, #{}),
    Server.

stop(Server) -> ok = portcullis:stop(Server).

answer(Server, Operation, Args) ->
    portcullis:receive_response(portcullis:send_request(Server, Operation, Args)).

os_pid(Server) ->
    {ok, #{proc := #{os_pid := Pid}}} = portcullis:info(Server),
    Pid.

signal(Server, Signal) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ integer_to_list(os_pid(Server))).

ready(Server) ->
    until(fun() -> {ok, #{proc := #{state := State}}} = portcullis:info(Server), State =:= ready end).

idle(Server) ->
    until(fun() ->
                  {ok, #{proc := #{in_flight := InFlight, queued := Queued}}} = portcullis:info(Server),
                  {InFlight, Queued} =:= {0, 0}
          end).

until(Done) -> until(Done, erlang:monotonic_time(millisecond) + ?PATIENCE).

until(Done, Deadline) ->
    case Done() of
        true -> ok;
        false ->
            _ = erlang:monotonic_time(millisecond) < Deadline orelse error({never, Done}),
            timer:sleep(10),
            until(Done, Deadline)
    end.

%% What it answers if one of five runs is done within these milliseconds: a claim of how long something takes is about the program, and
%% not about what else the machine does.
quickest(Within, Fun) -> of_five(fun() -> within(Within, Fun) end).

%% The same where only a part of a run is measured: the first in which all of that is within its time. Any other failure is one at once.
of_five(Run) -> of_five(Run, []).

of_five(_, [_, _, _, _, _] = Slow) -> error({slower_than, lists:reverse(Slow)});
of_five(Run, Slow) ->
    try Run()
    catch error:{too_slow, Time, Most} -> of_five(Run, [{Time, Most} | Slow])
    end.

within(Most, Fun) -> within(0, Most, Fun).

within(Least, Most, Fun) ->
    {Micros, Answer} = timer:tc(Fun),
    ok = took(Least, Most, Micros),
    Answer.

%% Bounds are in milliseconds. What is done too early is so on every machine: no other run makes it good.
took(Least, _, Micros) when Micros < Least * 1000 -> error({too_early, Micros div 1000, Least});
took(_, Most, Micros) when Micros >= Most * 1000 -> error({too_slow, Micros div 1000, Most});
took(_, _, _) -> ok.

messages() ->
    {messages, Messages} = process_info(self(), messages),
    Messages.
