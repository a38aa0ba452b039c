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

  # Rows of processes are structs; those of other tables are the maps that they are, with nil for what does not apply.
  def row(:processes, row), do: Portcullis.Process.new(row)
  def row(_table, row), do: Map.new(row, fn {column, cell} -> {column, unless(cell == :undefined, do: cell)} end)

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

  # Credit is given back as events are taken: who is slow hears what was lost, and keeps no more than the credit.
  def events(server, topic, options) do
    Stream.resource(
      fn -> server |> :portcullis.subscribe(topic, options) |> Portcullis.Error.unwrap!() end,
      &next_event/1,
      fn
        {:ended, _ref} -> :ok
        ref -> :portcullis.unsubscribe(ref)
      end
    )
  end

  defp next_event({:ended, _ref} = ended), do: {:halt, ended}

  defp next_event(ref) do
    receive do
      # A process ends once, and nothing follows.
      {:portcullis, ^ref, {:event, %{kind: :exit} = event}} ->
        {[event], {:ended, ref}}

      {:portcullis, ^ref, {:event, event}} ->
        :ok = :portcullis.ack(ref, 1)
        {[event], ref}

      {:portcullis, ^ref, {:lost, count}} ->
        {[{:lost, count}], ref}

      {:portcullis, ^ref, {:down, reason}} ->
        raise Portcullis.Error, reason: {:down, reason}
    end
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
