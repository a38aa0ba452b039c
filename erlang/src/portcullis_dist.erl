%% @doc Filters of a node's firewall while it runs: what a peer may say to it, how often it was denied, and whether a message would be let
%% through before anybody sends it. Names and results are those of the RFC "Erlang Dist Security Filtering Prototype".
%%
%% There, a node filters its own connections: `net_kernel:set_filter(Node, link, reject)'. Here the firewall is a process of its own,
%% `portcullis node', and is asked over the distribution itself: the first argument is its name, and everything else follows as in the RFC,
%% with `deny' for `reject', as its authors have proposed since.
%%
%% ```
%% accept = portcullis_dist:test_filter('portcullis@host', reg_send, my_secret_process),
%% accept = portcullis_dist:add_filter('portcullis@host', node(), reg_send, my_secret_process, deny),
%% deny = portcullis_dist:test_filter('portcullis@host', reg_send, my_secret_process).
%% '''
%%
%% <b>Who may.</b> Every node for itself; a node that `control.nodes' of the firewall's file names, for all. <b>What.</b> Filters only take
%% away: what the file denies stays denied, and a change that would accept what is denied now is `{error, {loosens, Text}}'. A restart of the
%% node gives it back, and the broken glass passes it over. To accept one target and deny the others, accept it first, then deny the command. <b>For how long.</b> As
%% long as the firewall runs; a connection that is lost and made again changes nothing, counters included.
%%
%% Where the direction is not said it is `in': what the peer sends. {@link portcullis:format_error/1} makes a sentence of an error.
-module(portcullis_dist).

-export([set_filter/4, set_filter/5, add_filter/5, add_filter/6, del_filter/4, del_filter/5, set_default_filter/4, set_default_filter/5,
         set_handler/4, filters/2, test_filter/3, test_filter/4, test_filter/5, explain_filter/3, explain_filter/4, explain_filter/5, statistics/1, statistics/2,
         counters/2]).

-export_type([command/0, target/0, filter/0, direction/0, reason/0, statistics/0, counters/0, error/0]).

%% A node that cannot be reached takes `net_setuptime', which is seven seconds.
-define(TIMEOUT, 10000).

-type command() :: alias_send | demonitor | exit | exit2 | group_leader | link | monitor | monitor_exit | reg_send | send
                 | spawn_reply | spawn_request | unlink | unlink_ack.
%% A registered name for `reg_send' and `monitor'; a function for `spawn_request', where the arity, or function and arity, can be `_';
%% `_' where there is no target.
-type target() :: atom() | {module(), Function :: atom(), arity() | '_'}.
-type filter() :: accept | deny.
%% Seen from the firewall: from the peer, or to it.
-type direction() :: in | out.
%% As docs/distribution.md lists them: `rule', `default', `runtime', `not_learned' and others.
-type reason() :: atom().
%% In the order of the RFC, with all fourteen commands.
-type statistics() :: [{command(), [{accept | deny, non_neg_integer()}]}].
-type counters() :: #{statistics := statistics(), reasons := #{reason() => pos_integer()}, handled := non_neg_integer(),
                      malformed := non_neg_integer()}.
-type error() :: {bad_request | not_permitted | unknown_node | loosens | no_such_subject | too_many | no_handler | no_protected_node
                  | overloaded, Text :: binary()}
               | {down, {node, node(), term()}}.

%% @equiv set_filter(At, Peer, in, Command, Filter)
-spec set_filter(node(), node(), command() | '_', filter()) -> filter() | {error, error()}.
set_filter(At, Peer, Command, Filter) -> set_filter(At, Peer, in, Command, Filter).

%% @doc Accepts or denies all messages of a command that no other filter is about; `_' is every command. Answers what held before.
-spec set_filter(node(), node(), direction(), command() | '_', filter()) -> filter() | {error, error()}.
set_filter(At, Peer, Direction, Command, Filter) ->
    ask(At, {dist, set_filter, Peer, Direction, Command, Filter}).

%% @equiv add_filter(At, Peer, in, Command, Target, Filter)
-spec add_filter(node(), node(), command(), target(), filter()) -> filter() | {error, error()}.
add_filter(At, Peer, Command, Target, Filter) -> add_filter(At, Peer, in, Command, Target, Filter).

%% @doc Accepts or denies messages to one target: a name of `reg_send' or `monitor', a function of `spawn_request'. Answers what held for it before.
-spec add_filter(node(), node(), direction(), command(), target(), filter()) -> filter() | {error, error()}.
add_filter(At, Peer, Direction, Command, Target, Filter) ->
    ask(At, {dist, add_filter, Peer, Direction, Command, Target, Filter}).

%% @equiv del_filter(At, Peer, in, Command, Target)
-spec del_filter(node(), node(), command(), target()) -> filter() | {error, error()}.
del_filter(At, Peer, Command, Target) -> del_filter(At, Peer, in, Command, Target).

%% @doc Takes a filter of one target away; then that of its command holds. One that denies what the command accepts stays: `loosens'.
-spec del_filter(node(), node(), direction(), command(), target()) -> filter() | {error, error()}.
del_filter(At, Peer, Direction, Command, Target) ->
    ask(At, {dist, del_filter, Peer, Direction, Command, Target}).

