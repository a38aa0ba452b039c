//! Attributes: two bytes of length, two of kind, the value, padding to four (`struct nlattr`, include/uapi/linux/netlink.h).
//! Length and kind are in the byte order of the host, nftables' numbers in that of the network.
#![forbid(unsafe_code)]

/// `NLA_F_NESTED`: the value is attributes again.
const NESTED: u16 = 1 << 15;

/// `NLA_TYPE_MASK`: the kind without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = 0x3fff;

/// Length and kind.
const HEADER: usize = 4;

/// The same as a length.
const HEADER_BYTES: u16 = 4;

/// What lengths are padded to (`NLA_ALIGNTO`, `NLMSG_ALIGNTO`).
const ALIGN: usize = 4;

/// What they are padded with.
const ZEROS: [u8; ALIGN] = [0; ALIGN];

/// An attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Its number, without flags.
    pub kind: u16,
    /// Whether it says that its value is attributes. Older kernels do not say so of some that are.
    pub nested: bool,
    /// Its bytes, without padding.
    pub value: &'a [u8],
}

impl<'a> Attr<'a> {
    /// A value of one byte.
    #[must_use]
    pub fn u8(&self) -> Option<u8> {
        self.value.try_into().ok().map(u8::from_be_bytes)
    }

    /// A value of two bytes in network order.
    #[must_use]
    pub fn be16(&self) -> Option<u16> {
        self.value.try_into().ok().map(u16::from_be_bytes)
    }

    /// A value of four bytes in network order.
    #[must_use]
    pub fn be32(&self) -> Option<u32> {
        self.value.try_into().ok().map(u32::from_be_bytes)
    }

    /// A value of eight bytes in network order.
    #[must_use]
    pub fn be64(&self) -> Option<u64> {
        self.value.try_into().ok().map(u64::from_be_bytes)
    }

    /// A value of two bytes in the order of the host, which everything but netfilter has.
    #[must_use]
    pub fn ne16(&self) -> Option<u16> {
        self.value.try_into().ok().map(u16::from_ne_bytes)
    }

    /// A value of four bytes in the order of the host.
    #[must_use]
    pub fn ne32(&self) -> Option<u32> {
        self.value.try_into().ok().map(u32::from_ne_bytes)
    }

    /// A value of eight bytes in the order of the host.
    #[must_use]
    pub fn ne64(&self) -> Option<u64> {
        self.value.try_into().ok().map(u64::from_ne_bytes)
    }

    /// What stands before the first NUL; nothing where there is none.
    #[must_use]
    pub fn text(&self) -> Option<&'a [u8]> {
        let end = self.value.iter().position(|b| *b == 0)?;
        self.value.get(..end)
    }

    /// The attributes that the value is.
    #[must_use]
    pub fn attrs(&self) -> Attrs<'a> {
        Attrs::new(self.value)
    }
}

/// Attributes in a row. Ends at the first that is not whole; [`is_whole`](Self::is_whole) tells.
#[derive(Clone, Debug)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

/// Bytes that are not an attribute, where attributes should stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where, counted from the first byte that was given.
    pub offset: usize,
}

impl<'a> Attrs<'a> {
    /// Those in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether what has not been read yet is attributes to its end. After the last one: whether all of it was.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        Self::check(self.rest).is_ok()
    }

    /// Whether `bytes` are attributes to their end. What is nested in them is not looked at.
    ///
    /// # Errors
    /// The place of the first that is not whole.
    pub fn check(bytes: &[u8]) -> Result<(), Malformed> {
        let mut attrs = Attrs::new(bytes);
        while attrs.next().is_some() {}
        match attrs.rest.len() {
            0 => Ok(()),
            left => Err(Malformed { offset: bytes.len().saturating_sub(left) }),
        }
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attr<'a>> {
        let (header, _) = self.rest.split_first_chunk::<HEADER>()?;
        let (length, kind) = lengths(*header);
        let value = self.rest.get(HEADER..length)?;
        // The padding of the last one may be missing: nla_next in include/net/netlink.h forgives that too.
        self.rest = self.rest.get(length.next_multiple_of(ALIGN)..).unwrap_or(&[]);
        Some(Attr { kind: kind & KIND, nested: kind & NESTED != 0, value })
    }
}

/// Length and kind: read as one word, since reading them byte by byte is what most of a listing would be spent on.
#[inline]
fn lengths(header: [u8; HEADER]) -> (usize, u16) {
    let word = u32::from_ne_bytes(header);
    let half = |word: u32| u16::try_from(word & 0xffff).unwrap_or(u16::MAX);
    let (low, high) = (half(word), half(word >> 16));
    if cfg!(target_endian = "little") { (usize::from(low), high) } else { (usize::from(high), low) }
}

