//! The journal against a naive model, over random operations.
//!
//! Both get the same operations: changes of accounts and slots, warmth, logs, refunds, creations, destructions, nested
//! checkpoints that are kept or reverted, transactions that end with and without EIP-161's deletions. What can be
//! observed is compared after each operation, the diff at the end. The universe is small (a few accounts, slots and
//! values), so that operations meet: the interesting cases are those in which one account is destroyed, re-created,
//! reverted and touched within one block.

mod support;

use alloy_primitives::{Bytes, U256};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::RngSeed,
};
use rialto_state::{AccountId, Checkpoint, Code, Journal, Log, Topics, TxChange, TxChangeRef, TxChanges};
use support::{Model, ModelAccount, World, account, assert_is_world, changes_between, code, keyed, memory_state};

/// A change that was shown.
fn owned(change: TxChangeRef<'_>) -> TxChange {
    match change {
        TxChangeRef::Balance(address, balance) => TxChange::Balance(*address, *balance),
        TxChangeRef::Nonce(address, nonce) => TxChange::Nonce(*address, nonce),
        TxChangeRef::Code(address, code) => TxChange::Code(*address, code.cloned().unwrap_or_else(Code::empty)),
        TxChangeRef::Slot(address, slot, word) => TxChange::Slot(*address, *slot, *word),
    }
}

/// Accounts 1 to 6; number 3 is RIPEMD-160's address.
const ACCOUNTS: std::ops::RangeInclusive<u8> = 1..=6;
const SLOTS: std::ops::Range<u8> = 0..4;

#[derive(Clone, Copy, Debug)]
enum Op {
    Load(u8),
    LoadCode(u8),
    SetBalance(u8, u8),
    AddBalance(u8, u8),
    SubBalance(u8, u8),
    Transfer(u8, u8, u8),
    SetNonce(u8, u8),
    SetCode(u8, u8),
    LoadSlot(u8, u8),
    SetSlot(u8, u8, u8),
    SetTransient(u8, u8, u8),
    Warm(u8),
    WarmSlot(u8, u8),
    Touch(u8),
    CreateEmpty(u8),
    CanCreate(u8),
    Create(u8),
    /// Marks an account destroyed, having moved its balance to another.
    Destroy(u8, u8),
    Log(u8),
    Refund(i16),
    Checkpoint,
    Keep,
    Revert(u8),
    EndTx(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let (account, slot, value) = (|| ACCOUNTS, || SLOTS, || 0u8..4);
    prop_oneof![
        1 => account().prop_map(Op::Load),
        1 => account().prop_map(Op::LoadCode),
        2 => (account(), value()).prop_map(|(a, v)| Op::SetBalance(a, v)),
        2 => (account(), value()).prop_map(|(a, v)| Op::AddBalance(a, v)),
        2 => (account(), value()).prop_map(|(a, v)| Op::SubBalance(a, v)),
        2 => (account(), account(), value()).prop_map(|(a, b, v)| Op::Transfer(a, b, v)),
        2 => (account(), 0u8..3).prop_map(|(a, v)| Op::SetNonce(a, v)),
        2 => (account(), 0u8..3).prop_map(|(a, v)| Op::SetCode(a, v)),
        3 => (account(), slot()).prop_map(|(a, k)| Op::LoadSlot(a, k)),
        6 => (account(), slot(), value()).prop_map(|(a, k, v)| Op::SetSlot(a, k, v)),
        3 => (account(), slot(), value()).prop_map(|(a, k, v)| Op::SetTransient(a, k, v)),
        2 => account().prop_map(Op::Warm),
        2 => (account(), slot()).prop_map(|(a, k)| Op::WarmSlot(a, k)),
        2 => account().prop_map(Op::Touch),
        1 => account().prop_map(Op::CreateEmpty),
        1 => account().prop_map(Op::CanCreate),
        2 => account().prop_map(Op::Create),
        2 => (account(), account()).prop_map(|(a, b)| Op::Destroy(a, b)),
        1 => any::<u8>().prop_map(Op::Log),
        1 => (-9i16..20).prop_map(Op::Refund),
        4 => Just(Op::Checkpoint),
        1 => Just(Op::Keep),
        3 => (0u8..3).prop_map(Op::Revert),
        2 => any::<bool>().prop_map(Op::EndTx),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let storage = btree_map(SLOTS.prop_map(U256::from), (1u8..4).prop_map(U256::from), 0..3);
    let one = (0u64..3, 0u8..3, 0u8..3, storage);
    btree_map(ACCOUNTS.prop_map(account), one, 0..6).prop_map(|accounts| {
        let account =
            |(nonce, balance, code, storage)| ModelAccount { nonce, balance: U256::from(balance), code, storage };
        accounts.into_iter().map(|(address, parts)| (address, account(parts))).collect()
    })
}

/// The journal and the model, driven together.
struct Pair<'r> {
    journal: Journal<'r>,
    model: Model,
    base: World,
    checkpoints: Vec<(Checkpoint, Model)>,
    /// The world when the open transaction began.
    start: World,
    /// Only creations that are allowed, and each transaction's list of changes is compared.
    compares_changes: bool,
}

impl<'r> Pair<'r> {
    fn new(journal: Journal<'r>, base: World, compares_changes: bool) -> Self {
        let (model, start) = (Model::new(base.clone()), base.clone());
        Self { journal, model, base, checkpoints: Vec::new(), start, compares_changes }
    }

