defmodule Portcullis do
  @moduledoc """
  The kernel for the BEAM, without the privileges.

  A server starts a small program that holds the capabilities, and asks it. Put one into your supervisor:

      children = [{Portcullis, []}]

  and ask:

      {:ok, init} = Portcullis.process(1, [:comm, :uid])
      init.comm
      #=> "systemd"

      {:ok, processes} = Portcullis.processes(columns: [:pid, :comm, :rss], where: [state: :running])

  The first argument of every function can be a server; without it the server called `:portcullis` is asked. Options,
  columns, units and errors are those of the Erlang module `:portcullis`; rows are `Portcullis.Process` structs. Every
  function that answers `{:error, reason}` has a variant with `!` that raises `Portcullis.Error`.
  """

  alias Portcullis.{Error, Process, Rows}

  @default :portcullis

  @type server :: :portcullis.server()
  @type reason :: :portcullis.error()
  @type options :: keyword() | map()
  @type meta :: :portcullis.meta()

  @doc """
  Starts a server. Options are those of `:portcullis.start_link/1`.

      {:ok, _pid} = Portcullis.start_link(name: MyApp.Kernel, unprivileged: true)
      {:ok, _init} = Portcullis.process(MyApp.Kernel, 1, [:comm])
  """
  @spec start_link(options()) :: {:ok, pid()} | {:error, term()}
  defdelegate start_link(options), to: :portcullis

  @doc "A server for a supervisor: `{Portcullis, options}`. Its id is its name."
  @spec child_spec(options()) :: Supervisor.child_spec()
  defdelegate child_spec(options), to: :portcullis

  @doc "Stops a server and closes its programs."
  @spec stop(server()) :: :ok
  def stop(server \\ @default), do: :portcullis.stop(server)

  @doc "The connections of a server, by role."
  @spec info(server()) :: {:ok, map()} | {:error, reason()}
  def info(server \\ @default), do: :portcullis.info(server)

  @doc """
  Checks the installation. `doctor_report/1` gives it as text.

      {:ok, checks} = Portcullis.doctor()
  """
  @spec doctor(server() | options()) :: :portcullis_doctor.report()
  def doctor(server_or_options \\ @default), do: :portcullis.doctor(server_or_options)

  @doc "What `doctor/1` finds, as text for a person."
  @spec doctor_report(server() | options()) :: String.t()
  def doctor_report(server_or_options \\ @default) do
    server_or_options |> :portcullis.doctor() |> :portcullis_doctor.format()
  end

  @doc """
  One process of the system: the items that are named, or all that cost no capability.

      {:ok, process} = Portcullis.process(4711, [:comm, :starttime])
      {:ok, same} = Portcullis.process({4711, process.starttime}, items: [:rss], timeout: 100)
      {:error, :esrch} = Portcullis.process({4711, 1})
  """
  @spec process(:portcullis.pid_ref(), [atom()] | options()) :: {:ok, Process.t()} | {:error, reason()}
  def process(pid, items \\ []), do: process(@default, pid, items)

  @doc "The same, of a server."
  @spec process(server(), :portcullis.pid_ref(), [atom()] | options()) :: {:ok, Process.t()} | {:error, reason()}
  def process(server, pid, items) do
    with {:ok, row} <- :portcullis.process(server, pid, Rows.items(items)), do: {:ok, Process.new(row)}
  end

  @doc "Like `process/2`, but raises `Portcullis.Error`."
  @spec process!(:portcullis.pid_ref(), [atom()] | options()) :: Process.t()
  def process!(pid, items \\ []), do: process!(@default, pid, items)

  @doc "Like `process/3`, but raises `Portcullis.Error`."
  @spec process!(server(), :portcullis.pid_ref(), [atom()] | options()) :: Process.t()
  def process!(server, pid, items), do: server |> process(pid, items) |> Error.unwrap!()

  @doc """
  The processes of the system, in ascending order of pid.

      {:ok, zombies} = Portcullis.processes(where: [state: :zombie], timeout: 1_000)
  """
  @spec processes(options()) :: {:ok, [Process.t()]} | {:error, reason()}
  def processes(options \\ []), do: processes(@default, options)

  @doc "The same, of a server."
  @spec processes(server(), options()) :: {:ok, [Process.t()]} | {:error, reason()}
  def processes(server, options) do
    with {:ok, rows, _meta} <- query(server, :processes, options), do: {:ok, rows}
  end

  @doc "Like `processes/1`, but raises `Portcullis.Error`."
  @spec processes!(options()) :: [Process.t()]
  def processes!(options \\ []), do: processes!(@default, options)

  @doc "Like `processes/2`, but raises `Portcullis.Error`."
  @spec processes!(server(), options()) :: [Process.t()]
  def processes!(server, options), do: server |> processes(options) |> Error.unwrap!()

  @doc """
  The rows of a table, and what is to be known about them.

      {:ok, rows, %{vanished: _, denied: _}} = Portcullis.query(:processes, columns: [:pid, :exe])
  """
  @spec query(atom(), options()) :: {:ok, [Process.t()], meta()} | {:error, reason()}
  def query(table, options), do: query(@default, table, options)

  @doc "The same, of a server."
  @spec query(server(), atom(), options()) :: {:ok, [Process.t()], meta()} | {:error, reason()}
  def query(server, table, options) do
    with {:ok, rows, meta} <- :portcullis.query(server, table, Rows.options(options)) do
      {:ok, Enum.map(rows, &Process.new/1), meta}
    end
  end

  @doc "Like `query/2`, but raises `Portcullis.Error`; answers `{rows, meta}`."
  @spec query!(atom(), options()) :: {[Process.t()], meta()}
  def query!(table, options), do: query!(@default, table, options)

  @doc "Like `query/3`, but raises `Portcullis.Error`; answers `{rows, meta}`."
  @spec query!(server(), atom(), options()) :: {[Process.t()], meta()}
  def query!(server, table, options), do: server |> query(table, options) |> Error.unwrap!()

  @doc """
  Folds over the rows of a table as they come, in the calling process. A slow `fun` slows the program.

      {:ok, bytes, _meta} = Portcullis.fold(:processes, [columns: [:rss]], 0, &(&1.rss + &2))
  """
  @spec fold(atom(), options(), acc, (Process.t(), acc -> acc)) :: {:ok, acc, meta()} | {:error, reason()}
        when acc: var
  def fold(table, options, acc, fun), do: fold(@default, table, options, acc, fun)

  @doc "The same, of a server."
  @spec fold(server(), atom(), options(), acc, (Process.t(), acc -> acc)) :: {:ok, acc, meta()} | {:error, reason()}
        when acc: var
  def fold(server, table, options, acc, fun) when is_function(fun, 2) do
    :portcullis.fold(server, table, Rows.options(options), fn row, acc -> fun.(Process.new(row), acc) end, acc)
  end

  @doc "Like `fold/4`, but raises `Portcullis.Error`; answers `{acc, meta}`."
  @spec fold!(atom(), options(), acc, (Process.t(), acc -> acc)) :: {acc, meta()} when acc: var
  def fold!(table, options, acc, fun), do: fold!(@default, table, options, acc, fun)

  @doc "Like `fold/5`, but raises `Portcullis.Error`; answers `{acc, meta}`."
  @spec fold!(server(), atom(), options(), acc, (Process.t(), acc -> acc)) :: {acc, meta()} when acc: var
  def fold!(server, table, options, acc, fun), do: server |> fold(table, options, acc, fun) |> Error.unwrap!()

  @doc """
  The rows of a table as a stream. Rows are read as they are taken, a batch ahead; a stream that is left early ends its
  request. Raises `Portcullis.Error`.

      Portcullis.stream(:processes, columns: [:pid, :cmdline])
      |> Stream.filter(&match?("ssh" <> _, &1.cmdline))
      |> Enum.take(5)
  """
  @spec stream(atom(), options()) :: Enumerable.t()
  def stream(table, options \\ []), do: stream(@default, table, options)

  @doc "The same, of a server."
  @spec stream(server(), atom(), options()) :: Enumerable.t()
  def stream(server, table, options) do
    server |> Rows.stream(table, Rows.options(options)) |> Stream.map(&Process.new/1)
  end

  @doc """
  Asks without waiting. `receive_response/2` takes the answer, with rows as plain maps.

      id = Portcullis.send_request(:info, %{})
      {:ok, %{requests: _}} = Portcullis.receive_response(id, 1_000)
  """
  @spec send_request(server(), atom(), options()) :: :portcullis.request_id()
  def send_request(server \\ @default, operation, args), do: :portcullis.send_request(server, operation, Rows.options(args))

  @doc "Waits for an answer, for at most `timeout` milliseconds."
  @spec receive_response(:portcullis.request_id(), timeout()) ::
          {:ok, term()} | {:ok, [map()], meta()} | {:error, reason()}
  def receive_response(id, timeout \\ :infinity), do: :portcullis.receive_response(id, timeout)

  @doc "Ends a request early: its answer, which is still to be received, is `{:error, :cancelled}`."
  @spec cancel(:portcullis.request_id()) :: :ok
  defdelegate cancel(id), to: :portcullis

  @doc "An error in sentences, with what mends it. A command stands on a line of its own."
  @spec format_error(term()) :: String.t()
  def format_error(reason), do: Exception.message(%Error{reason: reason})
end
