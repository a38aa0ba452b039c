defmodule Portcullis.Process do
  @moduledoc """
  A process of the system.

  The default columns are fields; others that were asked for are in `more`. Both are read by column name through
  `Access`:

      iex> {:ok, process} = Portcullis.process(1, [:uid, :num_threads])
      iex> {process.uid, process[:uid]}
      {0, 0}
      iex> process[:num_threads] == process.more.num_threads
      true
      iex> process.comm
      nil

  A cell is `nil` if it was not asked for, `:undefined` if it does not apply (the command line of a kernel thread),
  `{:error, :eacces}` if the kernel denied it, and `{:truncated, value}` if it was longer than `:cell_max`. In `environ` a
  variable that the policy does not name is `{:redacted, name}`. `inspect/1`
  shows what was asked for, and a command line with spaces where the value has NULs.
  """

  @behaviour Access

  @columns [:pid, :ppid, :comm, :state, :uid, :rss, :utime, :stime, :starttime, :cmdline]

  defstruct @columns ++ [more: %{}]

  @type cell(value) :: value | nil | :undefined | {:error, atom()} | {:truncated, binary()}

  @type t :: %__MODULE__{
          pid: pos_integer() | nil,
          ppid: cell(non_neg_integer()),
          comm: cell(binary()),
          state: cell(atom()),
          uid: cell(non_neg_integer()),
          rss: cell(non_neg_integer()),
          utime: cell(non_neg_integer()),
          stime: cell(non_neg_integer()),
          starttime: cell(non_neg_integer()),
          cmdline: cell(binary()),
          more: %{atom() => term()}
        }

  @doc "A row of the Erlang API as a struct."
  @spec new(map()) :: t()
  def new(row)

  # The rows of a whole table have these columns: one match and one struct, instead of a put for each cell.
  cells = Enum.map(@columns, &{&1, Macro.var(&1, __MODULE__)})

  def new(%{unquote_splicing(cells)} = row) when map_size(row) == unquote(length(@columns)) do
    %__MODULE__{unquote_splicing(cells)}
  end

  def new(row) do
    Enum.reduce(row, %__MODULE__{}, fn {column, cell}, process -> put(process, column, cell) end)
  end

  @doc """
  The identity of a process: its pid cannot be reused while this is compared with it.

      iex> Portcullis.Process.ref(%Portcullis.Process{pid: 4711, starttime: 123_456})
      {4711, 123_456}
  """
  @spec ref(t()) :: {pos_integer(), non_neg_integer()}
  def ref(%__MODULE__{pid: pid, starttime: start}) when is_integer(pid) and is_integer(start), do: {pid, start}

  @impl Access
  def fetch(%__MODULE__{} = process, column) when column in @columns, do: Map.fetch(process, column)
  def fetch(%__MODULE__{more: more}, column), do: Map.fetch(more, column)

  @impl Access
  def get_and_update(process, column, fun) do
    current = process[column]

    case fun.(current) do
      {get, new} -> {get, put(process, column, new)}
      :pop -> pop(process, column)
    end
  end

  @impl Access
  def pop(process, column) when column in @columns, do: {Map.get(process, column), Map.put(process, column, nil)}

  def pop(%__MODULE__{more: more} = process, column) do
    {value, rest} = Map.pop(more, column)
    {value, %{process | more: rest}}
  end

  defp put(process, column, cell) when column in @columns, do: Map.put(process, column, cell)
  defp put(%{more: more} = process, column, cell), do: %{process | more: Map.put(more, column, cell)}

  @doc false
  def cells(%__MODULE__{more: more} = process) do
    fields = for column <- @columns, cell = Map.fetch!(process, column), do: {column, cell}
    fields ++ Enum.sort(more)
  end

  defimpl Inspect do
    import Inspect.Algebra

    def inspect(process, options) do
      cell = fn {column, cell}, options -> concat("#{column}: ", to_doc(shown(column, cell), options)) end
      container_doc("#Portcullis.Process<", Portcullis.Process.cells(process), ">", options, cell)
    end

    defp shown(:cmdline, line) when is_binary(line), do: String.replace(line, <<0>>, " ")
    defp shown(:cmdline, {:truncated, line}) when is_binary(line), do: {:truncated, shown(:cmdline, line)}
    defp shown(_, cell), do: cell
  end
end
