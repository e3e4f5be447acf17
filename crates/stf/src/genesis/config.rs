//! The `config` of a `genesis.json` as a [`ChainSpec`].
//!
//! One table lists the fields that schedule forks in the order in which forks must happen. Reading is a walk over it: a
//! fork that is there must not come before the one before it, and what later forks build on must be there too. A field
//! that looks like a schedule (`...Block` or `...Time`) but is not in the table names rules that are unknown, so it is an
//! error rather than ignored.
//!
//! The merge is special: it happened at a total difficulty, which no header holds. A schedule takes what the document says
//! otherwise: genesis if that difficulty is zero, `mergeNetsplitBlock` if there is one, else Shanghai's time.

use super::GenesisError;
use crate::json::{JsonCursor, JsonError};
use crate::{Activation, BlobParams, BlockRules, ChainSpec, Header};
use alloc::format;
use alloc::vec::Vec;
use rialto_vm::Fork;

/// A field that schedules a fork.
struct ForkField {
    name: &'static str,
    /// The fork; `None` for what is part of another fork.
    fork: Option<Fork>,
    /// Whether later forks may be scheduled without it.
    is_optional: bool,
}

const fn required(name: &'static str, fork: Fork) -> ForkField {
    ForkField { name, fork: Some(fork), is_optional: false }
}

const fn optional(name: &'static str, fork: Fork) -> ForkField {
    ForkField { name, fork: Some(fork), is_optional: true }
}

const SPURIOUS_DRAGON: &str = "eip158Block";
/// The other half of Spurious Dragon, which must come with it.
const REPLAY_PROTECTION: &str = "eip155Block";
const CONSTANTINOPLE: &str = "constantinopleBlock";
/// Where it is absent, Petersburg came with Constantinople.
const PETERSBURG: &str = "petersburgBlock";
const MERGE: &str = "mergeNetsplitBlock";
const TOTAL_DIFFICULTY: &str = "terminalTotalDifficulty";

const FORK_FIELDS: [ForkField; 26] = [
    required("homesteadBlock", Fork::Homestead),
    optional("daoForkBlock", Fork::DaoFork),
    required("eip150Block", Fork::TangerineWhistle),
    ForkField { name: REPLAY_PROTECTION, fork: None, is_optional: false },
    required(SPURIOUS_DRAGON, Fork::SpuriousDragon),
    required("byzantiumBlock", Fork::Byzantium),
    required(CONSTANTINOPLE, Fork::Constantinople),
    required(PETERSBURG, Fork::Petersburg),
    required("istanbulBlock", Fork::Istanbul),
    optional("muirGlacierBlock", Fork::MuirGlacier),
    required("berlinBlock", Fork::Berlin),
    required("londonBlock", Fork::London),
    optional("arrowGlacierBlock", Fork::ArrowGlacier),
    optional("grayGlacierBlock", Fork::GrayGlacier),
    optional(MERGE, Fork::Paris),
    required("shanghaiTime", Fork::Shanghai),
    required("cancunTime", Fork::Cancun),
    required("pragueTime", Fork::Prague),
    required("osakaTime", Fork::Osaka),
    optional("bpo1Time", Fork::Bpo1),
    optional("bpo2Time", Fork::Bpo2),
    optional("bpo3Time", Fork::Bpo3),
    optional("bpo4Time", Fork::Bpo4),
    optional("bpo5Time", Fork::Bpo5),
    // Our own: no other client has a name for the draft.
    optional("amsterdamDraftTime", Fork::AmsterdamDraft),
    optional("amsterdamTime", Fork::Amsterdam),
];

/// Forks whose blob parameters are those of the fork before where the document has none.
const INHERITS_BLOB_PARAMS: [Fork; 3] = [Fork::Osaka, Fork::AmsterdamDraft, Fork::Amsterdam];

/// A fork that the document schedules.
struct Scheduled {
    field: &'static str,
    at: Activation,
    fork: Option<Fork>,
}

/// The chain that `config` describes; of the genesis header, number and timestamp count.
pub(super) fn chain_spec(config: &JsonCursor<'_>, header: &Header) -> Result<ChainSpec, GenesisError> {
    refuse_unknown_forks(config)?;
    let scheduled = scheduled_forks(config)?;
    check_at_genesis(&scheduled, header)?;
    let forks = scheduled.iter().filter_map(|item| Some((item.at, item.fork?)));
    let mut schedule: Vec<(Activation, Fork)> = alloc::vec![(Activation::Block(0), Fork::Frontier)];
    schedule.extend(forks);
    let deposit_contract = config.optional("depositContractAddress")?.map(|value| value.address()).transpose()?;
    let drains_dao = config.optional("daoForkSupport")?.map(|value| value.bool()).transpose()?;
    Ok(ChainSpec {
        chain_id: config.field("chainId")?.u64_or_decimal()?,
        schedule,
        blobs: blob_params(config, &scheduled)?,
        deposit_contract: deposit_contract.unwrap_or_default(),
        drains_dao: drains_dao.unwrap_or(false),
        modules: Vec::new(),
    })
}

fn refuse_unknown_forks(config: &JsonCursor<'_>) -> Result<(), GenesisError> {
    for (key, value) in config.entries()? {
        let is_schedule = key.ends_with("Block") || key.ends_with("Time");
        let is_known = FORK_FIELDS.iter().any(|field| field.name == key);
        if is_schedule && !is_known && !value.value().is_null() {
            return Err(GenesisError::UnknownFork { field: value.path() });
        }
    }
    Ok(())
}

