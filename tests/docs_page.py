"""docs_page.py PAGE: runs the blocks of code of a page, on a machine that tests/docs_test.sh has made for it.

What runs how is said by the language of a block:

    sh          the shell of the user `reader`, one for the page: folders and variables stay. A command that fails ends the page
    erlang      the shell of a BEAM of that user, one for the page: variables stay. A pattern that does not match fails
    elixir      the same of Elixir
    toml        a policy, or sections that take the place of those of the same name in the one in force, which it then is; with
                [node] a file of a node or gateway. Both must be right in the eyes of the program
    ini         a unit, which systemd-analyze(1) verifies
    text        what the block before has printed, and what its last expression was: digits stand for any number, `...` for anything

Lines above a block ask for something else:

    <!-- not run: REASON -->     it is counted and printed with its reason
    <!-- file: PATH -->          it is a file, and written there; what uses it is another block
    <!-- status: N -->           sh: the last command ends with N; toml: `policy check` does
    <!-- wait: PORT -->          sh: goes on when something listens there
    <!-- needs: PROGRAM -->      not run where that is missing
    <!-- fails: TEXT -->         it must fail, and the failure has this text
    <!-- login: anew -->         all shells are new ones, of a user whose groups are those of now
    <!-- machine: bare -->       above the page: nothing is installed (elsewhere: as docs/guides/install.md leaves it)

A block that has no language and none of these fails."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

CHECKOUT = "/home/reader/portcullis"
PROGRAM = "/usr/local/libexec/portcullis/portcullis-proc"
POLICY = "/etc/portcullis/policy.toml"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A reader waits no longer either.
SECONDS = 120
END = "\x01end "


class Failed(Exception):
    pass


class Block:
    def __init__(self, line, language, asks, text):
        self.line, self.language, self.asks, self.text = line, language, asks, text


def blocks(page):
    """In their order, with what the comments right above each of them ask for."""
    found, asks, inside = [], {}, None
    for number, line in enumerate(page.splitlines(), 1):
        fence = re.match(r"( *)```(\w*)", line)
        ask = re.match(r" *<!-- (not run|file|status|wait|needs|login|fails): (.+) -->$", line)
        if inside is not None:
            if fence and not fence[2]:
                found.append(inside)
                inside, asks = None, {}
            else:
                inside.text += line.removeprefix(indent) + "\n"
        elif fence:
            indent = fence[1]
            inside = Block(number, fence[2], asks, "")
        elif ask:
            asks[ask[1]] = ask[2]
        elif line.strip():
            asks = {}
    if inside is not None:
        raise Failed(f"line {inside.line}: no end")
    return found


class Talker:
    """A program that takes the name of a file with a block, and answers with its output and a line that says how it ended."""

    def __init__(self, command, env):
        self.said, self.ended = "", None
        self.process = subprocess.Popen(command, cwd=CHECKOUT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.lines, self.more = [], threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line.decode(errors="replace"))
                self.more.notify()
        with self.more:
            self.lines.append(None)
            self.more.notify()

    def ask(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()
        output, until = "", time.monotonic() + SECONDS
        while True:
            with self.more:
                # What it has started can keep its output open when it has ended itself.
                if not self.more.wait_for(lambda: self.lines, 1):
                    if self.process.poll() is None and time.monotonic() < until:
                        continue
                    self.lines.append(None)
                line = self.lines.pop(0)
            if line is None:
                # Its output is closed a moment before it has ended.
                try:
                    status = self.process.wait(10 if time.monotonic() < until else 0)
                except subprocess.TimeoutExpired:
                    raise Failed(f"no end after {SECONDS} s; it said:\n{output}") from None
                raise Failed(f"it ended with status {status}; it said:\n{output}")
            before, mark, end = line.partition(END)
            output += before
            if mark and end.strip() == "ok":
                return output
            if mark:
                raise Failed(f"{end.strip()}; it said:\n{output}")


class Reader:
    """Whoever reads the page: his shells, opened when they are needed."""

    def __init__(self):
        self.talkers = {}

    def login(self):
        for talker in self.talkers.values():
            talker.process.kill()
        self.talkers = {}

    def talker(self, language):
        if language not in self.talkers:
            user = ["setpriv", "--reuid", "reader", "--regid", "reader", "--init-groups", "--inh-caps=-all", "env"]
            ebin = next(os.path.join(folder, "ebin") for folder, names, _ in os.walk(CHECKOUT + "/_build/mix") if "ebin" in names)
            command = {
                # Errors end it, as -e says, and then the page.
                "sh": ["sh", "-eu"],
                "erlang": ["escript", CHECKOUT + "/tests/docs_beam.escript", CHECKOUT + "/_build/erlang/ebin"],
                "elixir": ["elixir", "-pa", ebin, CHECKOUT + "/tests/docs_beam.exs"],
            }[language]
            env = {"PATH": PATH, "HOME": "/home/reader", "USER": "reader", "LC_ALL": "C.UTF-8", "TERM": "dumb",
                   "PORTCULLIS_SKIP_BUILD": "1"}
            self.talkers[language] = Talker(user + command, env)
        return self.talkers[language]

    def shell(self, text, status):
        path = written("/tmp/block", text)
        if status == 0:
            return self.talker("sh").ask(f". {path} </dev/null && printf '{END}ok\\n'")
        return self.talker("sh").ask(
            f"set +e; . {path} </dev/null; s=$?; set -e; [ $s -eq {status} ] && printf '{END}ok\\n' || printf '{END}status %s\\n' $s")

    def beam(self, language, text):
        return self.talker(language).ask(written("/tmp/block", text))


def written(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def run(*command, status=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": PATH}, timeout=SECONDS, check=False)
    output = done.stdout.decode(errors="replace")
    if done.returncode != status:
        raise Failed(f"{' '.join(command)}: status {done.returncode}; it said:\n{output}")
    return output


def sections(text):
    """What stands above all sections, and each of them, by its head."""
    parts = re.split(r"(?m)^(?=\[)", text)
    return parts[0], {part.splitlines()[0].split("#")[0].strip(): part for part in parts[1:]}


def toml(block):
    head, named = sections(block.text)
    if "[node]" in named:
        path = written(block.asks.get("file", "/tmp/node.toml"), block.text)
        return run(PROGRAM, "dist", "check", "--draft", "--config", path)
    text = block.text
    if not re.search(r"(?m)^version *=", head):
        with open(POLICY) as file:
            old_head, old = sections(file.read())
        text = old_head + "".join(part.rstrip("\n") + "\n\n" for part in (old | named).values())
    # 1 is that of a policy with which this machine could not start the program.
    output = run(PROGRAM, "policy", "check", written("/tmp/policy.toml", text), status=int(block.asks.get("status", "0")))
    written(POLICY, text)
    return output


def unit(block):
    name = block.asks.get("file", "/etc/systemd/system/example.service")
    written(name, block.text)
    # A drop-in is read with its unit.
    target = re.sub(r"\.d/[^/]*$", "", name)
    return run("systemd-analyze", "verify", "--man=no", target)


def expected(block, output):
    """Whether a page shows the shape of what was said."""
    def pattern(line):
        parts = re.split(r"(\.\.\.|\d+(?:\.\d+)?|\s+)", line.strip())
        known = {"...": ".*"}
        return "".join(known.get(p) or (r"\d+(?:\.\d+)?" if p[:1].isdigit() else r"\s+" if p.isspace() else re.escape(p))
                       for p in parts if p)

    lines = [line.strip() for line in block.text.strip().splitlines()]
    whole = "".join(r"(?:[^\n]*\n)*?" if line == "..." else rf"\s*{pattern(line)}[ \t]*\n" for line in lines)
    if not re.fullmatch(whole, output.strip("\n") + "\n"):
        raise Failed(f"the block before has printed something else:\n{output}")


def listens(port):
    until = time.monotonic() + SECONDS
    while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
        if time.monotonic() > until:
            raise Failed(f"nothing listens at port {port}")
        time.sleep(0.05)


def perform(reader, block, last):
    if block.language == "text":
        if last is None:
            raise Failed("there is no output before it")
        return expected(block, last)
    if block.language == "toml":
        return toml(block)
    if block.language == "ini":
        return unit(block)
    if "file" in block.asks:
        written(block.asks["file"], block.text)
        if block.asks["file"].startswith("/home/reader"):
            run("chown", "-R", "reader:", "/home/reader")
        return None
    if block.language == "sh":
        output = reader.shell(block.text, int(block.asks.get("status", "0")))
        if "wait" in block.asks:
            listens(int(block.asks["wait"]))
        return output
    if block.language in ("erlang", "elixir"):
        return reader.beam(block.language, block.text)
    raise Failed(f"nothing is known of language {block.language!r}: it is run, is a file, or says why not")


def journal():
    """What reads /dev/log where there is no init."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    while True:
        record = log.recv(65536).decode(errors="replace")
        with open("/run/docs-journal", "a") as file:
            file.write(re.sub(r"^<\d+>", "", record).rstrip("\n\0") + "\n")


