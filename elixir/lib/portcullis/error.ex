defmodule Portcullis.Error do
  @moduledoc """
  What the variants with `!` raise. `reason` is the term of the error; the message says what mends it.

      iex> try do
      ...>   Portcullis.process!({1, 1})
      ...> rescue
      ...>   error in Portcullis.Error -> {error.reason, Exception.message(error) =~ "no such process"}
      ...> end
      {:esrch, true}
  """

  defexception [:reason]

  # The sentences are those of the Erlang side; only what its user would type is spelled another way.
  @spelling [
    {~r/<<"((?:[^"\\]|\\.)*)">>/, "\"\\1\""},
    {"portcullis:start_link([{args, [\"--allow-root\"]}])", "{Portcullis, args: [\"--allow-root\"]}"},
    {"portcullis:stop(SERVER), portcullis:start_link(OPTIONS)",
     "Portcullis.stop(server), Portcullis.start_link(options)"},
    {"{transport, {socket, \"/run/portcullis\"}}", "transport: {:socket, \"/run/portcullis\"}"},
    {"{portcullis, [{capability_holders, \#{expected => [NAME]}}]}",
     "config :portcullis, capability_holders: %{expected: [name]}"},
    {"start one with portcullis:start_link/1", "put {Portcullis, []} into a supervisor"},
    {"portcullis:start_link([])", "Portcullis.start_link([])"},
    {"erl -sname app@localhost -start_epmd false -erl_epmd_port 9100 -dist_listen false",
     "iex --sname app@localhost --erl \"-start_epmd false -erl_epmd_port 9100 -dist_listen false\""},
    {~r/portcullis:start_link\(\[\{name, 'Elixir\.([\w.]+)'\}\]\)/, "Portcullis.start_link(name: \\1)"},
    {~r/portcullis:start_link\(\[\{name, ([a-z]\w*)\}\]\)/, "Portcullis.start_link(name: :\\1)"},
    {~r/portcullis:start_link\(\[\{name, \{(global|via),(.*)\}\}\]\)/, "Portcullis.start_link(name: {:\\1, \\2})"},
    {~r/server named 'Elixir\.([\w.]+)'/, "server named \\1"},
    {"\#{timeout => 3600000}", "timeout: 3_600_000"},
    {"options in a map", "options"},
    {"{{10,0,0,0},8}", "{{10, 0, 0, 0}, 8}"},
    {"portcullis_doctor:print()", "IO.puts(Portcullis.doctor_report())"},
    {"{unprivileged, true}", "unprivileged: true"},
    {"{path, \"THAT/priv/portcullis\"}", "path: \"THAT/priv/portcullis\""},
    {"{roles, [proc,net]}", "roles: [:proc, :net]"},
    {"{roles, [net,proc]}", "roles: [:net, :proc]"},
    {"portcullis:subscribe(query, \#{table => listening, every => 1000})",
     "Portcullis.subscribe(:query, table: :listening, every: 1000)"},
    {"a map from columns to conditions, such as \#{pid => 1}", "columns with conditions, such as [pid: 1]"},
    {"inet:parse_strict_address/1", ":inet.parse_strict_address/1"},
    {"\#{timeout => Milliseconds}", "timeout: milliseconds"},
    {"confirm => 30000", "confirm: 30_000"},
    {"[pid, comm]", "[:pid, :comm]"},
    {"an atom, such as listening", "an atom, such as :listening"},
    {"the name of a column, such as comm", "the name of a column, such as :comm"},
    {"it should be proc or net", "it should be :proc or :net"},
    {"[Command]", "[command]"},
    {"erlang:get_cookie()", "Node.get_cookie()"},
    {~r/net_adm:ping\('([^']*)'\) must be pong/, "Node.ping(:\"\\1\") must be :pong"},
    {~r/net_adm:ping\('([^']*)'\) pong/, "Node.ping(:\"\\1\") :pong"},
    {~r/net_adm:ping\('([^']*)'\)/, "Node.ping(:\"\\1\")"},
    {"{local, Name}, {global, Name} or {via, Module, Name}", "{:local, name}, {:global, name} or {:via, module, name}"},
    {"a list of proc and net", "a list of :proc and :net"},
    {"must be port, {node, 'name@host'} or ", "must be :port, {:node, :name@host} or "},
    {"{socket, Folder}", "{:socket, folder}"},
    {"{socket, \"/an/absolute/folder\"}", "{:socket, \"/an/absolute/folder\"}"},
    {"{Min, Max} in milliseconds, 0 < Min =< Max =< 600000", "{min, max} in milliseconds, 0 < min <= max <= 600000"},
    {"{Pid, StartTime}", "{pid, start_time}"},
    {"{min, N}, {max, N}, {range, Min, Max}, {prefix, Binary} or ",
     "{:min, n}, {:max, n}, {:range, min, max}, {:prefix, binary} or "},
    {"{any_of, List}", "{:any_of, list}"},
    # Names of servers, then whatever else is called.
    {~r/(portcullis:nft_\w+\()'Elixir\.([\w.]+)'/, "\\1\\2"},
    {~r/(portcullis:nft_\w+\()([a-z]\w*|'[^']*'), /, "\\1:\\2, "},
    {~r/(portcullis:nft_\w+\()list_to_pid\("<([0-9.]+)>"\)/, "\\1IEx.Helpers.pid(\"\\2\")"},
    {~r/\bportcullis:([a-z]\w*[\/(])/, "Portcullis.\\1"},
    {~r/\b(portcullis_\w+):([a-z]\w*[\/(])/, ":\\1.\\2"}
  ]

  @type t :: %__MODULE__{reason: Portcullis.reason()}

  @impl Exception
  def message(%__MODULE__{reason: reason}) do
    reason |> :portcullis.format_error() |> spelled()
  end

  @doc false
  def spelled(text) do
    Enum.reduce(@spelling, text, fn {erlang, elixir}, text -> String.replace(text, erlang, elixir) end)
  end

  @doc false
  def unwrap!(:ok), do: :ok
  def unwrap!({:ok, value}), do: value
  def unwrap!({:ok, value, meta}), do: {value, meta}
  def unwrap!({:error, reason}), do: raise(__MODULE__, reason: reason)
end
