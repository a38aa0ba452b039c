# What tests of the examples in the documentation share.
defmodule PortcullisExamples do
  use ExUnit.CaseTemplate

  # Those of the firewall want another policy than the others.
  @firewall [nft_list: 2, nft_apply: 2, nft_check: 2, nft_json: 2, ban: 2]

  def firewall, do: @firewall

  setup_all do
    root = if System.cmd("id", ["-u"]) == {"0\n", 0}, do: ["--allow-root"], else: []
    options = [args: root, required: true, hello_timeout: 60_000, default_timeout: 60_000, stuck_timeout: 60_000]
    start_supervised!({Portcullis, [roles: [:proc, :net]] ++ options})
    :ok
  end

  # So many at least: examples that are lost are no examples that pass.
  def assert_found(module, least) do
    found = Enum.count(module.__info__(:functions), fn {name, _} -> String.starts_with?("#{name}", "doctest ") end)
    assert found >= least
  end
end
