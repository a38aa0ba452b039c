defmodule Lookout do
  @moduledoc """
  Says what process 1 runs, which the kernel tells nobody but root: once it is known, or whenever the reason changes why
  it is not.
  """
  use GenServer

  @again_ms 1000

  def start_link(_options), do: GenServer.start_link(__MODULE__, "", name: __MODULE__)

  @impl true
  def init(said), do: {:ok, said, {:continue, :look}}

  @impl true
  def handle_continue(:look, said), do: look(said)

  @impl true
  def handle_info(:look, said), do: look(said)

  defp look(said) do
    {next, text} =
      case Portcullis.process(1, [:comm, :exe]) do
        {:ok, process} -> {:done, "process 1 is #{process.comm}: #{cell(process[:exe])}"}
        # What is wrong, and the command that mends it.
        {:error, reason} -> {:again, "cannot see process 1: #{Portcullis.format_error(reason)}"}
      end

    if text != said, do: IO.puts("lookout: " <> text)
    if next == :again, do: Process.send_after(self(), :look, @again_ms)
    {:noreply, text}
  end

  # A cell of a row can have an error of its own: the policy's level, or what the kernel said.
  defp cell(file) when is_binary(file), do: file
  defp cell(other), do: inspect(other)
end
