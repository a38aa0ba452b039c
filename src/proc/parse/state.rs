//! The state of a process: the letter in `/proc/PID/stat`, from `task_state_array` in fs/proc/array.c.
#![forbid(unsafe_code)]

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `R`: on a processor, or waiting for one.
    Running,
    /// `S`: sleeping, a signal wakes it.
    Sleeping,
    /// `D`: sleeping, signals do not wake it.
    DiskSleep,
    /// `T`: stopped by a signal.
    Stopped,
    /// `t`: stopped by a tracer.
    TracingStop,
    /// `Z`: ended, its parent has not asked for the status. A process whose first thread has ended reads the same.
    Zombie,
    /// `X` or `x`: being removed.
    Dead,
    /// `I`: a kernel thread without work.
    Idle,
    /// `P`: a kernel thread that was parked.
    Parked,
    /// A letter that this table does not have: kernels 2.6.33 to 3.13 also had `K` and `W`.
    Unknown,
}

impl State {
    /// The state that the kernel's letter stands for.
    #[must_use]
    pub fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::DiskSleep,
            b'T' => Self::Stopped,
            b't' => Self::TracingStop,
            b'Z' => Self::Zombie,
            b'X' | b'x' => Self::Dead,
            b'I' => Self::Idle,
            b'P' => Self::Parked,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn case_tells_stopped_from_traced() {
        assert_eq!(State::from_letter(b'T'), State::Stopped);
        assert_eq!(State::from_letter(b't'), State::TracingStop);
    }

    #[test]
    fn exactly_the_letters_of_the_kernel_are_known() {
        let known: Vec<u8> = (0..=255).filter(|&b| State::from_letter(b) != State::Unknown).collect();
        assert_eq!(known, b"DIPRSTXZtx");
    }
}
