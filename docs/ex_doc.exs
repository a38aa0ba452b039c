# What ex_doc renders beside the modules, for scripts/api-docs.sh. The pages are copied into PORTCULLIS_PAGES first: ex_doc names a page by
# the last part of its path, and there are two README.md and two policy.md; and it resolves no link to a file that is no page.
# The script is evaluated in the top folder of the checkout, without a path of its own.
root = File.cwd!()
pages = System.fetch_env!("PORTCULLIS_PAGES")

groups = [
  {"Guides",
   ~w(docs/README.md) ++
     Enum.map(
       ~w(install releases systemd containers doctor policy firewall nftables processes cluster nodes
     operation),
       &"docs/guides/#{&1}.md"
     ) ++ ~w(docs/portcullis.livemd)},
  {"Reference", ~w(docs/protocol.md docs/policy.md docs/distribution.md)},
  {"Operations", ~w(docs/host.md SECURITY.md docs/threat-model.md)},
  {"About",
   ~w(CHANGELOG.md CONTRIBUTING.md docs/maintenance.md docs/decisions.md docs/comparison.md docs/dependencies.md)}
]

# docs/guides/policy.md is guides-policy.md.
name = fn
  "docs/README.md" -> "documentation.md"
  # portcullis.html is the module.
  "docs/portcullis.livemd" -> "notebook.livemd"
  path -> path |> String.replace_prefix("docs/", "") |> String.replace("/", "-")
end

listed = ["README.md" | Enum.flat_map(groups, &elem(&1, 1))]
there = ~w(*.md docs/*.{md,livemd} docs/guides/*.md) |> Enum.flat_map(&Path.wildcard(Path.join(root, &1)))

case Enum.map(there, &Path.relative_to(&1, root)) -- listed do
  [] -> :ok
  missing -> raise "docs/ex_doc.exs has no group for #{Enum.join(missing, " and ")}"
end

# What GitHub calls a heading in links, ex_doc may call something else.
headings =
  for page <- listed, [_, heading] <- Regex.scan(~r/^#+ +(.*)$/m, File.read!(Path.join(root, page))), into: %{} do
    github = heading |> String.downcase() |> String.replace(" ", "-") |> String.replace(~r/[^\p{L}\p{N}_-]/u, "")
    {{page, github}, heading |> String.replace("`", "") |> ExDoc.Utils.text_to_id()}
  end

# A link to a page is one to its copy; of any other file, the text stays, with the path that says where it is.
target = fn page, whole, text, link ->
  [path | heading] = String.split(link, "#", parts: 2)
  folder = Path.join(root, Path.dirname(page))
  file = if path == "", do: page, else: folder |> Path.join(path) |> Path.expand() |> Path.relative_to(root)
  heading = Enum.map(heading, &Map.get(headings, {file, &1}, &1))

  cond do
    link =~ ~r/^[a-z]+:/ -> whole
    path == "" -> "[#{text}](##{heading})"
    file in listed -> "[#{text}](#{Enum.join([name.(file) | heading], "#")})"
    String.contains?(text, Path.basename(file)) -> "`#{file}`"
    true -> "#{text} (`#{file}`)"
  end
end

# Links stand outside of blocks of code.
rewrite = fn page, text ->
  text
  |> String.split(~r/^```.*?^```/ms, include_captures: true)
  |> Enum.map_join(fn
    "```" <> _ = code -> code
    prose -> Regex.replace(~r/\[([^\]\n]*)\]\(([^)\s]+)\)/, prose, &target.(page, &1, &2, &3))
  end)
end

copies =
  for page <- listed, into: %{} do
    copy = Path.join(pages, name.(page))
    File.write!(copy, rewrite.(page, File.read!(Path.join(root, page))))
    {page, copy}
  end

[
  main: "readme",
  api_reference: true,
  extras: Enum.map(listed, &copies[&1]),
  groups_for_extras: for({title, of} <- groups, do: {title, Enum.map(of, &copies[&1])}),
  groups_for_modules: [
    Erlang: ~r/^portcullis/,
    "Elixir": ~r/^Portcullis/,
    "Tasks of Mix": ~r/^Mix\.Tasks/
  ]
]
