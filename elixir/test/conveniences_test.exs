defmodule PortcullisConveniencesTest do
  # Not async: telemetry is a module of the whole node.
  use ExUnit.Case

  alias Portcullis.Error

  @server PortcullisConveniencesTest.Server

  setup_all do
    start_supervised!({Portcullis.Server, [name: @server, required: true, roles: [:proc, :net]] ++ patient()})
    :ok
  end

  # Answers without and with `!` are told apart by their names alone: none must be forgotten.
  test "what answers {:error, reason} has a variant with a !" do
    # They start, wait, or only ever answer :ok.
    without = ~w(start_link stop doctor checkup file_close receive_response send_request)a
    {:ok, specs} = Code.Typespec.fetch_specs(Portcullis)

    fails =
      for {{name, arity}, [spec | _]} <- specs,
          Macro.to_string(Code.Typespec.spec_to_quoted(name, spec)) =~ "{:error",
          name not in without,
          do: {name, arity}

    assert {:process, 3} in fails
    assert length(fails) > 30
    lacking = for {name, arity} <- fails, not function_exported?(Portcullis, :"#{name}!", arity), do: {name, arity}
    assert lacking == []
  end

  test "a table without options, and a live one" do
    assert {:ok, [%{load1: _}], _} = Portcullis.query(@server, :load)
    assert {[%{load1: _}], _} = Portcullis.query!(@server, :load)
    screen = ExUnit.CaptureIO.capture_io(fn -> assert :ok = Portcullis.top(@server, times: 1, interval: 50) end)
    assert screen =~ "cpu ["
    assert %Error{} = catch_error(Portcullis.top!(sort: :colour))
    assert {:error, {:down, {:noproc, :nobody}}} = Portcullis.top(:nobody)
  end

  test "the variants of a named server" do
    assert %{proc: %{state: :ready}} = Portcullis.info!(@server)
    assert Enum.any?(Portcullis.tables!(@server), &match?(%{name: :load}, &1))
    assert %Error{reason: {:denied_by_policy, _, _}} = catch_error(Portcullis.file_open!(@server, "/etc/x", []))
    assert %Error{} = catch_error(Portcullis.nft_check!(@server, [], []))
    assert %Error{} = catch_error(Portcullis.nft_json!(@server, "{", []))
    assert %Error{} = catch_error(Portcullis.ban!(@server, :nobody, []))
    assert %Error{reason: {:down, {:noproc, :nobody}}} = catch_error(Portcullis.info!(:nobody))
    assert %Error{} = catch_error(Portcullis.subscribe!(@server, :nothing, []))
  end

  describe "events" do
    test "come as they happen, more of them than are allowed at first, and leave nothing behind" do
      events = Portcullis.events(@server, :query, table: :uptime, every: 100, columns: [:uptime])
      # 64 come unasked.
      times = events |> Stream.flat_map(&(&1.added ++ Enum.map(&1.changed, fn {_, new} -> new end))) |> Enum.take(70)
      assert length(times) == 70
      assert times == Enum.sort(times)
      assert {:messages, []} = Process.info(self(), :messages)
    end

    test "an error is raised when the stream is read" do
      events = Portcullis.events(@server, :no_such_topic, [])
      assert_raise Error, fn -> Enum.take(events, 1) end
    end

    test "of the end of a process are one" do
      port = Port.open({:spawn_executable, "/bin/cat"}, [])
      {:os_pid, pid} = Port.info(port, :os_pid)
      reader = Task.async(fn -> @server |> Portcullis.events(:exit, pid: pid) |> Enum.map(& &1.pid) end)
      # It has subscribed.
      wait_until(fn ->
        Process.info(reader.pid, :current_function) == {:current_function, {Portcullis.Rows, :next_event, 1}}
      end)

      Port.close(port)
      assert Task.await(reader, 60_000) == [pid]
    end

    test "end with an error when the program ends" do
      start_supervised!({Portcullis.Server, [name: :short] ++ patient()}, id: :short)
      parent = self()

      reader =
        Task.async(fn ->
          catch_error(
            Portcullis.events(:short, :query, table: :uptime, every: 100)
            |> Enum.each(fn event -> send(parent, {:event, event}) end)
          )
        end)

      assert_receive {:event, _}, 60_000
      :ok = Portcullis.stop(:short)
      assert %Error{reason: {:down, _}} = Task.await(reader, 60_000)
    end
  end

  # What the page of the module promises to handlers, whole.
  test "telemetry has the metadata that the documentation names" do
    Process.register(self(), :telemetry_sink)

    [{_, code}] =
      Code.compile_string("""
      defmodule :telemetry do
        def execute(name, measurements, metadata) do
          if Process.whereis(:telemetry_sink), do: send(:telemetry_sink, {name, measurements, metadata})
          :ok
        end
      end
      """)

    assert is_binary(code)

    on_exit(fn ->
      :code.delete(:telemetry)
      :code.purge(:telemetry)
    end)

    start_supervised!({Portcullis.Server, [name: :told] ++ patient()}, id: :told)
    assert {:ok, _} = Portcullis.process(:told, 1, [:comm])
    assert {:error, :esrch} = Portcullis.process(:told, {1, 1}, [:comm])
    catch_throw(Portcullis.fold(:told, :processes, [], 0, fn _, _ -> throw(:x) end))
    told = documented()

    for {event, seen} <- %{
          [:request, :start] => received([:portcullis, :request, :start]),
          [:request, :stop] => received([:portcullis, :request, :stop]),
          [:request, :exception] => received([:portcullis, :request, :exception]),
          [:port, :up] => received([:portcullis, :port, :up])
        } do
      assert {event, seen} == {event, told[event]}
    end

    assert Map.has_key?(told, [:port, :down])
  end

  # Event => {measurements, metadata}, from the table of the page.
  defp documented do
    {:docs_v1, _, _, _, %{"en" => page}, _, _} = Code.fetch_docs(Portcullis)

    for "| `[:portcullis, " <> _ = line <- String.split(page, "\n"), into: %{} do
      [name, measurements, metadata] = line |> String.trim("|") |> String.split("|") |> Enum.map(&String.trim/1)
      [_, :portcullis | event] = [nil | name |> String.trim("`") |> Code.string_to_quoted!()]
      metadata = metadata |> String.split(":") |> hd() |> names()
      {event, {names(measurements), metadata}}
    end
  end

  defp names(text) do
    for([_, name] <- Regex.scan(~r/`([a-z_]+)`/, text), do: name) |> Enum.sort()
  end

  defp received(name) do
    assert_receive {^name, measurements, metadata}, 60_000
    keys = fn map -> map |> Map.keys() |> Enum.map(&Atom.to_string/1) |> Enum.sort() end
    {keys.(measurements), keys.(metadata)}
  end

  # A slow machine is not a failure.
  defp patient, do: [backoff: {10, 20}, hello_timeout: 60_000, default_timeout: 60_000, stuck_timeout: 60_000]

  defp wait_until(condition, left \\ 6_000) do
    cond do
      condition.() -> :ok
      left == 0 -> flunk("it did not come")
      true -> Process.sleep(10) && wait_until(condition, left - 1)
    end
  end
end
