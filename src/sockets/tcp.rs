//! What TCP knows of a connection: `struct tcp_info` (include/uapi/linux/tcp.h). It grows at its end from kernel to kernel, so
//! that every number may be missing.
#![forbid(unsafe_code)]

use crate::netlink::attr::{ne32_at, ne64_at};

/// Bytes of the name of an algorithm (`TCP_CA_NAME_MAX`).
const NAME_MAX: usize = 16;

/// What is read of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Smoothed round trip, in microseconds.
    pub rtt: Option<u64>,
    /// Its mean deviation, in microseconds.
    pub rttvar: Option<u64>,
    /// The least round trip of late, in microseconds.
    pub min_rtt: Option<u64>,
    /// Congestion window, in segments.
    pub snd_cwnd: Option<u64>,
    /// Segments that are under way again.
    pub retrans: Option<u64>,
    /// Segments that were sent again, ever.
    pub total_retrans: Option<u64>,
    /// Bytes that the peer has.
    pub bytes_acked: Option<u64>,
    /// Bytes that came.
    pub bytes_received: Option<u64>,
    /// Segments sent.
    pub segs_out: Option<u64>,
    /// Segments received.
    pub segs_in: Option<u64>,
    /// Bytes in a second that are sent at most.
    pub pacing_rate: Option<u64>,
    /// Bytes in a second that arrived of late.
    pub delivery_rate: Option<u64>,
    /// The algorithm of congestion control.
    congestion: Option<([u8; NAME_MAX], u8)>,
}

impl Tcp {
    /// Takes the numbers.
    pub fn read_info(&mut self, info: &[u8]) {
        let word = |offset| ne32_at(info, offset).map(u64::from);
        self.retrans = word(36);
        self.rtt = word(68);
        self.rttvar = word(72);
        self.snd_cwnd = word(80);
        self.total_retrans = word(100);
        // All bits: there is no limit, or nothing was measured (net/ipv4/tcp.c, `tcp_get_info`).
        self.pacing_rate = ne64_at(info, 104).filter(|rate| *rate != u64::MAX);
        self.bytes_acked = ne64_at(info, 120);
        self.bytes_received = ne64_at(info, 128);
        self.segs_out = word(136);
        self.segs_in = word(140);
        self.min_rtt = word(148).filter(|rtt| *rtt != u64::from(u32::MAX));
        self.delivery_rate = ne64_at(info, 160);
    }

    /// Takes the name of the algorithm. Modules choose it.
    pub fn read_congestion(&mut self, name: &[u8]) {
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        let mut kept = [0; NAME_MAX];
        // A longer one the kernel does not take.
        self.congestion = kept
            .get_mut(..name.len())
            .zip(u8::try_from(name.len()).ok())
            .map(|(place, length)| {
                place.copy_from_slice(name);
                length
            })
            .map(|length| (kept, length));
    }

    /// The algorithm of congestion control.
    #[must_use]
    pub fn congestion(&self) -> Option<&[u8]> {
        let (name, length) = self.congestion.as_ref()?;
        name.get(..usize::from(*length))
    }
}
