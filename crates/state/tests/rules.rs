//! The rules that the journal, its readers and its codes keep, one table or case each.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, address};
use rialto_state::{
    Account, AccountDiff, AccountId, Code, DELEGATION_PREFIX, Diff, Journal, Log, MemoryState, ReadError, SlotDiff,
    StateReader, Topics, TxChange, WitnessRecorder,
};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
const BOB: Address = address!("0000000000000000000000000000000000000b0b");
const RIPEMD160: Address = address!("0000000000000000000000000000000000000003");

fn word(value: u64) -> U256 {
    U256::from(value)
}

fn load(journal: &mut Journal<'_>, address: &Address) -> AccountId {
    let id = journal.account_id(address);
    journal.load(id).expect("the state is whole");
    id
}

fn load_slot(journal: &mut Journal<'_>, account: AccountId, key: u64) -> U256 {
    let slot = journal.slot_id(account, &word(key));
    journal.load_slot(slot).expect("the state is whole").value
}

fn store(journal: &mut Journal<'_>, account: AccountId, key: u64, value: u64) {
    let slot = journal.slot_id(account, &word(key));
    journal.load_slot(slot).expect("the state is whole");
    journal.set_slot(slot, word(value));
}

/// Alice with nonce 1, balance 5, code and two slots.
fn alice() -> MemoryState {
    let mut state = MemoryState::default();
    let slots = [(word(1), word(11)), (word(2), word(22))];
    state.insert_account(ALICE, 1, word(5), Bytes::from_static(&[0x5b]), slots);
    state
}

#[test]
fn emptiness_of_eip_161() {
    let rows = [
        ("nothing", 0, 0, KECCAK256_EMPTY, true),
        ("nonce", 1, 0, KECCAK256_EMPTY, false),
        ("balance", 0, 1, KECCAK256_EMPTY, false),
        ("code", 0, 0, B256::repeat_byte(1), false),
        ("all", 1, 1, B256::repeat_byte(1), false),
    ];
    for (name, nonce, balance, code_hash, expected) in rows {
        let account = Account { nonce, balance: word(balance), code_hash };
        assert_eq!(account.is_empty(), expected, "{name}");
    }
    assert_eq!(Account::default(), Account::EMPTY);
}