    fn load(&mut self, number: u8) -> AccountId {
        let id = self.journal.account_id(&account(number));
        self.journal.load(id).expect("a map can be read");
        id
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Load(a) => {
                self.load(a);
            }
            Op::LoadCode(a) => {
                let id = self.load(a);
                let expected = self.model.world.get(&account(a)).map_or(0, |account| account.code);
                assert_eq!(*self.journal.code(id).expect("the map holds every code"), code(expected));
            }
            Op::SetBalance(..) | Op::AddBalance(..) | Op::SubBalance(..) | Op::Transfer(..) => self.apply_balance(op),
            Op::SetNonce(..) | Op::SetCode(..) | Op::Touch(_) | Op::CreateEmpty(_) => self.apply_record(op),
            Op::LoadSlot(..) | Op::SetSlot(..) | Op::SetTransient(..) => self.apply_slot(op),
            Op::CanCreate(_) | Op::Create(_) | Op::Destroy(..) => self.apply_life(op),
            Op::Warm(a) => {
                let id = self.load(a);
                assert_eq!(self.journal.warm(id), self.model.warm.insert(account(a)));
            }
            Op::WarmSlot(a, key) => {
                let id = self.load(a);
                let slot = self.journal.slot_id(id, &U256::from(key));
                assert_eq!(self.journal.warm_slot(slot), self.model.warm_slots.insert((account(a), U256::from(key))));
            }
            Op::Log(number) => {
                self.journal.log(log(number));
                self.model.logs.push(number);
            }
            Op::Refund(gas) => {
                self.journal.add_refund(gas.into());
                self.model.refund += i64::from(gas);
            }
            Op::Checkpoint => self.checkpoints.push((self.journal.checkpoint(), self.model.clone())),
            Op::Keep => {
                self.checkpoints.pop();
            }
            Op::Revert(depth) => self.revert(depth),
            Op::EndTx(clear_empty) => self.end_tx(clear_empty),
        }
    }

    fn apply_balance(&mut self, op: Op) {
        let word = |v: u8| U256::from(v);
        match op {
            Op::SetBalance(a, v) => {
                let id = self.load(a);
                self.journal.set_balance(id, word(v));
                self.model.existing(account(a)).balance = word(v);
            }
            Op::AddBalance(a, v) => {
                let id = self.load(a);
                self.journal.add_balance(id, word(v));
                self.model.add_balance(account(a), word(v));
            }
            Op::SubBalance(a, v) => {
                let id = self.load(a);
                assert_eq!(self.journal.sub_balance(id, word(v)), self.model.sub_balance(account(a), word(v)));
            }
            Op::Transfer(a, b, v) => {
                let (from, to) = (self.load(a), self.load(b));
                let moved = self.journal.transfer(from, to, word(v));
                assert_eq!(moved, self.model.transfer(account(a), account(b), word(v)));
            }
            _ => unreachable!("the other operations go elsewhere"),
        }
    }

