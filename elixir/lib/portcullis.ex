defmodule Portcullis do
  @moduledoc """
  The kernel for the BEAM, without the privileges.

  A server starts a small program that holds the capabilities, and asks it. Put one into your supervisor:

      children = [{Portcullis, []}]

  and ask:

      iex> {:ok, init} = Portcullis.process(1, [:comm, :uid])
      iex> init.uid
      0
      iex> {:ok, _processes} = Portcullis.processes(columns: [:pid, :comm, :rss], where: [state: :running])

  The first argument of every function can be a server; without it the server called `:portcullis` is asked. Options,
  columns, units and errors are those of the Erlang module `:portcullis`; rows are `Portcullis.Process` structs. Functions
  that answer `{:error, reason}` have variants with `!` that raise `Portcullis.Error`. What is answered, a file of root's
  decides: `/etc/portcullis/policy.toml`. A denial has the line that would grant it; `format_error/1` shows it.

  `:portcullis_mon`, what OTP's `os_mon` answers, and `:portcullis_nft` have no other name here.

  ## Mix tasks

  `mix portcullis.install`, `mix portcullis.doctor` and `mix portcullis.policy` build and install the program, say what is
  wrong with it, and what the policy grants.

  ## Telemetry

  If the application has `:telemetry`, these are executed. Durations are in native units, as `:telemetry.span/3` has them.

  | event | measurements | metadata |
  |---|---|---|
  | `[:portcullis, :request, :start]` | `system_time` | `server`, `operation` |
  | `[:portcullis, :request, :stop]` | `duration` | `server`, `operation`, `result`: `:ok` or `{:error, reason}` |
  | `[:portcullis, :request, :exception]` | `duration` | `server`, `operation`, `kind`, `reason`, `stacktrace`: what the function of a fold raised |
  | `[:portcullis, :port, :up]` | `count` | `server`, `role`, `program`, `source`, `downs`, `hello` |
  | `[:portcullis, :port, :down]` | `count` | `server`, `role`, `program`, `source`, `downs`, `repeated`, `reason` |

  `repeated` is true while a program that is started again and again fails for the same reason. Without `:telemetry`,
  the option `:event_handler` of a server hears of `:up` and `:down`.

  ## Logger

  A program that is lost is logged once, with what mends it (`:error`); that it serves again is a `:notice`, and further
  attempts are `:debug`. These have the metadata `domain: [:portcullis]` and `role: :proc | :net`:

      config :logger, :console, metadata: [:role]
  """

  alias Portcullis.{Error, Process, Rows}

  @default :portcullis

  @type server :: :portcullis.server()
  @type reason :: :portcullis.error()
  @type options :: keyword() | map()
  @type meta :: :portcullis.meta()
  @typedoc "A row of the table `:processes`, or the map that a row of any other is."
  @type row :: Process.t() | %{atom() => term()}

  @doc """
  Starts a server. Options are those of `:portcullis.start_link/1`.

      iex> {:ok, _pid} = Portcullis.start_link(name: MyApp.Kernel, unprivileged: true)
      iex> {:ok, init} = Portcullis.process(MyApp.Kernel, 1, [:pid])
      iex> init.pid
      1
  """
  @spec start_link(options()) :: {:ok, pid()} | {:error, term()}
  defdelegate start_link(options), to: :portcullis

  @doc "A server for a supervisor: `{Portcullis, options}`. Its id is its name."
  @spec child_spec(options()) :: Supervisor.child_spec()
  defdelegate child_spec(options), to: :portcullis

  @doc "Stops a server and closes its programs."
  @spec stop(server()) :: :ok
  def stop(server \\ @default), do: :portcullis.stop(server)

  @doc """
  The connections of a server, by role.

      iex> {:ok, %{proc: %{state: state}}} = Portcullis.info()
      iex> state
      :ready
  """
  @spec info(server()) :: {:ok, map()} | {:error, reason()}
  def info(server \\ @default), do: :portcullis.info(server)

  @doc "Like `info/1`, but raises `Portcullis.Error`."
  @spec info!(server()) :: map()
  def info!(server \\ @default), do: server |> info() |> Error.unwrap!()

  @doc """
  Checks the installation. `doctor_report/1` gives it as text.

      iex> {:problems, [%{check: check, message: _, fix: _}]} = Portcullis.doctor(rolls: [:proc])
      iex> check
      :options
  """
  @spec doctor(server() | options()) :: :portcullis_doctor.report()
  def doctor(server_or_options \\ @default), do: :portcullis.doctor(server_or_options)

  @doc """
  Checks the deployment: what `doctor/1` looks at, other holders of capabilities, distribution, cookies and the host.
  `:portcullis_checkup.print()` prints it. Expected holders are named in the configuration:

      config :portcullis, capability_holders: %{expected: ["chronyd"]}
  """
  @spec checkup(server() | options()) :: :portcullis_doctor.report()
  def checkup(server_or_options \\ @default), do: :portcullis.checkup(server_or_options)

  @doc "What `doctor/1` finds, as text for a person."
  @spec doctor_report(server() | options()) :: String.t()
  def doctor_report(server_or_options \\ @default) do
    server_or_options |> :portcullis.doctor() |> :portcullis_doctor.format() |> Error.spelled()
  end

  @doc """
  One process of the system: the items that are named, or those that the policy gives of every process.

      iex> own = String.to_integer(System.pid())
      iex> {:ok, process} = Portcullis.process(own, [:comm, :starttime])
      iex> {:ok, same} = Portcullis.process({own, process.starttime}, items: [:comm], timeout: 10_000)
      iex> same.comm == process.comm
      true
      iex> Portcullis.process({own, process.starttime + 1})
      {:error, :esrch}
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

      iex> {:ok, [init]} = Portcullis.processes(columns: [:pid, :ppid], where: [pid: 1])
      iex> init
      #Portcullis.Process<pid: 1, ppid: 0>
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

      iex> {:ok, [load], %{rows: 1}} = Portcullis.query(:load, columns: [:load1])
      iex> Map.keys(load)
      [:load1]
      iex> {:ok, _rows, %{vanished: _, denied: _}} = Portcullis.query(:processes, columns: [:pid, :exe])

      iex> {:ok, [%{uptime: _}], _} = Portcullis.query(:uptime)

  `query(server, table)` asks that server without options. Some tables tell what happens in a time, and answer after it (`interval`, in
  milliseconds):

      iex> {:ok, [_ | _], _} = Portcullis.query(:process_rates, columns: [:pid, :comm, :cpu], interval: 200)
  """
  @spec query(atom() | server(), options() | atom()) :: {:ok, [row()], meta()} | {:error, reason()}
  def query(table, options \\ [])
  def query(server, table) when is_atom(table), do: query(server, table, [])
  def query(table, options), do: query(@default, table, options)

  @doc "The same, of a server."
  @spec query(server(), atom(), options()) :: {:ok, [row()], meta()} | {:error, reason()}
  def query(server, table, options) do
    with {:ok, rows, meta} <- :portcullis.query(server, table, Rows.options(options)) do
      {:ok, Enum.map(rows, &Rows.row(table, &1)), meta}
    end
  end

  @doc "Like `query/2`, but raises `Portcullis.Error`; answers `{rows, meta}`."
  @spec query!(atom() | server(), options() | atom()) :: {[row()], meta()}
  def query!(table, options \\ []), do: table |> query(options) |> Error.unwrap!()

  @doc "Like `query/3`, but raises `Portcullis.Error`; answers `{rows, meta}`."
  @spec query!(server(), atom(), options()) :: {[row()], meta()}
  def query!(server, table, options), do: server |> query(table, options) |> Error.unwrap!()

  @doc """
  The tables that tell of the kernel's state: columns, units, where they come from.

      iex> {:ok, tables} = Portcullis.tables()
      iex> [columns] = for %{name: :load, columns: columns} <- tables, do: columns
      iex> List.keyfind(columns, :load1, 0)
      {:load1, :number, :hundredths}
  """
  @spec tables(server()) :: {:ok, [:portcullis.table()]} | {:error, reason()}
  def tables(server \\ @default), do: :portcullis.tables(server)

  @doc "Like `tables/1`, but raises `Portcullis.Error`."
  @spec tables!(server()) :: [:portcullis.table()]
  def tables!(server \\ @default), do: server |> tables() |> Error.unwrap!()

  @doc """
  A live table for a person in the shell: processors and memory, who uses them, ports that are listened on, bans. Enter ends it; with
  `:times` it ends by itself. Options are those of `:portcullis.top/2`.

      Portcullis.top(sort: :memory, rows: 10)

  `top(server)` asks that server.
  """
  @spec top(server() | options()) :: :ok | {:error, reason()}
  def top(server_or_options \\ []), do: :portcullis.top(server_or_options)

  @doc "The same, of a server."
  @spec top(server(), options()) :: :ok | {:error, reason()}
  defdelegate top(server, options), to: :portcullis

  @doc "Like `top/1`, but raises `Portcullis.Error`."
  @spec top!(server() | options()) :: :ok
  def top!(server_or_options \\ []), do: server_or_options |> top() |> Error.unwrap!()

  @doc "Like `top/2`, but raises `Portcullis.Error`."
  @spec top!(server(), options()) :: :ok
  def top!(server, options), do: server |> top(options) |> Error.unwrap!()

  @doc """
  Folds over the rows of a table as they come, in the calling process. A slow `fun` slows the program.

      iex> {:ok, count, %{rows: rows}} = Portcullis.fold(:processes, [columns: [:pid]], 0, fn _row, count -> count + 1 end)
      iex> count == rows
      true
  """
  @spec fold(atom(), options(), acc, (row(), acc -> acc)) :: {:ok, acc, meta()} | {:error, reason()}
        when acc: var
  def fold(table, options, acc, fun), do: fold(@default, table, options, acc, fun)

  @doc "The same, of a server."
  @spec fold(server(), atom(), options(), acc, (row(), acc -> acc)) :: {:ok, acc, meta()} | {:error, reason()}
        when acc: var
  def fold(server, table, options, acc, fun) when is_function(fun, 2) do
    :portcullis.fold(server, table, Rows.options(options), fn row, acc -> fun.(Rows.row(table, row), acc) end, acc)
  end

  @doc "Like `fold/4`, but raises `Portcullis.Error`; answers `{acc, meta}`."
  @spec fold!(atom(), options(), acc, (row(), acc -> acc)) :: {acc, meta()} when acc: var
  def fold!(table, options, acc, fun), do: fold!(@default, table, options, acc, fun)

  @doc "Like `fold/5`, but raises `Portcullis.Error`; answers `{acc, meta}`."
  @spec fold!(server(), atom(), options(), acc, (row(), acc -> acc)) :: {acc, meta()} when acc: var
  def fold!(server, table, options, acc, fun), do: server |> fold(table, options, acc, fun) |> Error.unwrap!()

  @doc """
  The rows of a table as a stream. Rows are read as they are taken, a batch ahead; a stream that is left early ends its
  request. Raises `Portcullis.Error`.

      iex> Portcullis.stream(:processes, columns: [:pid, :ppid])
      ...> |> Stream.filter(&(&1.ppid == 0))
      ...> |> Stream.map(& &1.pid)
      ...> |> Enum.take(1)
      [1]
  """
  @spec stream(atom(), options()) :: Enumerable.t()
  def stream(table, options \\ []), do: stream(@default, table, options)

  @doc "The same, of a server."
  @spec stream(server(), atom(), options()) :: Enumerable.t()
  def stream(server, table, options) do
    server |> Rows.stream(table, Rows.options(options)) |> Stream.map(&Rows.row(table, &1))
  end

  @doc """
  Opens a file for reading that the policy lists, whoever owns it. It is closed when the calling process ends.

  `file_read/2` and `file_close/1` take the file. One that the policy does not list is an error, with the lines that list it:

      iex> {:error, reason} = Portcullis.file_open("/var/log/nginx/access.log")
      iex> Portcullis.format_error(reason) =~ ~s(read = [{ path = "/var/log/nginx/access.log", max_bytes = 1048576 }])
      true
  """
  @spec file_open(Path.t(), options()) :: {:ok, :portcullis.file()} | {:error, reason()}
  def file_open(path, options \\ []), do: file_open(@default, path, options)

  @doc "The same, of a server."
  @spec file_open(server(), Path.t(), options()) :: {:ok, :portcullis.file()} | {:error, reason()}
  defdelegate file_open(server, path, options), to: :portcullis

  @doc "Like `file_open/2`, but raises `Portcullis.Error`."
  @spec file_open!(Path.t(), options()) :: :portcullis.file()
  def file_open!(path, options \\ []), do: file_open!(@default, path, options)

  @doc "Like `file_open/3`, but raises `Portcullis.Error`."
  @spec file_open!(server(), Path.t(), options()) :: :portcullis.file()
  def file_open!(server, path, options), do: server |> file_open(path, options) |> Error.unwrap!()

  @doc "Reads at most `:length` bytes from `:offset` on, or from where the last read ended; empty at the end of the file."
  @spec file_read(:portcullis.file(), options()) :: {:ok, binary()} | {:error, reason()}
  def file_read(file, options \\ []), do: :portcullis.file_read(file, options)

  @doc "Like `file_read/2`, but raises `Portcullis.Error`."
  @spec file_read!(:portcullis.file(), options()) :: binary()
  def file_read!(file, options \\ []), do: file |> file_read(options) |> Error.unwrap!()

  @doc "Closes a file. One that is closed already stays so."
  @spec file_close(:portcullis.file()) :: :ok | {:error, :timeout | :overloaded}
  defdelegate file_close(file), to: :portcullis

  @doc """
  The whole of a file that the policy lists, at most `:max_bytes` (16 MiB) long.

      iex> {:error, {:denied_by_policy, rule, _}} = Portcullis.read_file("/var/log/syslog", max_bytes: 1_000_000)
      iex> rule
      "files.read"
  """
  @spec read_file(Path.t(), options()) :: {:ok, binary()} | {:error, reason()}
  def read_file(path, options \\ []), do: read_file(@default, path, options)

  @doc "The same, of a server."
  @spec read_file(server(), Path.t(), options()) :: {:ok, binary()} | {:error, reason()}
  defdelegate read_file(server, path, options), to: :portcullis

  @doc "Like `read_file/2`, but raises `Portcullis.Error`."
  @spec read_file!(Path.t(), options()) :: binary()
  def read_file!(path, options \\ []), do: read_file!(@default, path, options)

  @doc "Like `read_file/3`, but raises `Portcullis.Error`."
  @spec read_file!(server(), Path.t(), options()) :: binary()
  def read_file!(server, path, options), do: server |> read_file(path, options) |> Error.unwrap!()

  @doc """
  One ICMP echo request, from a server with role `:net`. `:rtt` is in microseconds.

      iex> {:ok, _} = Portcullis.start_link(name: MyApp.Pinger, roles: [:net])
      iex> {:ok, %{rtt: _, ttl: _, address: address}} = Portcullis.ping(MyApp.Pinger, {127, 0, 0, 1}, timeout: 10_000)
      iex> address
      {127, 0, 0, 1}
  """
  @spec ping(:portcullis.address() | server(), options() | :portcullis.address()) ::
          {:ok, :portcullis.echo()} | {:error, reason()}
  def ping(address, options \\ []), do: :portcullis.ping(address, Rows.options(options))

  @doc "The same, of a server."
  @spec ping(server(), :portcullis.address(), options()) :: {:ok, :portcullis.echo()} | {:error, reason()}
  def ping(server, address, options), do: :portcullis.ping(server, address, Rows.options(options))

  @doc "Like `ping/2`, but raises `Portcullis.Error`."
  @spec ping!(:portcullis.address() | server(), options() | :portcullis.address()) :: :portcullis.echo()
  def ping!(address, options \\ []), do: address |> ping(options) |> Error.unwrap!()

  @doc "Like `ping/3`, but raises `Portcullis.Error`."
  @spec ping!(server(), :portcullis.address(), options()) :: :portcullis.echo()
  def ping!(server, address, options), do: server |> ping(address, options) |> Error.unwrap!()

  @doc """
  A kernel parameter below `net.` that the policy lets read, from a server with role `:net`.

      iex> {:error, {:denied_by_policy, rule, _} = reason} = Portcullis.sysctl("net.ipv4.ip_forward")
      iex> rule
      "sysctl.read"
      iex> Portcullis.format_error(reason) =~ ~s(read = ["net.ipv4.ip_forward"])
      true
  """
  @spec sysctl(String.t()) :: {:ok, binary()} | {:error, reason()}
  def sysctl(name), do: sysctl(@default, name)

  @doc "The same, of a server."
  @spec sysctl(server(), String.t()) :: {:ok, binary()} | {:error, reason()}
  defdelegate sysctl(server, name), to: :portcullis

  @doc "Like `sysctl/1`, but raises `Portcullis.Error`."
  @spec sysctl!(String.t()) :: binary()
  def sysctl!(name), do: sysctl!(@default, name)

  @doc "Like `sysctl/2`, but raises `Portcullis.Error`."
  @spec sysctl!(server(), String.t()) :: binary()
  def sysctl!(server, name), do: server |> sysctl(name) |> Error.unwrap!()

  @doc """
  Sets a kernel parameter to a value that the policy lists for it. The kernel rounds some values without a word: `:value` is
  what it has now, `:as_asked` whether that is what was asked for.

      iex> {:error, reason} = Portcullis.sysctl_set("net.ipv4.ip_forward", 1)
      iex> Portcullis.format_error(reason) =~ ~s({ name = "net.ipv4.ip_forward", values = ["1"] })
      true
  """
  @spec sysctl_set(String.t(), String.t() | integer()) :: {:ok, :portcullis.change()} | {:error, reason()}
  def sysctl_set(name, value), do: sysctl_set(@default, name, value)

  @doc "The same, of a server."
  @spec sysctl_set(server(), String.t(), String.t() | integer()) :: {:ok, :portcullis.change()} | {:error, reason()}
  defdelegate sysctl_set(server, name, value), to: :portcullis

  @doc "Like `sysctl_set/2`, but raises `Portcullis.Error`."
  @spec sysctl_set!(String.t(), String.t() | integer()) :: :portcullis.change()
  def sysctl_set!(name, value), do: sysctl_set!(@default, name, value)

  @doc "Like `sysctl_set/3`, but raises `Portcullis.Error`."
  @spec sysctl_set!(server(), String.t(), String.t() | integer()) :: :portcullis.change()
  def sysctl_set!(server, name, value), do: server |> sysctl_set(name, value) |> Error.unwrap!()

  @doc """
  Every kernel parameter that the policy lets read, by name. One that is not there has `{:error, :enoent}` for its value.

      iex> {:error, {:denied_by_policy, rule, _}} = Portcullis.sysctls()
      iex> rule
      "sysctl.read"
  """
  @spec sysctls(server()) :: {:ok, [:portcullis.parameter()]} | {:error, reason()}
  def sysctls(server \\ @default), do: :portcullis.sysctls(server)

  @doc "Like `sysctls/1`, but raises `Portcullis.Error`."
  @spec sysctls!(server()) :: [:portcullis.parameter()]
  def sysctls!(server \\ @default), do: server |> sysctls() |> Error.unwrap!()

  @doc """
  What the firewall is, as maps of the schema libnftables-json(5), from a server with role `:net`. `what` is `:ruleset`,
  `:tables`, `:rules` and so on, or an object with what is in it.

      iex> {:ok, _} = Portcullis.nft_apply([:portcullis_nft.table(:inet, "fw"), :portcullis_nft.chain(:inet, "fw", "web")])
      iex> {:ok, [%{chain: chain} | _rules]} = Portcullis.nft_list(%{chain: %{family: :inet, table: "fw", name: "web"}})
      iex> chain.name
      "web"
  """
  @spec nft_list(:portcullis.nft_listing(), options()) :: {:ok, [:portcullis.nft_object()]} | {:error, reason()}
  def nft_list(what \\ :ruleset, options \\ []), do: nft_list(@default, what, options)

  @doc "The same, of a server."
  @spec nft_list(server(), :portcullis.nft_listing(), options()) ::
          {:ok, [:portcullis.nft_object()]} | {:error, reason()}
  defdelegate nft_list(server, what, options), to: :portcullis

  @doc "Like `nft_list/2`, but raises `Portcullis.Error`."
  @spec nft_list!(:portcullis.nft_listing(), options()) :: [:portcullis.nft_object()]
  def nft_list!(what \\ :ruleset, options \\ []), do: nft_list!(@default, what, options)

  @doc "Like `nft_list/3`, but raises `Portcullis.Error`."
  @spec nft_list!(server(), :portcullis.nft_listing(), options()) :: [:portcullis.nft_object()]
  def nft_list!(server, what, options), do: server |> nft_list(what, options) |> Error.unwrap!()

  @doc """
  Changes the firewall: all of the commands or none. The functions of `:portcullis_nft` make them. With `:confirm` the change
  takes itself back after so many milliseconds, unless `nft_confirm/1` comes before. A change that was sent and not
  answered is `{:error, {:unknown_outcome, _}}` and may be made. Options are those of `:portcullis.nft_apply/3`.

      iex> {:ok, %{ref: ref}} = Portcullis.nft_apply([:portcullis_nft.table(:inet, "fw")], confirm: 60_000)
      iex> Portcullis.nft_confirm(ref)
      :ok
  """
  @spec nft_apply([:portcullis.nft_command()] | server(), options() | [:portcullis.nft_command()]) ::
          {:ok, :portcullis.applied()} | {:error, reason()}
  defdelegate nft_apply(commands, options \\ []), to: :portcullis

  @doc "The same, of a server."
  @spec nft_apply(server(), [:portcullis.nft_command()], options()) ::
          {:ok, :portcullis.applied()} | {:error, reason()}
  defdelegate nft_apply(server, commands, options), to: :portcullis

  @doc "Like `nft_apply/2`, but raises `Portcullis.Error`."
  @spec nft_apply!([:portcullis.nft_command()] | server(), options() | [:portcullis.nft_command()]) ::
          :portcullis.applied()
  def nft_apply!(commands, options \\ []), do: commands |> nft_apply(options) |> Error.unwrap!()

  @doc "Like `nft_apply/3`, but raises `Portcullis.Error`."
  @spec nft_apply!(server(), [:portcullis.nft_command()], options()) :: :portcullis.applied()
  def nft_apply!(server, commands, options), do: server |> nft_apply(commands, options) |> Error.unwrap!()

  @doc """
  What `nft_apply/2` would say, without any change.

      iex> {:error, {:nft, 1, errno, _}} = Portcullis.nft_check([:portcullis_nft.chain(:inet, "fw", "of_no_table")])
      iex> errno
      :enoent
  """
  @spec nft_check([:portcullis.nft_command()] | server(), options() | [:portcullis.nft_command()]) ::
          {:ok, :portcullis.applied()} | {:error, reason()}
  defdelegate nft_check(commands, options \\ []), to: :portcullis

  @doc "The same, of a server."
  @spec nft_check(server(), [:portcullis.nft_command()], options()) ::
          {:ok, :portcullis.applied()} | {:error, reason()}
  defdelegate nft_check(server, commands, options), to: :portcullis

  @doc "Like `nft_check/2`, but raises `Portcullis.Error`."
  @spec nft_check!([:portcullis.nft_command()] | server(), options() | [:portcullis.nft_command()]) ::
          :portcullis.applied()
  def nft_check!(commands, options \\ []), do: commands |> nft_check(options) |> Error.unwrap!()

  @doc "Like `nft_check/3`, but raises `Portcullis.Error`."
  @spec nft_check!(server(), [:portcullis.nft_command()], options()) :: :portcullis.applied()
  def nft_check!(server, commands, options), do: server |> nft_check(commands, options) |> Error.unwrap!()

  @doc "Lets a change stay that was made with `:confirm`."
  @spec nft_confirm(server(), :portcullis.change_ref()) :: :ok | {:error, reason()}
  def nft_confirm(server \\ @default, ref), do: :portcullis.nft_confirm(server, ref)

  @doc "Like `nft_confirm/2`, but raises `Portcullis.Error`."
  @spec nft_confirm!(server(), :portcullis.change_ref()) :: :ok
  def nft_confirm!(server \\ @default, ref), do: server |> nft_confirm(ref) |> Error.unwrap!()

  @doc "Takes a change back that was made with `:confirm`."
  @spec nft_rollback(server(), :portcullis.change_ref()) :: :ok | {:error, reason()}
  def nft_rollback(server \\ @default, ref), do: :portcullis.nft_rollback(server, ref)

  @doc "Like `nft_rollback/2`, but raises `Portcullis.Error`."
  @spec nft_rollback!(server(), :portcullis.change_ref()) :: :ok
  def nft_rollback!(server \\ @default, ref), do: server |> nft_rollback(ref) |> Error.unwrap!()

  @doc """
  The same with JSON text: a document that is one `list` is answered by a document, commands by what `nft_apply/2` answers.
  `Portcullis.NFTables` is for programs that were written for the hex package `nftables`.

      iex> {:ok, json} = Portcullis.nft_json(~s({"nftables": [{"list": {"ruleset": null}}]}))
      iex> json =~ ~s({"nftables": [)
      true
  """
  @spec nft_json(iodata(), options()) :: {:ok, String.t() | :portcullis.applied()} | {:error, reason()}
  def nft_json(text, options \\ []), do: nft_json(@default, text, options)

  @doc "The same, of a server."
  @spec nft_json(server(), iodata(), options()) :: {:ok, String.t() | :portcullis.applied()} | {:error, reason()}
  defdelegate nft_json(server, text, options), to: :portcullis

  @doc "Like `nft_json/2`, but raises `Portcullis.Error`."
  @spec nft_json!(iodata(), options()) :: String.t() | :portcullis.applied()
  def nft_json!(text, options \\ []), do: nft_json!(@default, text, options)

  @doc "Like `nft_json/3`, but raises `Portcullis.Error`."
  @spec nft_json!(server(), iodata(), options()) :: String.t() | :portcullis.applied()
  def nft_json!(server, text, options), do: server |> nft_json(text, options) |> Error.unwrap!()

  @doc """
  Drops what comes from an address or a network, for `:timeout` milliseconds or until `unban/1`.

      iex> Portcullis.ban({192, 0, 2, 7}, timeout: 3_600_000, comment: "too many logins")
      {:ok, %{changed: true}}
      iex> {:ok, [%{address: address}]} = Portcullis.banned()
      iex> address
      {192, 0, 2, 7}
      iex> Portcullis.unban("192.0.2.0/24")
      {:ok, %{changed: true}}

  `ban(server, address)` asks that server.
  """
  @spec ban(:portcullis.network() | server(), options() | :portcullis.network()) ::
          {:ok, %{changed: boolean()}} | {:error, reason()}
  defdelegate ban(address, options \\ []), to: :portcullis

  @doc "The same, of a server."
  @spec ban(server(), :portcullis.network(), options()) :: {:ok, %{changed: boolean()}} | {:error, reason()}
  defdelegate ban(server, address, options), to: :portcullis

  @doc "Like `ban/2`, but raises `Portcullis.Error`."
  @spec ban!(:portcullis.network() | server(), options() | :portcullis.network()) :: %{changed: boolean()}
  def ban!(address, options \\ []), do: address |> ban(options) |> Error.unwrap!()

  @doc "Like `ban/3`, but raises `Portcullis.Error`."
  @spec ban!(server(), :portcullis.network(), options()) :: %{changed: boolean()}
  def ban!(server, address, options), do: server |> ban(address, options) |> Error.unwrap!()

  @doc "Lets an address or a network in again."
  @spec unban(server(), :portcullis.network()) :: {:ok, %{changed: boolean()}} | {:error, reason()}
  def unban(server \\ @default, address), do: :portcullis.unban(server, address)

  @doc "Like `unban/2`, but raises `Portcullis.Error`."
  @spec unban!(server(), :portcullis.network()) :: %{changed: boolean()}
  def unban!(server \\ @default, address), do: server |> unban(address) |> Error.unwrap!()

  @doc "Who is kept out."
  @spec banned(server()) :: {:ok, [map()]} | {:error, reason()}
  def banned(server \\ @default), do: :portcullis.banned(server)

  @doc "Like `banned/1`, but raises `Portcullis.Error`."
  @spec banned!(server()) :: [map()]
  def banned!(server \\ @default), do: server |> banned() |> Error.unwrap!()

  @doc """
  Events of topic `:audit` as messages: `{:portcullis, ref, {:event, map} | {:lost, count} | {:down, reason}}`. 64 come
  unasked; `ack/2` allows more. It ends with the calling process.

  A server with `roles: [:proc, :net]` hears of the first role only; `role: :net` is a subscription to the other.

      iex> {:ok, ref} = Portcullis.subscribe(:audit, role: :proc)
      iex> {:error, _} = Portcullis.read_file("/var/log/syslog")
      iex> receive do: ({:portcullis, ^ref, {:event, %{decision: :denied, rule: "files.read"}}} -> Portcullis.ack(ref, 1))
      :ok

  `:query` tells how the answer to a question changes, `:processes` what processes do, `:exit` how one ends, `:pressure` when something
  gets short, `:interfaces`, `:addresses`, `:routes` and `:neighbours` their changes. Rows of events are plain maps, in
  which what does not apply is `:undefined`.

      iex> {:ok, ref} = Portcullis.subscribe(:query, table: :uptime, every: 1_000, columns: [:uptime])
      iex> receive do: ({:portcullis, ^ref, {:event, %{added: [%{uptime: _}]}}} -> Portcullis.ack(ref, 1))
      :ok
      iex> {:ok, _} = Portcullis.subscribe(:exit, pid: 1)
  """
  @spec subscribe(atom(), options()) :: {:ok, reference()} | {:error, reason()}
  def subscribe(topic, options \\ []), do: subscribe(@default, topic, options)

  @doc "The same, of a server."
  @spec subscribe(server(), atom(), options()) :: {:ok, reference()} | {:error, reason()}
  def subscribe(server, topic, options), do: :portcullis.subscribe(server, topic, Rows.options(options))

  @doc "Like `subscribe/2`, but raises `Portcullis.Error`."
  @spec subscribe!(atom(), options()) :: reference()
  def subscribe!(topic, options \\ []), do: subscribe!(@default, topic, options)

  @doc "Like `subscribe/3`, but raises `Portcullis.Error`."
  @spec subscribe!(server(), atom(), options()) :: reference()
  def subscribe!(server, topic, options), do: server |> subscribe(topic, options) |> Error.unwrap!()

  @doc """
  The events of a topic as a stream, for the process that reads it. Taking one makes room for another, and the subscription ends
  with the stream. `{:lost, count}` stands where so many are missing; the stream of topic `:exit` ends with its event. Where
  `subscribe/2` has an error, and when the program ends, it raises `Portcullis.Error`. Options are those of `subscribe/2`.

      iex> {:ok, listener} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
      iex> {:ok, port} = :inet.port(listener)
      iex> Portcullis.events(:query, table: :listening, every: 1_000, columns: [:protocol, :local_port])
      ...> |> Stream.flat_map(& &1.added)
      ...> |> Stream.filter(&(&1.local_port == port))
      ...> |> Stream.map(& &1.protocol)
      ...> |> Enum.take(1)
      [:tcp]
  """
  @spec events(atom(), options()) :: Enumerable.t()
  def events(topic, options \\ []), do: events(@default, topic, options)

  @doc "The same, of a server."
  @spec events(server(), atom(), options()) :: Enumerable.t()
  def events(server, topic, options), do: Rows.events(server, topic, Rows.options(options))

  @doc "Allows a subscription so many more events. What it missed meanwhile is said then."
  @spec ack(reference(), pos_integer()) :: :ok
  defdelegate ack(ref, events), to: :portcullis

  @doc "Ends a subscription. A message that is under way may still come."
  @spec unsubscribe(reference()) :: :ok
  defdelegate unsubscribe(ref), to: :portcullis

  @doc """
  Asks without waiting. `receive_response/2` takes the answer, with rows as plain maps.

      iex> id = Portcullis.send_request(:info, role: :proc)
      iex> {:ok, %{requests: requests}} = Portcullis.receive_response(id, 10_000)
      iex> is_integer(requests)
      true
  """
  @spec send_request(server(), atom(), options()) :: :portcullis.request_id()
  def send_request(server \\ @default, operation, args),
    do: :portcullis.send_request(server, operation, Rows.options(args))

  @doc "Waits for an answer, for at most `timeout` milliseconds."
  @spec receive_response(:portcullis.request_id(), timeout()) ::
          {:ok, term()} | {:ok, [map()], meta()} | {:error, reason()}
  def receive_response(id, timeout \\ :infinity), do: :portcullis.receive_response(id, timeout)

  @doc "Ends a request early: its answer, which is still to be received, is `{:error, :cancelled}`."
  @spec cancel(:portcullis.request_id()) :: :ok
  defdelegate cancel(id), to: :portcullis

  @doc """
  An error in sentences, with what mends it. A command stands on a line of its own.

      iex> {:error, reason} = Portcullis.processes(columns: [:colour])
      iex> Portcullis.format_error(reason) =~ "no column colour in this table"
      true
  """
  @spec format_error(term()) :: String.t()
  def format_error(reason), do: Exception.message(%Error{reason: reason})
end
