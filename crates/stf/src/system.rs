//! What a block does besides its transactions: system calls, ends of native modules, withdrawals, rewards and requests.

use crate::{BlockError, BlockRules, Header, Withdrawal};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, address, b256};
use rialto_state::Log;
use rialto_vm::{CallResult, Message, MessageKind, TxContext, Vm};
use sha2::{Digest, Sha256};

/// Caller of system calls (EIP-4788).
const SYSTEM_ADDRESS: Address = address!("fffffffffffffffffffffffffffffffffffffffe");
/// Gas of a system call; it counts for nothing.
const SYSTEM_CALL_GAS: u64 = 30_000_000;
/// Keeps roots of beacon blocks (EIP-4788).
const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
/// Keeps hashes of recent blocks (EIP-2935).
const HISTORY_STORAGE: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
/// Queues withdrawal requests (EIP-7002).
const WITHDRAWAL_REQUESTS: Address = address!("00000961Ef480Eb55e80D19ad83579A64c007002");
/// Queues consolidation requests (EIP-7251).
const CONSOLIDATION_REQUESTS: Address = address!("0000BBdDc7CE488642fb579F8B00f3a590007251");

const DEPOSIT_REQUEST_TYPE: u8 = 0;
const WITHDRAWAL_REQUEST_TYPE: u8 = 1;
const CONSOLIDATION_REQUEST_TYPE: u8 = 2;

/// keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)").
const DEPOSIT_EVENT_TOPIC: B256 = b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// Wei in a gwei, the unit of withdrawals.
const GWEI: u64 = 1_000_000_000;

/// The calls before the first transaction (EIP-4788, EIP-2935). Absent contracts are passed over.
pub(crate) fn begin_block(vm: &mut Vm<'_>, rules: &BlockRules, header: &Header) -> Result<(), BlockError> {
    if let (true, Some(root)) = (rules.has_blobs, header.parent_beacon_block_root) {
        call_if_present(vm, BEACON_ROOTS, Bytes::copy_from_slice(root.as_slice()))?;
    }
    if rules.has_requests {
        call_if_present(vm, HISTORY_STORAGE, Bytes::copy_from_slice(header.parent_hash.as_slice()))?;
    }
    Ok(())
}

fn call_if_present(vm: &mut Vm<'_>, target: Address, input: Bytes) -> Result<(), BlockError> {
    system_call(vm, target, input)?;
    Ok(())
}

fn system_call(vm: &mut Vm<'_>, target: Address, input: Bytes) -> Result<CallResult, BlockError> {
    vm.tx = TxContext { origin: SYSTEM_ADDRESS, ..TxContext::default() };
    let target = vm.journal.account_id(&target);
    let message = Message {
        kind: MessageKind::Call { target, code_account: target },
        // Named, not read: it is no account of the state.
        caller: vm.journal.account_id(&SYSTEM_ADDRESS),
        value: U256::ZERO,
        input,
        gas: SYSTEM_CALL_GAS,
        state_gas_reservoir: 0,
    };
    Ok(vm.execute(message)?)
}

/// Ends the block for each native module. What they change is of the same part of the block as withdrawals and requests, and so
/// under the same index of a block access list (EIP-7928); what they log is dropped, for there is no receipt to have it.
pub(crate) fn end_modules(vm: &mut Vm<'_>) -> Result<(), BlockError> {
    let ended = vm.end_block()?;
    vm.journal.take_logs();
    ended.map_err(|(address, violation)| BlockError::Module { address, violation: Box::new(violation) })
}

/// Adds withdrawn ether to its receivers (EIP-4895).
pub(crate) fn withdraw(vm: &mut Vm<'_>, withdrawals: &[Withdrawal]) -> Result<(), BlockError> {
    for withdrawal in withdrawals {
        let id = vm.journal.account_id(&withdrawal.address);
        vm.journal.load(id)?;
        vm.journal.add_balance(id, U256::from(withdrawal.amount) * U256::from(GWEI));
    }
    Ok(())
}

