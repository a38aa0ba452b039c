//! The fourteen kinds of control messages that rules speak of, as `erlang:statistics(dist)` of the RFC names them.
#![forbid(unsafe_code)]

/// Makes the enum, [`Command::ALL`] and the names from one list.
macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// What a control message asks for; several operations of the wire are one command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Command {
            /// All of them, in the order of the RFC's statistics.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in rules and statistics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

commands! {
    /// A message to an alias.
    AliasSend = "alias_send",
    /// The end of a monitor.
    Demonitor = "demonitor",
    /// A linked process has ended.
    Exit = "exit",
    /// `exit/2`.
    Exit2 = "exit2",
    /// `group_leader/2`.
    GroupLeader = "group_leader",
    /// `link/1`.
    Link = "link",
    /// `monitor/2`.
    Monitor = "monitor",
    /// A monitored process has ended.
    MonitorExit = "monitor_exit",
    /// A message to a name.
    RegSend = "reg_send",
    /// A message to a process.
    Send = "send",
    /// What became of a spawn request.
    SpawnReply = "spawn_reply",
    /// `spawn/4`, and all that stands on it, as `erpc`.
    SpawnRequest = "spawn_request",
    /// `unlink/1`.
    Unlink = "unlink",
    /// That an `unlink/1` was seen.
    UnlinkAck = "unlink_ack",
}

impl Command {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The command of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| command.name() == name)
    }

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// What a rule about one target names, if there are such rules.
    #[must_use]
    pub fn target(self) -> Option<&'static str> {
        match self {
            Self::RegSend | Self::Monitor => Some("a registered name"),
            Self::SpawnRequest => Some("module:function/arity"),
            _ => None,
        }
    }

    /// Whether it can be given to a handler instead: those of the RFC.
    #[must_use]
    pub fn can_be_handled(self) -> bool {
        matches!(self, Self::AliasSend | Self::GroupLeader | Self::RegSend | Self::Send | Self::SpawnRequest)
    }
}

/// Which way a message goes, seen from the protected node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

impl Direction {
    /// The word in rules and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// Who sends.
    #[must_use]
    pub fn sender(self) -> Party {
        match self {
            Self::In => Party::Peer,
            Self::Out => Party::Protected,
        }
    }

    /// Who receives.
    #[must_use]
    pub fn receiver(self) -> Party {
        self.sender().other()
    }
}

/// One of the two nodes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// The node behind the firewall.
    Protected,
    /// The node in front of it.
    Peer,
}

impl Party {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Protected => Self::Peer,
            Self::Peer => Self::Protected,
        }
    }
}