/// The forks that are scheduled, each checked against the one before it.
fn scheduled_forks(config: &JsonCursor<'_>) -> Result<Vec<Scheduled>, GenesisError> {
    let mut scheduled: Vec<Scheduled> = Vec::new();
    // The last fork that is scheduled, or that later ones need.
    let mut last: Option<(&'static str, Option<Activation>)> = None;
    for &ForkField { name, fork, is_optional } in &FORK_FIELDS {
        let (field, at) = activation(config, name)?;
        if let (Some(found), Some((previous, previous_at))) = (at, last)
            && !previous_at.is_some_and(|previous_at| may_follow(previous_at, found))
        {
            return Err(GenesisError::ForkOrder { field, found, previous, previous_at });
        }
        scheduled.extend(at.map(|at| Scheduled { field, at, fork }));
        if at.is_some() || !is_optional {
            last = Some((field, at));
        }
    }
    let block_of = |field: &'static str| scheduled.iter().find(|item| item.field == field).map(|item| item.at);
    let (found, expected) = (block_of(SPURIOUS_DRAGON), block_of(REPLAY_PROTECTION));
    if found != expected {
        let (field, other) = (SPURIOUS_DRAGON, REPLAY_PROTECTION);
        return Err(GenesisError::ForksApart { field, found, other, expected });
    }
    Ok(scheduled)
}

/// When the fork of the field `name` begins, and the field that says so.
fn activation(config: &JsonCursor<'_>, name: &'static str) -> Result<(&'static str, Option<Activation>), GenesisError> {
    if name == MERGE
        && let Some(total_difficulty) = config.optional(TOTAL_DIFFICULTY)?
        && is_zero(&total_difficulty)?
    {
        return Ok((TOTAL_DIFFICULTY, Some(Activation::Block(0))));
    }
    let mut value = config.optional(name)?;
    if value.is_none() && name == PETERSBURG {
        value = config.optional(CONSTANTINOPLE)?;
    }
    let number = value.map(|value| value.u64_or_decimal()).transpose()?;
    let is_timestamp = name.ends_with("Time");
    Ok((name, number.map(if is_timestamp { Activation::Timestamp } else { Activation::Block })))
}

/// Whether a total difficulty, which may exceed what JSON's numbers hold exactly, is zero.
fn is_zero(total_difficulty: &JsonCursor<'_>) -> Result<bool, JsonError> {
    let is_positive = total_difficulty.value().as_f64().is_some_and(|number| number >= 1.0);
    Ok(!is_positive && total_difficulty.u256_or_decimal()?.is_zero())
}

/// Whether a fork may come at `next` after one at `previous`: blocks before timestamps, and each ascending.
fn may_follow(previous: Activation, next: Activation) -> bool {
    match (previous, next) {
        (Activation::Block(previous), Activation::Block(next)) => previous <= next,
        (Activation::Timestamp(previous), Activation::Timestamp(next)) => previous <= next,
        (Activation::Block(_), Activation::Timestamp(_)) => true,
        (Activation::Timestamp(_), Activation::Block(_)) => false,
    }
}

/// No fork that is in force at genesis follows one that still lies ahead.
fn check_at_genesis(scheduled: &[Scheduled], header: &Header) -> Result<(), GenesisError> {
    let ahead = scheduled.iter().rfind(|item| matches!(item.at, Activation::Block(number) if number > header.number));
    let in_force = |item: &&Scheduled| matches!(item.at, Activation::Timestamp(at) if at <= header.timestamp);
    match (ahead, scheduled.iter().find(in_force)) {
        (Some(previous), Some(item)) => Err(GenesisError::ForkOrder {
            field: item.field,
            found: item.at,
            previous: previous.field,
            previous_at: Some(previous.at),
        }),
        _ => Ok(()),
    }
}

/// The blob parameters of every fork that is scheduled and has blobs.
fn blob_params(config: &JsonCursor<'_>, scheduled: &[Scheduled]) -> Result<Vec<(Fork, BlobParams)>, GenesisError> {
    let schedule = config.optional("blobSchedule")?;
    if let Some(schedule) = &schedule {
        for (key, value) in schedule.entries()? {
            if !FORK_FIELDS.iter().any(|field| field.name.strip_suffix("Time") == Some(key)) {
                return Err(GenesisError::UnknownFork { field: value.path() });
            }
        }
    }
    let mut params: Vec<(Fork, BlobParams)> = Vec::new();
    for item in scheduled {
        let (Some(fork), Some(key)) = (item.fork, item.field.strip_suffix("Time")) else { continue };
        if !BlockRules::of(fork).has_blobs {
            continue;
        }
        let schedule = schedule.as_ref().ok_or_else(|| config.missing("blobSchedule"))?;
        let inherited = params.last().map(|(_, params)| *params).filter(|_| INHERITS_BLOB_PARAMS.contains(&fork));
        let own = schedule.optional(key)?.map(|value| blob_params_from_json(&value)).transpose()?;
        params.push((fork, own.or(inherited).ok_or_else(|| schedule.missing(key))?));
    }
    Ok(params)
}

/// A fork's blob parameters, as an entry of geth's `blobSchedule` has them.
pub fn blob_params_from_json(cursor: &JsonCursor<'_>) -> Result<BlobParams, GenesisError> {
    // 32 bits are enough for any number of blobs, and keep what is computed from them within 64.
    let params = BlobParams {
        target: cursor.field("target")?.u32()?.into(),
        max: cursor.field("max")?.u32()?.into(),
        base_fee_update_fraction: cursor.field("baseFeeUpdateFraction")?.u64()?,
    };
    let rows =
        [("max", params.max, params.target.max(1)), ("baseFeeUpdateFraction", params.base_fee_update_fraction, 1)];
    for (field, found, least) in rows {
        if found < least {
            let field = format!("{}.{field}", cursor.path());
            return Err(GenesisError::BlobParams { field, expected: format!("at least {least}"), found });
        }
    }
    Ok(params)
}
