//! A transaction on its way into the pool.

use super::fees::NextBlock;
use super::sidecar::{self, BlobSidecar};
use super::{PoolConfig, PoolError};
use alloy_primitives::{Address, B256, keccak256};
use rialto_stf::{ChainSpec, Header, Transaction, recover_sender};
use std::sync::Arc;

/// A transaction with what the pool knows of it.
#[derive(Clone, Debug)]
pub struct PoolTransaction {
    /// The transaction.
    pub transaction: Transaction,
    /// Its hash.
    pub hash: B256,
    /// Who sent it. In dev mode that need not be who signed it.
    pub sender: Address,
    /// Its blobs.
    pub sidecar: Option<Arc<BlobSidecar>>,
}

impl PoolTransaction {
    /// Decodes what `eth_sendRawTransaction` takes (for blob transactions the network form with blobs) and recovers the
    /// sender under the rules that hold after `head`. Whether blobs fit their proofs is checked when it enters the pool.
    pub fn decode(bytes: &[u8], spec: &ChainSpec, head: &Header) -> Result<Self, PoolError> {
        let next = NextBlock::after(spec, head);
        let (transaction, sidecar) = if sidecar::is_blob_transaction(bytes) {
            let max_blobs = usize::try_from(next.max_blobs()).unwrap_or(usize::MAX);
            let max_body_bytes = PoolConfig::default().max_transaction_bytes;
            let (transaction, sidecar) = sidecar::decode_network(bytes, max_blobs, max_body_bytes)?;
            (transaction, Some(Arc::new(sidecar)))
        } else {
            (Transaction::decode(bytes)?, None)
        };
        let sender = recover_sender(&transaction, next.rules, spec.chain_id)?;
        let hash = if sidecar.is_some() { transaction.hash() } else { keccak256(bytes) };
        Ok(Self { transaction, hash, sender, sidecar })
    }

    /// The same with cell proofs, where blocks after `head` take those and the sender computed one proof a blob: clients that
    /// know nothing of EIP-7594 go on working. Takes a tenth of a second a blob. The old proofs are not looked at.
    pub fn with_proofs_for(self, spec: &ChainSpec, head: &Header) -> Result<Self, PoolError> {
        let wanted = NextBlock::after(spec, head).sidecar_version();
        match &self.sidecar {
            Some(sidecar) if sidecar.version < wanted => {
                sidecar.check_form(&self.transaction.blob_versioned_hashes)?;
                let sidecar = Arc::new(sidecar.with_cell_proofs()?);
                Ok(Self { sidecar: Some(sidecar), ..self })
            }
            _ => Ok(self),
        }
    }

    /// The encoding that [`PoolTransaction::decode`] reads: a blob transaction's has its blobs, if they are here.
    pub fn encode_network(&self) -> Vec<u8> {
        match &self.sidecar {
            Some(sidecar) => sidecar::encode_network(&self.transaction, sidecar),
            None => self.transaction.encode(),
        }
    }
}
