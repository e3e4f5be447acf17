//! Changes and the entries that they name.

use super::{VerifyProgress, VerifyReport};
use crate::codec::{decode_changes, decode_changes_key, history_key};
use crate::tables::Domain;
use crate::{Snapshot, StoreError};
use redb::{ReadableTable, ReadableTableMetadata};

impl Snapshot {
    pub(super) fn verify_history(
        &self,
        report: &mut VerifyReport,
        progress: VerifyProgress<'_>,
    ) -> Result<(), StoreError> {
        let mut entries = [0; 4];
        let head = self.head().0;
        if self.oldest_state() > head {
            report.problem(format!("oldest state: expected at most the head {head}, found {}", self.oldest_state()));
        }
        for entry in self.changes.iter()? {
            let (key, chunk) = entry?;
            let corrupt = || StoreError::corrupt("changes");
            let (number, domain) = decode_changes_key(key.value()).ok_or_else(corrupt)?;
            if number > head {
                report.problem(format!("changes: expected blocks up to the head {head}, found block {number}"));
            }
            for key in decode_changes(chunk.value()) {
                let key = history_key(domain, key.ok_or_else(corrupt)?, number).ok_or_else(corrupt)?;
                entries[domain as usize] += 1;
                if self.history[domain as usize].get(&key[..])?.is_none() {
                    report.problem(format!(
                        "history of {domain:?}: expected a value from before block {number}, found none"
                    ));
                }
            }
            progress("history entries", entries.iter().sum());
        }
        report.history_entries = entries.iter().sum();
        for domain in Domain::ALL {
            let (expected, found) = (entries[domain as usize], self.history[domain as usize].len()?);
            if expected != found {
                report.problem(format!("history of {domain:?}: expected {expected} entries, found {found}"));
            }
        }
        Ok(())
    }
}
