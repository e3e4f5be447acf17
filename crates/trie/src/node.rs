//! The bytes of a node: RLP and hex-prefix (Yellow Paper, appendices B to D), strictly, in both directions.
//!
//! Reading is without allocation: a [`NodeView`] borrows from the bytes. It accepts exactly what writing produces, so a
//! node that was read has one encoding and its hash stays true when it is written again. That excludes non-canonical RLP,
//! paths over 64 nibbles, embedded nodes of 32 bytes or more (which also bounds how deeply nodes nest), branches with
//! fewer than two entries and leaves without value.
//!
//! Writing goes into a caller's buffer. The finished node becomes a [`NodeRef`]: what its parent writes in its place, the
//! node itself below 32 bytes and its hash otherwise.

use crate::{NodeError, key::Key};
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Header;
use nybbles::Nibbles;

/// First byte of a 32-byte string.
const HASH_PREFIX: u8 = 0x80 + 32;

/// A node as its parent writes it: an RLP item of at most 33 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeRef {
    // Zero: unknown, because the node changed and was not written since.
    len: u8,
    bytes: [u8; 33],
}

impl NodeRef {
    /// Not known.
    pub(crate) const DIRTY: Self = Self { len: 0, bytes: [0; 33] };

    /// Reference to the node with this RLP.
    pub(crate) fn of(rlp: &[u8]) -> Self {
        if rlp.len() >= 32 {
            return Self::hash(&keccak256(rlp));
        }
        let mut bytes = [0; 33];
        bytes[..rlp.len()].copy_from_slice(rlp);
        Self { len: rlp.len() as u8, bytes }
    }

    /// Reference by hash.
    pub(crate) fn hash(hash: &B256) -> Self {
        let mut bytes = [HASH_PREFIX; 33];
        bytes[1..].copy_from_slice(hash.as_slice());
        Self { len: 33, bytes }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.len == 0
    }

    /// The RLP item.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The hash, unless the node is embedded.
    pub(crate) fn as_hash(&self) -> Option<B256> {
        (self.len == 33).then(|| B256::from_slice(&self.bytes[1..]))
    }

    /// The hash that a root has, which is taken even of a short node.
    pub(crate) fn root_hash(&self) -> B256 {
        self.as_hash().unwrap_or_else(|| keccak256(self.as_slice()))
    }
}

/// A hex-prefix encoded path of at most 64 nibbles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HexPath<'a> {
    bytes: &'a [u8],
}

impl<'a> HexPath<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, NodeError> {
        let flag = *bytes.first().ok_or(NodeError::HexPrefix)?;
        if flag >= 0x40 || (flag & 0x10 == 0 && flag & 0x0f != 0) {
            return Err(NodeError::HexPrefix);
        }
        let path = Self { bytes };
        if path.len() > crate::key::MAX_NIBBLES {
            return Err(NodeError::KeyLength { nibbles: path.len() });
        }
        Ok(path)
    }

    fn is_leaf(&self) -> bool {
        self.bytes[0] & 0x20 != 0
    }

    fn is_odd(&self) -> bool {
        self.bytes[0] & 0x10 != 0
    }

    /// Length in nibbles.
    pub(crate) fn len(&self) -> usize {
        (self.bytes.len() - 1) * 2 + usize::from(self.is_odd())
    }

    /// The path as nibbles.
    pub(crate) fn nibbles(&self) -> Nibbles {
        let rest = Nibbles::unpack(&self.bytes[1..]);
        if !self.is_odd() {
            return rest;
        }
        let mut path = Nibbles::new();
        path.push(self.bytes[0] & 15);
        path.extend(&rest);
        path
    }
}

/// A child as read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChildView<'a> {
    Empty,
    Hash(&'a [u8; 32]),
    /// RLP of a node below 32 bytes.
    Embedded(&'a [u8]),
}

impl<'a> ChildView<'a> {
    fn decode(item: Item<'a>) -> Result<Self, NodeError> {
        match (item.list, item.payload.len()) {
            (false, 0) => Ok(Self::Empty),
            (false, 32) => item.payload.try_into().map(Self::Hash).map_err(|_| NodeError::Child),
            (true, _) if item.raw.len() < 32 => Ok(Self::Embedded(item.raw)),
            _ => Err(NodeError::Child),
        }
    }
}

/// A node as read.
#[expect(clippy::large_enum_variant, reason = "a view is on the stack for one step of a walk")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeView<'a> {
    Leaf {
        path: HexPath<'a>,
        value: &'a [u8],
    },
    Extension {
        path: HexPath<'a>,
        child: ChildView<'a>,
    },
    /// The value is empty where there is none.
    Branch {
        children: [ChildView<'a>; 16],
        value: &'a [u8],
    },
}

/// One RLP item of a node.
#[derive(Clone, Copy)]
struct Item<'a> {
    list: bool,
    payload: &'a [u8],
    raw: &'a [u8],
}

impl<'a> Item<'a> {
    fn next(rest: &mut &'a [u8]) -> Result<Self, NodeError> {
        let start = *rest;
        let header = Header::decode(rest).map_err(|_| NodeError::Rlp)?;
        let (payload, after) = rest.split_at_checked(header.payload_length).ok_or(NodeError::Rlp)?;
        *rest = after;
        Ok(Self { list: header.list, payload, raw: &start[..start.len() - after.len()] })
    }

