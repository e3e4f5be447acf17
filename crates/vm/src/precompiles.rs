//! The precompiled contracts: one table of rows, and for each fork an index into it.
//!
//! A row is a contract's number (its address), its name, the fork from which it holds and its function. A repricing is
//! another row with the same number and a later fork, so "which contracts, at which price, in this fork" is data: the
//! last row of a number that is not later than the fork. The index of every fork is computed at compile time. A look-up
//! first asks whether the leading bytes of the address are zero, which is all that an ordinary address ever pays.
//!
//! Every function computes its price from the input's length and header fields and compares it with the gas limit
//! before it allocates or computes anything, so the memory and time of a call are bounded by its gas.

mod modexp;

use alloc::vec::Vec;
use alloy_primitives::Address;
use core::fmt;
use modexp::modexp;
use revm_precompile::{
    Crypto, DefaultCrypto, EthPrecompileResult, PrecompileHalt, bls12_381, bn254, kzg_point_evaluation, secp256k1,
    secp256r1,
};

/// The forks that changed the precompiled contracts, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrecompileSet {
    /// 0x01 to 0x04.
    Frontier,
    /// Adds 0x05 to 0x08 (EIP-196, EIP-197, EIP-198).
    Byzantium,
    /// Adds 0x09 (EIP-152), reprices 0x06 to 0x08 (EIP-1108).
    Istanbul,
    /// Reprices 0x05 (EIP-2565).
    Berlin,
    /// Adds 0x0a (EIP-4844).
    Cancun,
    /// Adds 0x0b to 0x11 (EIP-2537).
    Prague,
    /// Adds 0x100 (EIP-7951), bounds and reprices 0x05 (EIP-7823, EIP-7883).
    Osaka,
}

/// Every set, oldest first; `SETS[set as usize] == set`.
const SETS: [PrecompileSet; 7] = [
    PrecompileSet::Frontier,
    PrecompileSet::Byzantium,
    PrecompileSet::Istanbul,
    PrecompileSet::Berlin,
    PrecompileSet::Cancun,
    PrecompileSet::Prague,
    PrecompileSet::Osaka,
];

/// Why a precompiled contract failed. Each consumes all the gas that the call was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecompileError {
    /// The price is above the gas limit.
    OutOfGas,
    /// The input breaks the contract's rules; the text says which.
    Invalid(&'static str),
    /// The implementation failed for a reason that is not the input's: the block can't be executed by this node.
    Fatal(&'static str),
}

impl fmt::Display for PrecompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfGas => f.write_str("precompile: out of gas"),
            Self::Invalid(reason) => write!(f, "precompile: invalid input: {reason}"),
            Self::Fatal(reason) => write!(f, "precompile: internal failure: {reason}"),
        }
    }
}

impl core::error::Error for PrecompileError {}

/// Input, gas limit, output buffer (empty when called) to gas used.
type Run = fn(&[u8], u64, &mut Vec<u8>) -> Result<u64, PrecompileError>;

/// A precompiled contract at the price of one or more forks.
#[derive(Clone, Copy, Debug)]
pub struct Precompile {
    /// The address as a number.
    pub number: u16,
    /// The name of EIP-7910.
    pub name: &'static str,
    /// The first set in which this row holds.
    pub since: PrecompileSet,
    run: Run,
}

impl Precompile {
    /// Runs the contract: `output` is cleared and then holds the return data; the result is the gas used, at most
    /// `gas_limit`. After an error `output` is empty.
    #[inline]
    pub fn run(&self, input: &[u8], gas_limit: u64, output: &mut Vec<u8>) -> Result<u64, PrecompileError> {
        output.clear();
        (self.run)(input, gas_limit, output)
    }

    /// The contract's address.
    pub const fn address(&self) -> Address {
        let [high, low] = self.number.to_be_bytes();
        let mut bytes = [0; 20];
        bytes[18] = high;
        bytes[19] = low;
        Address::new(bytes)
    }
}

const fn row(number: u16, name: &'static str, since: PrecompileSet, run: Run) -> Precompile {
    Precompile { number, name, since, run }
}

use PrecompileSet::{Berlin, Byzantium, Cancun, Frontier, Istanbul, Osaka, Prague};

