defmodule PortcullisTest do
  use ExUnit.Case, async: true

  alias Portcullis.{Error, Process}

  # The real program, found as everywhere: PORTCULLIS_BIN, installed, or priv.
  setup_all do
    root = if System.cmd("id", ["-u"]) == {"0\n", 0}, do: ["--allow-root"], else: []
    # Those of a slow machine: no test here is about time.
    options = [args: root, required: true, hello_timeout: 60_000, default_timeout: 60_000, stuck_timeout: 60_000]
    start_supervised!({Portcullis.Server, [name: PortcullisTest.Server, roles: [:proc, :net]] ++ options})
    start_supervised!({Portcullis, options})
    %{own: String.to_integer(System.pid())}
  end

  test "a process of the system", %{own: own} do
    assert {:ok, %Process{pid: ^own, comm: comm, ppid: nil} = process} =
             Portcullis.process(own, [:pid, :comm, :starttime])

    assert is_binary(comm)
    assert {:ok, %Process{uid: 0}} = Portcullis.process(1)

    assert {:ok, %Process{comm: ^comm}} =
             Portcullis.process(PortcullisTest.Server, own, items: [:comm], timeout: 60_000)

    assert {:error, :esrch} = Portcullis.process({own, process.starttime + 1})
    assert {^own, _} = Process.ref(process)
  end

  test "other columns through Access", %{own: own} do
    process = Portcullis.process!(own, [:num_threads, :comm])
    assert process[:num_threads] > 1
    assert process[:comm] == process.comm
    assert process[:vsize] == nil
    assert put_in(process[:vsize], 1).more.vsize == 1
    assert {_, %Process{comm: nil}} = pop_in(process[:comm])
  end

  test "what was not asked for is nil, what does not apply is :undefined" do
    assert %Process{cmdline: :undefined, rss: 1, comm: nil} = Process.new(%{cmdline: :undefined, rss: 1})
    assert %Process{cmdline: {:error, :eacces}} = Process.new(%{cmdline: {:error, :eacces}})
  end

  test "inspect shows what was asked for" do
    process = Process.new(%{pid: 1, cmdline: "/sbin/init\0splash", vsize: 7})
    assert inspect(process) == ~s(#Portcullis.Process<pid: 1, cmdline: "/sbin/init splash", vsize: 7>)
    assert process.cmdline == "/sbin/init\0splash"
    assert inspect(Process.new(%{cmdline: :undefined})) == "#Portcullis.Process<cmdline: :undefined>"
    assert inspect(Process.new(%{cmdline: {:truncated, "a\0b"}})) =~ ~s({:truncated, "a b"})
    assert inspect(Process.new(%{cmdline: <<255, 0>>})) == "#Portcullis.Process<cmdline: <<255, 32>>>"
  end

  test "options that are none are an error" do
    for wrong <- ["x", :x, 1, ["x"], [{:limit, 1}, :x]] do
      assert {:error, {:bad_request, [], {:expected, :map}}} = Portcullis.processes(wrong)
      assert {:error, {:bad_request, _, _}} = Portcullis.process(1, wrong)
    end

    assert {:error, {:bad_request, [:where], _}} = Portcullis.processes(where: "x")
    assert {:ok, [_ | _]} = Portcullis.processes(where: [], limit: 1)
  end

  test "both forms of a child are the same" do
    for options <- [[], [name: :other, roles: [:net]]] do
      assert Supervisor.child_spec({Portcullis, options}, []) == Supervisor.child_spec({Portcullis.Server, options}, [])
    end
  end

  test "errors are spelled as in Elixir" do
    message = &Exception.message(%Error{reason: &1})

    assert message.({:bad_request, [:columns, 1], {:unknown_column, "nope"}}) =~
             "no column nope in this table; Portcullis.tables()"

    assert message.({:bad_request, [:where, :comm], {:expected, :binary}}) =~ ~s(a binary, such as "this")
    assert message.({:down, :noproc}) =~ "put {Portcullis, []} into a supervisor"
    assert message.({:down, {:noproc, :portcullis}}) =~ "Portcullis.start_link([])"
    assert message.({:down, {:noproc, MyApp.Kernel}}) =~ "No server named MyApp.Kernel runs here"
    assert message.({:down, {:noproc, MyApp.Kernel}}) =~ "Portcullis.start_link(name: MyApp.Kernel)"
    assert message.({:down, {:noproc, :fw}}) =~ "Portcullis.start_link(name: :fw)"
    assert message.({:bad_request, [:where, :pid], {:expected, "a list: {any_of, List}"}}) =~ "{:any_of, list}"
    assert message.({:bad_option, :colour, "no such option"}) =~ "See Portcullis.start_link/1."
    assert message.({:unsupported, "topic x"}) =~ "Portcullis.subscribe(:query, table: :listening, every: 1000)"
    assert message.({:bad_request, [:where], {:expected, :map}}) =~ "[pid: 1]"
    assert message.({:unsupported, "role net: start the server with {roles, [proc,net]}"}) =~ "roles: [:proc, :net]"
    assert message.({:bad_request, [:commands], {:expected, :list}}) =~ "[command]"
    busy = &message.({:nft, 0, :ebusy, "call portcullis:nft_confirm(#{&1}7) or portcullis:nft_rollback(#{&1}7) first"})

    assert busy.("'Elixir.MyApp.Firewall', ") =~
             "Portcullis.nft_confirm(MyApp.Firewall, 7) or Portcullis.nft_rollback(MyApp.Firewall, 7)"

    assert busy.("fw, ") =~ "Portcullis.nft_confirm(:fw, 7)"
    assert busy.("") =~ "Portcullis.nft_confirm(7)"
    refute message.({:down, {:no_program, [{~c"/x", :installed, :enoent}]}}) =~ "portcullis_doctor"
  end

  # What a reader would type is not Erlang's.
  test "no error and no finding tells to type Erlang" do
    options = [
      name: 1,
      roles: [:x],
      transport: :x,
      transport: {:socket, "x"},
      backoff: 1,
      path: 1,
      args: 1,
      hello_timeout: 0
    ]

    reasons =
      for({name, value} <- options, {:error, reason} = :portcullis_opts.server([{name, value}]), do: reason) ++
        for(
          why <- [:address, :list, :atom, :role, :pid, :condition, :map, :binary],
          do: {:bad_request, [:items, 1], {:expected, why}}
        ) ++
        for(path <- [[:columns], [:commands], [:where], [:interval], []], do: {:bad_request, path, {:expected, :list}}) ++
        for(
          down <- [
            :noproc,
            {:noproc, :fw},
            {:noproc, :portcullis},
            {:noproc, self()},
            {:noproc, {:fw, :far@host}},
            :hello_timeout,
            {:node, :far@host, :closed},
            {:node, :far@host, :x},
            {:open, "/x", :eacces}
          ],
          do: {:down, down}
        ) ++
        [
          :timeout,
          :overloaded,
          {:bad_request, [:columns, 1], {:unknown_column, "rss"}},
          {:bad_request, [:interval], {:range, 50, 4999}},
          {:bad_request, [:timeout], {:range, 1000, 5000}},
          {:bad_request, [:address, 2], {:range, 8, 32}},
          {:bad_request, [:ref], {:expected, :integer}},
          elem(Portcullis.ban({192, 0, 2, 7}, 3600), 1),
          :stale
        ] ++
        [
          {:denied_by_policy, "nft.confirm",
           "give the option confirm => 30000 (milliseconds), and call nft_confirm within that time"}
        ]

    for text <- [Portcullis.doctor_report() | Enum.map(reasons, &Portcullis.format_error/1)] do
      refute text =~
               ~r/=>|#\{|<<|=<|\bportcullis\w*:[a-z]|erlang:|net_adm:|\{(?!Portcullis)[A-Z]|\{(node|socket|local|global|via|transport|roles|args), /,
             text
    end
  end

  test "tables", %{own: own} do
    {:ok, processes} = Portcullis.processes(where: [pid: [own, 1]])
    assert [1, ^own] = Enum.map(processes, & &1.pid)
    assert {:ok, [%Process{pid: 1}], %{truncated: true}} = Portcullis.query(:processes, limit: 1)
    assert {:error, {:bad_request, [:table], {:unknown_name, "no_such_table"}}} = Portcullis.query(:no_such_table, [])
    assert {:ok, [%{load1: load}], %{rows: 1}} = Portcullis.query(:load, columns: [:load1])
    assert is_integer(load)
    assert {:ok, tables} = Portcullis.tables()
    assert Enum.any?(tables, &match?(%{name: :load}, &1))
    {:ok, sum, %{rows: rows}} = Portcullis.fold(:processes, [columns: [:pid]], 0, fn %Process{}, acc -> acc + 1 end)
    assert sum == rows
  end

  test "the bang variants raise with a sentence", %{own: own} do
    assert %Error{reason: :esrch} = error = catch_error(Portcullis.process!({own, 1}))
    assert Exception.message(error) =~ "no such process"
    assert %Error{reason: {:bad_request, [:columns, 1], _}} = catch_error(Portcullis.processes!(columns: [:colour]))
    assert {[%Process{}], %{}} = Portcullis.query!(:processes, limit: 1)
    assert {1, %{}} = Portcullis.fold!(:processes, [limit: 1], 0, fn _, acc -> acc + 1 end)
  end

  test "a stream reads what is taken and leaves nothing behind", %{own: own} do
    assert [%Process{pid: 1}] = Portcullis.stream(:processes) |> Enum.take(1)
    pids = Portcullis.stream(PortcullisTest.Server, :processes, columns: [:pid]) |> Enum.map(& &1.pid)
    assert own in pids
    assert pids == Enum.sort(pids)
    assert_raise Error, fn -> Portcullis.stream(:processes, columns: [:colour]) |> Enum.to_list() end
    assert catch_throw(Portcullis.stream(:processes) |> Enum.each(fn _ -> throw(:enough) end)) == :enough
    assert {:messages, []} = Elixir.Process.info(self(), :messages)
  end

  # The policy of the tests lists no file; tests/portcullis_files_SUITE.erl has one that does.
  test "files" do
    assert {:error, {:denied_by_policy, "files.read", _}} = Portcullis.file_open("/var/log/syslog", timeout: 5_000)
    assert {:error, {:denied_by_policy, "files.read", _}} = Portcullis.read_file("/var/log/syslog", max_bytes: 10)
    assert %Error{reason: {:bad_request, [:path], _}} = catch_error(Portcullis.read_file!("syslog"))
    assert %Error{} = error = catch_error(Portcullis.file_open!("/etc/x"))
    assert Exception.message(error) =~ ~s(\n    [files]\n    read = [{ path = "/etc/x", max_bytes = 1048576 }]\n)
  end

  test "ping" do
    assert {:ok, %{rtt: _, size: 20}} = Portcullis.ping(PortcullisTest.Server, {127, 0, 0, 1}, size: 20)
    assert %{address: {0, 0, 0, 0, 0, 0, 0, 1}} = Portcullis.ping!(PortcullisTest.Server, {0, 0, 0, 0, 0, 0, 0, 1}, [])
    assert {:error, {:unsupported, "role net: " <> _}} = Portcullis.ping({127, 0, 0, 1})
  end

  # The policy of the tests names no parameter; tests/portcullis_sysctl_SUITE.erl has one that does.
  test "kernel parameters" do
    assert {:error, {:denied_by_policy, "sysctl.read", _}} =
             Portcullis.sysctl(PortcullisTest.Server, "net.ipv4.ip_forward")

    assert {:error, {:denied_by_policy, "sysctl.write", _}} =
             Portcullis.sysctl_set(PortcullisTest.Server, "net.ipv4.ip_forward", 1)

    assert {:error, {:denied_by_policy, "sysctl.read", _}} = Portcullis.sysctls(PortcullisTest.Server)
    assert {:error, {:unsupported, "role net: " <> _}} = Portcullis.sysctl("net.ipv4.ip_forward")

    assert %Error{reason: {:bad_request, [:name], {:expected, :parameter}}} =
             catch_error(Portcullis.sysctl!(PortcullisTest.Server, "kernel.hostname"))

    assert %Error{reason: {:denied_by_policy, _, _}} =
             error = catch_error(Portcullis.sysctl_set!(PortcullisTest.Server, "net.ipv4.ip_forward", 1))

    assert Exception.message(error) =~ ~s(\n    write = [{ name = "net.ipv4.ip_forward", values = ["1"] }]\n)
    assert %Error{} = catch_error(Portcullis.sysctls!(PortcullisTest.Server))
  end

  # The policy of the tests lets the firewall be read, and elements of one set be changed after confirmation;
  # tests/portcullis_nft_SUITE.erl has one that lets more be done.
  test "the firewall" do
    server = PortcullisTest.Server
    assert {:ok, objects} = Portcullis.nft_list(server, :ruleset, timeout: 60_000)
    assert Portcullis.nft_list!(server, %{ruleset: :null}, []) == objects
    assert %Error{reason: {:bad_request, [:what], _}} = catch_error(Portcullis.nft_list!(server, :weather, []))
    commands = [:portcullis_nft.add(:portcullis_nft.element(:inet, "portcullis", "banned", [{192, 0, 2, 7}]))]
    assert {:error, {:denied_by_policy, "nft.confirm", _}} = Portcullis.nft_apply(server, commands, [])
    assert {:error, {:nft, 1, :enoent, text}} = Portcullis.nft_check(server, commands, timeout: 60_000)
    assert %Error{} = error = catch_error(Portcullis.nft_apply!(server, commands, confirm: 1_000))
    assert Exception.message(error) == "The kernel refused command 1, " <> text <> "."
    assert {:ok, ~s({"nftables": [) <> _} = Portcullis.nft_json(server, ~s([{"list": {"tables": null}}]), [])
    assert {:error, :stale} = Portcullis.nft_confirm(server, 4711)
    assert %Error{reason: :stale} = catch_error(Portcullis.nft_rollback!(server, 4711))
    assert {:error, {:denied_by_policy, "nft.write", _}} = Portcullis.ban(server, {192, 0, 2, 7}, timeout: 1_000)
    # All that the first one takes, at once.
    assert {:error, {:denied_by_policy, "nft.write", hint}} = Portcullis.ban(server, "192.0.2.7")
    assert hint =~ ~s(ops = ["add_table", "add_chain", "add_rule", "add_set", "add_element"])
    assert {:error, {:denied_by_policy, "nft.write", _}} = Portcullis.unban(server, {192, 0, 2, 7})
    assert [] = Portcullis.banned!(server)
    assert {:error, {:unsupported, "role net: " <> _}} = Portcullis.nft_list()
    assert %Error{} = catch_error(Portcullis.nft_apply!(commands))
    assert %Error{} = catch_error(Portcullis.nft_json!(""))
    assert %Error{} = catch_error(Portcullis.ban!({192, 0, 2, 7}))
  end

  test "what was written for the package nftables" do
    args = if System.cmd("id", ["-u"]) == {"0\n", 0}, do: ["--allow-root"], else: []
    pid = start_supervised!({Portcullis.NFTables, name: PortcullisTest.NFTables, check_capabilities: true, args: args})
    list = ~s({"nftables": [{"list": {"tables": null}}]})
    assert {:ok, ~s({"nftables": [) <> _ = json} = Portcullis.NFTables.commit(pid, list)
    assert {:ok, ^json} = Portcullis.NFTables.commit(PortcullisTest.NFTables, list, 60_000)
    assert {:ok, ^json} = Portcullis.NFTables.commit(PortcullisTest.Server, list, timeout: 60_000)
    assert {:ok, ^json} = GenServer.call(pid, {:request, list}, 60_000)
    denied = ~s({"nftables": [{"add": {"table": {"family": "inet", "name": "fw"}}}]})
    assert {:ok, "Error: The policy does not grant nft.write." <> _} = Portcullis.NFTables.commit(pid, denied)
    assert {:ok, "Error: " <> _} = Portcullis.NFTables.commit(pid, "add table inet fw")
    {:ok, other} = Portcullis.NFTables.start_link(args: args)
    assert :ok = Portcullis.NFTables.stop(other)
    assert {:error, {:down, {:noproc, ^other}}} = Portcullis.NFTables.commit(other, list)
  end

  test "subscriptions", %{own: own} do
    {:ok, ref} = Portcullis.subscribe(PortcullisTest.Server, :audit, role: :proc)
    {:error, _} = Portcullis.process(PortcullisTest.Server, own, [:environ])
    assert_receive {:portcullis, ^ref, {:event, %{kind: :audit, decision: :denied, target: "environ"}}}, 60_000
    assert :ok = Portcullis.ack(ref, 1)
    assert :ok = Portcullis.unsubscribe(ref)
    assert %Error{reason: {:unsupported, "topic weather"}} = catch_error(Portcullis.subscribe!(:weather))
  end

  test "requests without waiting, and GenServer.call" do
    id = Portcullis.send_request(:info, %{})
    assert {:ok, %{requests: _}} = Portcullis.receive_response(id, 60_000)
    assert :ok = Portcullis.cancel(id)
    request = {:request, :process, %{pid: 1, items: [:uid]}, 5_000}
    assert {:ok, %{uid: 0}} = GenServer.call(PortcullisTest.Server, request)
  end

  test "what a server says about itself" do
    assert {:ok, %{proc: %{state: :ready, hello: %{version: version}}}} = Portcullis.info()
    assert version == to_string(Application.spec(:portcullis, :vsn))
    assert {:ok, [_ | _]} = Portcullis.doctor(PortcullisTest.Server)
    assert Portcullis.doctor_report() =~ "No problem found."
    assert {_, [_ | _]} = Portcullis.checkup(PortcullisTest.Server)
    assert {:error, {:down, {:noproc, NoSuchServer}}} = Portcullis.process(NoSuchServer, 1, [:pid])
    assert Portcullis.format_error(:timeout) =~ "deadline"
    assert {:error, {:bad_option, :colour, _}} = Portcullis.start_link(colour: :red)
  end

  # What the functions do is tested beside real nodes (tests/portcullis_dist_SUITE.erl).
  test "filters of a node that cannot be reached" do
    at = :nobody@localhost
    down = {:error, {:down, {:node, at, :nodedown}}}

    for {function, arguments} <- [
          set_filter: [at, :link, :deny],
          set_filter: [at, :out, :link, :deny],
          add_filter: [at, :reg_send, :x, :deny],
          del_filter: [at, :reg_send, :x],
          set_handler: [at, :reg_send, :x],
          test_filter: [:reg_send, :x],
          test_filter: [at, :reg_send, :x],
          explain_filter: [at, :reg_send, :x],
          set_default_filter: [:_, :_, :deny],
          statistics: [],
          statistics: [:_],
          counters: [at]
        ] do
      assert down == apply(Portcullis.Dist, function, [at | arguments])
    end

    assert Portcullis.format_error(elem(down, 1)) =~ "cannot be reached"
    # The tests run on a node without a name, and that is why.
    assert Portcullis.format_error(elem(down, 1)) =~ "iex --sname app@localhost --erl \"-start_epmd false"
  end
end

# Not beside the others: it starts a server under the default name.
defmodule PortcullisReadmeTest do
  use ExUnit.Case, async: false

  @root System.cmd("id", ["-u"]) == {"0\n", 0}

  @tag skip: @root && "the page is for ordinary users"
  test "the example of the README" do
    readme = File.read!(Path.expand("../../README.md", __DIR__))
    [_, code] = Regex.run(~r/## Elixir\n\n```elixir\n(.*?)```/s, readme)
    {rows, bindings} = Code.eval_string(code)
    assert bindings[:comm] |> is_binary()
    assert [%Portcullis.Process{rss: most} | _] = rows
    assert is_integer(most)
  end
end
