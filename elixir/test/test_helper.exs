# A slow machine is not a failure: only what hangs takes that long.
ExUnit.start(timeout: 300_000)