/// Ordered by number, then by fork.
static ROWS: [Precompile; 23] = [
    row(0x01, "ECREC", Frontier, |i, g, o| relay(secp256k1::ec_recover_run(i, g), o)),
    row(0x02, "SHA256", Frontier, sha256),
    row(0x03, "RIPEMD160", Frontier, ripemd160),
    row(0x04, "ID", Frontier, identity),
    row(0x05, "MODEXP", Byzantium, |i, g, o| modexp(&modexp::BYZANTIUM, i, g, o)),
    row(0x05, "MODEXP", Berlin, |i, g, o| modexp(&modexp::BERLIN, i, g, o)),
    row(0x05, "MODEXP", Osaka, |i, g, o| modexp(&modexp::OSAKA, i, g, o)),
    row(0x06, "BN254_ADD", Byzantium, |i, g, o| relay(bn254::run_add(i, 500, g), o)),
    row(0x06, "BN254_ADD", Istanbul, |i, g, o| relay(bn254::run_add(i, 150, g), o)),
    row(0x07, "BN254_MUL", Byzantium, |i, g, o| relay(bn254::run_mul(i, 40_000, g), o)),
    row(0x07, "BN254_MUL", Istanbul, |i, g, o| relay(bn254::run_mul(i, 6_000, g), o)),
    row(0x08, "BN254_PAIRING", Byzantium, |i, g, o| relay(bn254::run_pair(i, 80_000, 100_000, g), o)),
    row(0x08, "BN254_PAIRING", Istanbul, |i, g, o| relay(bn254::run_pair(i, 34_000, 45_000, g), o)),
    row(0x09, "BLAKE2F", Istanbul, blake2f),
    row(0x0a, "KZG_POINT_EVALUATION", Cancun, |i, g, o| relay(kzg_point_evaluation::run(i, g), o)),
    row(0x0b, "BLS12_G1ADD", Prague, |i, g, o| relay(bls12_381::g1_add::g1_add(i, g), o)),
    row(0x0c, "BLS12_G1MSM", Prague, |i, g, o| relay(bls12_381::g1_msm::g1_msm(i, g), o)),
    row(0x0d, "BLS12_G2ADD", Prague, |i, g, o| relay(bls12_381::g2_add::g2_add(i, g), o)),
    row(0x0e, "BLS12_G2MSM", Prague, |i, g, o| relay(bls12_381::g2_msm::g2_msm(i, g), o)),
    row(0x0f, "BLS12_PAIRING_CHECK", Prague, |i, g, o| relay(bls12_381::pairing::pairing(i, g), o)),
    row(0x10, "BLS12_MAP_FP_TO_G1", Prague, |i, g, o| relay(bls12_381::map_fp_to_g1::map_fp_to_g1(i, g), o)),
    row(0x11, "BLS12_MAP_FP2_TO_G2", Prague, |i, g, o| relay(bls12_381::map_fp2_to_g2::map_fp2_to_g2(i, g), o)),
    row(0x100, "P256VERIFY", Osaka, |i, g, o| relay(secp256r1::p256_verify_osaka(i, g), o)),
];

/// The highest number of the contiguous range that starts at 1.
const LAST_LOW_NUMBER: usize = 0x11;
/// The number of the only contract outside that range.
const P256VERIFY_NUMBER: usize = 0x100;
/// Slot 0 is never filled: no contract has the number 0. The last slot is `P256VERIFY`'s.
const SLOTS: usize = LAST_LOW_NUMBER + 2;

/// For each set, in the order of `SETS`, the row of each slot.
static INDEX: [[Option<&Precompile>; SLOTS]; SETS.len()] = build_index();

const fn slot(number: usize) -> Option<usize> {
    match number {
        0..=LAST_LOW_NUMBER => Some(number),
        P256VERIFY_NUMBER => Some(LAST_LOW_NUMBER + 1),
        _ => None,
    }
}

const fn build_index() -> [[Option<&'static Precompile>; SLOTS]; SETS.len()] {
    let mut index = [[None; SLOTS]; SETS.len()];
    let mut set = 0;
    while set < SETS.len() {
        let mut row = 0;
        while row < ROWS.len() {
            // Rows of one number are ordered by fork, so a later row that already holds replaces an earlier one.
            if ROWS[row].since as usize <= set {
                match slot(ROWS[row].number as usize) {
                    Some(slot) => index[set][slot] = Some(&ROWS[row]),
                    None => panic!("a row's number has no slot"),
                }
            }
            row += 1;
        }
        set += 1;
    }
    index
}

/// The precompiled contract at `address` in the forks of `set`.
#[inline]
pub fn precompile(set: PrecompileSet, address: &Address) -> Option<&'static Precompile> {
    let (prefix, number) = address.split_at(16);
    if prefix != [0; 16] {
        return None;
    }
    let number = u32::from_be_bytes([number[0], number[1], number[2], number[3]]);
    INDEX[set as usize][slot(number as usize)?]
}

/// The addresses of all contracts of `set`, ascending: what EIP-2929 makes warm in every transaction.
pub fn precompile_addresses(set: PrecompileSet) -> impl Iterator<Item = Address> {
    INDEX[set as usize].iter().flatten().map(|precompile| precompile.address())
}

/// The result of a contract that the library runs as a whole.
fn relay(result: EthPrecompileResult, output: &mut Vec<u8>) -> Result<u64, PrecompileError> {
    match result {
        Ok(done) => {
            output.extend_from_slice(&done.bytes);
            Ok(done.gas_used)
        }
        Err(halt) => Err(halt.into()),
    }
}

