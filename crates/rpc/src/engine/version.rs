//! Which version of a method is for which forks, and what its structures hold: the specification's tables.
//!
//! Every version of a method is a row. A row's range of forks is what -38005 is about; the form of its structure is what
//! -32602 (payloads) and -38003 (attributes) are about. Between Paris and Shanghai the second versions take two forms, and
//! there the payload's own fork says which.

use super::EngineError;
use crate::json::{Fields, ParamError};
use rialto_stf::ChainSpec;
use rialto_vm::Fork;

/// Forks from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forks {
    first: Fork,
    last: Fork,
}

const fn forks(first: Fork, last: Fork) -> Forks {
    Forks { first, last }
}

/// What is there besides the first version's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Withdrawals.
    pub(crate) has_withdrawals: bool,
    /// A payload's `blobGasUsed` and `excessBlobGas`, attributes' `parentBeaconBlockRoot`.
    pub(crate) has_blobs: bool,
    /// A payload's `blockAccessList` and `slotNumber`, attributes' `slotNumber`.
    pub(crate) has_access_list: bool,
}

const V1: Form = Form { has_withdrawals: false, has_blobs: false, has_access_list: false };
const V2: Form = Form { has_withdrawals: true, ..V1 };
const V3: Form = Form { has_blobs: true, ..V2 };
const V4: Form = Form { has_access_list: true, ..V3 };

const PARIS: Forks = forks(Fork::Frontier, Fork::Paris);
const PARIS_TO_SHANGHAI: Forks = forks(Fork::Frontier, Fork::Shanghai);
const CANCUN: Forks = forks(Fork::Cancun, Fork::Cancun);
const PRAGUE: Forks = forks(Fork::Prague, Fork::Prague);
const PRAGUE_TO_OSAKA: Forks = forks(Fork::Prague, Fork::Bpo5);
const CANCUN_TO_OSAKA: Forks = forks(Fork::Cancun, Fork::Bpo5);
const OSAKA: Forks = forks(Fork::Osaka, Fork::Bpo5);
const AMSTERDAM: Forks = forks(Fork::AmsterdamDraft, Fork::Amsterdam);

/// A version of `engine_newPayload`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPayload {
    pub(crate) method: &'static str,
    pub(crate) forks: Forks,
    /// The payload's forms; the second, if there is one, from Shanghai on.
    pub(crate) forms: &'static [Form],
    /// Whether `expectedBlobVersionedHashes` and `parentBeaconBlockRoot` are parameters.
    pub(crate) has_blobs: bool,
    /// Whether `executionRequests` is a parameter.
    pub(crate) has_requests: bool,
    /// What a wrong `blockHash` is called.
    pub(crate) wrong_hash_status: &'static str,
}

/// The versions of `engine_newPayload`.
pub(crate) const NEW_PAYLOAD: [NewPayload; 5] = [
    NewPayload {
        method: "engine_newPayloadV1",
        forks: PARIS,
        forms: &[V1],
        has_blobs: false,
        has_requests: false,
        wrong_hash_status: "INVALID_BLOCK_HASH",
    },
    NewPayload {
        method: "engine_newPayloadV2",
        forks: PARIS_TO_SHANGHAI,
        forms: &[V1, V2],
        has_blobs: false,
        has_requests: false,
        wrong_hash_status: "INVALID",
    },
    NewPayload {
        method: "engine_newPayloadV3",
        forks: CANCUN,
        forms: &[V3],
        has_blobs: true,
        has_requests: false,
        wrong_hash_status: "INVALID",
    },
    NewPayload {
        method: "engine_newPayloadV4",
        forks: PRAGUE_TO_OSAKA,
        forms: &[V3],
        has_blobs: true,
        has_requests: true,
        wrong_hash_status: "INVALID",
    },
    NewPayload {
        method: "engine_newPayloadV5",
        forks: AMSTERDAM,
        forms: &[V4],
        has_blobs: true,
        has_requests: true,
        wrong_hash_status: "INVALID",
    },
];

/// A version of `engine_forkchoiceUpdated`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForkchoiceUpdated {
    pub(crate) method: &'static str,
    /// The forks of blocks to build.
    pub(crate) forks: Forks,
    /// The attributes' forms; the second, if there is one, from Shanghai on.
    pub(crate) forms: &'static [Form],
    /// Whether `custodyColumns` is a parameter.
    pub(crate) has_custody_columns: bool,
}

