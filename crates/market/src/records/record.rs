//! A record: a plain struct whose fields lie at fixed bytes of fixed words.

use super::{FieldLayout, RecordKey};
use alloy_primitives::U256;
use rialto_state::SlotId;

/// See the module's documentation. Made by `record!`.
pub trait Record: Copy + Default + PartialEq + 'static {
    /// What names one.
    type Key: RecordKey;
    /// The journal's ids of its slots.
    type Slots: Copy + AsRef<[SlotId]>;
    /// Its words.
    type Words: AsRef<[U256]> + AsMut<[U256]>;

    /// Number of its table, unique.
    const TAG: u8;
    /// Name of its table.
    const NAME: &'static str;
    /// What names one, for the documents.
    const KEY: &'static str;
    /// Words that it takes.
    const WORDS: usize;
    /// Where its fields lie.
    const LAYOUT: &'static [FieldLayout];

    /// Slots from their ids by word.
    fn slots(id_of: impl FnMut(usize) -> SlotId) -> Self::Slots;
    /// The words that it is stored as.
    fn encode(&self) -> Self::Words;
    /// Hands over the words that differ from those of the record before, as long as that goes well.
    fn encode_changes<E>(&self, before: &Self, write: impl FnMut(usize, U256) -> Result<(), E>) -> Result<(), E>;
    /// The record that is stored as these words.
    fn decode(word: impl FnMut(usize) -> U256) -> Self;
}

/// Declares a record: each pair of braces is a word, in which the fields lie one after the other from the left.
///
/// ```text
/// record! {
///     /// What it is.
///     pub struct Level(tag 7, key (InstrumentId, Side, Ticks), "instrument, side, price") {
///         { /// First in the queue.
///           pub head: u32,
///           /// Last in the queue.
///           pub tail: u32 }
///     }
/// }
/// ```
macro_rules! record {
    (@encode $record:expr, $($field:ident: $kind:ty),*) => {{
        let mut bytes = [0u8; 32];
        let mut at = 0;
        $({
            let end = at + <$kind as $crate::records::Field>::BYTES;
            <$kind as $crate::records::Field>::write($record.$field, &mut bytes[at..end]);
            at = end;
        })*
        let _ = at;
        alloy_primitives::U256::from_be_bytes(bytes)
    }};
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident(tag $tag:literal, key $key:ty, $key_about:literal) {
            $({ $( $(#[doc = $doc:literal])* pub $field:ident: $kind:ty ),* $(,)? })*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $name {
            $($( $(#[doc = $doc])* pub $field: $kind, )*)*
        }

        impl $crate::records::Record for $name {
            type Key = $key;
            type Slots = [rialto_state::SlotId; Self::WORDS];
            type Words = [alloy_primitives::U256; Self::WORDS];

            const TAG: u8 = $tag;
            const NAME: &'static str = stringify!($name);
            const KEY: &'static str = $key_about;
            const WORDS: usize = [$( { $(stringify!($field);)* } ),*].len();
            const LAYOUT: &'static [$crate::records::FieldLayout] = {
                const COUNT: usize = [$($(stringify!($field)),*),*].len();
                const BARE: [$crate::records::FieldLayout; COUNT] = {
                    let mut fields = [$crate::records::FieldLayout {
                        word: 0, byte: 0, bytes: 0, name: "", kind: "", about: "",
                    }; COUNT];
                    let (mut word, mut at) = (0, 0);
                    $({
                        let mut byte = 0;
                        $({
                            let bytes = <$kind as $crate::records::Field>::BYTES;
                            fields[at] = $crate::records::FieldLayout {
                                word, byte, bytes,
                                name: stringify!($field), kind: stringify!($kind), about: concat!("" $(, $doc)*),
                            };
                            byte += bytes;
                            at += 1;
                        })*
                        assert!(byte <= 32, "the fields of a word take at most 32 bytes");
                        word += 1;
                    })*
                    let _ = (word, at);
                    fields
                };
                &BARE
            };

            fn slots(id_of: impl FnMut(usize) -> rialto_state::SlotId) -> Self::Slots {
                core::array::from_fn(id_of)
            }

            #[inline]
            fn encode(&self) -> Self::Words {
                let mut words = [alloy_primitives::U256::ZERO; Self::WORDS];
                let mut word = 0;
                $({
                    words[word] = $crate::records::record!(@encode self, $($field: $kind),*);
                    word += 1;
                })*
                let _ = word;
                words
            }

            #[inline]
            fn encode_changes<E>(
                &self,
                before: &Self,
                mut write: impl FnMut(usize, alloy_primitives::U256) -> Result<(), E>,
            ) -> Result<(), E> {
                let mut word = 0;
                $({
                    // One test for the word: no branch for each field.
                    if false $(| (self.$field != before.$field))* {
                        write(word, $crate::records::record!(@encode self, $($field: $kind),*))?;
                    }
                    word += 1;
                })*
                let _ = word;
                Ok(())
            }

            #[inline]
            fn decode(mut word_at: impl FnMut(usize) -> alloy_primitives::U256) -> Self {
                let mut record = Self::default();
                let mut word = 0;
                $({
                    let bytes: [u8; 32] = word_at(word).to_be_bytes();
                    let mut at = 0;
                    $({
                        let end = at + <$kind as $crate::records::Field>::BYTES;
                        record.$field = <$kind as $crate::records::Field>::read(&bytes[at..end]);
                        at = end;
                    })*
                    let _ = at;
                    word += 1;
                })*
                let _ = word;
                record
            }
        }

        const _: () = assert!(<$key as $crate::records::RecordKey>::BITS <= 240, "a key takes at most 240 bits");
    };
}
pub(crate) use record;
