#!/usr/bin/env python3
"""sbom.py bill|notices FOLDER CARGO_LOCK: the second half of scripts/sbom.sh, which says what is in FOLDER.

The same input gives the same output: nothing in it tells when or where it was made.
"""

import json
import pathlib
import re
import sys

# Part of the program, and of no Cargo.lock: the standard library, and in a static build the C library and what unwinds for it.
TOOLCHAIN = {
    "rust": ("the standard library of Rust", "MIT OR Apache-2.0", "https://github.com/rust-lang/rust"),
    "glibc": ("the C library, if the build is static", "LGPL-2.1-or-later", "https://sourceware.org/git/glibc.git"),
    "gcc": ("libgcc and libgcc_eh, if the build is static", "GPL-3.0-or-later WITH GCC-exception-3.1", "https://gcc.gnu.org/git/gcc.git"),
}

# As authors name them.
TEXTS = re.compile(r"^(licen[cs]e|copying|notice|copyright)", re.IGNORECASE)


def lines(path):
    return sorted({line.strip() for line in path.read_text().splitlines() if line.strip()})


def named(tree_line):
    """`name v1.2.3 (proc-macro)` as (name, version)."""
    name, version = tree_line.split()[:2]
    return name, version.removeprefix("v")


def checksums(lock):
    """(name, version) to the SHA-256 of the archive, by which cargo checks what it downloads."""
    pattern = r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]{64})"'
    return {(name, version): digest for name, version, digest in re.findall(pattern, lock.read_text())}


def licence(package):
    """An SPDX expression; older crates write `MIT/Apache-2.0`, which means `or`."""
    said = package["license"]
    if not said:
        sys.exit(f"sbom.py: {package['name']} {package['version']} names no licence: look into its source, and into deny.toml")
    return re.sub(r"\s*/\s*", " OR ", said)


def purl(key):
    # The only character of a version that is none of a package URL.
    return f"pkg:cargo/{key[0]}@{key[1].replace('+', '%2B')}"


def component(key, package, digests, scope):
    made = {"type": "library", "bom-ref": purl(key), "name": key[0], "version": key[1], "scope": scope}
    if key in digests:
        made["hashes"] = [{"alg": "SHA-256", "content": digests[key]}]
    made["licenses"] = [{"expression": licence(package)}]
    made["purl"] = purl(key)
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def toolchain(folder):
    for line in lines(folder / "tools"):
        name, _, version = line.partition(" ")
        text, said, where = TOOLCHAIN[name]
        yield {
            "type": "library", "bom-ref": f"toolchain:{name}", "name": name, "version": version or "unknown", "description": text,
            "scope": "required", "licenses": [{"expression": said}], "externalReferences": [{"type": "vcs", "url": where}],
        }


def bill(folder, metadata, packages, linked, built, digests):
    root = next(p for p in metadata["packages"] if p["id"] == metadata["resolve"]["root"])
    own = (root["name"], root["version"])
    keys = {p["id"]: (p["name"], p["version"]) for p in metadata["packages"]}
    crates = [component(k, packages[k], digests, "required" if k in linked else "excluded") for k in sorted(linked | built) if k != own]
    tools = list(toolchain(folder))
    edges = []
    for node in sorted(metadata["resolve"]["nodes"], key=lambda node: keys[node["id"]]):
        if keys[node["id"]] in linked | built:
            # Those of tests are of no build.
            kept = [d["pkg"] for d in node["deps"] if any(kind["kind"] != "dev" for kind in d["dep_kinds"])]
            below = sorted(purl(keys[pkg]) for pkg in kept if keys[pkg] in linked | built)
            if keys[node["id"]] == own:
                below += [tool["bom-ref"] for tool in tools]
            edges.append({"ref": purl(keys[node["id"]]), "dependsOn": below})
    program = {
        "type": "application", "bom-ref": purl(own), "name": own[0], "version": own[1], "description": root["description"],
        "licenses": [{"expression": licence(root)}], "purl": purl(own),
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": program}, "components": crates + tools, "dependencies": edges,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


def notices(packages, linked):
    print("What is linked into portcullis besides its own source, and on what terms.")
    print("In a static build also the GNU C library (LGPL-2.1-or-later) and libgcc (GPL-3.0-or-later with the GCC runtime exception):")
    print("their texts are in /usr/share/doc/libc6/copyright and /usr/share/doc/libgcc-s1/copyright of a Debian.")
    seen = {}
    for key in sorted(linked):
        package = packages[key]
        if package["source"] is None:
            continue
        print(f"\n{'=' * 100}\n{key[0]} {key[1]}: {licence(package)}\n{package['repository'] or ''}")
        texts = [p for p in sorted(pathlib.Path(package["manifest_path"]).parent.iterdir()) if p.is_file() and TEXTS.match(p.name)]
        if not texts:
            print("\n(its archive names its licence, and has no text of it)")
        for path in texts:
            text = path.read_text(errors="replace").strip()
            first = seen.setdefault("".join(text.split()), f"{key[0]} {path.name}")
            shown = text if first == f"{key[0]} {path.name}" else f"(the text of {first}, above)"
            print(f"\n--- {path.name}\n\n{shown}")


def main():
    what, folder, lock = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    metadata = json.loads((folder / "metadata").read_text())
    packages = {(p["name"], p["version"]): p for p in metadata["packages"]}
    linked = {named(line) for line in lines(folder / "linked")}
    if what == "notices":
        notices(packages, linked)
    else:
        bill(folder, metadata, packages, linked, {named(line) for line in lines(folder / "built")}, checksums(lock))


main()
