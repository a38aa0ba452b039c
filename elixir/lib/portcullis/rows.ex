defmodule Portcullis.Rows do
  @moduledoc false

  @batch 256

  # Keyword lists are how Elixir writes options; the port wants maps. What is neither is for the Erlang side to refuse.
  def options(options) do
    case to_map(options) do
      %{where: where} = map -> %{map | where: to_map(where)}
      other -> other
    end
  end

  # `[:comm, :uid]`, `[items: [:comm], timeout: 100]` or a map of the latter.
  def items([]), do: %{}
  def items(items), do: to_map(items)

  defp to_map([]), do: %{}

  defp to_map([{_, _} | _] = pairs) do
    if Enum.all?(pairs, &match?({_, _}, &1)), do: Map.new(pairs), else: pairs
  end

  defp to_map(other), do: other

  # The fold pushes and a stream pulls: a reader in between folds, and hands over one batch when it is asked for the
  # next one. While nobody asks, the reader waits, and the credit of its request runs out.
  def stream(server, table, options) do
    Stream.resource(
      fn -> start(server, table, options) end,
      &next/1,
      fn {_, reader, monitor} ->
        Process.demonitor(monitor, [:flush])
        Process.exit(reader, :kill)
        flush(reader)
      end
    )
  end

  defp start(server, table, options) do
    consumer = self()

    read = fn ->
      consumer_monitor = Process.monitor(consumer)
      add = fn row, batch -> add(row, batch, consumer, consumer_monitor) end

      case :portcullis.fold(server, table, options, add, {0, []}) do
        {:ok, {_, rows}, _meta} -> hand_over({:last, Enum.reverse(rows)}, consumer, consumer_monitor)
        {:error, reason} -> hand_over({:error, reason}, consumer, consumer_monitor)
      end
    end

    {reader, monitor} = spawn_monitor(read)
    {:more, reader, monitor}
  end

  defp add(row, {count, rows}, _, _) when count + 1 < @batch, do: {count + 1, [row | rows]}

  defp add(row, {_, rows}, consumer, monitor) do
    hand_over({:rows, Enum.reverse([row | rows])}, consumer, monitor)
    {0, []}
  end

  defp hand_over(message, consumer, monitor) do
    receive do
      :next -> send(consumer, {self(), message})
      {:DOWN, ^monitor, :process, _, _} -> exit(:normal)
    end
  end

  defp next({:more, reader, monitor} = state) do
    send(reader, :next)

    receive do
      {^reader, {:rows, rows}} -> {rows, state}
      {^reader, {:last, rows}} -> {rows, {:done, reader, monitor}}
      {^reader, {:error, reason}} -> raise Portcullis.Error, reason: reason
      {:DOWN, ^monitor, :process, _, reason} -> raise Portcullis.Error, reason: {:down, reason}
    end
  end

  defp next({:done, _, _} = state), do: {:halt, state}

  defp flush(reader) do
    receive do
      {^reader, _} -> flush(reader)
    after
      0 -> :ok
    end
  end
end