#[test]
fn what_is_touched_and_empty_goes() {
    type Act = fn(&mut Journal<'_>, AccountId);
    type Row = (&'static str, Option<(u64, u64)>, Act, bool, bool);
    // name, nonce and balance in the state (if there), what is done, whether EIP-161 holds, whether it exists after
    let rows: [Row; 11] = [
        ("empty, only read", Some((0, 0)), |_, _| {}, true, true),
        ("empty, touched", Some((0, 0)), |j, id| j.touch(id), true, false),
        ("empty, touched before EIP-161", Some((0, 0)), |j, id| j.touch(id), false, true),
        ("nonce, touched", Some((1, 0)), |j, id| j.touch(id), true, true),
        ("emptied", Some((0, 3)), |j, id| assert!(j.sub_balance(id, word(3))), true, false),
        ("emptied before EIP-161", Some((0, 3)), |j, id| assert!(j.sub_balance(id, word(3))), false, true),
        ("credited", None, |j, id| j.add_balance(id, word(3)), true, true),
        ("credited nothing", None, |j, id| j.add_balance(id, word(0)), true, false),
        ("absent, touched", None, |j, id| j.touch(id), true, false),
        ("called before EIP-161", None, |j, id| j.create_empty(id), false, true),
        ("debited too much", Some((0, 3)), |j, id| assert!(!j.sub_balance(id, word(4))), true, true),
    ];
    for (name, before, act, clear_empty, expected) in rows {
        let mut state = MemoryState::default();
        if let Some((nonce, balance)) = before {
            state.insert_account(ALICE, nonce, word(balance), Bytes::new(), []);
        }
        let mut journal = Journal::new(&state, 0);
        let id = load(&mut journal, &ALICE);
        act(&mut journal, id);
        journal.end_tx(clear_empty);
        assert_eq!(journal.account(id).exists, expected, "{name}");
        let mut after = state.clone();
        after.apply(&journal.diff());
        assert_eq!(after.get(&ALICE).is_some(), expected, "{name}: applied");
    }
}

#[test]
fn only_the_touch_of_ripemd160_survives_a_revert() {
    for (address, exists_after) in [(RIPEMD160, false), (ALICE, true)] {
        let mut state = MemoryState::default();
        state.insert_account(address, 0, word(0), Bytes::new(), []);
        let mut journal = Journal::new(&state, 0);
        let id = load(&mut journal, &address);
        let checkpoint = journal.checkpoint();
        journal.touch(id);
        journal.revert(checkpoint);
        journal.end_tx(true);
        assert_eq!(journal.account(id).exists, exists_after, "{address}");
    }
}

#[test]
fn a_touch_holds_for_its_own_transaction() {
    let mut state = MemoryState::default();
    state.insert_account(RIPEMD160, 0, word(0), Bytes::new(), []);
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &RIPEMD160);
    journal.touch(id);
    journal.end_tx(false);
    journal.end_tx(true);
    assert!(journal.account(id).exists, "the touch was another transaction's");
}

#[test]
fn creation_is_known_until_the_transaction_ends() {
    let state = MemoryState::default();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    assert!(!journal.is_created(id), "before");
    let checkpoint = journal.checkpoint();
    journal.mark_created(id);
    assert!(journal.is_created(id), "after");
    journal.revert(checkpoint);
    assert!(!journal.is_created(id), "reverted");
    assert!(!journal.account(id).exists, "reverted");
    journal.mark_created(id);
    journal.set_nonce(id, 1);
    assert!(journal.is_created(id), "again");
    journal.end_tx(true);
    assert!(!journal.is_created(id), "in the next transaction");
    assert!(journal.account(id).exists);
}

#[test]
fn old_slots_are_invisible_after_destruction() {
    let state = alice();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    assert_eq!(load_slot(&mut journal, id, 1), word(11));
    assert!(journal.mark_destroyed(id));
    assert!(!journal.mark_destroyed(id), "marked already");
    assert_eq!(load_slot(&mut journal, id, 1), word(11), "until the transaction ends");
    journal.end_tx(true);
    assert!(!journal.account(id).exists);

    journal.mark_created(id);
    journal.set_nonce(id, 1);
    assert_eq!(load_slot(&mut journal, id, 1), word(0), "a slot that was read");
    assert_eq!(load_slot(&mut journal, id, 2), word(0), "a slot that was not");
    store(&mut journal, id, 2, 22);
    store(&mut journal, id, 3, 33);
    journal.end_tx(true);

    let diff = journal.diff();
    let storage =
        [(2, 22), (3, 33)].map(|(key, after)| SlotDiff { slot: word(key), before: word(0), after: word(after) });
    let expected = AccountDiff {
        address: ALICE,
        before: state.account(&ALICE).expect("in memory"),
        after: Some(Account { nonce: 1, ..Account::EMPTY }),
        storage_wiped: true,
        storage: storage.to_vec(),
    };
    assert_eq!(diff, Diff { accounts: vec![expected], codes: vec![] });

    let mut after = state.clone();
    after.apply(&diff);
    let found = after.get(&ALICE).expect("created again");
    assert_eq!(found.storage.len(), 2, "slot 1 is gone");
}

#[test]
fn three_lives_in_one_block() {
    let state = MemoryState::default();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    for life in 1..=3 {
        journal.mark_created(id);
        journal.set_nonce(id, 1);
        assert_eq!(load_slot(&mut journal, id, 7), word(0), "life {life}");
        store(&mut journal, id, 7, life);
        journal.end_tx(true);
        assert_eq!(load_slot(&mut journal, id, 7), word(life), "life {life}, later");
        if life < 3 {
            journal.mark_destroyed(id);
        }
        journal.end_tx(true);
    }
    let diff = journal.diff();
    assert_eq!(diff.accounts.len(), 1);
    assert!(!diff.accounts[0].storage_wiped, "the block began without it");
    assert_eq!(diff.accounts[0].storage, [SlotDiff { slot: word(7), before: word(0), after: word(3) }]);
}

#[test]
fn created_and_destroyed_leaves_nothing() {
    let state = MemoryState::default();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    journal.mark_created(id);
    journal.set_nonce(id, 1);
    journal.set_code(id, Code::new(Bytes::from_static(&[0])));
    store(&mut journal, id, 1, 1);
    journal.mark_destroyed(id);
    assert_eq!(journal.end_tx_with_changes(true), []);
    assert_eq!(journal.diff(), Diff::default());
}

#[test]
fn places_for_contracts() {
    // name, account (nonce, balance, code, slot), expected: EIP-684 and EIP-7610
    type Row = (&'static str, Option<(u64, u64, &'static [u8], u64)>, bool);
    let rows: [Row; 7] = [
        ("absent", None, true),
        ("empty", Some((0, 0, &[], 0)), true),
        ("prefunded", Some((0, 9, &[], 0)), true),
        ("nonce", Some((1, 0, &[], 0)), false),
        ("code", Some((0, 0, &[1], 0)), false),
        ("storage", Some((0, 0, &[], 1)), false),
        ("prefunded with storage", Some((0, 9, &[], 1)), false),
    ];
    for (name, account, expected) in rows {
        let mut state = MemoryState::default();
        if let Some((nonce, balance, code, slot)) = account {
            state.insert_account(ALICE, nonce, word(balance), Bytes::from_static(code), [(word(1), word(slot))]);
        }
        let mut journal = Journal::new(&state, 0);
        let id = journal.account_id(&ALICE);
        assert_eq!(journal.can_create(id), Ok(expected), "{name}");
        journal.load(id).expect("in memory");
        journal.mark_destroyed(id);
        journal.end_tx(true);
        assert_eq!(journal.can_create(id), Ok(true), "{name}: destroyed");
    }
}

