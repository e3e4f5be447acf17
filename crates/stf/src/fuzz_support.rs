//! What fuzz targets assert about the codecs.

use crate::block::Block;
use crate::block_access_list::BlockAccessList;
use crate::header::Header;
use crate::receipt::Receipt;
use crate::transaction::Transaction;

/// Decodes `bytes` as each of the encoded types.
///
/// # Panics
/// If something decodes and its encoding differs from `bytes`: then two spellings would stand for one value.
#[doc(hidden)]
pub fn check_decode(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes, "header re-encodes differently: {header:?}");
        assert_eq!(header.missing_optional_field(), None, "a decoded header has no gaps: {header:?}");
    }
    if let Ok(transaction) = Transaction::decode(bytes) {
        assert_eq!(transaction.encode(), bytes, "transaction re-encodes differently: {transaction:?}");
    }
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes, "receipt re-encodes differently: {receipt:?}");
    }
    if let Ok(block) = Block::decode(bytes) {
        assert_eq!(block.encode(), bytes, "block re-encodes differently: {block:?}");
    }
    if let Ok(list) = BlockAccessList::decode(bytes) {
        assert_eq!(list.encode(), bytes, "block access list re-encodes differently: {list:?}");
    }
}
