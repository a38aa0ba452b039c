//! What lifting costs. Run it alone, in release: `cargo test --release --test nft_decode speed -- --ignored --nocapture`.

use nix::time::{ClockId, clock_gettime};
use portcullis::nft::kernel::{Cmp, Data, Immediate, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::Family;

use crate::sets::Held;

fn data(bytes: &[u8]) -> Data {
    Data::new(bytes).unwrap()
}

/// `ip saddr 10.0.0.0/8 tcp dport 22 ct state new accept` in an inet table, and a counter.
fn rule() -> Vec<KExpr<'static>> {
    vec![
        KExpr::Meta { dreg: 1, key: 15 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: data(&[2]) },
        KExpr::Payload { dreg: 1, base: 1, offset: 12, len: 1 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: data(&[10]) },
        KExpr::Meta { dreg: 1, key: 16 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: data(&[6]) },
        KExpr::Payload { dreg: 1, base: 2, offset: 2, len: 2 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: data(&[0, 22]) },
        KExpr::Counter { bytes: 0, packets: 0 },
        KExpr::Immediate { dreg: 0, data: Immediate::Verdict(1, None) },
    ]
}

/// Time of the processor, not of the clock: others may use the machine.
fn spent_ns() -> i64 {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    spent.tv_sec() * 1_000_000_000 + spent.tv_nsec()
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let (rule, sets) = (rule(), Held::default());
    for (what, len) in [("six of ten", 6), ("all ten", 10)] {
        let part = if len == 10 { &rule[..] } else { &rule[4..] };
        assert!(lift::statements(part, Family::Inet, &sets).len() >= 3);
        let rounds: i64 = std::env::var("ROUNDS").map_or(1_000_000, |rounds| rounds.parse().unwrap());
        let begun = spent_ns();
        for _ in 0..rounds {
            std::hint::black_box(lift::statements(std::hint::black_box(part), Family::Inet, &sets));
        }
        println!("{what}: {} ns a rule", (spent_ns() - begun) / rounds);
    }
}
