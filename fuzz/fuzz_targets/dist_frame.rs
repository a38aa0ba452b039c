//! A stream between nodes comes out as the same frames however it came in, and takes no more memory than came. The first byte chooses the
//! length's width, the second how much comes at a time, the third after how many frames the handshake is over,
//! and whether frames above the bound are passed over then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::dist::frame::{Frames, Input, Length, TooLong};

/// The bound; a small one where what is above it is passed over.
const MAX: usize = 1 << 20;
const SMALL: usize = 64;

/// The frames, why they ended, and whether some were only heads.
type Cut = (Vec<Vec<u8>>, Option<TooLong>, bool);

fn frames(length: Length, handshake: usize, over: bool, stream: &[u8], step: usize) -> Cut {
    let max = if over { SMALL } else { MAX };
    let connected = |frames: &mut Frames| {
        frames.connected(max);
        if over {
            frames.pass_over_long();
        }
    };
    let mut heads = false;
    let mut frames = Frames::handshake(length);
    let mut found: Vec<Vec<u8>> = Vec::new();
    if handshake == 0 {
        connected(&mut frames);
    }
    let mut came = 0;
    for part in stream.chunks(step.max(1)) {
        let mut rest = part;
        while !rest.is_empty() {
            let space = frames.space();
            let n = space.len().min(rest.len());
            assert!(n > 0, "no room");
            space[..n].copy_from_slice(&rest[..n]);
            frames.filled(n);
            rest = &rest[n..];
            came += n;
            assert!(frames.memory() <= 4 * came + 8 * 64 * 1024, "{} after {came}", frames.memory());
            loop {
                match frames.next() {
                    Ok(Some(Input::Tick)) => found.push(Vec::new()),
                    Ok(Some(Input::Frame(body))) => found.push(body.to_vec()),
                    Ok(Some(Input::Head { announced, bytes })) => {
                        assert!(over && announced > max && bytes.len() <= announced);
                        heads = true;
                        found.push(bytes.to_vec());
                    }
                    Ok(None) => break,
                    Err(e) => {
                        assert_eq!(frames.next(), Err(e));
                        return (found, Some(e), heads);
                    }
                }
                if found.len() == handshake {
                    connected(&mut frames);
                }
            }
        }
    }
    (found, None, heads)
}

fuzz_target!(|data: &[u8]| {
    let [width, step, handshake, stream @ ..] = data else { return };
    let length = if width % 2 == 0 { Length::Two } else { Length::Four };
    let (handshake, over) = (usize::from(*handshake % 8), handshake & 8 != 0);
    let whole = frames(length, handshake, over, stream, stream.len());
    assert_eq!(whole, frames(length, handshake, over, stream, usize::from(*step)));
    if whole.2 {
        return;
    }
    // Written again, they are the beginning of the stream.
    let mut again = Vec::new();
    for (n, body) in whole.0.iter().enumerate() {
        let length = if n < handshake { length } else { Length::Four };
        again.extend(length.frame(body).expect("it was read so"));
    }
    assert!(stream.starts_with(&again));
});
