defmodule Portcullis.NFTables do
  @moduledoc """
  In the place of `NFTables.Port` of the hex package `nftables_port`, for programs that were written for it or for
  `nftables`: JSON text of libnftables-json(5) in and out.

      iex> {:ok, pid} = Portcullis.NFTables.start_link()
      iex> Portcullis.NFTables.commit(pid, ~s({"nftables": [{"add": {"table": {"family": "inet", "name": "fw"}}}]}))
      {:ok, ""}
      iex> {:ok, json} = Portcullis.NFTables.commit(pid, ~s({"nftables": [{"list": {"tables": null}}]}))
      iex> json =~ ~s("name": "fw")
      true
      iex> Portcullis.NFTables.stop(pid)
      :ok

  The process is a server of `Portcullis` with role `:net`, and any such server will do: it answers what `NFTables.Port.commit/3`
  calls, so that `NFTables.submit(builder, pid: pid)` works with it, and without `:pid` if it has the name `NFTables.Port`:

      children = [{Portcullis.NFTables, name: NFTables.Port}]

  What is granted, the policy decides, change by change; one that asks for confirmation (`confirm = "required"`) needs
  `Portcullis.nft_json/2` with `:confirm`, since there is no place here for what names the change. Text is JSON only.
  """

  @doc "A child spec; options are those of `start_link/1`."
  @spec child_spec(Portcullis.options()) :: Supervisor.child_spec()
  def child_spec(options), do: %{:portcullis.child_spec(net(options)) | start: {__MODULE__, :start_link, [options]}}

  @doc """
  Starts a server with role `:net`, without a name unless `:name` is given. Other options are those of
  `:portcullis.start_link/1`; `:check_capabilities` has no meaning here.
  """
  @spec start_link(Portcullis.options()) :: {:ok, pid()} | {:error, term()}
  def start_link(options \\ []), do: :portcullis.start_link(net(options))

  defp net(options) do
    options |> Map.new() |> Map.delete(:check_capabilities) |> Map.put_new(:name, :undefined) |> Map.put(:roles, [:net])
  end

  @doc """
  Sends a document. `{:ok, ""}`: it is done, all of it; `{:ok, json}`: what it lists; `{:ok, "Error: " <> text}`: it was refused,
  by the kernel, the policy or the schema, and nothing is done; `{:error, reason}`: there is no answer. The last argument is
  a deadline in milliseconds or options, `:timeout` and `:generation`.

  A change without an answer may be done: `{:error, {:unknown_outcome, _}}`.
  """
  @spec commit(Portcullis.server(), iodata(), timeout :: pos_integer() | Portcullis.options()) ::
          {:ok, String.t()} | {:error, Portcullis.reason()}
  def commit(pid, json, options \\ [])
  def commit(pid, json, timeout) when is_integer(timeout), do: commit(pid, json, timeout: timeout)
  def commit(pid, json, options), do: :portcullis_firewall.commit(pid, json, options)

  @doc "Stops the server."
  @spec stop(Portcullis.server()) :: :ok
  defdelegate stop(pid), to: :portcullis
end
