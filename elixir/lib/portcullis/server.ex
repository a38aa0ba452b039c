defmodule Portcullis.Server do
  @moduledoc """
  A server in a supervision tree, with a name of its own:

      children = [
        {Portcullis.Server, name: MyApp.Kernel, default_timeout: 1_000}
      ]

  `{Portcullis, options}` is the same child.

  It is an ordinary process: `GenServer.call/2` works on it with `{:request, operation, args, timeout}`, as in
  `docs/protocol.md`:

      iex> {:ok, _pid} = Portcullis.Server.start_link(name: MyApp.Kernel)
      iex> GenServer.call(MyApp.Kernel, {:request, :process, %{pid: 1, items: [:uid]}, 10_000}, 15_000)
      {:ok, %{uid: 0}}
  """

  @doc "A child spec; options are those of `:portcullis.start_link/1`."
  @spec child_spec(Portcullis.options()) :: Supervisor.child_spec()
  defdelegate child_spec(options), to: :portcullis

  @doc "Starts a server."
  @spec start_link(Portcullis.options()) :: {:ok, pid()} | {:error, term()}
  defdelegate start_link(options), to: :portcullis
end
