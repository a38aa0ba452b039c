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
      # The tasks in elixir/lib/mix run where Mix is; a release has neither need nor use of it.
      xref: [exclude: [Mix, Mix.Project, Mix.Task]],
      package: package(),
      deps: []
    ]
  end

  # One package for Mix and rebar3: the client, and what builds and installs the program. erlang/portcullis.app.src has the same list.
  defp package do
    [
      licenses: ["MIT", "Apache-2.0"],
      links: %{},
      build_tools: ["mix", "rebar3"],
      files: ~w(erlang elixir/lib mix.exs rebar.config rebar.lock Cargo.toml Cargo.lock src scripts priv/apparmor
        priv/debian priv/policy.toml priv/selinux priv/systemd docs README.md SECURITY.md CHANGELOG.md
        LICENSE-MIT LICENSE-APACHE)
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
      # It takes minutes and says what it does meanwhile.
      case System.cmd("sh", ["scripts/build-port.sh", "--hook"], stderr_to_stdout: true, into: IO.stream()) do
        {_output, 0} -> {:ok, []}
        {_output, status} -> Mix.raise("scripts/build-port.sh ended with #{status}")
      end
    end
  end
end