    fn apply_record(&mut self, op: Op) {
        match op {
            Op::SetNonce(a, nonce) => {
                let id = self.load(a);
                self.journal.set_nonce(id, nonce.into());
                self.model.touched.insert(account(a));
                self.model.existing(account(a)).nonce = nonce.into();
            }
            Op::SetCode(a, number) => {
                let id = self.load(a);
                self.journal.set_code(id, code(number));
                self.model.touched.insert(account(a));
                self.model.existing(account(a)).code = number;
            }
            Op::Touch(a) => {
                let id = self.load(a);
                self.journal.touch(id);
                self.model.touched.insert(account(a));
            }
            Op::CreateEmpty(a) => {
                let id = self.load(a);
                self.journal.create_empty(id);
                self.model.existing(account(a));
            }
            _ => unreachable!("the other operations go elsewhere"),
        }
    }

    fn apply_slot(&mut self, op: Op) {
        match op {
            Op::LoadSlot(a, key) => {
                let (id, address, key) = (self.load(a), account(a), U256::from(key));
                let slot = self.journal.slot_id(id, &key);
                let entry = self.journal.load_slot(slot).expect("a map can be read");
                assert_eq!(entry.value, self.model.slot(&address, &key), "slot {key} of {address}");
                let start = Model::new(self.start.clone());
                assert_eq!(entry.original, start.slot(&address, &key), "original of slot {key} of {address}");
            }
            Op::SetSlot(a, key, value) => {
                let (id, key, value) = (self.load(a), U256::from(key), U256::from(value));
                // Code that stores runs in an account that exists.
                self.journal.create_empty(id);
                let slot = self.journal.slot_id(id, &key);
                self.journal.load_slot(slot).expect("a map can be read");
                self.journal.set_slot(slot, value);
                self.model.set_slot(account(a), key, value);
            }
            Op::SetTransient(a, key, value) => {
                let (id, key, value) = (self.load(a), U256::from(key), U256::from(value));
                self.journal.set_transient(id, &key, value);
                self.model.transient.insert((account(a), key), value);
            }
            _ => unreachable!("the other operations go elsewhere"),
        }
    }

    fn apply_life(&mut self, op: Op) {
        match op {
            Op::CanCreate(a) => {
                let id = self.load(a);
                let can_create = self.journal.can_create(id).expect("a map can be read");
                assert_eq!(can_create, self.model.can_create(&self.base, &account(a)));
            }
            Op::Create(a) => {
                if self.compares_changes && !self.model.can_create(&self.base, &account(a)) {
                    return;
                }
                let id = self.load(a);
                self.journal.mark_created(id);
                self.model.touched.insert(account(a));
                self.model.existing(account(a));
                self.model.created.insert(account(a));
            }
            Op::Destroy(a, beneficiary) => {
                let (id, to) = (self.load(a), self.load(beneficiary));
                let balance = self.model.balance(&account(a));
                if a == beneficiary {
                    self.journal.set_balance(id, U256::ZERO);
                    self.model.existing(account(a)).balance = U256::ZERO;
                } else {
                    assert!(self.journal.transfer(id, to, balance));
                    assert!(self.model.transfer(account(a), account(beneficiary), balance));
                }
                let is_first = !self.model.destroyed.contains(&account(a));
                assert_eq!(self.journal.mark_destroyed(id), is_first);
                if is_first {
                    self.model.destroyed.push(account(a));
                }
            }
            _ => unreachable!("the other operations go elsewhere"),
        }
    }

    /// Reverts to the checkpoint `depth` below the newest.
    fn revert(&mut self, depth: u8) {
        let Some(index) = self.checkpoints.len().checked_sub(1 + usize::from(depth)) else { return };
        let (checkpoint, model) = self.checkpoints.drain(index..).next().expect("it is there");
        self.journal.revert(checkpoint);
        self.model.revert(model);
    }

    fn end_tx(&mut self, clear_empty: bool) {
        self.checkpoints.clear();
        let deleted = self.model.end_tx(clear_empty);
        if self.compares_changes {
            let mut changes = TxChanges::new();
            if self.journal.transaction().is_multiple_of(2) {
                self.journal.end_tx_into(clear_empty, &mut changes);
            } else {
                self.journal.end_tx_seen(clear_empty, &mut |change| changes.push(owned(change)));
            }
            assert_eq!(keyed(&changes), changes_between(&self.start, &self.model.world, &deleted));
        } else {
            self.journal.end_tx(clear_empty);
        }
        self.start = self.model.world.clone();
    }

