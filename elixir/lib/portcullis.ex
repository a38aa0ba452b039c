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
  columns, units and errors are those of the Erlang module `:portcullis`; rows are `Portcullis.Process` structs. Functions
  that answer `{:error, reason}` have variants with `!` that raise `Portcullis.Error`. What is answered, a file of root's
  decides: `/etc/portcullis/policy.toml`. A denial has the line that would grant it; `format_error/1` shows it.
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
    server_or_options |> :portcullis.doctor() |> :portcullis_doctor.format()
  end

  @doc """
  One process of the system: the items that are named, or those that the policy gives of every process.

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
  Opens a file for reading that the policy lists, whoever owns it. It is closed when the calling process ends.

      {:ok, file} = Portcullis.file_open("/var/log/nginx/access.log")
      {:ok, line} = Portcullis.file_read(file, length: 80)
      :ok = Portcullis.file_close(file)
  """
  @spec file_open(Path.t(), options()) :: {:ok, :portcullis.file()} | {:error, reason()}
  def file_open(path, options \\ []), do: file_open(@default, path, options)

  @doc "The same, of a server."
  @spec file_open(server(), Path.t(), options()) :: {:ok, :portcullis.file()} | {:error, reason()}
  defdelegate file_open(server, path, options), to: :portcullis

  @doc "Like `file_open/2`, but raises `Portcullis.Error`."
  @spec file_open!(Path.t(), options()) :: :portcullis.file()
  def file_open!(path, options \\ []), do: path |> file_open(options) |> Error.unwrap!()

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

      {:ok, text} = Portcullis.read_file("/var/log/nginx/error.log", max_bytes: 1_000_000)
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

      {:ok, _} = Portcullis.start_link(name: MyApp.Pinger, roles: [:net])
      {:ok, %{rtt: _, ttl: _}} = Portcullis.ping(MyApp.Pinger, {127, 0, 0, 1}, timeout: 1_000)
  """
  @spec ping(:inet.ip_address(), options()) :: {:ok, :portcullis.echo()} | {:error, reason()}
  def ping(address, options \\ []), do: ping(@default, address, options)

  @doc "The same, of a server."
  @spec ping(server(), :inet.ip_address(), options()) :: {:ok, :portcullis.echo()} | {:error, reason()}
  def ping(server, address, options), do: :portcullis.ping(server, address, Rows.options(options))

  @doc "Like `ping/2`, but raises `Portcullis.Error`."
  @spec ping!(:inet.ip_address(), options()) :: :portcullis.echo()
  def ping!(address, options \\ []), do: ping!(@default, address, options)

  @doc "Like `ping/3`, but raises `Portcullis.Error`."
  @spec ping!(server(), :inet.ip_address(), options()) :: :portcullis.echo()
  def ping!(server, address, options), do: server |> ping(address, options) |> Error.unwrap!()

  @doc """
  A kernel parameter below `net.` that the policy lets read, from a server with role `:net`.

      {:ok, "0"} = Portcullis.sysctl("net.ipv4.ip_forward")
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

      {:ok, %{value: "1", before: "0", as_asked: true}} = Portcullis.sysctl_set("net.ipv4.ip_forward", 1)
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

      {:ok, [%{name: _, value: _} | _]} = Portcullis.sysctls()
  """
  @spec sysctls(server()) :: {:ok, [:portcullis.parameter()]} | {:error, reason()}
  def sysctls(server \\ @default), do: :portcullis.sysctls(server)

  @doc "Like `sysctls/1`, but raises `Portcullis.Error`."
  @spec sysctls!(server()) :: [:portcullis.parameter()]
  def sysctls!(server \\ @default), do: server |> sysctls() |> Error.unwrap!()

  @doc """
  What the firewall is, as maps of the schema libnftables-json(5), from a server with role `:net`. `what` is `:ruleset`,
  `:tables`, `:rules` and so on, or an object with what is in it.

      {:ok, objects} = Portcullis.nft_list()
      {:ok, [%{chain: _} | rules]} = Portcullis.nft_list(%{chain: %{family: :inet, table: "filter", name: "input"}})
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

      import :portcullis_nft, only: [add: 1, element: 4]

      {:ok, %{ref: ref}} = Portcullis.nft_apply([add(element(:inet, "fw", "banned", [{192, 0, 2, 7}]))], confirm: 10_000)
      :ok = Portcullis.nft_confirm(ref)
  """
  @spec nft_apply([:portcullis.nft_command()], options()) :: {:ok, :portcullis.applied()} | {:error, reason()}
  def nft_apply(commands, options \\ []), do: nft_apply(@default, commands, options)

  @doc "The same, of a server."
  @spec nft_apply(server(), [:portcullis.nft_command()], options()) ::
          {:ok, :portcullis.applied()} | {:error, reason()}
  defdelegate nft_apply(server, commands, options), to: :portcullis

  @doc "Like `nft_apply/2`, but raises `Portcullis.Error`."
  @spec nft_apply!([:portcullis.nft_command()], options()) :: :portcullis.applied()
  def nft_apply!(commands, options \\ []), do: nft_apply!(@default, commands, options)

  @doc "Like `nft_apply/3`, but raises `Portcullis.Error`."
  @spec nft_apply!(server(), [:portcullis.nft_command()], options()) :: :portcullis.applied()
  def nft_apply!(server, commands, options), do: server |> nft_apply(commands, options) |> Error.unwrap!()

  @doc "What `nft_apply/2` would say, without any change."
  @spec nft_check([:portcullis.nft_command()], options()) :: {:ok, :portcullis.applied()} | {:error, reason()}
  def nft_check(commands, options \\ []), do: nft_check(@default, commands, options)

  @doc "The same, of a server."
  @spec nft_check(server(), [:portcullis.nft_command()], options()) ::
          {:ok, :portcullis.applied()} | {:error, reason()}
  defdelegate nft_check(server, commands, options), to: :portcullis

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

      {:ok, json} = Portcullis.nft_json(~s({"nftables": [{"list": {"ruleset": null}}]}))
  """
  @spec nft_json(iodata(), options()) :: {:ok, String.t() | :portcullis.applied()} | {:error, reason()}
  def nft_json(text, options \\ []), do: nft_json(@default, text, options)

  @doc "The same, of a server."
  @spec nft_json(server(), iodata(), options()) :: {:ok, String.t() | :portcullis.applied()} | {:error, reason()}
  defdelegate nft_json(server, text, options), to: :portcullis

  @doc "Like `nft_json/2`, but raises `Portcullis.Error`."
  @spec nft_json!(iodata(), options()) :: String.t() | :portcullis.applied()
  def nft_json!(text, options \\ []), do: @default |> nft_json(text, options) |> Error.unwrap!()

  @doc """
  Drops what comes from an address or a network, for `:timeout` milliseconds or until `unban/1`.

      {:ok, %{changed: true}} = Portcullis.ban({192, 0, 2, 7}, timeout: 3_600_000, comment: "too many logins")
      {:ok, [%{address: {192, 0, 2, 7}}]} = Portcullis.banned()
      {:ok, %{changed: true}} = Portcullis.unban({{192, 0, 2, 0}, 24})
  """
  @spec ban(:portcullis.network(), options()) :: {:ok, %{changed: boolean()}} | {:error, reason()}
  def ban(address, options \\ []), do: ban(@default, address, options)

  @doc "The same, of a server."
  @spec ban(server(), :portcullis.network(), options()) :: {:ok, %{changed: boolean()}} | {:error, reason()}
  defdelegate ban(server, address, options), to: :portcullis

  @doc "Like `ban/2`, but raises `Portcullis.Error`."
  @spec ban!(:portcullis.network(), options()) :: %{changed: boolean()}
  def ban!(address, options \\ []), do: address |> ban(options) |> Error.unwrap!()

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

      {:ok, ref} = Portcullis.subscribe(:audit, role: :proc)
      {:error, _} = Portcullis.process(1, [:environ])
      receive do: ({:portcullis, ^ref, {:event, %{decision: :denied, rule: "proc.environ"}}} -> Portcullis.ack(ref, 1))
  """
  @spec subscribe(atom(), options()) :: {:ok, reference()} | {:error, reason()}
  def subscribe(topic, options \\ []), do: subscribe(@default, topic, options)

  @doc "The same, of a server."
  @spec subscribe(server(), atom(), options()) :: {:ok, reference()} | {:error, reason()}
  def subscribe(server, topic, options), do: :portcullis.subscribe(server, topic, Rows.options(options))

  @doc "Like `subscribe/2`, but raises `Portcullis.Error`."
  @spec subscribe!(atom(), options()) :: reference()
  def subscribe!(topic, options \\ []), do: topic |> subscribe(options) |> Error.unwrap!()

  @doc "Allows a subscription so many more events. What it missed meanwhile is said then."
  @spec ack(reference(), pos_integer()) :: :ok
  defdelegate ack(ref, events), to: :portcullis

  @doc "Ends a subscription. A message that is under way may still come."
  @spec unsubscribe(reference()) :: :ok
  defdelegate unsubscribe(ref), to: :portcullis

  @doc """
  Asks without waiting. `receive_response/2` takes the answer, with rows as plain maps.

      id = Portcullis.send_request(:info, %{})
      {:ok, %{requests: _}} = Portcullis.receive_response(id, 1_000)
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

  @doc "An error in sentences, with what mends it. A command stands on a line of its own."
  @spec format_error(term()) :: String.t()
  def format_error(reason), do: Exception.message(%Error{reason: reason})
end
