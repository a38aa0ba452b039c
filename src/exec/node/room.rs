//! What all peers together may hold of the node: memory of unfinished messages, and descriptors.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::connection::Over;
use super::serve::Node;
use crate::limits::{NODE_BUFFERS_MAX, NODE_OUTPUT_MAX, NODE_OUTPUT_SHARE, NODE_OUTPUTS_MAX, NODE_REST_MS};

/// What one may leave unread where that of all together takes `held` bytes.
fn output_max(held: usize) -> usize {
    if held > NODE_OUTPUTS_MAX { NODE_OUTPUT_SHARE } else { NODE_OUTPUT_MAX }
}

impl Node {
    /// Where unfinished messages take more than all may, whoever holds most goes: eight peers with a message each shall not end the node,
    /// and with it all others.
    pub fn make_memory(&mut self) {
        loop {
            let held = self.connections.values().map(|connection| connection.memory());
            if held.sum::<usize>() <= NODE_BUFFERS_MAX {
                return;
            }
            let most = self.connections.iter().max_by_key(|(_, connection)| connection.memory());
            let Some(id) = most.map(|(id, _)| *id) else { return };
            self.part(id, Over::Room);
        }
    }

    /// Where what peers have not read takes more than all may, each may leave less unread before it is not heard any more: answers to what
    /// is denied cost nothing to ask for. Four megabytes of them for each of 16 peers left no room for answers to others, and for 200 ended the
    /// node.
    pub fn share_output(&mut self) {
        let held: usize = self.connections.values().map(|connection| connection.output()).sum();
        let most = output_max(held);
        self.connections.values_mut().for_each(|connection| connection.limit_output(most));
    }

    /// There are no descriptors left: nobody is taken in for a moment, and one of those who have not said who they are goes.
    pub fn rest(&mut self, now: Instant) {
        self.rests = Some(now + Duration::from_millis(NODE_REST_MS));
        self.one_stranger_less(now);
    }
}
