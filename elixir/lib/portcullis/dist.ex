defmodule Portcullis.Dist do
  @moduledoc """
  Filters of a node's firewall while it runs: the functions of `:portcullis_dist`, which has the types and says who may do what. The first
  argument is the name of the firewall's node.

      :accept = Portcullis.Dist.test_filter(:"portcullis@host", :reg_send, MyApp.Secret)
      :accept = Portcullis.Dist.add_filter(:"portcullis@host", node(), :reg_send, MyApp.Secret, :deny)
      :deny = Portcullis.Dist.test_filter(:"portcullis@host", :reg_send, MyApp.Secret)

  Errors are `{:error, reason}`; `Portcullis.format_error/1` makes a sentence of one:

      iex> {:error, reason} = Portcullis.Dist.test_filter(:nobody@localhost, :reg_send, MyApp.Secret)
      iex> Portcullis.format_error(reason) =~ "nobody@localhost cannot be reached"
      true
  """

  @type command :: :portcullis_dist.command()
  @type target :: :portcullis_dist.target()
  @type filter :: :portcullis_dist.filter()
  @type direction :: :portcullis_dist.direction()
  @type error :: {:error, :portcullis_dist.error()}

  @doc "Accepts or denies a command of a peer; `:_` is every command."
  @spec set_filter(node(), node(), direction(), command() | :_, filter()) :: filter() | error()
  def set_filter(at, peer, direction \\ :in, command, filter),
    do: :portcullis_dist.set_filter(at, peer, direction, command, filter)

  @doc "Accepts or denies messages to one target: a name, or `{module, function, arity}`."
  @spec add_filter(node(), node(), direction(), command(), target(), filter()) :: filter() | error()
  def add_filter(at, peer, direction \\ :in, command, target, filter),
    do: :portcullis_dist.add_filter(at, peer, direction, command, target, filter)

  @doc "Takes a filter of one target away, if nothing is accepted by that which is denied now."
  @spec del_filter(node(), node(), direction(), command(), target()) :: filter() | error()
  def del_filter(at, peer, direction \\ :in, command, target),
    do: :portcullis_dist.del_filter(at, peer, direction, command, target)

  @doc "A filter of every node, also of those that were never connected."
  @spec set_default_filter(node(), direction(), command() | :_, target(), filter()) :: filter() | error()
  def set_default_filter(at, direction \\ :in, command, target, filter),
    do: :portcullis_dist.set_default_filter(at, direction, command, target, filter)

  @doc "Names who gets what is accepted of a command, on the node behind a gateway."
  @spec set_handler(node(), node(), command(), atom()) :: atom() | error()
  defdelegate set_handler(at, peer, command, name), to: :portcullis_dist

  @doc "The filters of run time that hold for a peer; of `:_` those of every node."
  @spec filters(node(), node() | :_) :: [tuple()] | error()
  def filters(at, peer \\ node()), do: :portcullis_dist.filters(at, peer)

  @doc "Preflight: whether a message of this node would be let through."
  @spec test_filter(node(), command(), target()) :: filter() | error()
  defdelegate test_filter(at, command, target), to: :portcullis_dist

  @doc "Whether a message of a peer would be let through."
  @spec test_filter(node(), node(), command(), target()) :: filter() | error()
  defdelegate test_filter(at, peer, command, target), to: :portcullis_dist

  @doc "Whether a message from a peer, or to it, would be let through."
  @spec test_filter(node(), node(), direction(), command(), target()) :: filter() | error()
  defdelegate test_filter(at, peer, direction, command, target), to: :portcullis_dist

  @doc "As `test_filter/5`, with the reason of a denial."
  @spec explain_filter(node(), node(), direction(), command(), target()) ::
          :accept | {:deny, :portcullis_dist.reason()} | {:handler, atom()} | error()
  def explain_filter(at, peer, direction \\ :in, command, target),
    do: :portcullis_dist.explain_filter(at, peer, direction, command, target)

  @doc "How many messages of a peer were accepted and denied, in the shape of the RFC."
  @spec statistics(node(), node() | :_) :: :portcullis_dist.statistics() | error()
  def statistics(at, peer \\ node()), do: :portcullis_dist.statistics(at, peer)

  @doc "The same of both directions, with reasons."
  @spec counters(node(), node()) :: %{direction() => :portcullis_dist.counters()} | error()
  defdelegate counters(at, peer), to: :portcullis_dist
end
