//! What goes over an interface against what `ip -s` counts.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::ask::{ask, network, run};
use super::support;

fn counted(name: &str) -> (u64, u64) {
    let all: serde_json::Value =
        serde_json::from_str(&run(&format!("ip -s -j link show dev {name}"))).unwrap();
    let sent = &all[0]["stats64"]["tx"];
    (sent["packets"].as_u64().unwrap(), sent["bytes"].as_u64().unwrap())
}

#[test]
fn what_went_over_an_interface_is_what_ip_counts() {
    network(|| {
        run("ip link add d0 type veth peer name d1");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        // What is sent before the first sample and after the second is in the counters and not in the rates: on a busy machine that can be most.
        support::given_time(|| {
            let before = counted("lo");
            let stop = AtomicBool::new(false);
            let rows = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        socket.send_to(&[0; 1000], to).unwrap();
                        std::thread::sleep(Duration::from_millis(5));
                    }
                });
                let found = ask("interface_rates", &[], &[]);
                stop.store(true, Relaxed);
                found
            });
            let after = counted("lo");
            assert_eq!(rows.len(), 3);
            let number = |row: usize, column: &str| rows[row][column].parse::<u64>().unwrap();
            let interval = number(0, "interval");
            assert_eq!(rows[0]["name"], "<lo>");
            assert!(interval >= 1_000_000);
            for column in ["rx_packets", "tx_packets", "rx_bytes", "rx_errors", "tx_dropped"] {
                assert_eq!(number(1, column), 0);
            }
            for (column, most) in [
                ("tx_packets", after.0 - before.0),
                ("tx_bytes", after.1 - before.1),
                ("rx_packets", after.0 - before.0),
            ] {
                let (rate, most) = (number(0, column), most * 1_000_000 / interval + 1);
                assert!(rate <= most, "{column} {rate}, {most}");
                if rate < most / 3 {
                    return Err(format!("{column} {rate}, {most}"));
                }
            }
            Ok(())
        });
    });
}
