defmodule Portcullis.Error do
  @moduledoc """
  What the variants with `!` raise. `reason` is the term of the error; the message says what mends it.

      try do
        Portcullis.process!(4_194_304)
      rescue
        error in Portcullis.Error -> error.reason
      end
      #=> :esrch
  """

  defexception [:reason]

  @type t :: %__MODULE__{reason: Portcullis.reason()}

  @impl Exception
  def message(%__MODULE__{reason: reason}), do: :portcullis.format_error(reason)

  @doc false
  def unwrap!({:ok, value}), do: value
  def unwrap!({:ok, value, meta}), do: {value, meta}
  def unwrap!({:error, reason}), do: raise(__MODULE__, reason: reason)
end
