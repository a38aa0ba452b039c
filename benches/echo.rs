//! The floor of every comparison: reads what has come, writes it back. No port that answers can be faster.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read, Write};

fn main() -> std::io::Result<()> {
    let mut input = std::io::stdin().lock();
    let mut buffer = vec![0; 128 * 1024];
    let mut output = std::fs::File::options().write(true).open("/proc/self/fd/1")?;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => output.write_all(buffer.get(..n).unwrap_or_default())?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
