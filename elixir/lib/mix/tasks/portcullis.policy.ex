defmodule Mix.Tasks.Portcullis.Policy do
  @shortdoc "Asks the program of portcullis what its policy grants"

  @moduledoc """
  The command `policy` of the program, whether it is installed or built.

      mix portcullis.policy check
      mix portcullis.policy check priv/policy.toml
      mix portcullis.policy explain process exe
      mix portcullis.policy suggest LOGFILE

  What is asked about is `/etc/portcullis/policy.toml`, unless a file is named (`explain --policy FILE`). `suggest` reads records
  of what was refused, as `journalctl -t portcullis-proc -t portcullis-net` prints them. Ends with the status of the
  program.
  """

  use Mix.Task

  @impl Mix.Task
  def run(["suggest", file]), do: run_with_input(file)

  def run(["suggest" | _]) do
    Mix.raise("""
    usage: mix portcullis.policy suggest LOGFILE. Records of what was refused:

        journalctl -t portcullis-proc -t portcullis-net > LOGFILE
    """)
  end

  def run([word | _] = arguments) when word in ["check", "explain"] do
    Mix.Portcullis.run(program(), ["policy" | arguments])
  end

  def run(_),
    do: Mix.raise("usage: mix portcullis.policy check [FILE] | explain [--policy FILE] OPERATION ... | suggest LOGFILE")

  # A program of Erlang's has no end of its input but that of its port.
  defp run_with_input(file) do
    unless File.regular?(file), do: Mix.raise("there is no file #{file}")
    Mix.Portcullis.run("sh", ["-c", ~s(exec "$1" policy suggest <"$2"), "sh", program(), file])
  end

  # Nothing is asked of the kernel here, so that a build will do.
  defp program do
    Mix.Task.run("app.config")
    {:ok, config} = :portcullis_opts.server(unprivileged: true)

    case Enum.map([:proc, :net], &:portcullis_program.find(&1, config)) do
      [{:ok, file, _} | _] -> to_string(file)
      [_, {:ok, file, _}] -> to_string(file)
      [{:error, reason}, _] -> Mix.raise(Portcullis.format_error({:down, reason}))
    end
  end
end