/// Counts questions; answers from a state.
struct Counter<'a> {
    inner: &'a MemoryState,
    asked: RefCell<Vec<String>>,
}

impl Counter<'_> {
    fn note(&self, question: String) {
        self.asked.borrow_mut().push(question);
    }
}

impl StateReader for Counter<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.note(format!("account {address}"));
        self.inner.account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.note(format!("slot {slot} of {address}"));
        self.inner.storage(address, slot)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.note(format!("storage of {address}"));
        self.inner.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.note(format!("code {code_hash}"));
        self.inner.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.note(format!("block {number}"));
        self.inner.block_hash(number)
    }
}

#[test]
fn a_reader_is_asked_once_for_what_is_needed() {
    let state = alice();
    let counter = Counter { inner: &state, asked: RefCell::default() };
    let recorder = WitnessRecorder::new(&counter);
    let mut journal = Journal::new(&recorder, 0);
    for _ in 0..3 {
        let (alice, bob) = (load(&mut journal, &ALICE), load(&mut journal, &BOB));
        journal.code(alice).expect("held");
        journal.code(bob).expect("none is held");
        load_slot(&mut journal, alice, 1);
        // Bob does not exist, so nothing is stored there and nothing is asked.
        load_slot(&mut journal, bob, 1);
        let checkpoint = journal.checkpoint();
        load_slot(&mut journal, alice, 2);
        // Named, but not read.
        journal.slot_id(alice, &word(3));
        journal.account_id(&RIPEMD160);
        journal.revert(checkpoint);
        journal.end_tx(true);
    }
    drop(journal);
    let record = recorder.into_record();
    let code_hash = state.account(&ALICE).expect("in memory").expect("there").code_hash;
    let mut asked = counter.asked.into_inner();
    asked.sort();
    let mut expected = vec![
        format!("account {ALICE}"),
        format!("account {BOB}"),
        format!("code {code_hash}"),
        format!("slot 1 of {ALICE}"),
        format!("slot 2 of {ALICE}"),
    ];
    expected.sort();
    assert_eq!(asked, expected);

    let accounts: Vec<_> =
        record.accounts.into_iter().map(|(address, slots)| (address, slots.into_iter().collect::<Vec<_>>())).collect();
    assert_eq!(accounts, [(BOB, vec![]), (ALICE, vec![word(1), word(2)])]);
    assert_eq!(record.codes.into_keys().collect::<Vec<_>>(), [code_hash]);
    assert!(record.block_numbers.is_empty());
}