def main(page):
    written("/run/docs-journal", "")
    threading.Thread(target=journal, daemon=True).start()
    with open(os.path.join(CHECKOUT, page)) as file:
        text = file.read()
    ran = not_run = failed = 0
    reader, last = Reader(), None
    for block in blocks(text):
        where = f"{page}:{block.line}: {block.language}"
        reason = block.asks.get("not run")
        needs = block.asks.get("needs")
        if needs and not shutil.which(needs, path=PATH):
            reason = f"{needs} is missing here"
        if reason:
            not_run += 1
            print(f"{where}: not run: {reason}")
            last = None
            continue
        if "login" in block.asks:
            reader.login()
        wanted, wrong = block.asks.get("fails"), None
        try:
            output = perform(reader, block, last)
            last = last if block.language == "text" else output
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            wrong = str(error)
        if wanted and wrong and wanted in wrong:
            reader.talkers.pop("sh", None)
            wrong = None
        elif wanted:
            wrong = f"it should have failed with {wanted!r}, and did with {wrong!r}"
        if wrong is not None:
            failed += 1
            print(f"NOT OK {where}: {wrong}")
            break
        ran += 1
    print(f"{page}:")
    print(f"blocks: {ran} run, {failed} failed, {not_run} not run", flush=True)
    # Threads that read, and shells, end with the machine.
    os._exit(failed > 0)


main(sys.argv[1])
