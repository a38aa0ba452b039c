//! Bytes in the place of the kernel's, as sockets: every length may lie. What is read in part is no socket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::netlink::dump::{Dump, Next};
use portcullis::sockets::inet;
use portcullis::sockets::others::UnixAsk;
use portcullis::sockets::plan::Ask;
use portcullis::sockets::row::Protocol;

fn asks() -> [Ask; 7] {
    let inet = |family, protocol| {
        Ask::Inet(inet::Ask {
            family,
            protocol,
            states: u32::MAX,
            local_port: 0,
            remote_port: 0,
            info: true,
            congestion: true,
        })
    };
    [
        inet(2, Protocol::Tcp),
        inet(0, Protocol::Tcp),
        inet(10, Protocol::Udp),
        inet(2, Protocol::Raw),
        Ask::Unix(UnixAsk::default()),
        Ask::Netlink,
        Ask::Packet,
    ]
}

fuzz_target!(|data: &[u8]| {
    let asks = asks();
    for ask in &asks {
        if let Some(socket) = ask.parse(data) {
            // A name is never longer than what it came in.
            let path = socket.other.and_then(|other| other.path);
            assert!(path.is_none_or(|path| path.len() <= data.len()));
        }
    }
    let mut dump = Dump::replayed(data.to_vec());
    let mut count = 0;
    while let Ok(Some(Next::Message(_, range))) = dump.buffered() {
        let bytes = dump.payload(range).to_vec();
        assert!(bytes.len() + 16 <= data.len());
        for ask in &asks {
            let _ = ask.parse(&bytes);
        }
        count += 1;
    }
    assert!(count * 16 <= data.len());
});
