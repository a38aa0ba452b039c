defmodule PortcullisMixTasksTest do
  # Not async: tasks and their shell are those of the whole node.
  use ExUnit.Case

  import ExUnit.CaptureIO

  alias Mix.Tasks.Portcullis.{Doctor, Install, Policy}

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.IO)
    on_exit(fn -> Mix.shell(shell) end)
    %{root: System.cmd("id", ["-u"]) == {"0\n", 0}}
  end

  # What a task prints, and the status that it ends with.
  defp ended(fun) do
    parent = self()

    output =
      capture_io(fn ->
        status =
          try do
            fun.()
            0
          catch
            :exit, {:shutdown, status} -> status
          end

        send(parent, {:status, status})
      end)

    receive do: ({:status, status} -> {output, status})
  end

  describe "install" do
    @user %{uid: 1000, gid: 1000, group: "web"}

    test "names the command with the group of the user, and keeps that of an installation" do
      folder = tmp("install")
      command = &Install.command(File.cwd!(), ["--dest", folder | &1], @user)
      installer = Path.join(File.cwd!(), "scripts/install.sh")
      assert command.([]) =~ "sudo sh #{installer} --dest #{folder} --group web"
      assert command.(["--group", "other"]) =~ "--group other"
      refute command.(["--group", "other"]) =~ "web"
      refute command.(["--uninstall"]) =~ "--group"
      File.touch!(Path.join(folder, "portcullis-net"))
      refute command.([]) =~ "--group"
    end

    test "does not guess a group of the system's" do
      command = Install.command(File.cwd!(), ["--dest", tmp("great")], %{uid: 33, gid: 33, group: "www-data"})
      assert command =~ "--group portcullis"
      refute command =~ "www-data"
    end

    test "as root names a group only where there is no user behind sudo" do
      root = %{uid: 0, gid: 0, group: "root"}
      dest = ["--dest", tmp("root")]
      assert Install.of_root(dest, root, nil) == ["--group", "portcullis"]
      assert Install.of_root(dest, root, "web") == []
      assert Install.of_root(["--group", "other" | dest], root, nil) == []
    end

    test "an argument stays one word for the shell" do
      command = Install.command(File.cwd!(), ["--dest", "/x y'; id #", "--group", "web"], @user)
      assert command =~ ~S(--dest '/x y'\''; id #' --group web)
    end

    test "never becomes root", %{root: root} do
      refute root, "run the tests as an ordinary user"
      error = catch_error(ended(fn -> Install.run(["--binary", "/bin/true", "--group", "web"]) end))
      assert %Mix.Error{message: message} = error
      assert message =~ ~r"takes root:\n\n    sudo sh /.*/scripts/install.sh --binary /bin/true --group web"
    end

    test "a mistyped option is told before anything is built" do
      for {words, wrong} <- [
            {["--roel", "net"], "there is no option --roel; did you mean --role?; "},
            {["--role"], "--role needs a value; "},
            {["--audit", "net"], "there is no option net; "}
          ] do
        assert_raise Mix.Error, ~r/^#{Regex.escape(wrong)}mix portcullis.install --help/, fn -> Install.run(words) end
      end
    end

    test "passes help on" do
      assert {text, 0} = ended(fn -> Install.run(["--help"]) end)
      assert text =~ "--level LEVEL"
    end
  end

  describe "doctor" do
    test "says what it finds of the roles that are asked for" do
      assert {text, 0} = ended(fn -> Doctor.run(["--role", "proc,net"]) end)
      assert text =~ "role net: version "
      assert text =~ "No problem found."
      assert {text, 0} = ended(fn -> Doctor.run([]) end)
      refute text =~ "role net"
    end

    test "asks what the policy grants, and says what was not lived through" do
      assert {text, 0} = ended(fn -> Doctor.run([]) end)
      assert text =~ ~r/^ok +questions +role proc answers: query load, /m

      folder = tmp("killed")
      File.write!(Path.join(folder, "hello"), hello())
      program = Path.join(folder, "program")

      File.write!(program, """
      #!/bin/sh
      if [ $1 = policy ]; then [ "$*" = "policy explain process exe" ]; exit $?; fi
      cat #{folder}/hello
      head -c 4 >/dev/null
      kill -SYS $$
      """)

      File.chmod!(program, 0o700)

      without_program(program, fn ->
        assert {text, 1} = ended(fn -> Doctor.run([]) end)
        assert text =~ "killed for a forbidden system call (SIGSYS) when it was asked: process exe"
        assert text =~ "sudo dmesg | grep type=1326"
      end)
    end

    test "looks at the roles of the configured servers" do
      Application.put_env(:portcullis, :servers, [[name: :a], %{name: :b, roles: [:net]}])
      on_exit(fn -> Application.put_env(:portcullis, :servers, []) end)
      assert {text, 0} = ended(fn -> Doctor.run([]) end)
      assert text =~ "role net: version "
    end

    test "ends with 1, and with the command that mends it" do
      without_program(fn ->
        assert {text, 1} = ended(fn -> Doctor.run([]) end)
        assert text =~ "problem"
        assert text =~ "/no/such/portcullis-proc"
        assert text =~ "PORTCULLIS_BIN names it"
        assert text =~ ~r/to mend it: unset PORTCULLIS_BIN\n +mix portcullis.install\n/
        assert text =~ "The program does not serve."
      end)
    end

    test "refuses what it does not know" do
      assert_raise Mix.Error, ~r/usage: mix portcullis.doctor/, fn -> Doctor.run(["--rule", "net"]) end
      assert_raise Mix.Error, ~r/unknown role "disk" \(roles: proc, net\)/, fn -> Doctor.run(["--role", "disk"]) end
    end
  end

  describe "policy" do
    test "asks the program" do
      assert {text, 0} = ended(fn -> Policy.run(["explain", "process", "comm"]) end)
      assert text =~ "proc.level"
      assert {_, 0} = ended(fn -> Policy.run(["check", "priv/policy.toml"]) end)
    end

    test "ends with its status" do
      file = Path.join(tmp("policy"), "wrong.toml")
      File.write!(file, "version = 1\n[proc]\nlevle = \"basic\"\n")
      assert {text, status} = ended(fn -> Policy.run(["check", file]) end)
      assert status > 0
      assert text =~ "levle"
    end

    test "suggests lines from a file of records, whatever its name" do
      file = Path.join(tmp("records"), "it's $(id).log")
      record = ~s(op=ping target="192.0.2.1" decision=denied rule=ping.allow)
      File.write!(file, "<84>portcullis-net[8]: seq=2 time=1.0 peer=uid:9,ppid:1 #{record}\n")
      assert {text, 0} = ended(fn -> Policy.run(["suggest", file]) end)
      assert text =~ ~s([ping]\nallow = [\n  "192.0.2.1",)
      File.write!(file, "nothing of ours\n")
      assert {"there is no record of portcullis" <> _, 1} = ended(fn -> Policy.run(["suggest", file]) end)
      assert_raise Mix.Error, ~r/there is no file/, fn -> Policy.run(["suggest", file <> "x"]) end
      assert_raise Mix.Error, ~r/journalctl -t portcullis-proc/, fn -> Policy.run(["suggest"]) end
    end

    test "says what installs the program that is missing" do
      without_program(fn ->
        error = catch_error(Policy.run(["check"]))
        assert %Mix.Error{message: message} = error
        assert message =~ "unset PORTCULLIS_BIN\n    mix portcullis.install"
      end)
    end

    test "a program that this user may not start is an error that names who says why" do
      without_program("/etc/passwd", fn ->
        assert %Mix.Error{} = catch_error(Policy.run(["check"]))
      end)

      assert_raise Mix.Error, ~r/cannot start .*(eacces|enoent).*mix portcullis.doctor/, fn ->
        Mix.Portcullis.run("/etc/passwd", [])
      end
    end

    test "knows its words" do
      for wrong <- [[], ["chekc"], ["suggest", "a", "b"]] do
        assert_raise Mix.Error, ~r/usage: mix portcullis.policy/, fn -> Policy.run(wrong) end
      end
    end
  end

  # As a program says it on the wire.
  defp hello do
    frame =
      :erlang.term_to_binary(
        {:hello, %{protocol: {1, 1}, role: :proc, frame_max: 65_536, max_in_flight: 9, credit: 16}},
        minor_version: 2
      )

    [<<byte_size(frame)::32>>, frame]
  end

  defp without_program(path \\ "/no/such/portcullis-proc", fun) do
    before = System.get_env("PORTCULLIS_BIN")
    System.put_env("PORTCULLIS_BIN", path)

    try do
      fun.()
    after
      if before, do: System.put_env("PORTCULLIS_BIN", before), else: System.delete_env("PORTCULLIS_BIN")
    end
  end

  defp tmp(name) do
    folder = Path.join(System.tmp_dir!(), "portcullis-mix-#{name}-#{System.pid()}")
    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    folder
  end
end
