Code.require_file("examples_case.exs", __DIR__)

# Not async: the server has the default name.
defmodule PortcullisExamplesTest do
  use PortcullisExamples

  doctest Portcullis, except: PortcullisExamples.firewall()
  doctest Portcullis.Dist
  doctest Portcullis.Error
  doctest Portcullis.Process
  doctest Portcullis.Server

  test "are there", do: PortcullisExamples.assert_found(__MODULE__, 27)
end
