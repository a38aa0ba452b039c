%% @doc Rulesets in Erlang: functions that return terms of the schema libnftables-json(5), as {@link portcullis:nft_apply/3}
%% takes them. They are plain data; nothing is sent and nothing is checked here.
%%
%% ```
%% Web = portcullis_nft:rule(inet, filter, input, [portcullis_nft:match(portcullis_nft:payload(tcp, dport), 443),
%%                                                 portcullis_nft:counter(), portcullis_nft:accept()]),
%% #{add := #{rule := #{chain := <<"input">>}}} = portcullis_nft:add(Web).
%% '''
%%
%% Values can be written as Erlang has them: integers, atoms and strings for words, addresses as tuples of
%% `inet:ip_address()', lists of such for several flags, maps for what these functions return. Names are atoms, strings or
%% binaries; a name stays what it is, and no atom is ever made of one. Options are the keys of the schema that stand beside
%% those which a function has arguments for.
-module(portcullis_nft).

-export([table/2, table/3, chain/3, chain/4, base_chain/4, rule/4, rule/5, set/4, set/5, map/5, map/6, element/4, element/5,
         counter/3, counter/4, quota/4, quota/5, limit/4, comment/2]).
-export([add/1, create/1, insert/1, replace/1, delete/1, destroy/1, flush/1, list/1, rename/2, reset/1]).
-export([match/2, match/3, payload/2, meta/1, ct/1, ct/2, set/1, named/1, range/2, prefix/2, concat/1, elem/2, map/2, vmap/2]).
-export([accept/0, drop/0, return/0, continue/0, jump/1, goto/1, reject/0, reject/1]).
-export([counter/0, counter/1, limit/2, limit/3, quota/1, quota/2, log/0, log/1, notrack/0, mangle/2]).
-export([snat/1, snat/2, dnat/1, dnat/2, masquerade/0, masquerade/1, redirect/0, redirect/1]).

%% In nearly every line.
-import(portcullis_nft_term, [object/5, options/1, identity/1, type/1, mapping/2, nat/1, elements/1, value/1, word/1]).

%% What these functions make is more than callers shall know of it.
-dialyzer(no_underspecs).

-export_type([family/0, name/0, value/0, object/0, command/0, statement/0, expression/0, options/0]).

-type family() :: ip | ip6 | inet | arp | bridge | netdev | binary().
-type name() :: atom() | string() | binary().
-type value() :: integer() | name() | inet:ip_address() | expression() | [value()].
-type object() :: #{atom() => term()}.
-type command() :: #{atom() => term()}.
-type statement() :: #{atom() => term()}.
-type expression() :: #{atom() => term()}.
-type options() :: #{atom() => term()}.
%% Further keys of the schema. Their values are converted as all others are.

%% --- objects --------------------------------------------------------------------------------------------------------