/// Pays the miner and the miners of the ommers (Yellow Paper 11.3).
pub(crate) fn reward(vm: &mut Vm<'_>, reward: U256, header: &Header, ommers: &[Header]) -> Result<(), BlockError> {
    if reward.is_zero() {
        return Ok(());
    }
    let mut total = reward;
    for ommer in ommers {
        let distance = header.number.saturating_sub(ommer.number).min(8);
        let id = vm.journal.account_id(&ommer.beneficiary);
        vm.journal.load(id)?;
        vm.journal.add_balance(id, reward * U256::from(8 - distance) / U256::from(8));
        total += reward / U256::from(32);
    }
    let id = vm.journal.account_id(&header.beneficiary);
    vm.journal.load(id)?;
    vm.journal.add_balance(id, total);
    Ok(())
}

/// The block's requests to the consensus layer (EIP-7685), each with its type in front; empty ones are left out.
pub(crate) fn requests<'a>(
    vm: &mut Vm<'_>,
    deposit_contract: &Address,
    logs: impl Iterator<Item = &'a Log>,
) -> Result<Vec<Bytes>, BlockError> {
    let mut requests = Vec::new();
    let deposits = deposits(deposit_contract, logs)?;
    push_request(&mut requests, DEPOSIT_REQUEST_TYPE, &deposits);
    for (request_type, contract) in
        [(WITHDRAWAL_REQUEST_TYPE, WITHDRAWAL_REQUESTS), (CONSOLIDATION_REQUEST_TYPE, CONSOLIDATION_REQUESTS)]
    {
        let id = vm.journal.account_id(&contract);
        if !vm.journal.load(id)?.info.has_code() {
            return Err(BlockError::SystemContractEmpty { address: contract });
        }
        let result = system_call(vm, contract, Bytes::new())?;
        if result.halt.is_some() {
            return Err(BlockError::SystemCallFailed { address: contract });
        }
        push_request(&mut requests, request_type, &result.output);
    }
    Ok(requests)
}

fn push_request(requests: &mut Vec<Bytes>, request_type: u8, data: &[u8]) {
    if !data.is_empty() {
        let mut request = Vec::with_capacity(1 + data.len());
        request.push(request_type);
        request.extend_from_slice(data);
        requests.push(request.into());
    }
}

/// sha256 over the sha256 of each request (EIP-7685).
pub fn requests_hash(requests: &[Bytes]) -> B256 {
    let mut outer = Sha256::new();
    for request in requests {
        outer.update(Sha256::digest(request));
    }
    B256::new(outer.finalize().into())
}

/// The deposits in the logs, in order (EIP-6110).
fn deposits<'a>(contract: &Address, logs: impl Iterator<Item = &'a Log>) -> Result<Vec<u8>, BlockError> {
    let mut deposits = Vec::new();
    for log in logs {
        if log.address == *contract && log.topics.first() == Some(&DEPOSIT_EVENT_TOPIC) {
            append_deposit(&mut deposits, &log.data)?;
        }
    }
    Ok(deposits)
}

/// Appends the five byte strings of a deposit event. The layout is fixed: anything else makes the block invalid.
fn append_deposit(deposits: &mut Vec<u8>, data: &[u8]) -> Result<(), BlockError> {
    const DATA_BYTES: u64 = 576;
    /// Name, offset of the string's length word, length.
    const FIELDS: [(&str, usize, usize); 5] = [
        ("public key", 160, 48),
        ("withdrawal credentials", 256, 32),
        ("amount", 320, 8),
        ("signature", 384, 96),
        ("index", 512, 8),
    ];
    let expect = |field: &'static str, expected: u64, found: u64| {
        if expected == found { Ok(()) } else { Err(BlockError::DepositLayout { field, expected, found }) }
    };
    expect("length of the data", DATA_BYTES, data.len() as u64)?;
    let word = |at: usize| {
        let word = U256::from_be_slice(&data[at..at + 32]);
        u64::try_from(word).unwrap_or(u64::MAX)
    };
    for (i, (field, offset, _)) in FIELDS.iter().enumerate() {
        expect(field, *offset as u64, word(32 * i))?;
    }
    for (field, offset, len) in FIELDS {
        expect(field, len as u64, word(offset))?;
        deposits.extend_from_slice(&data[offset + 32..offset + 32 + len]);
    }
    Ok(())
}
