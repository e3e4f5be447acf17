//! What a module leaves with the journal hears how far changes are undone, and of every transaction's end, and is there again for the next
//! call.

use alloy_primitives::{U256, address};
use rialto_state::{Extension, Journal, MemoryState};
use std::any::Any;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Unwound(usize),
    EndOfTransaction,
}

/// Notes what it hears.
#[derive(Default)]
struct Listener(Arc<Mutex<Vec<Heard>>>);

impl Extension for Listener {
    fn unwound(&mut self, undo_len: usize) {
        self.0.lock().unwrap().push(Heard::Unwound(undo_len));
    }

    fn end_transaction(&mut self) {
        self.0.lock().unwrap().push(Heard::EndOfTransaction);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn store(journal: &mut Journal<'_>, value: u64) {
    let account = journal.account_id(&address!("0000000000000000000000000000000000000b0b"));
    let slot = journal.slot_id(account, &U256::ZERO);
    journal.load_slot(slot).unwrap();
    journal.set_slot(slot, U256::from(value));
}

#[test]
fn an_extension_hears_of_reverts_and_ends() {
    let state = MemoryState::default();
    let mut journal = Journal::new(&state, 1);
    let account = journal.account_id(&address!("0000000000000000000000000000000000000b0b"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let said = || std::mem::take(&mut *heard.lock().unwrap());
    journal.put_extension(account, Box::new(Listener(heard.clone())));

    let outer = journal.checkpoint();
    assert_eq!(journal.undo_len(), 0);
    store(&mut journal, 1);
    let inner = journal.checkpoint();
    assert_eq!(journal.undo_len(), 1);
    store(&mut journal, 1);
    assert_eq!(journal.undo_len(), 1, "what changes nothing is not in the list");
    store(&mut journal, 2);
    journal.revert(inner);
    assert_eq!(said(), [Heard::Unwound(1)]);
    journal.revert(outer);
    assert_eq!(said(), [Heard::Unwound(0)]);

    let first = journal.transaction();
    store(&mut journal, 3);
    journal.end_tx(true);
    assert_eq!(said(), [Heard::EndOfTransaction]);
    assert_eq!((journal.undo_len(), journal.transaction()), (0, first + 1));
}

#[test]
fn an_extension_is_taken_by_its_owner_alone() {
    let state = MemoryState::default();
    let mut journal = Journal::new(&state, 1);
    let owners = [1u8, 2, 3].map(|byte| journal.account_id(&alloy_primitives::Address::with_last_byte(byte)));
    let lists = [0; 2].map(|_| Arc::new(Mutex::new(Vec::new())));
    for (owner, list) in owners.iter().zip(&lists) {
        journal.put_extension(*owner, Box::new(Listener(list.clone())));
    }
    assert!(journal.take_extension(owners[2]).is_none(), "nobody left one");
    for at in [1, 0] {
        let taken = journal.take_extension(owners[at]).expect("left above").into_any().downcast::<Listener>();
        let taken = taken.expect("of the type that was left");
        assert!(Arc::ptr_eq(&taken.0, &lists[at]), "owner {at}");
        assert!(journal.take_extension(owners[at]).is_none(), "it was taken");
    }

    // One that is taken hears nothing; one that is there is forgotten with everything else.
    journal.end_tx(true);
    assert!(lists.iter().all(|list| list.lock().unwrap().is_empty()));
    journal.put_extension(owners[0], Box::new(Listener(lists[0].clone())));
    journal.clear();
    assert_eq!(Arc::strong_count(&lists[0]), 1);
}
