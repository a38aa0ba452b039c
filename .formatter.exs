[
  inputs: ["mix.exs", ".formatter.exs", "elixir/{lib,test}/**/*.{ex,exs}"],
  line_length: 120
]
