# The same as docs_beam.escript for Elixir.
defmodule Docs.Beam do
  def loop(binding, env) do
    case IO.gets("") do
      line when is_binary(line) ->
        {binding, env} = block(String.trim(line), binding, env)
        loop(binding, env)

      _ ->
        System.halt(0)
    end
  end

  defp block(path, binding, env) do
    {value, new, env} = path |> File.read!() |> Code.string_to_quoted!() |> Code.eval_quoted_with_env(binding, env)
    unless value in [:ok, nil], do: IO.inspect(value, limit: :infinity)
    IO.puts("\x01end ok")
    {new, env}
  catch
    kind, reason ->
      said = kind |> Exception.format_banner(reason) |> String.replace("\n", " ")
      IO.puts("\n\x01end #{said}")
      {binding, env}
  end
end

Docs.Beam.loop([], Code.env_for_eval([]))