/// The versions of `engine_forkchoiceUpdated`.
pub(crate) const FORKCHOICE_UPDATED: [ForkchoiceUpdated; 4] = [
    ForkchoiceUpdated { method: "engine_forkchoiceUpdatedV1", forks: PARIS, forms: &[V1], has_custody_columns: false },
    ForkchoiceUpdated {
        method: "engine_forkchoiceUpdatedV2",
        forks: PARIS_TO_SHANGHAI,
        forms: &[V1, V2],
        has_custody_columns: false,
    },
    ForkchoiceUpdated {
        method: "engine_forkchoiceUpdatedV3",
        forks: CANCUN_TO_OSAKA,
        forms: &[V3],
        has_custody_columns: false,
    },
    ForkchoiceUpdated {
        method: "engine_forkchoiceUpdatedV4",
        forks: AMSTERDAM,
        forms: &[V4],
        has_custody_columns: true,
    },
];

/// Blobs beside a payload: their proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobsBundle {
    /// One proof a blob.
    Whole,
    /// A proof for each of a blob's cells.
    Cells,
}

/// A version of `engine_getPayload`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GetPayload {
    pub(crate) method: &'static str,
    pub(crate) forks: Forks,
    /// Whether the payload stands beside its value and what follows, or is all there is.
    pub(crate) has_envelope: bool,
    pub(crate) blobs: Option<BlobsBundle>,
    pub(crate) has_requests: bool,
}

/// The versions of `engine_getPayload`.
pub(crate) const GET_PAYLOAD: [GetPayload; 6] = [
    GetPayload { method: "engine_getPayloadV1", forks: PARIS, has_envelope: false, blobs: None, has_requests: false },
    GetPayload {
        method: "engine_getPayloadV2",
        forks: PARIS_TO_SHANGHAI,
        has_envelope: true,
        blobs: None,
        has_requests: false,
    },
    GetPayload {
        method: "engine_getPayloadV3",
        forks: CANCUN,
        has_envelope: true,
        blobs: Some(BlobsBundle::Whole),
        has_requests: false,
    },
    GetPayload {
        method: "engine_getPayloadV4",
        forks: PRAGUE,
        has_envelope: true,
        blobs: Some(BlobsBundle::Whole),
        has_requests: true,
    },
    GetPayload {
        method: "engine_getPayloadV5",
        forks: OSAKA,
        has_envelope: true,
        blobs: Some(BlobsBundle::Cells),
        has_requests: true,
    },
    GetPayload {
        method: "engine_getPayloadV6",
        forks: AMSTERDAM,
        has_envelope: true,
        blobs: Some(BlobsBundle::Cells),
        has_requests: true,
    },
];

/// A version of `engine_getBlobs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GetBlobs {
    pub(crate) method: &'static str,
    pub(crate) bundle: BlobsBundle,
    /// The last fork under which the method may be called.
    pub(crate) last_fork: Fork,
    /// Whether blobs that are not there are `null` each, or one of them makes all of the answer `null`.
    pub(crate) is_partial: bool,
}

/// The versions of `engine_getBlobs`.
pub(crate) const GET_BLOBS: [GetBlobs; 3] = [
    GetBlobs { method: "engine_getBlobsV1", bundle: BlobsBundle::Whole, last_fork: Fork::Prague, is_partial: true },
    GetBlobs { method: "engine_getBlobsV2", bundle: BlobsBundle::Cells, last_fork: Fork::Amsterdam, is_partial: false },
    GetBlobs { method: "engine_getBlobsV3", bundle: BlobsBundle::Cells, last_fork: Fork::Amsterdam, is_partial: true },
];

/// The version of `engine_getBlobs` that gives single cells.
pub(crate) const GET_BLOB_CELLS: &str = "engine_getBlobsV4";

/// A version of `engine_getPayloadBodiesByHash` and of `engine_getPayloadBodiesByRange`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GetBodies {
    pub(crate) by_hash: &'static str,
    pub(crate) by_range: &'static str,
    pub(crate) has_access_list: bool,
}

/// The versions of `engine_getPayloadBodiesByHash` and of `engine_getPayloadBodiesByRange`.
pub(crate) const GET_BODIES: [GetBodies; 2] = [
    GetBodies {
        by_hash: "engine_getPayloadBodiesByHashV1",
        by_range: "engine_getPayloadBodiesByRangeV1",
        has_access_list: false,
    },
    GetBodies {
        by_hash: "engine_getPayloadBodiesByHashV2",
        by_range: "engine_getPayloadBodiesByRangeV2",
        has_access_list: true,
    },
];

