//! A difference made small: what is not needed for it is taken away, piece by piece, as long as there is one.

use super::{Sides, World, state};
use alloy_primitives::{Address, Bytes};
use rialto_jit::Jit;
use rialto_stf::Transaction;
use rialto_vm::opcode::{self as op, OPCODES};
use std::fmt::Write as _;

/// Runs of the reduction at most.
const RUNS_MAX: usize = 20_000;

/// Instructions of `code`: where each begins, and what is behind its last byte.
fn instructions(code: &[u8]) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    let mut pc = 0;
    while pc < code.len() {
        let immediate = OPCODES[usize::from(code[pc])].map_or(0, |info| usize::from(info.immediate_bytes));
        let next = code.len().min(pc + 1 + immediate);
        all.push((pc, next));
        pc = next;
    }
    all
}

/// The code, an instruction in a line, without those that do nothing.
pub fn disassembled(code: &[u8]) -> String {
    let mut text = String::new();
    for (start, end) in instructions(code) {
        let is_padding = code[start] == op::JUMPDEST && code.get(start.wrapping_sub(1)) == Some(&op::JUMPDEST);
        if !is_padding {
            let name = op::name(code[start]).unwrap_or("?");
            let immediate: String = code[start + 1..end].iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(text, "  {start:4}  {name} {immediate}");
        }
    }
    text
}

fn differs(world: &World, transaction: &Transaction, sender: Address, jit: &Jit) -> bool {
    let state = state(world);
    Sides::new(world, &state, jit).run(transaction, sender).is_err()
}

/// The world and the transaction with less code, in which the two sides still differ.
pub fn reduce(world: &mut World, transaction: &mut Transaction, sender: Address, jit: &Jit) {
    let mut runs = 0;
    let addresses: Vec<Address> = world.accounts.keys().copied().collect();
    let mut is_smaller = true;
    while is_smaller && runs < RUNS_MAX {
        is_smaller = false;
        for address in &addresses {
            let code = world.accounts[address].code.to_vec();
            for candidate in smaller(&code) {
                let kept = core::mem::replace(code_of(world, address), candidate.into());
                runs += 1;
                if differs(world, transaction, sender, jit) {
                    is_smaller = true;
                    break;
                }
                *code_of(world, address) = kept;
            }
        }
        for candidate in
            [transaction.input.slice(..transaction.input.len() / 2), Bytes::from(vec![0; transaction.input.len()])]
        {
            if candidate != transaction.input && transaction.to.is_some() {
                let kept = core::mem::replace(&mut transaction.input, candidate);
                if differs(world, transaction, sender, jit) {
                    is_smaller = true;
                } else {
                    transaction.input = kept;
                }
            }
        }
    }
}

fn code_of<'w>(world: &'w mut World, address: &Address) -> &'w mut Bytes {
    &mut world.accounts.get_mut(address).expect("listed").code
}

/// Code with a part taken away: nothing, its first half, without some instructions at the end, without some in between.
fn smaller(code: &[u8]) -> Vec<Vec<u8>> {
    let all = instructions(code);
    let mut candidates = Vec::new();
    if code.is_empty() {
        return candidates;
    }
    candidates.push(Vec::new());
    for share in [2, 4, 8, 16] {
        candidates.push(code[..code.len() - code.len() / share].to_vec());
    }
    candidates.push(code[..all[all.len() - 1].0].to_vec());
    for len in [64, 32, 16, 8, 4, 2, 1] {
        for run in all.chunks(len) {
            let (start, end) = (run[0].0, run[run.len() - 1].1);
            if code[start..end].iter().any(|byte| *byte != op::JUMPDEST) {
                let mut without = code.to_vec();
                without[start..end].fill(op::JUMPDEST);
                candidates.push(without);
            }
        }
    }
    candidates.retain(|candidate| candidate != code);
    candidates
}
