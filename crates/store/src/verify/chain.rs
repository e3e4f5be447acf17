//! Blocks and what finds them.

use super::{CheckHeader, VerifyProgress, VerifyReport};
use crate::codec::{block_key, decode_block_key, decode_body};
use crate::tables::meta;
use crate::{Snapshot, StoreError};
use alloy_primitives::B256;
use redb::{ReadableTable, ReadableTableMetadata};

impl Snapshot {
    /// Number of the genesis block.
    fn first_number(&self) -> Result<u64, StoreError> {
        let genesis = self.meta.get(meta::GENESIS)?.and_then(|genesis| decode_block_key(genesis.value()));
        Ok(genesis.ok_or_else(|| StoreError::corrupt("meta.genesis"))?.0)
    }

    pub(super) fn verify_chain(
        &self,
        check_header: CheckHeader<'_>,
        report: &mut VerifyReport,
        progress: VerifyProgress<'_>,
    ) -> Result<(), StoreError> {
        let (first, (head, head_hash)) = (self.first_number()?, self.head());
        let mut parent: Option<(u64, B256)> = None;
        for entry in self.canonical.iter()? {
            let (number, hash) = entry?;
            let (number, hash) = (number.value(), B256::new(*hash.value()));
            let expected = parent.map_or(first, |(parent, _)| parent.saturating_add(1));
            if number != expected {
                report.problem(format!("canonical: expected block {expected}, found block {number}"));
            }
            let parent_hash = self.verify_block(number, &hash, check_header, report)?;
            if let Some((_, expected)) = parent
                && parent_hash.is_some_and(|found| found != expected)
            {
                report.problem(format!("block {number} {hash}: expected parent {expected}, found another"));
            }
            if number > first && self.receipts.get(&block_key(number, &hash))?.is_none() {
                report.problem(format!("receipts of block {number} {hash}: expected in the database, found none"));
            }
            parent = Some((number, hash));
            progress("blocks", report.blocks);
        }
        if parent != Some((head, head_hash)) {
            report.problem(format!("head: expected the last canonical block, found {head} {head_hash}"));
        }
        self.verify_side_blocks(check_header, report)
    }

    fn verify_side_blocks(&self, check_header: CheckHeader<'_>, report: &mut VerifyReport) -> Result<(), StoreError> {
        for entry in self.side_blocks.iter()? {
            let entry = entry?;
            let (number, hash) =
                decode_block_key(entry.0.value()).ok_or_else(|| StoreError::corrupt("a key of side_blocks"))?;
            if self.canonical_hash(number)? == Some(hash) {
                report.problem(format!("side block {number} {hash}: expected not to be canonical"));
            }
            self.verify_block(number, &hash, check_header, report)?;
        }
        let tables =
            [("numbers", self.numbers.len()?), ("headers", self.headers.len()?), ("bodies", self.bodies.len()?)];
        for (name, found) in tables {
            if found != report.blocks {
                report.problem(format!("{name}: expected {} blocks, found {found}", report.blocks));
            }
        }
        Ok(())
    }

    /// Checks one block and gives its parent's hash, if it is there.
    fn verify_block(
        &self,
        number: u64,
        hash: &B256,
        check_header: CheckHeader<'_>,
        report: &mut VerifyReport,
    ) -> Result<Option<B256>, StoreError> {
        report.blocks += 1;
        if self.number_of(hash)? != Some(number) {
            report.problem(format!("numbers[{hash}]: expected {number}, found another or none"));
        }
        let body = self.bodies.get(&block_key(number, hash))?;
        if body.is_none_or(|body| decode_body(body.value()).is_none()) {
            report.problem(format!(
                "body of block {number} {hash}: expected in the database, found none or a malformed one"
            ));
        }
        match self.header_record(number, hash) {
            Ok((parent_hash, _, header)) => {
                if let Err(problem) = check_header(number, hash, &header) {
                    report.problem(format!("header of block {number} {hash}: {problem}"));
                }
                Ok(Some(parent_hash))
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                report.problem(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn verify_lookups(
        &self,
        report: &mut VerifyReport,
        progress: VerifyProgress<'_>,
    ) -> Result<(), StoreError> {
        for entry in self.transaction_hashes.iter()? {
            let (number, hashes) = entry?;
            let number = number.value();
            if self.canonical.get(number)?.is_none() {
                report.problem(format!("transaction_hashes[{number}]: expected a canonical block, found none"));
            }
            for (index, hash) in hashes.value().chunks(32).enumerate() {
                let Ok(hash) = B256::try_from(hash) else {
                    report.problem(format!("transaction_hashes[{number}]: expected hashes of 32 bytes"));
                    continue;
                };
                match self.transaction(&hash)? {
                    Some(found) if (found.number, found.index) == (number, index) => report.transactions += 1,
                    // A hash can be there twice where transactions are not signed; the later one counts.
                    Some(found) if (found.number, found.index) > (number, index) => {}
                    found => report.problem(format!(
                        "transaction {hash}: expected at index {index} of block {number}, found {found:?}"
                    )),
                }
            }
            progress("transactions", report.transactions);
        }
        let found = self.transactions.len()?;
        if found != report.transactions {
            report
                .problem(format!("transactions: expected {} of canonical blocks, found {found}", report.transactions));
        }
        for entry in self.blooms.iter()? {
            let number = entry?.0.value();
            if self.canonical.get(number)?.is_none() {
                report.problem(format!("blooms[{number}]: expected a canonical block, found none"));
            }
        }
        Ok(())
    }
}
