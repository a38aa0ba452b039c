defmodule Portcullis.Process do
  @moduledoc """
  A process of the system.

  The default columns are fields; others that were asked for are in `more`. Both are read by column name through
  `Access`:

      {:ok, process} = Portcullis.process(1, [:comm, :cap_eff])
      process.comm
      process[:cap_eff]

  A cell is `nil` if it was not asked for or does not apply, `{:error, :eacces}` if the kernel denied it, and
  `{:truncated, binary}` if it was longer than `:cell_max`.
  """

  @behaviour Access

  @columns [:pid, :ppid, :comm, :state, :uid, :rss, :utime, :stime, :starttime, :cmdline]

  defstruct @columns ++ [more: %{}]

  @type cell(value) :: value | nil | {:error, atom()} | {:truncated, binary()}

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
  fields = Enum.map(cells, fn {column, cell} -> {column, quote(do: value(unquote(cell)))} end)

  def new(%{unquote_splicing(cells)} = row) when map_size(row) == unquote(length(@columns)) do
    %__MODULE__{unquote_splicing(fields)}
  end

  def new(row) do
    Enum.reduce(row, %__MODULE__{}, fn {column, cell}, process -> put(process, column, value(cell)) end)
  end

  @doc "The identity of a process: its pid cannot be reused while this is compared with it."
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

  defp value(:undefined), do: nil
  defp value(cell), do: cell

  defp put(process, column, cell) when column in @columns, do: Map.put(process, column, cell)
  defp put(%{more: more} = process, column, cell), do: %{process | more: Map.put(more, column, cell)}
end
