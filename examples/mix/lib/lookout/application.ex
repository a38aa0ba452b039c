defmodule Lookout.Application do
  @moduledoc false
  use Application

  # The server of portcullis stands before those that ask it. It is no reason to restart anybody: while the program is
  # missing it answers with an error, and looks for it again by itself.
  @impl true
  def start(_type, _args) do
    Supervisor.start_link([{Portcullis, []}, Lookout], strategy: :one_for_one, name: Lookout.Supervisor)
  end
end