impl From<PrecompileHalt> for PrecompileError {
    fn from(halt: PrecompileHalt) -> Self {
        use PrecompileHalt as H;
        let reason = match halt {
            H::OutOfGas => return Self::OutOfGas,
            H::Other(_) => return Self::Fatal("the library of precompiled contracts failed"),
            H::Bn254FieldPointNotAMember => "bn254: a coordinate is not below the field's modulus",
            H::Bn254AffineGFailedToCreate => "bn254: a point is not on the curve or not in its subgroup",
            H::Bn254PairLength => "bn254: the input's length is not a multiple of 192",
            H::BlobInvalidInputLength => "kzg: the input's length is not 192",
            H::BlobMismatchedVersion => "kzg: the versioned hash is not the commitment's",
            H::BlobVerifyKzgProofFailed => "kzg: the proof does not hold",
            H::NonCanonicalFp => "bls12-381: a coordinate is not below the field's modulus",
            H::Bls12381G1NotOnCurve => "bls12-381: a G1 point is not on the curve",
            H::Bls12381G1NotInSubgroup => "bls12-381: a G1 point is not in the subgroup",
            H::Bls12381G2NotOnCurve => "bls12-381: a G2 point is not on the curve",
            H::Bls12381G2NotInSubgroup => "bls12-381: a G2 point is not in the subgroup",
            H::Bls12381FpPaddingInvalid => "bls12-381: the top 16 bytes of a coordinate are not zero",
            H::Bls12381G1AddInputLength => "bls12-381: the input's length is not 256",
            H::Bls12381G1MsmInputLength => "bls12-381: the input's length is not a positive multiple of 160",
            H::Bls12381G2AddInputLength => "bls12-381: the input's length is not 512",
            H::Bls12381G2MsmInputLength => "bls12-381: the input's length is not a positive multiple of 288",
            H::Bls12381PairingInputLength => "bls12-381: the input's length is not a positive multiple of 384",
            H::Bls12381MapFpToG1InputLength => "bls12-381: the input's length is not 64",
            H::Bls12381MapFp2ToG2InputLength => "bls12-381: the input's length is not 128",
            _ => "the library rejects the input",
        };
        Self::Invalid(reason)
    }
}

/// The price of a contract that costs `base` and `per_word` for each 32 bytes begun, if the limit covers it.
fn charge_words(input: &[u8], base: u64, per_word: u64, gas_limit: u64) -> Result<u64, PrecompileError> {
    let gas = base + per_word * (input.len() as u64).div_ceil(32);
    if gas > gas_limit { Err(PrecompileError::OutOfGas) } else { Ok(gas) }
}

fn sha256(input: &[u8], gas_limit: u64, output: &mut Vec<u8>) -> Result<u64, PrecompileError> {
    let gas = charge_words(input, 60, 12, gas_limit)?;
    output.extend_from_slice(&DefaultCrypto.sha256(input));
    Ok(gas)
}

fn ripemd160(input: &[u8], gas_limit: u64, output: &mut Vec<u8>) -> Result<u64, PrecompileError> {
    let gas = charge_words(input, 600, 120, gas_limit)?;
    output.extend_from_slice(&DefaultCrypto.ripemd160(input));
    Ok(gas)
}

fn identity(input: &[u8], gas_limit: u64, output: &mut Vec<u8>) -> Result<u64, PrecompileError> {
    let gas = charge_words(input, 15, 3, gas_limit)?;
    output.extend_from_slice(input);
    Ok(gas)
}

/// The compression function of BLAKE2b (EIP-152): rounds (4 bytes, big-endian), state (8 words), message (16 words) and
/// offset (2 words), all words little-endian, and one byte that is 1 for the last block.
fn blake2f(input: &[u8], gas_limit: u64, output: &mut Vec<u8>) -> Result<u64, PrecompileError> {
    let Ok(input) = <&[u8; 213]>::try_from(input) else {
        return Err(PrecompileError::Invalid("blake2f: the input's length is not 213"));
    };
    let last_block = match input[212] {
        0 => false,
        1 => true,
        _ => return Err(PrecompileError::Invalid("blake2f: the last byte is neither 0 nor 1")),
    };
    let rounds = u32::from_be_bytes([input[0], input[1], input[2], input[3]]);
    if u64::from(rounds) > gas_limit {
        return Err(PrecompileError::OutOfGas);
    }
    let (words, _) = input[4..212].as_chunks::<8>();
    let word = |index: usize| u64::from_le_bytes(words[index]);
    let mut state = core::array::from_fn(word);
    let message = core::array::from_fn(|index| word(8 + index));
    DefaultCrypto.blake2_compress(rounds, &mut state, &message, &[word(24), word(25)], last_block);
    for word in state {
        output.extend_from_slice(&word.to_le_bytes());
    }
    Ok(rounds.into())
}

#[cfg(test)]
mod tests;