    fn string(self) -> Result<&'a [u8], NodeError> {
        if self.list { Err(NodeError::Value) } else { Ok(self.payload) }
    }
}

impl<'a> NodeView<'a> {
    /// Reads one node and nothing after it. Embedded children are checked when they are read themselves.
    pub(crate) fn decode(mut rlp: &'a [u8]) -> Result<Self, NodeError> {
        let node = Item::next(&mut rlp)?;
        if !node.list || !rlp.is_empty() {
            return Err(NodeError::Rlp);
        }
        let mut rest = node.payload;
        let first = Item::next(&mut rest)?;
        let second = Item::next(&mut rest)?;
        if rest.is_empty() {
            return Self::decode_short(first, second);
        }
        let mut children = [ChildView::Empty; 16];
        children[0] = ChildView::decode(first)?;
        children[1] = ChildView::decode(second)?;
        for (index, child) in children.iter_mut().enumerate().skip(2) {
            if rest.is_empty() {
                return Err(NodeError::ItemCount { found: index });
            }
            *child = ChildView::decode(Item::next(&mut rest)?)?;
        }
        if rest.is_empty() {
            return Err(NodeError::ItemCount { found: 16 });
        }
        let value = Item::next(&mut rest)?.string()?;
        if !rest.is_empty() {
            return Err(NodeError::ItemCount { found: 18 });
        }
        let entries = children.iter().filter(|child| !matches!(child, ChildView::Empty)).count();
        let found = entries + usize::from(!value.is_empty());
        if found < 2 {
            return Err(NodeError::Branch { found });
        }
        Ok(Self::Branch { children, value })
    }

    fn decode_short(first: Item<'a>, second: Item<'a>) -> Result<Self, NodeError> {
        if first.list {
            return Err(NodeError::HexPrefix);
        }
        let path = HexPath::decode(first.payload)?;
        if path.is_leaf() {
            let value = second.string()?;
            return if value.is_empty() { Err(NodeError::Value) } else { Ok(Self::Leaf { path, value }) };
        }
        let child = ChildView::decode(second)?;
        if path.len() == 0 || matches!(child, ChildView::Empty) {
            return Err(NodeError::Extension);
        }
        Ok(Self::Extension { path, child })
    }
}

/// Length of the RLP of a string.
fn string_length(string: &[u8]) -> usize {
    match string {
        [byte] if *byte < 0x80 => 1,
        _ => header_length(string.len()) + string.len(),
    }
}

fn header_length(payload: usize) -> usize {
    if payload < 56 { 1 } else { 1 + payload.ilog2() as usize / 8 + 1 }
}

fn write_header(buffer: &mut Vec<u8>, short: u8, payload: usize) {
    if payload < 56 {
        buffer.push(short + payload as u8);
        return;
    }
    let bytes = payload.to_be_bytes();
    let first = payload.leading_zeros() as usize / 8;
    buffer.push(short + 55 + (bytes.len() - first) as u8);
    buffer.extend_from_slice(&bytes[first..]);
}

fn write_string(buffer: &mut Vec<u8>, string: &[u8]) {
    if !matches!(string, [byte] if *byte < 0x80) {
        write_header(buffer, 0x80, string.len());
    }
    buffer.extend_from_slice(string);
}

/// Writes the leaf at `depth` with this key over what the buffer holds.
pub(crate) fn write_leaf(buffer: &mut Vec<u8>, key: &Key, depth: usize, value: &[u8]) {
    let (flag, rest) = key.hex_prefix(depth);
    let path_length = if rest.is_empty() { 1 } else { 2 + rest.len() };
    buffer.clear();
    write_header(buffer, 0xc0, path_length + string_length(value));
    if !rest.is_empty() {
        buffer.push(0x81 + rest.len() as u8);
    }
    buffer.push(flag);
    buffer.extend_from_slice(rest);
    write_string(buffer, value);
}

/// Writes an extension over what the buffer holds; `child` is an RLP item.
pub(crate) fn write_extension(buffer: &mut Vec<u8>, path: &Nibbles, child: &[u8]) {
    let odd = path.len() % 2;
    let mut encoded = [0; 33];
    encoded[0] = if odd == 1 { 0x10 | path.get(0).unwrap_or_default() } else { 0 };
    for (index, nibble) in path.iter().enumerate().skip(odd) {
        let at = 1 + (index - odd) / 2;
        encoded[at] = encoded[at] << 4 | nibble;
    }
    let encoded = &encoded[..1 + path.len() / 2];
    buffer.clear();
    write_header(buffer, 0xc0, string_length(encoded) + child.len());
    write_string(buffer, encoded);
    buffer.extend_from_slice(child);
}

/// Writes a branch over what the buffer holds; `children` are RLP items, of no bytes where there is no child.
pub(crate) fn write_branch(buffer: &mut Vec<u8>, children: &[&[u8]; 16], value: &[u8]) {
    let payload = children.iter().map(|child| child.len().max(1)).sum::<usize>() + string_length(value);
    buffer.clear();
    write_header(buffer, 0xc0, payload);
    for child in children {
        if child.is_empty() {
            buffer.push(0x80);
        } else {
            buffer.extend_from_slice(child);
        }
    }
    write_string(buffer, value);
}