#[test]
fn a_recorder_passes_answers_and_errors_on() {
    let mut state = alice();
    state.insert_block_hash(9, B256::repeat_byte(9));
    let recorder = WitnessRecorder::new(&state);
    let unknown = B256::repeat_byte(7);
    assert_eq!(recorder.account(&ALICE), state.account(&ALICE));
    assert_eq!(recorder.storage(&ALICE, &word(2)), Ok(word(22)));
    assert_eq!(recorder.has_storage(&BOB), Ok(false));
    assert_eq!(recorder.block_hash(9), Ok(B256::repeat_byte(9)));
    assert_eq!(recorder.block_hash(8), Err(ReadError::MissingBlockHash { number: 8 }));
    assert_eq!(recorder.code(&unknown), Err(ReadError::MissingCode { code_hash: unknown }));
    let record = recorder.into_record();
    assert_eq!(record.accounts.into_keys().collect::<Vec<_>>(), [BOB, ALICE]);
    assert!(record.codes.is_empty(), "an unanswered question is not part of a witness");
    assert_eq!(record.block_numbers.into_iter().collect::<Vec<_>>(), [8, 9]);
}

#[test]
fn errors_name_the_field_and_the_value() {
    let (slot, hash) = (word(0x2a), B256::repeat_byte(0xab));
    let rows = [
        (ReadError::MissingAccount { address: ALICE }, vec![ALICE.to_string()]),
        (ReadError::MissingSlot { address: ALICE, slot }, vec![ALICE.to_string(), "0x2a".into()]),
        (ReadError::MissingCode { code_hash: hash }, vec![hash.to_string()]),
        (ReadError::MissingBlockHash { number: 17 }, vec!["17".into()]),
        (ReadError::MissingNode { address: BOB, slot: None, node_hash: hash }, vec![BOB.to_string(), hash.to_string()]),
        (
            ReadError::MissingNode { address: BOB, slot: Some(slot), node_hash: hash },
            vec![BOB.to_string(), "0x2a".into(), hash.to_string()],
        ),
        (ReadError::Backend("disk 3 is full".into()), vec!["disk 3 is full".into()]),
    ];
    for (error, parts) in rows {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(&part), "{text:?} does not say {part:?}");
        }
    }
}

#[test]
fn what_a_failed_read_leaves() {
    /// Knows nothing.
    struct Nothing;
    impl StateReader for Nothing {
        fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
            Err(ReadError::MissingAccount { address: *address })
        }
        fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
            Err(ReadError::MissingSlot { address: *address, slot: *slot })
        }
        fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
            Err(ReadError::MissingAccount { address: *address })
        }
        fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
            Err(ReadError::MissingCode { code_hash: *code_hash })
        }
        fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
            Err(ReadError::MissingBlockHash { number })
        }
    }
    let mut journal = Journal::new(&Nothing, 0);
    let id = journal.account_id(&ALICE);
    let slot = journal.slot_id(id, &word(1));
    for _ in 0..2 {
        assert_eq!(journal.load(id).err(), Some(ReadError::MissingAccount { address: ALICE }));
        assert_eq!(journal.load_slot(slot).err(), Some(ReadError::MissingSlot { address: ALICE, slot: word(1) }));
        assert_eq!(journal.can_create(id).err(), Some(ReadError::MissingAccount { address: ALICE }));
    }
    assert!(!journal.account(id).loaded && !journal.slot(slot).loaded, "a failed read is no read");
    journal.end_tx(true);
    assert!(journal.diff().is_empty());
}

#[test]
fn the_hash_seed_is_not_in_the_result() {
    let run = |seed: u64| {
        let state = alice();
        let mut journal = Journal::new(&state, seed);
        for number in 0..200u64 {
            let address = Address::left_padding_from(&(number * 7919 % 211).to_be_bytes());
            let id = load(&mut journal, &address);
            journal.add_balance(id, word(number + 1));
            for key in 0..5 {
                store(&mut journal, id, key * number, number % 3);
            }
        }
        let changes = journal.end_tx_with_changes(true);
        (changes, journal.diff())
    };
    let (changes, diff) = run(0);
    assert_eq!(diff.accounts.len(), 200);
    for seed in [1, 0x5eed, u64::MAX] {
        assert_eq!(run(seed), (changes.clone(), diff.clone()), "seed {seed:#x}");
    }
}

