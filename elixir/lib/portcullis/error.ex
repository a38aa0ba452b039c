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
    {"start one with portcullis:start_link/1", "put {Portcullis, []} into a supervisor"},
    {"see portcullis:start_link/1", "see Portcullis.start_link/1"},
    {"See portcullis:start_link/1", "See Portcullis.start_link/1"},
    {"portcullis_doctor:print()", "IO.puts(Portcullis.doctor_report())"},
    {"{unprivileged, true}", "unprivileged: true"},
    {"{roles, [proc,net]}", "roles: [:proc, :net]"},
    {"{roles, [net,proc]}", "roles: [:net, :proc]"},
    {"portcullis:tables()", "Portcullis.tables()"},
    {"portcullis:subscribe(query, \#{table => listening, every => 1000})",
     "Portcullis.subscribe(:query, table: :listening, every: 1000)"},
    {"a map from columns to conditions, such as \#{pid => 1}", "columns with conditions, such as [pid: 1]"},
    {"portcullis:subscribe/2", "Portcullis.subscribe/2"},
    {"inet:parse_address/1", ":inet.parse_address/1"},
    {"\#{timeout => Milliseconds}", "timeout: milliseconds"},
    {"{Pid, StartTime}", "{pid, start_time}"},
    {"{min, N}, {max, N}, {range, Min, Max} or {prefix, Binary}",
     "{:min, n}, {:max, n}, {:range, min, max} or {:prefix, binary}"}
  ]

  @type t :: %__MODULE__{reason: Portcullis.reason()}

  @impl Exception
  def message(%__MODULE__{reason: reason}) do
    Enum.reduce(@spelling, :portcullis.format_error(reason), fn {erlang, elixir}, text ->
      String.replace(text, erlang, elixir)
    end)
  end

  @doc false
  def unwrap!(:ok), do: :ok
  def unwrap!({:ok, value}), do: value
  def unwrap!({:ok, value, meta}), do: {value, meta}
  def unwrap!({:error, reason}), do: raise(__MODULE__, reason: reason)
end
