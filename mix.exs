defmodule Portcullis.MixProject do
  use Mix.Project

  def project do
    [
      app: :portcullis,
      version: "0.1.0",
      elixir: "~> 1.14",
      description: "The kernel for the BEAM, without the privileges",
      # Erlang is the base of the app: Mix then needs neither rebar3 nor hex for it.
      language: :erlang,
      erlc_paths: ["erlang/src"],
      elixirc_paths: ["elixir/lib"],
      test_paths: ["elixir/test"],
      # rebar3 owns the rest of _build.
      build_path: "_build/mix",
      start_permanent: Mix.env() == :prod,
      compilers: [:portcullis_port | Mix.compilers()],
      aliases: ["compile.portcullis_port": &build_port/1],
      deps: []
    ]
  end

  def application do
    [mod: {:portcullis_app, []}, registered: [:portcullis_sup], extra_applications: [:logger], env: [servers: []]]
  end

  # The same hook as in rebar.config.
  defp build_port(_args) do
    if System.get_env("PORTCULLIS_SKIP_BUILD") == "1" do
      {:noop, []}
    else
      case System.cmd("sh", ["scripts/build-port.sh"], stderr_to_stdout: true) do
        {_output, 0} -> {:ok, []}
        {output, status} -> Mix.raise("scripts/build-port.sh ended with #{status}:\n" <> output)
      end
    end
  end
end
