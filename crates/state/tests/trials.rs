//! Transactions on trial against the same transactions one after the other.
//!
//! Two journals over one reader share the transactions of a block as two threads do: whoever has one may try it before what the other
//! has committed is put in, and keeps it where it is, takes it back, or tries it on what the other is expected to do. What each tells
//! the other is all that the other knows. At the end, both must hold what one journal without trials holds.

mod support;

use alloy_primitives::{Address, U256};
use proptest::{collection::vec, prelude::*, test_runner::RngSeed};
use rialto_state::{AccountId, Changes, Diff, Journal, MemoryState, Share, Trial};
use support::code;

/// Gets a tip of each transaction, and begins with nothing.
const PAID: u8 = 9;
const TIP: U256 = U256::from_limbs([2, 0, 0, 0]);

/// The address with this number, of one share or another.
fn account(number: u8) -> Address {
    let mut address = Address::with_last_byte(number);
    address.0[0] = number.wrapping_mul(0x47);
    address
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Some of what there is goes from one account to another.
    Transfer(u8, u8, u8),
    /// Adds one to a slot, of which another is read.
    Count(u8, u8, u8),
    /// Writes the balance of an account, which is looked at, to a slot.
    Watch(u8, u8, u8),
    Nonce(u8),
    /// Becomes a contract, if it may.
    Create(u8, u8),
    /// What it has goes to another account, and it is gone.
    Destroy(u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let (any, slot) = (|| 1u8..6, || 0u8..3);
    prop_oneof![
        4 => (any(), any(), 0u8..4).prop_map(|(a, b, v)| Op::Transfer(a, b, v)),
        4 => (any(), slot(), slot()).prop_map(|(a, k, l)| Op::Count(a, k, l)),
        1 => (any(), slot(), any()).prop_map(|(a, k, b)| Op::Watch(a, k, b)),
        1 => (any(), slot()).prop_map(|(a, k)| Op::Watch(a, k, PAID)),
        2 => any().prop_map(Op::Nonce),
        1 => (any(), 0u8..2).prop_map(|(a, c)| Op::Create(a, c)),
        1 => (any(), any()).prop_map(|(a, b)| Op::Destroy(a, b)),
    ]
}

/// What a thread does with a transaction of its own before its turn, and whether it hears of the others' first.
#[derive(Clone, Copy, Debug)]
struct How {
    is_first: bool,
    is_ahead: bool,
    is_taken_back: bool,
    is_told: bool,
}

fn how() -> impl Strategy<Value = How> {
    let bools = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    bools.prop_map(|(is_first, is_ahead, is_taken_back, is_told)| How { is_first, is_ahead, is_taken_back, is_told })
}

fn loaded(journal: &mut Journal<'_>, number: u8) -> AccountId {
    let id = journal.account_id(&account(number));
    journal.load(id).expect("memory does not fail");
    id
}

fn run(journal: &mut Journal<'_>, ops: &[Op]) {
    for op in ops {
        match *op {
            Op::Transfer(a, b, value) => {
                let (from, to) = (loaded(journal, a), loaded(journal, b));
                journal.transfer(from, to, U256::from(value));
            }
            Op::Count(a, slot, other) => {
                let id = loaded(journal, a);
                let other = journal.slot_id(id, &U256::from(other));
                let other = journal.load_slot(other).expect("memory").value;
                let slot = journal.slot_id(id, &U256::from(slot));
                let value = journal.load_slot(slot).expect("memory").value;
                if journal.account(id).info.nonce > 0 {
                    journal.set_slot(slot, value.wrapping_add(other).wrapping_add(U256::ONE));
                }
            }
            Op::Watch(a, slot, watched) => {
                let (id, watched) = (loaded(journal, a), loaded(journal, watched));
                let balance = journal.balance(watched);
                let slot = journal.slot_id(id, &U256::from(slot));
                journal.load_slot(slot).expect("memory");
                if journal.account(id).info.nonce > 0 {
                    journal.set_slot(slot, balance);
                }
            }
            Op::Nonce(a) => {
                let id = loaded(journal, a);
                let nonce = journal.account(id).info.nonce;
                journal.set_nonce(id, nonce + 1);
            }
            Op::Create(a, number) => {
                let id = loaded(journal, a);
                if journal.can_create(id).expect("memory") {
                    journal.mark_created(id);
                    journal.set_nonce(id, 1);
                    journal.set_code(id, code(number));
                }
            }
            Op::Destroy(a, b) => {
                let (id, to) = (loaded(journal, a), loaded(journal, b));
                if journal.account(id).info.nonce > 0 {
                    let balance = journal.balance(id);
                    journal.transfer(id, to, balance);
                    journal.mark_destroyed(id);
                }
            }
        }
    }
}

/// A thread.
struct Side<'r> {
    journal: Journal<'r>,
    paid: AccountId,
    /// The journal's number of what is above what is settled, if anything is.
    first: Option<u32>,
}

/// A transaction that was tried.
struct Tried {
    trial: Trial,
    tips: U256,
    is_in_place: bool,
}

impl<'r> Side<'r> {
    fn new(state: &'r MemoryState, seed: u64) -> Self {
        let mut journal = Journal::new(state, seed);
        let paid = loaded(&mut journal, PAID);
        journal.start_trials();
        Self { journal, paid, first: None }
    }