#[test]
fn changes_of_a_transaction_leave_out_what_is_as_before() {
    let state = alice();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    let code = Code::new(Bytes::from_static(&[1, 2]));

    journal.set_balance(id, word(9));
    journal.set_balance(id, word(5));
    journal.set_nonce(id, 2);
    store(&mut journal, id, 1, 12);
    store(&mut journal, id, 1, 11);
    store(&mut journal, id, 2, 23);
    let checkpoint = journal.checkpoint();
    journal.set_code(id, code.clone());
    journal.revert(checkpoint);
    let expected = [TxChange::Nonce(ALICE, 2), TxChange::Slot(ALICE, word(2), word(23))];
    assert_eq!(journal.end_tx_with_changes(true), expected, "first transaction");

    store(&mut journal, id, 2, 22);
    journal.set_code(id, code.clone());
    let expected = [TxChange::Code(ALICE, code.clone()), TxChange::Slot(ALICE, word(2), word(22))];
    assert_eq!(journal.end_tx_with_changes(true), expected, "second transaction, back to the block's start");
    assert_eq!(journal.end_tx_with_changes(true), [], "third transaction");

    let diff = journal.diff();
    assert_eq!(diff.accounts.len(), 1);
    assert_eq!(diff.accounts[0].storage, [], "slot 2 is what it was when the block began");
    assert_eq!(diff.codes, [code]);
}

#[test]
fn slots_that_were_read_and_those_that_were_named() {
    let state = alice();
    let mut journal = Journal::new(&state, 0);
    let (alice, bob) = (load(&mut journal, &ALICE), load(&mut journal, &BOB));
    let name = |journal: &mut Journal<'_>, account, key| {
        let slot = journal.slot_id(account, &word(key));
        journal.warm_slot(slot);
    };
    name(&mut journal, alice, 1);
    load_slot(&mut journal, alice, 2);
    load_slot(&mut journal, bob, 3);
    journal.mark_destroyed(alice);
    journal.end_tx(true);
    name(&mut journal, alice, 4);
    load_slot(&mut journal, alice, 5);
    let read: Vec<_> = journal.loaded_slots().collect();
    assert_eq!(read, [(ALICE, word(2)), (BOB, word(3)), (ALICE, word(5))]);
    let unasked: Vec<_> = journal.unasked_slots().collect();
    assert_eq!(unasked, [(BOB, word(3)), (ALICE, word(5))]);
}

#[test]
fn originals_are_of_the_transaction() {
    let state = alice();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    let slot = journal.slot_id(id, &word(1));
    let original = |journal: &mut Journal<'_>| journal.load_slot(slot).expect("in memory").original;
    assert_eq!(original(&mut journal), word(11));
    journal.set_slot(slot, word(12));
    assert_eq!(original(&mut journal), word(11), "the same transaction");
    journal.end_tx(true);
    assert_eq!(original(&mut journal), word(12), "the next");
}

#[test]
fn what_a_transaction_forgets() {
    let state = alice();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    let slot = journal.slot_id(id, &word(1));
    assert!(journal.warm(id) && journal.warm_slot(slot));
    assert!(!journal.warm(id) && !journal.warm_slot(slot), "warm already");
    journal.set_transient(id, &word(1), word(2));
    journal.add_refund(4_800);
    journal.log(Log { address: ALICE, topics: Topics::new(&[]), data: Bytes::new() });
    journal.end_tx(true);
    assert!(!journal.is_warm(id) && !journal.is_slot_warm(slot));
    assert_eq!(journal.transient(id, &word(1)), word(0));
    assert_eq!(journal.refund(), 0);
    assert_eq!(journal.logs(), []);
    assert!(journal.diff().is_empty());
}

#[test]
fn a_balance_made_by_hand_saturates() {
    let mut state = MemoryState::default();
    state.insert_account(ALICE, 0, U256::MAX, Bytes::new(), []);
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    journal.add_balance(id, word(1));
    assert_eq!(journal.account(id).info.balance, U256::MAX);
}