%% @equiv set_default_filter(At, in, Command, Target, Filter)
-spec set_default_filter(node(), command() | '_', target(), filter()) -> filter() | {error, error()}.
set_default_filter(At, Command, Target, Filter) -> set_default_filter(At, in, Command, Target, Filter).

%% @doc A filter of every node, also of those that were never connected. A message has to pass these and those of its node: no node takes
%% itself out of them. Of the RFC's example the second line comes first:
%%
%% ```
%% At = 'portcullis@host',
%% accept = portcullis_dist:set_default_filter(At, spawn_request, {my_dist_auth_module, authenticate, 1}, accept),
%% accept = portcullis_dist:set_default_filter(At, '_', '_', deny).
%% '''
-spec set_default_filter(node(), direction(), command() | '_', target(), filter()) -> filter() | {error, error()}.
set_default_filter(At, Direction, Command, Target, Filter) ->
    ask(At, {dist, set_default_filter, Direction, Command, Target, Filter}).

%% @doc Names the process of the node behind a gateway that gets what is accepted of a command; `undefined' takes it away. Answers which one did
%% before. For nodes of `control.nodes' only: who could name his own handler would choose who gets his messages. Where no node is behind the
%% firewall it is `{error, {no_protected_node, Text}}'.
-spec set_handler(node(), node(), command(), atom()) -> atom() | {error, error()}.
set_handler(At, Peer, Command, Name) ->
    ask(At, {dist, set_handler, Peer, Command, Name}).

%% @doc The filters of run time that hold for a peer: its own and those of every node; of `_', which nodes of `control.nodes' may ask for, the
%% latter. Commands and targets that a filter is not narrowed to are `_'; a target is written as in the firewall's file, `<<"lists:map/2">>'.
-spec filters(node(), node() | '_') ->
    [{node | everyone, direction(), command() | '_', Target :: binary() | '_', filter()}] | {error, error()}.
filters(At, Peer) ->
    ask(At, {dist, filters, Peer}).

%% @doc Preflight: whether a message of this node would be let through.
-spec test_filter(node(), command(), target()) -> filter() | {error, error()}.
test_filter(At, Command, Target) -> test_filter(At, node(), in, Command, Target).

%% @equiv test_filter(At, Peer, in, Command, Target)
-spec test_filter(node(), node(), command(), target()) -> filter() | {error, error()}.
test_filter(At, Peer, Command, Target) -> test_filter(At, Peer, in, Command, Target).

%% @doc Whether a message would be let through by the rules of the file and the filters of run time, as the message itself is judged: what it
%% addresses counts as told, what it answers as asked, and what it carries is not asked about.
-spec test_filter(node(), node(), direction(), command(), target()) -> filter() | {error, error()}.
test_filter(At, Peer, Direction, Command, Target) ->
    case explain_filter(At, Peer, Direction, Command, Target) of
        {deny, _} -> deny;
        {handler, _} -> accept;
        Other -> Other
    end.

%% @equiv explain_filter(At, node(), Command, Target)
-spec explain_filter(node(), command(), target()) -> accept | {deny, reason()} | {handler, atom()} | {error, error()}.
explain_filter(At, Command, Target) -> explain_filter(At, node(), Command, Target).

%% @equiv explain_filter(At, Peer, in, Command, Target)
-spec explain_filter(node(), node(), command(), target()) -> accept | {deny, reason()} | {handler, atom()} | {error, error()}.
explain_filter(At, Peer, Command, Target) -> explain_filter(At, Peer, in, Command, Target).

%% @doc As {@link test_filter/5}, with the reason of a denial, or who gets the message instead.
-spec explain_filter(node(), node(), direction(), command(), target()) ->
    accept | {deny, reason()} | {handler, atom()} | {error, error()}.
explain_filter(At, Peer, Direction, Command, Target) ->
    ask(At, {dist, test_filter, Peer, Direction, Command, Target}).

%% @doc What came from this node: {@link statistics/2}.
-spec statistics(node()) -> statistics() | {error, error()}.
statistics(At) -> statistics(At, node()).

%% @doc How many messages of a peer were accepted and denied since the firewall runs, in the shape of `erlang:statistics(dist)' of the RFC; of
%% `_', which nodes of `control.nodes' may ask for, those of all peers together.
%%
%% ```
%% [{alias_send, [{accept, _}, {deny, _}]}, {demonitor, [{accept, _}, {deny, _}]} | _] =
%%     portcullis_dist:statistics('portcullis@host', 'app@host').
%% '''
-spec statistics(node(), node() | '_') -> statistics() | {error, error()}.
statistics(At, Peer) ->
    ask(At, {dist, statistics, Peer}).

%% @doc The same of both directions, with the reasons of denials, what handlers got, and how many connections ended because of bytes that were no
%% message.
-spec counters(node(), node()) -> #{direction() := counters()} | {error, error()}.
counters(At, Peer) ->
    ask(At, {dist, counters, Peer}).

%% --- calls ----------------------------------------------------------------------------------------------------------

ask(At, Request) ->
    case call(At, Request) of
        {ok, Value} -> Value;
        {error, _} = Error -> Error
    end.

call(At, Request) ->
    try gen_server:call({portcullis, At}, Request, ?TIMEOUT)
    catch
        exit:{{nodedown, At}, _} -> {error, {down, {node, At, nodedown}}};
        exit:{Reason, _} -> {error, {down, {node, At, Reason}}}
    end.
