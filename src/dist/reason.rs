//! Why a message is not delivered: one word each, in records, counters and answers.
#![forbid(unsafe_code)]

/// Makes the enum, [`Reason::ALL`] and the names from one list.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a message is not delivered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word of it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    /// The node is not in the allow-list.
    NotAllowed = "not_allowed",
    /// A rule of the file denies it.
    Rule = "rule",
    /// No rule says anything, and what is not said is denied.
    Default = "default",
    /// A filter that was set at run time denies it.
    Runtime = "runtime",
    /// The bytes are no message of a node. The connection is ended.
    Malformed = "malformed",
    /// The sender is not on the node that sent it.
    Forged = "forged",
    /// An identifier of a third node: an answer to it would have to dial out.
    ForeignNode = "foreign_node",
    /// An identifier of another start of the node.
    WrongCreation = "wrong_creation",
    /// The process or alias was never told to the node that addresses it.
    NotLearned = "not_learned",
    /// It answers something that was not asked.
    Unsolicited = "unsolicited",
    /// A monitor or a spawn request under a reference that is one's already.
    InUse = "in_use",
    /// A reference that no node makes: of one, two or four words, or one that another differs from behind the third word only.
    Reference = "reference",
    /// A map that has one key twice.
    DuplicateKey = "duplicate_key",
    /// There is no room to remember what it teaches.
    TableFull = "table_full",
    /// It carries a token of sequential tracing.
    TraceToken = "trace_token",
    /// More bytes than a message may have.
    TooLong = "too_long",
    /// More levels of terms.
    TooDeep = "too_deep",
    /// More terms.
    TooManyTerms = "too_many_terms",
    /// More identifiers.
    TooManyIdentifiers = "too_many_identifiers",
    /// An integer with more bytes.
    Integer = "integer",
    /// More atoms that the receiving node may not know yet, in this message or in all.
    NewAtoms = "new_atoms",
    /// The arguments of a spawn request are no list of as many as its function says: rules are about that number.
    Arity = "arity",
    /// An option of a spawn request that takes memory or time of the whole node.
    SpawnOption = "spawn_option",
    /// What OTP's loops obey before the process behind them sees it: `{system, From, Request}`, `{'EXIT', From, Why}`.
    System = "system",
    /// A call that names nobody who could be answered: the server that answers it ends.
    Caller = "caller",
    /// A function with code of its own.
    Fun = "fun",
    /// A function of a module.
    Export = "export",
    /// The rules give it to a handler, and nobody is behind this node who could be one.
    NoHandler = "no_handler",
}

impl Reason {
    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether the connection ends with it, rather than the message.
    #[must_use]
    pub fn ends(self) -> bool {
        self == Self::Malformed
    }
}
