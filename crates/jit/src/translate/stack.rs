//! The abstract stack: what the words are while a tree is compiled.
//!
//! A word is where it was (at its *home*, a place in the frame's stack), or a [`Word`] of the function, or both. Places are
//! counted in words from the stack pointer at the tree's entry; the words below it that the tree may touch are there from
//! the start, at home and not loaded. Moving words about changes nothing but this list. Words are written to their places
//! where somebody will look for them there: before a jump to code that expects them in memory, before a frame is
//! suspended, as operands of a helper. A place may be the home of a word that stands elsewhere by then: such a word is
//! loaded before its home is overwritten.

use super::Translator;
use crate::words::{Limb, Word, Words};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types::I64};
use std::ops::Range;

/// Offsets whose reach is noted.
const REACHED: usize = 4;

/// A word of the abstract stack. It is loaded or at home.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub word: Option<Word>,
    /// The place that has the same word.
    pub home: Option<i32>,
    /// What the word was when it was last loaded: its constants and bounds hold, its values are forgotten.
    pub shape: Option<Word>,
}

impl Entry {
    pub fn at_home(place: i32) -> Self {
        Self { word: None, home: Some(place), shape: None }
    }

    pub fn loaded(word: Word) -> Self {
        Self { word: Some(word), home: None, shape: None }
    }

    /// Whether the word takes registers.
    fn is_alive(&self) -> bool {
        self.word.is_some_and(|word| word.known().is_none())
    }
}

/// What is known at a point of a tree.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub entries: Vec<Entry>,
    /// The place of the first entry.
    pub origin: i32,
    /// The stack pointer at the tree's entry, where it was loaded not long ago.
    pub sp: Option<Value>,
    /// The machine's address, likewise.
    pub vm: Option<Value>,
    /// Bytes that the frame's memory has at least.
    pub memory: u64,
    /// Bytes that it has behind offsets that are values, at least.
    pub reached: Vec<(Value, u64)>,
    /// Gas of the block that begins which was charged before the branch to it.
    pub paid: u64,
}

impl State {
    /// At the entry of a tree that needs so many words.
    pub fn new(need: i32) -> Self {
        let entries = (-need..0).map(Entry::at_home).collect();
        Self { entries, origin: -need, sp: None, vm: None, memory: 0, reached: Vec::new(), paid: 0 }
    }

    /// The place behind the top.
    pub fn top(&self) -> i32 {
        self.origin + self.entries.len() as i32
    }

    pub fn entry(&mut self, place: i32) -> &mut Entry {
        let index = usize::try_from(place - self.origin).expect("the tree's need covers it");
        &mut self.entries[index]
    }

    /// The word at a place, if it is loaded.
    pub fn word(&self, place: i32) -> Option<Word> {
        self.entries[usize::try_from(place - self.origin).expect("the tree's need covers it")].word
    }

    /// Notes that the frame's memory has so many bytes behind an offset.
    pub fn note_reached(&mut self, offset: Value, bytes: u64) {
        match self.reached.iter_mut().find(|(to, _)| *to == offset) {
            Some((_, reached)) => *reached = bytes.max(*reached),
            None => {
                if self.reached.len() == REACHED {
                    self.reached.remove(0);
                }
                self.reached.push((offset, bytes));
            }
        }
    }

    /// Notes that a word is `known`.
    pub fn note_word(&mut self, word: Word, known: Word) {
        for entry in self.entries.iter_mut().filter(|entry| entry.word == Some(word)) {
            entry.word = Some(known);
        }
    }

    pub fn push_entry(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub fn drop_words(&mut self, count: usize) {
        let left = self.entries.len().checked_sub(count).expect("the tree's need covers it");
        self.entries.truncate(left);
    }
}

impl<'f> Translator<'_, 'f> {
    pub(super) fn words(&mut self) -> Words<'_, 'f> {
        Words { builder: &mut self.builder, shared: &mut self.shared }
    }

    /// The stack pointer at the tree's entry. It is kept in memory and loaded once between calls: as a value that is alive
    /// throughout trees it would be most of what registers are allocated for.
    pub(super) fn sp(&mut self) -> Value {
        match self.state.sp {
            Some(sp) => sp,
            None => *self.state.sp.insert(self.builder.ins().stack_load(I64, I64, self.kept, 16)),
        }
    }

    /// Before a jump to another tree: keeps the stack pointer that it begins with.
    pub(super) fn keep_sp(&mut self) {
        let top = self.state.top();
        if top != 0 {
            let sp = self.pointer_to(top);
            self.builder.ins().stack_store(I64, sp, self.kept, 16);
        }
    }

