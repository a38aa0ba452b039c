defmodule Mix.Tasks.Portcullis.Doctor do
  @shortdoc "Says what is wrong with the installation of portcullis, and what mends it"

  @moduledoc """
  Checks the installed program as the application would find and start it, and prints one line for each check and the
  command that mends what is wrong. Run it as the user of the application.

      mix portcullis.doctor
      mix portcullis.doctor --role proc,net

    * `--role` - roles to look at, separated by commas. Default: those of the `:servers` in the configuration of `:portcullis`,
      else `proc`
    * `--unprivileged` - as a server with `unprivileged: true`, which takes a build in `priv/` too

  Ends with status 1 if there is a problem. `Portcullis.checkup/0` looks at the whole deployment.
  """

  use Mix.Task

  @impl Mix.Task
  def run(arguments) do
    {options, rest, wrong} = OptionParser.parse(arguments, strict: [role: :string, unprivileged: :boolean])

    if rest != [] or wrong != [] do
      Mix.raise("usage: mix portcullis.doctor [--role proc,net] [--unprivileged]")
    end

    roles = if options[:role], do: Mix.Portcullis.roles(options[:role])
    Mix.Task.run("app.config")

    report =
      :portcullis_doctor.run(roles: roles || configured(), unprivileged: Keyword.get(options, :unprivileged, false))

    report |> :portcullis_doctor.format() |> Portcullis.Error.spelled() |> String.trim_trailing() |> Mix.shell().info()
    if elem(report, 0) == :problems, do: exit({:shutdown, 1})
  end

  defp configured do
    servers = Application.get_env(:portcullis, :servers, [])
    named = for server <- servers, role <- Map.new(server)[:roles] || [:proc], do: role
    if named == [], do: [:proc], else: Enum.uniq(named)
  end
end