impl GetBlobs {
    /// Refuses a head under which the method is not for.
    pub(crate) fn check_head(&self, fork: Fork) -> Result<(), EngineError> {
        forks(Fork::Frontier, self.last_fork).check(self.method, fork)
    }
}

impl Form {
    /// Refuses fields of a payload that this form has not.
    pub(crate) fn refuse_other_payload_fields(&self, fields: &Fields<'_>) -> Result<(), ParamError> {
        let rows = [
            ("withdrawals", self.has_withdrawals),
            ("blobGasUsed", self.has_blobs),
            ("excessBlobGas", self.has_blobs),
            ("blockAccessList", self.has_access_list),
            ("slotNumber", self.has_access_list),
        ];
        refuse_others(&rows, fields)
    }

    /// Refuses fields of payload attributes that this form has not.
    pub(crate) fn refuse_other_attributes(&self, fields: &Fields<'_>) -> Result<(), ParamError> {
        let rows = [
            ("withdrawals", self.has_withdrawals),
            ("parentBeaconBlockRoot", self.has_blobs),
            ("slotNumber", self.has_access_list),
            ("targetGasLimit", self.has_access_list),
        ];
        refuse_others(&rows, fields)
    }
}

fn refuse_others(rows: &[(&'static str, bool)], fields: &Fields<'_>) -> Result<(), ParamError> {
    let stray = rows.iter().find_map(|(name, is_known)| Some((name, fields.get(name).filter(|_| !is_known)?)));
    match stray {
        None => Ok(()),
        Some((name, value)) => {
            Err(ParamError::new("none in this version at this fork", value).below(format_args!(".{name}")))
        }
    }
}

impl Forks {
    /// Refuses forks outside of the range.
    pub(crate) fn check(&self, method: &str, fork: Fork) -> Result<(), EngineError> {
        if (self.first..=self.last).contains(&fork) {
            return Ok(());
        }
        let range = match *self {
            Self { first: Fork::Frontier, last } => format!("up to {last}"),
            Self { first, last } if first == last => first.to_string(),
            Self { first, last: Fork::Amsterdam } => format!("from {first} on"),
            Self { first, last } => format!("from {first} to {last}"),
        };
        Err(EngineError::UnsupportedFork(format!("{method} is for blocks {range}, this one is of {fork}")))
    }
}

/// The form that a payload, or attributes, must have at a fork, where a version takes more than one.
pub(crate) fn form_at(forms: &[Form], chain: &ChainSpec, number: u64, timestamp_seconds: u64) -> Form {
    let has_withdrawals = chain.rules_at(number, timestamp_seconds).has_withdrawals;
    match forms {
        [first, second] => {
            if has_withdrawals {
                *second
            } else {
                *first
            }
        }
        [only, ..] => *only,
        [] => V1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fork_since_paris_has_one_newest_version() {
        let rows = [
            (Fork::Paris, vec![1, 2], vec![1, 2], vec![1, 2]),
            (Fork::Shanghai, vec![2], vec![2], vec![2]),
            (Fork::Cancun, vec![3], vec![3], vec![3]),
            (Fork::Prague, vec![4], vec![3], vec![4]),
            (Fork::Osaka, vec![4], vec![3], vec![5]),
            (Fork::Bpo2, vec![4], vec![3], vec![5]),
            (Fork::Amsterdam, vec![5], vec![4], vec![6]),
        ];
        fn versions<'a>(rows: impl Iterator<Item = (&'a str, Forks)>, fork: Fork) -> Vec<usize> {
            let allowed = rows.enumerate().filter(|(_, (method, forks))| forks.check(method, fork).is_ok());
            allowed.map(|(index, _)| index + 1).collect()
        }
        for (fork, new_payload, forkchoice, get_payload) in rows {
            let found = versions(NEW_PAYLOAD.iter().map(|row| (row.method, row.forks)), fork);
            assert_eq!(found, new_payload, "newPayload, {fork}");
            let found = versions(FORKCHOICE_UPDATED.iter().map(|row| (row.method, row.forks)), fork);
            assert_eq!(found, forkchoice, "forkchoiceUpdated, {fork}");
            let found = versions(GET_PAYLOAD.iter().map(|row| (row.method, row.forks)), fork);
            assert_eq!(found, get_payload, "getPayload, {fork}");
        }
        let error = CANCUN.check("engine_newPayloadV3", Fork::Prague).expect_err("another fork");
        assert_eq!(error.code(), -38005);
        let text = "Unsupported fork: engine_newPayloadV3 is for blocks Cancun, this one is of Prague";
        assert_eq!(error.to_string(), text);
    }
}