    /// The word at a place, loaded if need be.
    pub(super) fn word_at(&mut self, place: i32) -> Word {
        let Entry { word, home, shape } = *self.state.entry(place);
        if let Some(word) = word {
            return word;
        }
        let home = home.expect("a word that is not loaded is at home");
        let sp = self.sp();
        let word = match shape {
            None => self.words().load(sp, 32 * home),
            Some(Word(mut limbs)) => {
                for (limb, i) in limbs.iter_mut().zip(0..) {
                    if !matches!(limb, Limb::Const(_)) {
                        let value = self.builder.ins().load(I64, MemFlagsData::trusted(), sp, 32 * home + 8 * i);
                        *limb = Limb::bounded(value, limb.bits());
                    }
                }
                Word(limbs)
            }
        };
        self.state.entry(place).word = Some(word);
        word
    }

    pub(super) fn pop(&mut self) -> Word {
        let word = self.word_at(self.state.top() - 1);
        self.state.drop_words(1);
        word
    }

    pub(super) fn push(&mut self, word: Word) {
        self.state.push_entry(Entry::loaded(word));
    }

    /// Pushes the word that somebody wrote to the place it is pushed to.
    pub(super) fn push_stored(&mut self) {
        let place = self.state.top();
        self.state.push_entry(Entry::at_home(place));
    }

    pub(super) fn dup(&mut self, depth: usize) {
        let place = self.state.top() - depth as i32;
        self.word_at(place);
        let entry = *self.state.entry(place);
        self.state.push_entry(entry);
    }

    pub(super) fn swap(&mut self, depth: usize) {
        let top = self.state.entries.len() - 1;
        self.state.entries.swap(top, top - depth);
    }

    /// Makes a place free to be written: words that have it for their home are loaded.
    pub(super) fn claim(&mut self, place: i32) {
        for place_of_word in self.state.origin..self.state.top() {
            if self.state.entry(place_of_word).home == Some(place) {
                self.word_at(place_of_word);
                self.state.entry(place_of_word).home = None;
            }
        }
    }

    /// Writes the words of these places to them, as far as they are not there.
    pub(super) fn store_places(&mut self, places: Range<i32>) {
        self.store_places_but(places, &[]);
    }

    /// As `store_places`, without some: nobody will look for their words there.
    pub(super) fn store_places_but(&mut self, places: Range<i32>, without: &[i32]) {
        let from = places.start.max(self.state.origin);
        let places = (from..places.end).filter(|place| !without.contains(place));
        let stale: Vec<i32> = places.filter(|&place| self.state.entry(place).home != Some(place)).collect();
        if stale.is_empty() {
            return;
        }
        for place in self.state.origin..self.state.top() {
            let home = self.state.entry(place).home;
            let is_overwritten = home.is_some_and(|home| home != place && stale.binary_search(&home).is_ok());
            if is_overwritten || stale.binary_search(&place).is_ok() {
                self.word_at(place);
            }
            if is_overwritten {
                self.state.entry(place).home = None;
            }
        }
        let sp = self.sp();
        for place in stale {
            let word = self.word_at(place);
            self.words().store(word, sp, 32 * place);
            self.state.entry(place).home = Some(place);
        }
    }

    /// Before a call: writes the words that are only in registers to their places, and forgets the values of all. A call
    /// leaves few registers as they were, so the values would be written somewhere in any case.
    pub(super) fn settle(&mut self) {
        let places = self.state.origin..self.state.top();
        let mut stale: Vec<i32> = places.clone().filter(|&place| self.is_homeless(place)).collect();
        let mut next = 0;
        while let Some(&overwritten) = stale.get(next) {
            for place in places.clone() {
                if place != overwritten && self.state.entry(place).home == Some(overwritten) {
                    self.word_at(place);
                    self.state.entry(place).home = None;
                    if self.is_homeless(place) {
                        stale.push(place);
                    }
                }
            }
            next += 1;
        }
        let sp = self.sp();
        for place in stale {
            let word = self.word_at(place);
            self.words().store(word, sp, 32 * place);
            self.state.entry(place).home = Some(place);
        }
        for entry in self.state.entries.iter_mut().filter(|entry| entry.is_alive()) {
            entry.shape = entry.word.take();
        }
        (self.state.sp, self.state.vm) = (None, None);
    }

    fn is_homeless(&mut self, place: i32) -> bool {
        let entry = self.state.entry(place);
        entry.home.is_none() && entry.is_alive()
    }

    /// Writes all words to their places.
    pub(super) fn store_all(&mut self) {
        self.store_places(self.state.origin..self.state.top());
    }

    /// The stack pointer behind `place`'s predecessors.
    pub(super) fn pointer_to(&mut self, place: i32) -> Value {
        let sp = self.sp();
        if place == 0 { sp } else { self.builder.ins().iadd_imm_s(sp, i64::from(32 * place)) }
    }
}