    /// Tries a transaction; what it changes stays.
    fn run(&mut self, ops: &[Op]) -> (Trial, U256) {
        self.journal.begin_layer();
        self.first.get_or_insert(self.journal.last_trial());
        self.journal.begin_trial();
        run(&mut self.journal, ops);
        let is_read = self.journal.is_read(self.paid);
        if is_read {
            self.journal.add_balance(self.paid, TIP);
        }
        self.journal.end_tx(true);
        if !is_read {
            self.journal.credit(self.paid, TIP);
        }
        (self.journal.end_trial(), if is_read { U256::ZERO } else { TIP })
    }

    fn unwind(&mut self) {
        self.journal.unwind();
        self.first = None;
    }

    /// Tries a transaction before its turn.
    fn go_ahead(&mut self, ops: &[Op], is_taken_back: bool) -> Tried {
        let (trial, tips) = self.run(ops);
        let is_in_place = !is_taken_back && !trial.has_deletion();
        if !is_in_place {
            self.unwind();
        }
        Tried { trial, tips, is_in_place }
    }

    /// Puts in what the other has committed; whether what is on trial stayed.
    fn put(&mut self, changes: &Changes, tip: U256, is_paid_there: bool) -> bool {
        if let Some(first) = self.first
            && is_paid_there
            && !changes.has_deletion()
        {
            let located = self.journal.locate(changes);
            if self.journal.slip_changes(changes, &located, first, (self.paid, tip)) {
                return true;
            }
        }
        self.unwind();
        self.journal.put_changes(changes, None);
        self.journal.put_tip(self.paid, tip);
        false
    }

    /// Commits a transaction in its turn; what others are told.
    fn commit(&mut self, ops: &[Op], tried: Option<Tried>) -> (Changes, U256) {
        let paid = self.paid;
        if let Some(tried) = tried {
            if tried.is_in_place && self.first.is_some() {
                self.journal.settle_until(self.journal.history_len());
                self.first = None;
                return self.told(&tried.trial, tried.tips, false);
            }
            self.unwind();
            if self.journal.holds(&tried.trial, paid, tried.tips) {
                self.journal.redo(&tried.trial, paid, tried.tips).expect("balances are small");
                return self.told(&tried.trial, tried.tips, true);
            }
        }
        self.unwind();
        let (trial, tips) = self.run(ops);
        self.journal.settle_until(self.journal.history_len());
        self.first = None;
        self.told(&trial, tips, false)
    }

    fn told(&self, trial: &Trial, tips: U256, is_moved: bool) -> (Changes, U256) {
        let tip = if trial.changes_account(self.paid) { U256::ZERO } else { tips };
        (self.journal.changes_of(trial, is_moved), tip)
    }
}

fn state() -> MemoryState {
    let mut state = MemoryState::default();
    for number in 1..5 {
        let slots = (0..2).map(|slot| (U256::from(slot), U256::from(number)));
        let nonce = u64::from(number < 4);
        state.insert_account(account(number), nonce, U256::from(3), Default::default(), slots.collect::<Vec<_>>());
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000, failure_persistence: None, rng_seed: RngSeed::Fixed(17), ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_tried_is_what_one_after_the_other_does(
        transactions in vec((vec(op(), 1..5), how()), 1..12),
    ) {
        let state = state();
        let mut alone = Journal::new(&state, 1);
        for (ops, _) in &transactions {
            run(&mut alone, ops);
            let paid = loaded(&mut alone, PAID);
            alone.add_balance(paid, TIP);
            alone.end_tx(true);
        }
        let mut sides = [Side::new(&state, 2), Side::new(&state, 3)];
        // The one before, of the other side, which that has not put in yet: told when its turn is over.
        let mut last: Option<(usize, Changes, U256)> = None;
        for (index, (ops, how)) in transactions.iter().enumerate() {
            let own = usize::from(how.is_first);
            let is_behind = last.as_ref().is_some_and(|(to, ..)| *to == own);
            let mut tried = None;
            if how.is_ahead {
                if is_behind && how.is_told && let Some((_, changes, tip)) = &last && !changes.has_deletion() {
                    // As if it were only expected.
                    let side = &mut sides[own];
                    let located = side.journal.locate(changes);
                    side.journal.begin_layer();
                    side.first = Some(side.journal.last_trial());
                    side.journal.expect_changes(changes, &located);
                    side.journal.credit(side.paid, *tip);
                    tried = Some(side.go_ahead(ops, true));
                } else {
                    tried = Some(sides[own].go_ahead(ops, how.is_taken_back));
                }
            }
            if let Some((to, changes, tip)) = last.take() {
                let stayed = sides[to].put(&changes, tip, index > 2);
                if to == own && !stayed && let Some(tried) = &mut tried {
                    tried.is_in_place = false;
                }
            }
            let (changes, tip) = sides[own].commit(ops, tried);
            last = Some((1 - own, changes, tip));
        }
        if let Some((to, changes, tip)) = last {
            sides[to].put(&changes, tip, true);
        }
        for (number, mut side) in sides.into_iter().enumerate() {
            side.unwind();
            // The first says what has changed by shares of the accounts, as several threads do.
            let of = if number == 0 { 3 } else { 1 };
            let mut diff = Diff::default();
            for number in 0..of {
                let share = Share { number, of };
                side.journal.stop_trials_for(share).expect("memory does not fail");
                diff.append(side.journal.diff_of(share));
            }
            prop_assert_eq!(diff, alone.diff(), "side {}", number);
        }
    }
}
