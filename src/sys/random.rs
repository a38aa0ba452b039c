//! Numbers that nobody can guess: getrandom(2).

use nix::errno::Errno;

/// Fills `bytes`, at most 256 of them.
pub fn fill(bytes: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: the kernel writes at most as many bytes as there are. Up to 256 are never given in part.
    let r = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(Errno::result(r)?) == Ok(bytes.len()) { Ok(()) } else { Err(Errno::EIO) }
}

/// A number of 32 bits.
pub fn number() -> Result<u32, Errno> {
    let mut bytes = [0_u8; 4];
    // SAFETY: the kernel writes at most four bytes, which is what there is. So few are never given in part.
    let r = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match Errno::result(r)? {
        4 => Ok(u32::from_ne_bytes(bytes)),
        _ => Err(Errno::EIO),
    }
}
