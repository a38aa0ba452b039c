Code.require_file("examples_case.exs", __DIR__)

# By its name, `mix test` runs it only if it is asked to: under the policy firewall of tests/fixtures/make.sh, and in a network of its own.
defmodule PortcullisFirewallExamplesTest do
  use PortcullisExamples

  setup do
    on_exit(fn ->
      {:ok, server} = :portcullis.start_link(roles: [:net], name: :undefined, required: true)
      gone = for table <- ["fw", "portcullis"], do: :portcullis_nft.destroy(:portcullis_nft.table(:inet, table))
      {:ok, _} = :portcullis.nft_apply(server, gone, %{})
      :ok = :portcullis.stop(server)
    end)
  end

  doctest Portcullis, only: PortcullisExamples.firewall()
  doctest Portcullis.NFTables

  test "are there", do: PortcullisExamples.assert_found(__MODULE__, 6)
end