/// The number of four bytes at `offset`, in the order of the host; nothing where `bytes` ends before it does.
#[must_use]
pub fn ne32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The same of eight bytes.
#[must_use]
pub fn ne64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

/// The first attribute of that kind.
#[must_use]
pub fn find(bytes: &[u8], kind: u16) -> Option<Attr<'_>> {
    Attrs::new(bytes).find(|attr| attr.kind == kind)
}

/// An attribute that is longer than its length can say, or a message likewise: it would not be what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an attribute is longer than 65535 bytes")]
pub struct TooLong;

/// Where a nested attribute began.
#[derive(Debug)]
#[must_use = "an attribute that is not ended has no length"]
pub struct Nest(usize);

/// Messages and attributes as they are written.
///
/// What does not fit its length is not written, or is written and has the wrong length; either way the message cannot be
/// finished ([`end_message`](Self::end_message)).
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    pub(super) bytes: Vec<u8>,
    pub(super) overflowed: bool,
}

impl Buffer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all that was written; the memory stays.
    pub fn clear(&mut self) {
        self.truncate(0);
        self.overflowed = false;
    }

    /// Forgets what was written after the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// How many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether something did not fit since the last message was finished.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Writes bytes as they are, and padding: attributes that somebody else made.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// Writes an attribute.
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        if self.header(kind, value.len()) {
            self.bytes.extend_from_slice(value);
            self.pad();
        }
    }

    /// Writes an attribute of one byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.small(kind, 1, [value, 0, 0, 0]);
    }

    /// Writes an attribute of two bytes in network order.
    pub fn put_be16(&mut self, kind: u16, value: u16) {
        let [a, b] = value.to_be_bytes();
        self.small(kind, 2, [a, b, 0, 0]);
    }

    /// Writes an attribute of four bytes in network order.
    pub fn put_be32(&mut self, kind: u16, value: u32) {
        self.small(kind, 4, value.to_be_bytes());
    }

    /// Writes an attribute of eight bytes in network order.
    pub fn put_be64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Writes an attribute of text, and the NUL that ends it.
    pub fn put_text(&mut self, kind: u16, text: &[u8]) {
        if self.header(kind, text.len().saturating_add(1)) {
            self.bytes.extend_from_slice(text);
            // One zero at least, which ends it; the others are padding.
            let zeros = ALIGN - text.len() % ALIGN;
            self.bytes.extend_from_slice(ZEROS.get(..zeros).unwrap_or(&ZEROS));
        }
    }

    /// Begins an attribute that holds those which are written before its [`end`](Self::end).
    pub fn nest(&mut self, kind: u16) -> Nest {
        let start = self.bytes.len();
        self.header(kind | NESTED, 0);
        Nest(start)
    }

    /// Ends it.
    pub fn end(&mut self, nest: Nest) {
        let length = self.bytes.len().checked_sub(nest.0).and_then(|length| u16::try_from(length).ok());
        match (length, self.bytes.get_mut(nest.0..).and_then(|rest| rest.first_chunk_mut())) {
            (Some(length), Some(place)) => *place = length.to_ne_bytes(),
            _ => self.overflowed = true,
        }
    }

    /// Writes length and kind, unless the length does not fit.
    #[inline]
    fn header(&mut self, kind: u16, value: usize) -> bool {
        let Ok(length) = u16::try_from(value.saturating_add(HEADER)) else {
            self.overflowed = true;
            return false;
        };
        self.bytes.extend_from_slice(&head(length, kind));
        true
    }

    /// Writes an attribute of at most four bytes, padding included: most are such, and it is one copy.
    #[inline]
    fn small(&mut self, kind: u16, length: u16, [a, b, c, d]: [u8; 4]) {
        let [l0, l1, k0, k1] = head(HEADER_BYTES + length, kind);
        self.bytes.extend_from_slice(&[l0, l1, k0, k1, a, b, c, d]);
    }

    #[inline]
    pub(super) fn pad(&mut self) {
        let zeros = self.bytes.len().wrapping_neg() % ALIGN;
        self.bytes.extend_from_slice(ZEROS.get(..zeros).unwrap_or(&ZEROS));
    }
}

/// Length and kind as they stand in front of an attribute.
#[inline]
fn head(length: u16, kind: u16) -> [u8; HEADER] {
    let ([l0, l1], [k0, k1]) = (length.to_ne_bytes(), kind.to_ne_bytes());
    [l0, l1, k0, k1]
}
