defmodule Mix.Portcullis do
  @moduledoc false
  # What the tasks of this package share.

  @roles [:proc, :net]

  # The sources: this project, or a dependency of it.
  @spec source() :: Path.t()
  def source do
    folders = [Mix.Project.deps_paths()[:portcullis], File.cwd!()]

    case Enum.find(folders, &(&1 && File.regular?(Path.join(&1, "scripts/install.sh")))) do
      nil ->
        Mix.raise(
          "the source of portcullis is not here: run this in the project that depends on it, after mix deps.get"
        )

      folder ->
        folder
    end
  end

  # "proc,net" as roles.
  @spec roles(String.t()) :: [:proc | :net, ...]
  def roles(text) do
    for name <- String.split(text, ",") do
      Enum.find(@roles, &(Atom.to_string(&1) == name)) || Mix.raise("unknown role #{inspect(name)} (roles: proc, net)")
    end
  end

  # Runs a program with its output as it comes, and ends with its status.
  @spec run(String.t(), [String.t()]) :: :ok
  def run(program, arguments) do
    case System.cmd(program, arguments, stderr_to_stdout: true, into: IO.stream()) do
      {_, 0} -> :ok
      {_, status} -> exit({:shutdown, status})
    end
  rescue
    # Such as a program that only its group may start.
    error in ErlangError -> Mix.raise("cannot start #{program} (#{error.original}); why, says: mix portcullis.doctor")
  end

  # For a shell, whatever is in it.
  @spec quoted(String.t()) :: String.t()
  def quoted(word) do
    if word =~ ~r/\A[A-Za-z0-9_.,:=\/+-]+\z/, do: word, else: "'" <> String.replace(word, "'", "'\\''") <> "'"
  end
end
