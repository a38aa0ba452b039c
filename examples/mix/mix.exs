defmodule Lookout.MixProject do
  use Mix.Project

  def project do
    [
      app: :lookout,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      # In a project of your own: deps: [{:portcullis, git: "file:///path/to/portcullis", branch: "main"}]
      deps: [{:portcullis, git: source()}]
    ]
  end

  # portcullis gets into the release as a dependency, and is started before this application.
  def application, do: [mod: {Lookout.Application, []}]

  # Not for a project of your own: lets this example be built where it lies, from the checkout around it.
  defp source do
    case System.get_env("PORTCULLIS_GIT", "") do
      "" -> "file://" <> Path.expand("../..", __DIR__)
      named -> named
    end
  end
end
