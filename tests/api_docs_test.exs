# elixir api_docs_test.exs DIR: renders the documentation into DIR (scripts/api-docs.sh, which fails on a warning) and looks for what it must
# have: a page of every module that is not for ourselves alone, an anchor for each of its functions, and no link to a page or a heading that
# is not there.
[made] = System.argv()
root = Path.expand("..", __DIR__)
{_, 0} = System.cmd("sh", ["#{root}/scripts/api-docs.sh", "--output", made], into: IO.stream(), stderr_to_stdout: true)

entities = %{"&amp;" => "&", "&lt;" => "<", "&gt;" => ">", "&quot;" => "\"", "&#39;" => "'"}
unescaped = fn text -> Regex.replace(~r/&(?:amp|lt|gt|quot|#39);/, text, &entities[&1]) end
all = fn regex, text -> for [_, found] <- Regex.scan(regex, text), do: unescaped.(found) end

pages = for page <- Path.wildcard("#{made}/*.html"), into: %{}, do: {Path.basename(page), File.read!(page)}
anchors = Map.new(pages, fn {name, text} -> {name, MapSet.new(all.(~r/ id="([^"]+)"/, text))} end)
anchor? = fn page, name -> Map.has_key?(pages, page) and name in anchors[page] end

# Modules of Erlang: a comment above a list of exports says that it is not for users, and so does @private above a specification.
erlang =
  for source <- Path.wildcard("#{root}/erlang/src/*.erl"),
      text = File.read!(source),
      page = Path.basename(source, ".erl") <> ".html" do
    if String.starts_with?(text, "%% @private") do
      [{"no #{page}", not Map.has_key?(pages, page)}]
    else
      private = Regex.scan(~r/^%% @private.*\n(?:%%.*\n)*-spec (\w+)\(/m, text) |> Enum.map(&List.last/1)
      lists = for [_, "", exports] <- Regex.scan(~r/(^%%.*\n)?^-export\(\[([^\]]*)\]\)\./m, text), do: exports
      functions = for exports <- lists, [function] <- Regex.scan(~r/\w+\/\d/, exports), do: function
      public = Enum.reject(functions, &(hd(String.split(&1, "/")) in private and page != "portcullis.html"))
      [{page, Map.has_key?(pages, page)} | for(f <- public, do: {"#{page}##{f}", anchor?.(page, f)})]
    end
  end

elixir =
  for source <- Path.wildcard("#{root}/elixir/lib/**/*.ex"),
      text = File.read!(source),
      not (text =~ "@moduledoc false") do
    [_, module] = Regex.run(~r/^defmodule ([\w.]+) do/, text)
    # Mix calls what is in a task.
    functions = if module =~ "Mix.", do: "", else: text
    functions = Regex.scan(~r/^  (?:def|defdelegate) ([a-z_!?]+)/m, functions) |> Enum.map(&List.last/1) |> Enum.uniq()
    known = for id <- Map.get(anchors, "#{module}.html", []), do: hd(String.split(id, "/"))
    hidden = ~w(fetch get_and_update pop message cells spelled unwrap! inspect)

    [
      {"#{module}.html", Map.has_key?(pages, "#{module}.html")}
      | for(f <- functions -- hidden, do: {"#{module}.html##{f}", f in known})
    ]
  end

# Pages of documents are copies, whose links were rewritten.
links =
  for {name, text} <- pages,
      link <- Enum.uniq(all.(~r/ href="([^"]+)"/, text)),
      link != "#",
      not (link =~ ~r/^[a-z]+:/) do
    [path | heading] = link |> String.split("#", parts: 2) |> Enum.map(&URI.decode/1)
    path = if path == "", do: name, else: path
    there = File.exists?(Path.join(made, path)) and Path.extname(path) not in [".md", ".livemd"]

    {"#{name} links to #{link}",
     there and (heading == [] or not Map.has_key?(pages, path) or anchor?.(path, hd(heading)))}
  end

# What is no code has been rendered.
rendered =
  for {name, text} <- pages, [_, body] <- [String.split(text, "<main", parts: 2)] do
    prose = Regex.replace(~r/<(pre|code)[ >].*?<\/\1>/s, body, "")
    raw = Regex.run(~r/^\|.*\||\]\([^)\s]+\)|^```|^#+ \w/m, prose)
    {"#{name} is rendered, and not #{inspect(raw)}", raw == nil}
  end

documents =
  for page <- ~w(readme security changelog protocol guides-install guides-policy policy notebook) do
    {"#{page}.html", Map.has_key?(pages, "#{page}.html")}
  end

# A module is a test, and so is each of the rest.
tests = erlang ++ elixir ++ [links, rendered, documents]
failed = for test <- tests, wrong = for({what, false} <- test, do: what), wrong != [], do: wrong

# Whoever finds no function has looked at none.
few =
  for {what, found, least} <- [
        {"modules of Erlang", erlang, 8},
        {"modules of Elixir", elixir, 9},
        {"links", links, 500}
      ],
      length(found) < least,
      do: ["only #{length(found)} #{what}"]

for what <- List.flatten([failed, few]), do: IO.puts("FAILED #{what}")
IO.puts("#{length(tests) - length(failed)} passed, #{length(failed) + length(few)} failed")
if failed ++ few != [], do: System.halt(1)