%% @equiv table(Family, Name, #{})
-spec table(family(), name()) -> object().
table(Family, Name) -> table(Family, Name, #{}).

%% @doc A table. Options: `flags', `comment'.
%%
%% ```
%% #{table := #{family := <<"inet">>, name := <<"filter">>}} = portcullis_nft:table(inet, filter).
%% '''
-spec table(family(), name(), options()) -> object().
table(Family, Name, Options) ->
    #{table => (options(Options))#{family => word(Family), name => word(Name)}}.

%% @equiv chain(Family, Table, Name, #{})
-spec chain(family(), name(), name()) -> object().
chain(Family, Table, Name) -> chain(Family, Table, Name, #{}).

%% @doc A chain that rules call. Options: `comment'.
%%
%% ```
%% #{chain := #{table := <<"filter">>, name := <<"web">>}} = portcullis_nft:chain(inet, filter, web).
%% '''
-spec chain(family(), name(), name(), options()) -> object().
chain(Family, Table, Name, Options) -> object(chain, Family, Table, Name, Options).

%% @doc A chain that a hook calls. Options: `type', `hook' and `prio', which it needs, `policy', `dev', `flags', `comment'.
%%
%% ```
%% #{chain := #{hook := <<"input">>, prio := 0}} =
%%     portcullis_nft:base_chain(inet, filter, input, #{type => filter, hook => input, prio => 0, policy => drop}).
%% '''
-spec base_chain(family(), name(), name(), options()) -> object().
base_chain(Family, Table, Name, Options) -> object(chain, Family, Table, Name, Options).

%% @equiv rule(Family, Table, Chain, Statements, #{})
-spec rule(family(), name(), name(), [statement()]) -> object().
rule(Family, Table, Chain, Statements) -> rule(Family, Table, Chain, Statements, #{}).

%% @doc A rule. Options: `comment'; `handle' of the rule that is replaced, or beside which it is added or inserted; `index'.
%%
%% ```
%% #{rule := #{expr := [#{drop := null}], comment := <<"no one">>}} =
%%     portcullis_nft:rule(inet, filter, input, [portcullis_nft:drop()], #{comment => "no one"}).
%% '''
-spec rule(family(), name(), name(), [statement()], options()) -> object().
rule(Family, Table, Chain, Statements, Options) ->
    #{rule => (options(Options))#{family => word(Family), table => word(Table), chain => word(Chain), expr => Statements}}.

%% @equiv set(Family, Table, Name, Type, #{})
-spec set(family(), name(), name(), name() | [name()] | expression()) -> object().
set(Family, Table, Name, Type) -> set(Family, Table, Name, Type, #{}).

%% @doc A named set. Its type is a word, a list of words, or an expression whose values it holds (`typeof'). Options:
%% `flags', `elem', `timeout' and `gc-interval' in seconds, `size', `policy', `auto-merge', `stmt', `comment'.
%%
%% ```
%% #{set := #{type := <<"ipv4_addr">>, flags := [<<"interval">>], elem := [#{prefix := _}]}} =
%%     portcullis_nft:set(inet, filter, lan, ipv4_addr,
%%                        #{flags => [interval], elem => [portcullis_nft:prefix({10, 0, 0, 0}, 8)]}),
%% #{set := #{type := #{typeof := #{payload := _}}}} =
%%     portcullis_nft:set(inet, filter, ports, portcullis_nft:payload(tcp, dport)).
%% '''
-spec set(family(), name(), name(), name() | [name()] | expression(), options()) -> object().
set(Family, Table, Name, Type, Options) ->
    object(set, Family, Table, Name, Options#{type => type(Type)}).

%% @equiv map(Family, Table, Name, Type, Data, #{})
-spec map(family(), name(), name(), name() | [name()] | expression(), name() | expression()) -> object().
map(Family, Table, Name, Type, Data) -> map(Family, Table, Name, Type, Data, #{}).

%% @doc A named map; `Data' is the type of what it maps to: `verdict', the kind of an object, or a type as that of a set.
%% Its elements are pairs. Options are those of {@link set/5}.
%%
%% ```
%% #{map := #{type := <<"inet_service">>, map := <<"verdict">>, elem := [[22, #{accept := null}]]}} =
%%     portcullis_nft:map(inet, filter, services, inet_service, verdict, #{elem => [{22, portcullis_nft:accept()}]}).
%% '''
-spec map(family(), name(), name(), name() | [name()] | expression(), name() | [name()] | expression(), options()) ->
    object().
map(Family, Table, Name, Type, Data, Options) ->
    object(map, Family, Table, Name, Options#{type => type(Type), map => type(Data)}).

%% @equiv element(Family, Table, Set, Elements, #{})
-spec element(family(), name(), name(), [value() | {value(), value()}]) -> object().
element(Family, Table, Set, Elements) -> element(Family, Table, Set, Elements, #{}).

%% @doc Elements of a named set, or pairs of a named map. Options are put on each of them: `timeout' in seconds, `comment'.
%%
%% ```
%% #{element := #{name := <<"ports">>, elem := [22, #{range := [8000, 8999]}]}} =
%%     portcullis_nft:element(inet, filter, ports, [22, portcullis_nft:range(8000, 8999)]),
%% #{element := #{elem := [#{elem := #{val := <<"192.0.2.7">>, timeout := 60}}]}} =
%%     portcullis_nft:element(inet, filter, banned, [{192, 0, 2, 7}], #{timeout => 60}).
%% '''
-spec element(family(), name(), name(), [value() | {value(), value()}], options()) -> object().
element(Family, Table, Set, Elements, Options) ->
    Each = case map_size(Options) of
        0 -> elements(Elements);
        _ -> [with(Element, Options) || Element <- Elements]
    end,
    object(element, Family, Table, Set, #{elem => {done, Each}}).

with({Key, Data}, Options) -> [elem(Key, Options), value(Data)];
with(Value, Options) -> elem(Value, Options).

%% @equiv counter(Family, Table, Name, #{})
-spec counter(family(), name(), name()) -> object().
counter(Family, Table, Name) -> counter(Family, Table, Name, #{}).

%% @doc A named counter. Options: `packets', `bytes', `comment'.
%%
%% ```
%% #{counter := #{name := <<"logins">>}} = portcullis_nft:counter(inet, filter, logins).
%% '''
-spec counter(family(), name(), name(), options()) -> object().
counter(Family, Table, Name, Options) -> object(counter, Family, Table, Name, Options).

%% @equiv quota(Family, Table, Name, Bytes, #{})
-spec quota(family(), name(), name(), non_neg_integer()) -> object().
quota(Family, Table, Name, Bytes) -> quota(Family, Table, Name, Bytes, #{}).

%% @doc A named quota. Options: `used', `inv' (it matches what is over), `comment'.
%%
%% ```
%% #{quota := #{bytes := 1000000, inv := true}} = portcullis_nft:quota(inet, filter, free, 1000000, #{inv => true}).
%% '''
-spec quota(family(), name(), name(), non_neg_integer(), options()) -> object().
quota(Family, Table, Name, Bytes, Options) -> object(quota, Family, Table, Name, Options#{bytes => Bytes}).

%% @doc A named limit. Options: `rate', which it needs, `per', `burst', `rate_unit', `burst_unit', `inv', `comment'.
%%
%% ```
%% #{limit := #{rate := 10, per := <<"second">>}} =
%%     portcullis_nft:limit(inet, filter, logins, #{rate => 10, per => second}).
%% '''
-spec limit(family(), name(), name(), options()) -> object().
limit(Family, Table, Name, Options) -> object(limit, Family, Table, Name, Options).

%% @doc An object with a comment.
%%
%% ```
%% #{table := #{comment := <<"ours">>}} = portcullis_nft:comment(portcullis_nft:table(inet, filter), "ours").
%% '''
-spec comment(object(), name()) -> object().
comment(Object, Text) ->
    maps:map(fun(_, Parts) -> Parts#{comment => word(Text)} end, Object).

%% --- commands -------------------------------------------------------------------------------------------------------

%% @doc Adds an object; one that is there already stays, a rule is appended.
%%
%% ```
%% #{add := #{table := _}} = portcullis_nft:add(portcullis_nft:table(inet, filter)).
%% '''
-spec add(object()) -> command().
add(Object) -> #{add => Object}.

%% @doc Adds an object, and fails if it is there.
%%
%% ```
%% #{create := #{table := _}} = portcullis_nft:create(portcullis_nft:table(inet, filter)).
%% '''
-spec create(object()) -> command().
create(Object) -> #{create => Object}.

%% @doc Puts a rule before all others of its chain, or before the one of its `handle'.
%%
%% ```
%% #{insert := #{rule := _}} = portcullis_nft:insert(portcullis_nft:rule(inet, filter, input, [portcullis_nft:drop()])).
%% '''
-spec insert(object()) -> command().
insert(Rule) -> #{insert => Rule}.

%% @doc Puts a rule in the place of the one that has its `handle'.
%%
%% ```
%% #{replace := #{rule := #{handle := 7}}} =
%%     portcullis_nft:replace(portcullis_nft:rule(inet, filter, input, [portcullis_nft:drop()], #{handle => 7})).
%% '''
-spec replace(object()) -> command().
replace(Rule) -> #{replace => Rule}.

%% @doc Deletes an object, and fails if it is not there. Of the object, as it was made or listed, only what identifies it
%% counts: the name, of a rule the handle, of elements the elements.
%%
%% ```
%% #{delete := #{rule := #{family := _, table := _, chain := _, handle := 7} = Rule}} =
%%     portcullis_nft:delete(portcullis_nft:rule(inet, filter, input, [portcullis_nft:drop()], #{handle => 7})),
%% 4 = map_size(Rule).
%% '''
-spec delete(object()) -> command().
delete(Object) -> #{delete => identity(Object)}.

%% @doc Deletes an object that may not be there.
%%
%% ```
%% #{destroy := #{table := _}} = portcullis_nft:destroy(portcullis_nft:table(inet, filter)).
%% '''
-spec destroy(object()) -> command().
destroy(Object) -> #{destroy => identity(Object)}.

%% @doc Takes the rules out of a chain or of all chains of a table, the elements out of a set or a map; `ruleset' deletes every
%% table.
%%
%% ```
%% #{flush := #{chain := _}} = portcullis_nft:flush(portcullis_nft:chain(inet, filter, input)),
%% #{flush := #{ruleset := null}} = portcullis_nft:flush(ruleset).
%% '''
-spec flush(object() | ruleset) -> command().
flush(ruleset) -> #{flush => #{ruleset => null}};
flush(Object) -> #{flush => identity(Object)}.

%% @doc What {@link portcullis:nft_list/1} lists: an object with what is in it, or all of a kind.
%%
%% ```
%% #{list := #{chain := _}} = portcullis_nft:list(portcullis_nft:chain(inet, filter, input)),
%% #{list := #{tables := null}} = portcullis_nft:list(tables).
%% '''
-spec list(object() | atom()) -> command().
list(Kind) when is_atom(Kind) -> #{list => #{Kind => null}};
list(Object) -> #{list => identity(Object)}.

%% @doc Gives a chain another name.
%%
%% ```
%% #{rename := #{chain := #{name := <<"in">>, newname := <<"input">>}}} =
%%     portcullis_nft:rename(portcullis_nft:chain(inet, filter, 'in'), input).
%% '''
-spec rename(object(), name()) -> command().
rename(Chain, Name) ->
    #{chain := Parts} = identity(Chain),
    #{rename => #{chain => Parts#{newname => word(Name)}}}.

%% @doc Sets a named counter or quota to zero; what it was is the answer's `reset'. A change of resets has no other commands.
%%
%% ```
%% #{reset := #{counter := _}} = portcullis_nft:reset(portcullis_nft:counter(inet, filter, logins)).
%% '''
-spec reset(object()) -> command().
reset(Object) -> #{reset => identity(Object)}.

%% --- matches and expressions ----------------------------------------------------------------------------------------

%% @equiv match(Left, '==', Right)
-spec match(expression(), value()) -> statement().
match(Left, Right) -> match(Left, '==', Right).

%% @doc Goes on with the rule if it is so: `==', `!=', `<', `>', `<=', `>=', `in' (one of the flags).
%%
%% ```
%% #{match := #{op := <<"!=">>, left := #{meta := _}, right := <<"eth0">>}} =
%%     portcullis_nft:match(portcullis_nft:meta(iifname), '!=', "eth0"),
%% #{match := #{right := [<<"established">>, <<"related">>]}} =
%%     portcullis_nft:match(portcullis_nft:ct(state), 'in', [established, related]).
%% '''
-spec match(expression(), atom() | binary(), value()) -> statement().
match(Left, Op, Right) -> #{match => #{op => word(Op), left => Left, right => value(Right)}}.

%% @doc A field of a header.
%%
%% ```
%% #{payload := #{protocol := <<"ip">>, field := <<"saddr">>}} = portcullis_nft:payload(ip, saddr).
%% '''
-spec payload(name(), name()) -> expression().
payload(Protocol, Field) -> #{payload => #{protocol => word(Protocol), field => word(Field)}}.

%% @doc What the kernel knows of a packet beside its bytes.
%%
%% ```
%% #{meta := #{key := <<"iifname">>}} = portcullis_nft:meta(iifname).
%% '''
-spec meta(name()) -> expression().
meta(Key) -> #{meta => #{key => word(Key)}}.

%% @doc What connection tracking knows of a packet.
%%
%% ```
%% #{ct := #{key := <<"state">>}} = portcullis_nft:ct(state).
%% '''
-spec ct(name()) -> expression().
ct(Key) -> #{ct => #{key => word(Key)}}.

%% @doc The same, of one direction: `original' or `reply'.
%%
%% ```
%% #{ct := #{key := <<"ip saddr">>, dir := <<"original">>}} = portcullis_nft:ct("ip saddr", original).
%% '''
-spec ct(name(), name()) -> expression().
ct(Key, Direction) -> #{ct => #{key => word(Key), dir => word(Direction)}}.

%% @doc A set that only this rule looks into; of pairs, a map.
%%
%% ```
%% #{set := [22, 80, #{range := [8000, 8999]}]} = portcullis_nft:set([22, 80, portcullis_nft:range(8000, 8999)]).
%% '''
-spec set([value() | {value(), value()}]) -> expression().
set(Elements) -> #{set => elements(Elements)}.

%% @doc A named set or map, where one is looked into.
%%
%% ```
%% #{match := #{right := <<"@banned">>}} =
%%     portcullis_nft:match(portcullis_nft:payload(ip, saddr), portcullis_nft:named(banned)).
%% '''
-spec named(name()) -> binary().
named(Name) -> <<"@", (word(Name))/binary>>.

%% @doc All from one value to another.
%%
%% ```
%% #{range := [<<"192.0.2.1">>, <<"192.0.2.9">>]} = portcullis_nft:range({192, 0, 2, 1}, {192, 0, 2, 9}).
%% '''
-spec range(value(), value()) -> expression().
range(From, To) -> #{range => [value(From), value(To)]}.

%% @doc A network.
%%
%% ```
%% #{prefix := #{addr := <<"10.0.0.0">>, len := 8}} = portcullis_nft:prefix({10, 0, 0, 0}, 8).
%% '''
-spec prefix(value(), 0..128) -> expression().
prefix(Address, Length) -> #{prefix => #{addr => value(Address), len => Length}}.

%% @doc Several side by side, on both sides of a match.
%%
%% ```
%% #{concat := [<<"10.0.0.1">>, 22]} = portcullis_nft:concat([{10, 0, 0, 1}, 22]).
%% '''
-spec concat([value()]) -> expression().
concat(Parts) -> #{concat => [value(Part) || Part <- Parts]}.

%% @doc An element with more than itself: `timeout' in seconds, `comment', `counter' and others.
%%
%% ```
%% #{elem := #{val := 22, comment := <<"ssh">>}} = portcullis_nft:elem(22, #{comment => "ssh"}).
%% '''
-spec elem(value(), options()) -> expression().
elem(Value, Options) -> #{elem => (options(Options))#{val => value(Value)}}.

%% @doc What a key maps to: in a list of pairs, or in a named map.
%%
%% ```
%% #{map := #{key := #{payload := _}, data := #{set := [[80, <<"10.0.0.1">>]]}}} =
%%     portcullis_nft:map(portcullis_nft:payload(tcp, dport), [{80, {10, 0, 0, 1}}]).
%% '''
-spec map(expression(), [{value(), value()}] | binary()) -> expression().
map(Key, Data) -> #{map => mapping(Key, Data)}.

%% @doc The verdict that a key maps to: in a list of pairs, or in a named map.
%%
%% ```
%% #{vmap := #{data := #{set := [[22, #{accept := null}], [23, #{drop := null}]]}}} =
%%     portcullis_nft:vmap(portcullis_nft:payload(tcp, dport),
%%                         [{22, portcullis_nft:accept()}, {23, portcullis_nft:drop()}]),
%% #{vmap := #{data := <<"@services">>}} =
%%     portcullis_nft:vmap(portcullis_nft:payload(tcp, dport), portcullis_nft:named(services)).
%% '''
-spec vmap(expression(), [{value(), statement()}] | binary()) -> statement().
vmap(Key, Data) -> #{vmap => mapping(Key, Data)}.

%% --- verdicts -------------------------------------------------------------------------------------------------------

%% @doc The packet may pass.
%%
%% ```
%% #{accept := null} = portcullis_nft:accept().
%% '''
-spec accept() -> statement().
accept() -> #{accept => null}.

%% @doc The packet is dropped.
%%
%% ```
%% #{drop := null} = portcullis_nft:drop().
%% '''
-spec drop() -> statement().
drop() -> #{drop => null}.

%% @doc Back to where the chain was called, or to its policy.
%%
%% ```
%% #{return := null} = portcullis_nft:return().
%% '''
-spec return() -> statement().
return() -> #{return => null}.

%% @doc On with the next rule: the verdict of a map that changes nothing.
%%
%% ```
%% #{continue := null} = portcullis_nft:continue().
%% '''
-spec continue() -> statement().
continue() -> #{continue => null}.

%% @doc Calls a chain.
%%
%% ```
%% #{jump := #{target := <<"web">>}} = portcullis_nft:jump(web).
%% '''
-spec jump(name()) -> statement().
jump(Chain) -> #{jump => #{target => word(Chain)}}.

%% @doc Goes on in a chain and does not come back.
%%
%% ```
%% #{goto := #{target := <<"web">>}} = portcullis_nft:goto(web).
%% '''
-spec goto(name()) -> statement().
goto(Chain) -> #{goto => #{target => word(Chain)}}.

%% @doc The packet is dropped, and its sender is told that the port cannot be reached.
%%
%% ```
%% #{reject := null} = portcullis_nft:reject().
%% '''
-spec reject() -> statement().
reject() -> #{reject => null}.

%% @doc The same, with what the sender is told: a kind, `tcp reset', `icmp', `icmpv6' or `icmpx', or `type' and `expr'.
%%
%% ```
%% #{reject := #{type := <<"tcp reset">>}} = portcullis_nft:reject("tcp reset"),
%% #{reject := #{type := <<"icmpx">>, expr := <<"admin-prohibited">>}} =
%%     portcullis_nft:reject(#{type => icmpx, expr => "admin-prohibited"}).
%% '''
-spec reject(name() | options()) -> statement().
reject(Options) when is_map(Options) -> #{reject => options(Options)};
reject(Type) -> reject(#{type => Type}).

%% --- other statements -----------------------------------------------------------------------------------------------

%% @doc Counts packets and bytes.
%%
%% ```
%% #{counter := null} = portcullis_nft:counter().
%% '''
-spec counter() -> statement().
counter() -> #{counter => null}.

%% @doc Counts in a named counter.
%%
%% ```
%% #{counter := <<"logins">>} = portcullis_nft:counter(logins).
%% '''
-spec counter(name()) -> statement().
counter(Name) -> #{counter => word(Name)}.

%% @equiv limit(Rate, Per, #{})
-spec limit(non_neg_integer(), name()) -> statement().
limit(Rate, Per) -> limit(Rate, Per, #{}).

%% @doc Goes on with the rule so many times `per' `second', `minute', `hour', `day' or `week'. Options: `burst', `inv' (what
%% is over goes on), `rate_unit' and `burst_unit' for bytes.
%%
%% ```
%% #{limit := #{rate := 10, per := <<"second">>, burst := 20}} = portcullis_nft:limit(10, second, #{burst => 20}).
%% '''
-spec limit(non_neg_integer(), name(), options()) -> statement().
limit(Rate, Per, Options) -> #{limit => (options(Options))#{rate => Rate, per => word(Per)}}.

%% @equiv quota(Bytes, #{})
-spec quota(non_neg_integer()) -> statement().
quota(Bytes) -> quota(Bytes, #{}).

%% @doc Goes on with the rule until so many bytes have come. Options: `used', `inv' (only after that), `val_unit'.
%%
%% ```
%% #{quota := #{val := 25, val_unit := <<"mbytes">>}} = portcullis_nft:quota(25, #{val_unit => mbytes}).
%% '''
-spec quota(non_neg_integer(), options()) -> statement().
quota(Bytes, Options) -> #{quota => (options(Options))#{val => Bytes}}.

%% @doc Writes the packet to the kernel's log.
%%
%% ```
%% #{log := null} = portcullis_nft:log().
%% '''
-spec log() -> statement().
log() -> #{log => null}.

%% @doc The same with a prefix, or with `prefix', `level', `group', `snaplen', `queue-threshold', `flags'.
%%
%% ```
%% #{log := #{prefix := <<"in: ">>}} = portcullis_nft:log("in: "),
%% #{log := #{group := 1, snaplen := 64}} = portcullis_nft:log(#{group => 1, snaplen => 64}).
%% '''
-spec log(name() | options()) -> statement().
log(Options) when is_map(Options) -> #{log => options(Options)};
log(Prefix) -> #{log => #{prefix => word(Prefix)}}.

%% @doc Connection tracking leaves the packet out.
%%
%% ```
%% #{notrack := null} = portcullis_nft:notrack().
%% '''
-spec notrack() -> statement().
notrack() -> #{notrack => null}.

%% @doc Changes a field, a mark or another key.
%%
%% ```
%% #{mangle := #{key := #{meta := _}, value := 7}} = portcullis_nft:mangle(portcullis_nft:meta(mark), 7).
%% '''
-spec mangle(expression(), value()) -> statement().
mangle(Key, Value) -> #{mangle => #{key => Key, value => value(Value)}}.

%% @doc Gives packets another source: an address, or `addr', `port', `family', `flags'.
%%
%% ```
%% #{snat := #{addr := <<"192.0.2.1">>}} = portcullis_nft:snat({192, 0, 2, 1}),
%% #{snat := #{family := <<"ip">>, port := #{range := [1024, 2047]}}} =
%%     portcullis_nft:snat(#{family => ip, addr => {192, 0, 2, 1}, port => portcullis_nft:range(1024, 2047)}).
%% '''
-spec snat(value()) -> statement().
snat(To) -> #{snat => nat(To)}.

%% @doc The same, with a port.
%%
%% ```
%% #{snat := #{addr := <<"192.0.2.1">>, port := 1024}} = portcullis_nft:snat({192, 0, 2, 1}, 1024).
%% '''
-spec snat(value(), value()) -> statement().
snat(Address, Port) -> snat(#{addr => Address, port => Port}).

%% @doc Gives packets another destination, as {@link snat/1} does another source.
%%
%% ```
%% #{dnat := #{addr := <<"10.0.0.7">>}} = portcullis_nft:dnat({10, 0, 0, 7}).
%% '''
-spec dnat(value()) -> statement().
dnat(To) -> #{dnat => nat(To)}.

%% @doc The same, with a port.
%%
%% ```
%% #{dnat := #{addr := <<"10.0.0.7">>, port := 8080}} = portcullis_nft:dnat({10, 0, 0, 7}, 8080).
%% '''
-spec dnat(value(), value()) -> statement().
dnat(Address, Port) -> dnat(#{addr => Address, port => Port}).

%% @doc Gives packets the address of the interface through which they leave.
%%
%% ```
%% #{masquerade := null} = portcullis_nft:masquerade().
%% '''
-spec masquerade() -> statement().
masquerade() -> #{masquerade => null}.

%% @doc The same, with `port' or `flags'.
%%
%% ```
%% #{masquerade := #{flags := [<<"random">>]}} = portcullis_nft:masquerade(#{flags => [random]}).
%% '''
-spec masquerade(options()) -> statement().
masquerade(Options) -> #{masquerade => options(Options)}.

%% @doc Sends packets to this host.
%%
%% ```
%% #{redirect := null} = portcullis_nft:redirect().
%% '''
-spec redirect() -> statement().
redirect() -> #{redirect => null}.

%% @doc The same, to a port, or with `port' and `flags'.
%%
%% ```
%% #{redirect := #{port := 8080}} = portcullis_nft:redirect(8080).
%% '''
-spec redirect(integer() | options()) -> statement().
redirect(Options) when is_map(Options) -> #{redirect => options(Options)};
redirect(Port) -> #{redirect => #{port => Port}}.
