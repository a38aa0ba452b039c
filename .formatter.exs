[
  inputs: [
    "mix.exs",
    "docs/*.exs",
    "tests/*.exs",
    ".formatter.exs",
    "elixir/{lib,test}/**/*.{ex,exs}",
    "examples/mix/mix.exs",
    "examples/mix/lib/**/*.ex"
  ],
  line_length: 120
]