    /// Compares everything that can be seen without reading anything anew.
    fn assert_same(&mut self) {
        let (journal, model) = (&mut self.journal, &self.model);
        assert_eq!(journal.refund(), model.refund);
        let expected: Vec<Log> = model.logs.iter().map(|&number| log(number)).collect();
        assert_eq!(journal.logs(), expected);
        let destroyed: Vec<_> = journal.destroyed().map(|id| journal.account(id).address).collect();
        assert_eq!(destroyed, model.destroyed);
        let start = Model::new(self.start.clone());
        let (mut changed, mut held) = (0, 0);
        for number in ACCOUNTS {
            let address = account(number);
            let id = journal.account_id(&address);
            assert_eq!(journal.is_warm(id), model.warm.contains(&address), "warmth of {address}");
            assert_eq!(journal.is_created(id), model.created.contains(&address), "creation of {address}");
            let entry = journal.account(id);
            if entry.loaded {
                let expected = model.world.get(&address);
                assert_eq!(entry.exists, expected.is_some(), "existence of {address}");
                assert_eq!(entry.info, expected.map(ModelAccount::info).unwrap_or_default(), "record of {address}");
            }
            let is_destroyed = model.destroyed.contains(&address);
            for key in SLOTS.map(U256::from) {
                let value = model.transient.get(&(address, key)).copied().unwrap_or_default();
                assert_eq!(journal.transient(id, &key), value, "transient slot {key} of {address}");
                let slot = journal.slot_id(id, &key);
                let is_warm = model.warm_slots.contains(&(address, key));
                assert_eq!(journal.is_slot_warm(slot), is_warm, "warmth of slot {key} of {address}");
                let entry = journal.slot(slot);
                if entry.loaded {
                    assert_eq!(entry.value, model.slot(&address, &key), "slot {key} of {address}");
                    let is_changed = entry.value != start.slot(&address, &key) && !entry.value.is_zero();
                    changed += usize::from(is_destroyed && is_changed);
                    held += usize::from(is_destroyed && !entry.value.is_zero());
                }
            }
        }
        // A slot that was written back to what it held counts as written.
        let occupied = journal.occupied_slots_of_destroyed();
        assert!((changed..=held).contains(&occupied), "{occupied} slots of destroyed accounts, {changed} changed");
    }
}

fn log(number: u8) -> Log {
    let topics = [U256::from(number).into(); 2];
    let topics = Topics::new(&topics[..usize::from(number % 3)]);
    Log { address: account(number), topics, data: Bytes::from(vec![number; 3]) }
}

fn check(base: &World, ops: &[Op], compares_changes: bool) {
    let mut state = memory_state(base);
    let (diff, world) = {
        let mut pair = Pair::new(Journal::new(&state, 7), base.clone(), compares_changes);
        for op in ops {
            pair.apply(*op);
            pair.assert_same();
        }
        pair.end_tx(true);
        let diff = pair.journal.diff();
        assert_eq!(diff, pair.model.diff(base));
        (diff, pair.model.world)
    };
    assert!(diff.accounts.is_sorted_by(|a, b| a.address < b.address));
    assert!(diff.accounts.iter().all(|account| account.storage.is_sorted_by(|a, b| a.slot < b.slot)));
    assert!(diff.codes.is_sorted_by(|a, b| a.hash() < b.hash()));
    state.apply(&diff);
    assert_is_world(&state, &world);
}

fn diff_with_seed(base: &World, ops: &[Op], seed: u64) -> rialto_state::Diff {
    let state = memory_state(base);
    let mut pair = Pair::new(Journal::new(&state, seed), base.clone(), false);
    ops.iter().for_each(|op| pair.apply(*op));
    pair.end_tx(true);
    pair.journal.diff()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(20), failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn journal_is_the_model(base in world(), ops in vec(op(), 0..150)) {
        check(&base, &ops, false);
    }

    #[test]
    fn changes_of_each_transaction_are_the_models(base in world(), ops in vec(op(), 0..150)) {
        check(&base, &ops, true);
    }

    #[test]
    fn the_hash_seed_is_not_in_the_result(base in world(), ops in vec(op(), 0..80), seeds in any::<(u64, u64)>()) {
        prop_assert_eq!(diff_with_seed(&base, &ops, seeds.0), diff_with_seed(&base, &ops, seeds.1));
    }
}
