defmodule PortcullisTest do
  use ExUnit.Case, async: true

  alias Portcullis.{Error, Process}

  # The real program, found as everywhere: PORTCULLIS_BIN, installed, or priv.
  setup_all do
    root = if System.cmd("id", ["-u"]) == {"0\n", 0}, do: ["--allow-root"], else: []
    start_supervised!({Portcullis.Server, name: PortcullisTest.Server, args: root, required: true})
    start_supervised!({Portcullis, args: root})
    %{own: String.to_integer(System.pid())}
  end

  test "a process of the system", %{own: own} do
    assert {:ok, %Process{pid: ^own, comm: comm, ppid: nil} = process} =
             Portcullis.process(own, [:pid, :comm, :starttime])

    assert is_binary(comm)
    assert {:ok, %Process{uid: 0}} = Portcullis.process(1)
    assert {:ok, %Process{comm: ^comm}} = Portcullis.process(PortcullisTest.Server, own, items: [:comm], timeout: 5_000)
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

  test "cells that do not apply are nil" do
    assert %Process{cmdline: nil, rss: 1} = Process.new(%{cmdline: :undefined, rss: 1})
    assert %Process{cmdline: {:error, :eacces}} = Process.new(%{cmdline: {:error, :eacces}})
  end

  test "tables", %{own: own} do
    {:ok, processes} = Portcullis.processes(where: [pid: [own, 1]])
    assert [1, ^own] = Enum.map(processes, & &1.pid)
    assert {:ok, [%Process{pid: 1}], %{truncated: true}} = Portcullis.query(:processes, limit: 1)
    assert {:error, {:unsupported, "table sockets"}} = Portcullis.query(:sockets, [])
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

  test "requests without waiting, and GenServer.call" do
    id = Portcullis.send_request(:info, %{})
    assert {:ok, %{requests: _}} = Portcullis.receive_response(id, 5_000)
    assert :ok = Portcullis.cancel(id)
    request = {:request, :process, %{pid: 1, items: [:uid]}, 5_000}
    assert {:ok, %{uid: 0}} = GenServer.call(PortcullisTest.Server, request)
  end

  test "what a server says about itself" do
    assert {:ok, %{proc: %{state: :ready, hello: %{version: "0.1.0"}}}} = Portcullis.info()
    assert {:ok, [_ | _]} = Portcullis.doctor(PortcullisTest.Server)
    assert Portcullis.doctor_report() =~ "No problem found."
    assert {:error, {:down, :noproc}} = Portcullis.process(NoSuchServer, 1, [:pid])
    assert Portcullis.format_error(:timeout) =~ "deadline"
    assert {:error, {:bad_option, :colour, _}} = Portcullis.start_link(colour: :red)
  end
end
