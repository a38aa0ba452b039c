defmodule Mix.Tasks.Portcullis.Install do
  @shortdoc "Builds the program of portcullis and installs it"

  @moduledoc """
  Builds the program (`scripts/build-port.sh`) and installs it (`scripts/install.sh`), which takes root.

      mix portcullis.install
      mix portcullis.install --role proc,net --level full

  The task never becomes root by itself: for an ordinary user it builds, and ends with an error that has the one command
  which installs. Options are those of `scripts/install.sh`; `--help` prints them. Without `--group`, an installation
  that is there keeps its group, and a new one is for the group of the user who asks, or, where that is one of the
  system's, for the group `portcullis`, which is made if it is missing.

  With `PORTCULLIS_SKIP_BUILD=1`, `--binary FILE` or `--uninstall` nothing is built.
  """

  use Mix.Task

  @default "/usr/local/libexec/portcullis"
  # On Debian, groups up to this one are the system's own, and `users` is everybody's.
  @static_gids 100
  # Those of the installer, which would tell of a mistyped one when minutes of building are over.
  @with_value ["--group", "--level", "--role", "--dest", "--binary"]
  @alone ["--audit", "--no-policy", "--uninstall"]

  @impl Mix.Task
  def run(arguments) do
    source = Mix.Portcullis.source()
    installer = Path.join(source, "scripts/install.sh")

    cond do
      "--help" in arguments or "-h" in arguments ->
        Mix.Portcullis.run("sh", [installer, "--help"])

      wrong = unknown(arguments) ->
        Mix.raise(wrong <> "; mix portcullis.install --help lists the options")

      true ->
        build(source, arguments)
        install(source, installer, arguments, user())
    end
  end

  @doc false
  @spec unknown([String.t()]) :: String.t() | nil
  def unknown([]), do: nil
  def unknown([option]) when option in @with_value, do: "#{option} needs a value"
  def unknown([option, _value | rest]) when option in @with_value, do: unknown(rest)
  def unknown([option | rest]) when option in @alone, do: unknown(rest)

  def unknown([option | _]) do
    near = Enum.max_by(@with_value ++ @alone, &String.jaro_distance(&1, option))
    meant = if String.jaro_distance(near, option) > 0.8, do: "; did you mean #{near}?", else: ""
    "there is no option #{option}" <> meant
  end

  defp build(source, arguments) do
    unless "--binary" in arguments or "--uninstall" in arguments do
      Mix.Portcullis.run("sh", [Path.join(source, "scripts/build-port.sh")])
    end
  end

  defp install(_source, installer, arguments, %{uid: 0} = user) do
    Mix.Portcullis.run("sh", [installer | arguments ++ of_root(arguments, user, System.get_env("SUDO_USER"))])
  end

  defp install(source, _installer, arguments, user) do
    Mix.raise("Installing takes root:\n\n    #{command(source, arguments, user)}\n")
  end

  @doc false
  @spec command(Path.t(), [String.t()], %{gid: non_neg_integer(), group: String.t()}) :: String.t()
  def command(source, arguments, user) do
    words = Enum.map_join(arguments ++ group(arguments, user), &(" " <> Mix.Portcullis.quoted(&1)))
    :portcullis_fix.absolute("sudo sh scripts/install.sh" <> words, source)
  end

  # Behind sudo there is a user whose group the installer takes.
  @doc false
  @spec of_root([String.t()], %{gid: non_neg_integer(), group: String.t()}, String.t() | nil) :: [String.t()]
  def of_root(arguments, user, sudo_user), do: if(sudo_user in [nil, ""], do: group(arguments, user), else: [])

  defp group(arguments, user) do
    folder = arguments |> Enum.drop_while(&(&1 != "--dest")) |> Enum.at(1, @default)

    cond do
      "--group" in arguments or "--uninstall" in arguments -> []
      Enum.any?(["proc", "net"], &File.exists?(Path.join(folder, "portcullis-" <> &1))) -> []
      user.gid <= @static_gids -> ["--group", "portcullis"]
      true -> ["--group", user.group]
    end
  end

  defp user do
    [uid, gid, group] = for option <- ["-u", "-g", "-gn"], do: id(option)
    %{uid: String.to_integer(uid), gid: String.to_integer(gid), group: group}
  end

  defp id(option) do
    {said, 0} = System.cmd("id", [option])
    String.trim(said)
  end
end