#[test]
fn what_is_derived_from_code_is_made_once() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let make = || MADE.fetch_add(1, Ordering::Relaxed) + 1;
    let code = Code::new(Bytes::from_static(&[0x60, 0x01]));
    let copy = code.clone();
    assert_eq!(*code.derived(make), 1);
    assert_eq!(*copy.derived(make), 1, "a clone shares it");

    // Through a journal: both accounts hold the code of the same hash that the state holds.
    let mut state = MemoryState::default();
    for address in [ALICE, BOB] {
        state.insert_account(address, 1, word(0), Bytes::from_static(&[0x60, 0x02]), []);
    }
    for _ in 0..2 {
        let mut journal = Journal::new(&state, 0);
        for address in [ALICE, BOB] {
            let id = load(&mut journal, &address);
            assert_eq!(*journal.code(id).expect("in memory").derived(make), 2, "{address}");
        }
    }
    assert_eq!(MADE.load(Ordering::Relaxed), 2);
}

#[test]
fn racing_threads_see_one_derivation() {
    let code = Code::new(Bytes::from_static(&[0x60, 0x03]));
    let seen: Vec<usize> = std::thread::scope(|scope| {
        let derive = || std::ptr::from_ref(code.derived(|| vec![1u8, 2, 3])) as usize;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(derive)).collect();
        threads.into_iter().map(|thread| thread.join().expect("does not panic")).collect()
    });
    assert!(seen.iter().all(|&at| at == seen[0]), "{seen:x?}");
}

#[test]
fn delegation_designators() {
    let designator = |prefix: &[u8], len: usize| {
        let mut bytes = prefix.to_vec();
        bytes.extend_from_slice(&ALICE.as_slice()[20 - len.min(20)..]);
        bytes.resize(prefix.len() + len, 0);
        bytes
    };
    let rows = [
        ("designator", designator(&DELEGATION_PREFIX, 20), Some(ALICE)),
        ("one byte short", designator(&DELEGATION_PREFIX, 19), None),
        ("one byte long", designator(&DELEGATION_PREFIX, 21), None),
        ("another version", designator(&[0xef, 0x01, 0x01], 20), None),
        ("another format", designator(&[0xef, 0x00, 0x00], 20), None),
        ("prefix alone", DELEGATION_PREFIX.to_vec(), None),
        ("no code", vec![], None),
    ];
    for (name, bytes, expected) in rows {
        assert_eq!(Code::new(bytes.into()).delegate(), expected, "{name}");
    }
    let code = Code::delegation(&BOB);
    assert_eq!((code.len(), code.delegate()), (23, Some(BOB)));
    assert_eq!(code, Code::new(code.bytes().clone()));
}

#[test]
fn hashes_of_codes() {
    assert_eq!(Code::empty().hash(), KECCAK256_EMPTY);
    assert_eq!(Code::new(Bytes::new()), Code::empty());
    assert!(Code::empty().is_empty());
    let code = Code::new(Bytes::from_static(&[1]));
    assert_eq!(code.hash(), alloy_primitives::keccak256([1]));
    assert_ne!(code, Code::empty());
}

#[test]
fn undoing_in_layers() {
    let state = alice();
    let mut journal = Journal::new(&state, 0);
    let id = load(&mut journal, &ALICE);
    let mut layers = Vec::new();
    for depth in 0..50u64 {
        layers.push((journal.checkpoint(), load_slot(&mut journal, id, 1), journal.account(id).info));
        store(&mut journal, id, 1, 100 + depth);
        journal.set_nonce(id, 10 + depth);
        journal.set_balance(id, word(depth));
        journal.set_code(id, Code::new(Bytes::from(vec![depth as u8; 2])));
        journal.log(Log { address: ALICE, topics: Topics::default(), data: Bytes::new() });
        journal.add_refund(-1);
    }
    while let Some((checkpoint, value, info)) = layers.pop() {
        journal.revert(checkpoint);
        assert_eq!(load_slot(&mut journal, id, 1), value, "{} layers left", layers.len());
        assert_eq!(journal.account(id).info, info, "{} layers left", layers.len());
        assert_eq!(journal.code(id).expect("held").hash(), info.code_hash);
        assert_eq!((journal.logs().len(), journal.refund()), (layers.len(), -(layers.len() as i64)));
    }
    journal.end_tx(true);
    assert!(journal.diff().is_empty());
}
