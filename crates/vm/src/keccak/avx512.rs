//! Keccak-256 of one message in registers of 512 bits.
//!
//! The state of Keccak-f\[1600\] is 25 lanes A\[x, y\] of 64 bits, x and y modulo 5 (FIPS 202 names the steps). Five registers
//! hold five lanes each. What a step costs depends on which lanes share a register and at which position:
//!
//! - theta adds up the lanes of equal x. That is an addition of registers if every register has the lane of one x at the
//!   same position.
//! - chi combines the lanes x, x + 1 and x + 2 of equal y. That needs no shuffle if every register has the lane of one y at
//!   the same position, and the neighbour in x is always found in the same other register.
//! - pi moves lane (x, y) to (y, 2x + 3y). Lanes that share a register move together if they are those of a line
//!   y = mx + d, for pi is linear. Such a register has each x once and each y once, as theta and chi want it.
//!
//! So a register holds a line, and between theta and chi, as between chi and theta, its positions are rotated: register j
//! by a multiple of j, which for register 0 is nothing. That is four shuffles, each of one register. Pi itself is the first
//! of these rotations. It costs nothing else, but it changes the slope, from m to 3 + 2/m:
//!
//! ```text
//! slope before a round   3   2   4   1   0 (rows)
//! slope after it         2   4   1   0   infinite (columns)
//! ```
//!
//! Rows would be bad for chi, and columns for theta. Hence a period of three rounds, from 3 to 2 to 4 and to 1, at whose end
//! slope 1 is made 3 again: the lane of row y moves on by 3y registers, which is 3, 1, 4 and 2 for the rows from 1 to 4.
//! It goes by the binary digits. The shuffles of the third round choose from two registers at once, and so move on by one
//! (rows 1 and 2) and by four (row 3) at no cost; only the step by two (rows 1 and 4) takes five instructions of its own.
//!
//! The layouts below say at which register and position a lane is, and the tables are computed from them by the compiler.
//! Positions 5 to 7 hold nothing: no shuffle moves them to another, and nothing reads them.
//!
//! The longest chain of a round is three shuffles, of three cycles each, and six instructions of one cycle. A third of the time
//! goes to waiting for one of the two ports that work on such registers, of which one shuffles and the other rotates. That
//! is why rho, which rotates lanes, comes after pi here: theta's last addition, pi and rho of five registers then overlap.

use core::arch::x86_64::*;

/// Bytes of a block.
const RATE: usize = 136;
/// The padding's last bit, in the last lane of a block.
const LAST_BIT: i64 = i64::MIN;

type Register = __m512i;
/// Five lines of the state.
type State = [Register; 5];

/// The words of a register, as a shuffle or a rotation reads them.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Words([u64; 8]);

/// The lane, 5y + x, of each register at each position.
type Layout = [[usize; 5]; 5];

/// Lanes where register j has x = `x.0` p + `x.1` j and y = `y.0` p + `y.1` j at position p.
const fn layout(x: (usize, usize), y: (usize, usize)) -> Layout {
    let mut layout = [[0; 5]; 5];
    let mut at = 0;
    while at < 25 {
        let (j, p) = (at / 5, at % 5);
        layout[j][p] = (y.0 * p + y.1 * j) % 5 * 5 + (x.0 * p + x.1 * j) % 5;
        at += 1;
    }
    layout
}

/// Before each first round, and after all: slope 3, and x is the position.
const FIRST: Layout = layout((1, 0), (3, 1));
/// Between the pi and the chi of a first round: rotated by 2j.
const FIRST_CHI: Layout = layout((3, 2), (1, 0));
/// Before each second round: rotated by j.
const SECOND: Layout = layout((3, 0), (1, 1));
/// Rotated by 3j.
const SECOND_CHI: Layout = layout((1, 4), (4, 0));
/// Before each third round: rotated by j.
const THIRD: Layout = layout((1, 0), (4, 4));
/// Slope 1, with registers numbered so that a lane moves on to a higher one.
const THIRD_LINES: Layout = layout((4, 3), (4, 0));
/// Between the pi and the chi of a third round: rows 1 and 2 have moved on by one.
const THIRD_CHI: Layout = moved(THIRD_LINES, 1, [1, 2]);
/// After it, rows 1 and 4 have moved on by two.
const THIRD_DONE: Layout = moved(THIRD_CHI, 2, ROWS_BY_TWO);
const ROWS_BY_TWO: [usize; 2] = [1, 4];

/// `from` with the lanes of these rows moved on by `step` registers. A row has one position in all of them.
const fn moved(from: Layout, step: usize, rows: [usize; 2]) -> Layout {
    let mut to = from;
    let mut at = 0;
    while at < 25 {
        let (j, p) = (at / 5, at % 5);
        let row = from[j][p] / 5;
        if row == rows[0] || row == rows[1] {
            to[(j + step) % 5][p] = from[j][p];
        }
        at += 1;
    }
    to
}

/// `from` with its lanes named by where pi puts them.
const fn after_pi(from: Layout) -> Layout {
    let mut to = from;
    let mut at = 0;
    while at < 25 {
        let (x, y) = (from[at / 5][at % 5] % 5, from[at / 5][at % 5] / 5);
        to[at / 5][at % 5] = (2 * x + 3 * y) % 5 * 5 + y;
        at += 1;
    }
    to
}

/// By how many positions rotating makes the register `from` the register `to`.
const fn rotation(from: [usize; 5], to: [usize; 5]) -> usize {
    let mut by = 0;
    while from[by] != to[0] {
        by += 1;
    }
    let mut p = 0;
    while p < 5 {
        assert!(from[(p + by) % 5] == to[p], "not a rotation");
        p += 1;
    }
    by
}

/// What [`rotation`] says of registers 1 to 4; nothing is to do for register 0.
const fn rotations(from: Layout, to: Layout) -> [usize; 5] {
    assert!(rotation(from[0], to[0]) == 0);
    [0, rotation(from[1], to[1]), rotation(from[2], to[2]), rotation(from[3], to[3]), rotation(from[4], to[4])]
}

/// Indices that make `to[j]` out of `from[pairs[j].0]` and `from[pairs[j].1]`.
const fn choices(from: Layout, to: Layout, pairs: [(usize, usize); 5]) -> [Words; 5] {
    let mut words = [Words([7; 8]); 5];
    let mut at = 0;
    while at < 25 {
        let (j, p) = (at / 5, at % 5);
        let (mut index, mut found) = (0, 0);
        while index < 5 {
            if from[pairs[j].0][index] == to[j][p] {
                (words[j].0[p], found) = (index as u64, found + 1);
            } else if from[pairs[j].1][index] == to[j][p] {
                (words[j].0[p], found) = (index as u64 + 8, found + 1);
            }
            index += 1;
        }
        assert!(found == 1, "a lane is in neither register");
        at += 1;
    }
    words
}

/// How far rho rotates the lanes that pi has put there.
const fn amounts(at_chi: Layout) -> [Words; 5] {
    let mut of_lane = [0; 25];
    let (mut x, mut y, mut step) = (1, 0, 0);
    while step < 24 {
        // Pi's next lane is also rho's next.
        of_lane[(2 * x + 3 * y) % 5 * 5 + y] = (step + 1) * (step + 2) / 2 % 64;
        (x, y) = (y, (2 * x + 3 * y) % 5);
        step += 1;
    }
    let mut words = [Words([0; 8]); 5];
    let mut at = 0;
    while at < 25 {
        words[at / 5].0[at % 5] = of_lane[at_chi[at / 5][at % 5]];
        at += 1;
    }
    words
}

/// By register, where in a block's first 16 lanes its lanes are; [`present`] says which of them are further on.
const fn block_lanes() -> [Words; 5] {
    let mut words = [Words([0; 8]); 5];
    let mut at = 0;
    while at < 25 {
        words[at / 5].0[at % 5] = FIRST[at / 5][at % 5] as u64 % 16;
        at += 1;
    }
    words
}

/// The positions of register `j` whose lanes are among a block's first 16.
const fn present(j: usize) -> u8 {
    let (mut mask, mut p) = (0, 0);
    while p < 5 {
        mask |= ((FIRST[j][p] < 16) as u8) << p;
        p += 1;
    }
    mask
}

/// The position at which register 0 has the block's last lane, the seventeenth.
const LAST_LANE: u8 = {
    assert!(FIRST[0][1] == 16);
    1 << 1
};

/// The positions of [`ROWS_BY_TWO`].
const POSITIONS_BY_TWO: u8 = {
    let (mut mask, mut p) = (0, 0);
    while p < 5 {
        let row = THIRD_CHI[0][p] / 5;
        mask |= ((row == ROWS_BY_TWO[0] || row == ROWS_BY_TWO[1]) as u8) << p;
        p += 1;
    }
    mask
};

/// What iota adds to lane (0, 0), by round: made by the shift register of the specification.
static ROUND_CONSTANTS: [[u64; 3]; 8] = {
    let mut constants = [[0; 3]; 8];
    let mut register = 1u8;
    let mut at = 0;
    while at < 24 * 7 {
        if register & 1 == 1 {
            constants[at / 21][at / 7 % 3] |= 1 << ((1 << (at % 7)) - 1);
        }
        register = register << 1 ^ if register >> 7 == 1 { 0x71 } else { 0 };
        at += 1;
    }
    constants
};

/// Indices that rotate the positions, by how far.
static ROTATE: [Words; 5] = {
    let mut words = [Words([7; 8]); 5];
    let mut at = 0;
    while at < 25 {
        words[at / 5].0[at % 5] = (at % 5 + at / 5) as u64 % 5;
        at += 1;
    }
    words
};
static RHO_FIRST: [Words; 5] = amounts(FIRST_CHI);
static RHO_SECOND: [Words; 5] = amounts(SECOND_CHI);
static RHO_THIRD: [Words; 5] = amounts(THIRD_CHI);
/// The two registers of a third round out of which its pi makes a register: one that is not moved on and the one before it, which is.
const PI_PAIRS: [(usize, usize); 5] = [(0, 1), (4, 0), (3, 4), (2, 3), (1, 2)];
static PI_THIRD: [Words; 5] = choices(after_pi(THIRD), THIRD_CHI, PI_PAIRS);
/// The step by four is one back, so the second register is the one after.
const ALIGN_PAIRS: [(usize, usize); 5] = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)];
static ALIGN_THIRD: [Words; 5] = choices(THIRD_DONE, FIRST, ALIGN_PAIRS);
static BLOCK_LANES: [Words; 5] = block_lanes();

/// Keccak-256 of `input`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline(never)]
pub fn keccak256(mut input: &[u8]) -> [u8; 32] {
    let mut state = [_mm512_setzero_si512(); 5];
    // Full blocks and then the padded one, by one call: the permutation stands here once, its constants in registers.
    loop {
        let (first, second, last) = padded_block(input);
        state[0] = _mm512_xor_si512(state[0], _mm512_maskz_set1_epi64(LAST_LANE, last));
        let lanes = |j: usize, mask: u8| _mm512_maskz_permutex2var_epi64(mask, first, load(&BLOCK_LANES[j]), second);
        state[0] = _mm512_xor_si512(state[0], lanes(0, const { present(0) }));
        state[1] = _mm512_xor_si512(state[1], lanes(1, const { present(1) }));
        state[2] = _mm512_xor_si512(state[2], lanes(2, const { present(2) }));
        state[3] = _mm512_xor_si512(state[3], lanes(3, const { present(3) }));
        state[4] = _mm512_xor_si512(state[4], lanes(4, const { present(4) }));
        state = permute(state);
        match input.get(RATE..) {
            Some(rest) => input = rest,
            None => return hash_of(&state),
        }
    }
}

/// The first block of what is left to absorb: its first eight lanes, the next eight, and the last. Without a copy, since where
/// the input ends a masked load stops.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn padded_block(input: &[u8]) -> (Register, Register, i64) {
    let Some((head, rest)) = input.split_first_chunk::<64>() else {
        return (load_padded(input), _mm512_setzero_si512(), LAST_BIT);
    };
    let Some((middle, rest)) = rest.split_first_chunk::<64>() else {
        return (load_bytes(head), load_padded(rest), LAST_BIT);
    };
    let last = match rest.first_chunk::<8>() {
        Some(lane) => i64::from_le_bytes(*lane),
        None => rest.iter().rev().fold(1, |lane, byte| lane << 8 | i64::from(*byte)) | LAST_BIT,
    };
    (load_bytes(head), load_bytes(middle), last)
}

/// Fewer than 64 bytes and the padding's first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_padded(input: &[u8]) -> Register {
    assert!(input.len() < 64);
    let end = 1u64 << input.len();
    // SAFETY: only bytes below the end of the input are read.
    let bytes = unsafe { _mm512_maskz_loadu_epi8(end - 1, input.as_ptr().cast()) };
    _mm512_mask_blend_epi8(end, bytes, _mm512_set1_epi8(1))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(input: &[u8; 64]) -> Register {
    // SAFETY: 64 bytes may be read, and need no alignment.
    unsafe { _mm512_loadu_si512(input.as_ptr().cast()) }
}

/// The first four lanes: x of register 2x is at position x.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn hash_of(state: &State) -> [u8; 32] {
    const { assert!(FIRST[0][0] == 0 && FIRST[2][1] == 1 && FIRST[4][2] == 2 && FIRST[1][3] == 3) };
    let half = |j: usize| _mm512_castsi512_si256(state[j]);
    let lanes = _mm256_mask_blend_epi64(0b0010, half(0), half(2));
    let lanes = _mm256_mask_blend_epi64(0b0100, lanes, half(4));
    let lanes = _mm256_mask_blend_epi64(0b1000, lanes, half(1));
    let mut hash = [0; 32];
    // SAFETY: 32 bytes may be written, and need no alignment.
    unsafe { _mm256_storeu_si256(hash.as_mut_ptr().cast(), lanes) };
    hash
}

/// Keccak-f\[1600\].
#[inline]
#[target_feature(enable = "avx512f")]
fn permute(mut state: State) -> State {
    for constants in &ROUND_CONSTANTS {
        state = first_round(state, constants[0]);
        state = second_round(state, constants[1]);
        state = third_round(state, constants[2]);
    }
    state
}

#[inline]
#[target_feature(enable = "avx512f")]
fn first_round(state: State, constant: u64) -> State {
    const PI: [usize; 5] = rotations(after_pi(FIRST), FIRST_CHI);
    const ALIGN: [usize; 5] = rotations(FIRST_CHI, SECOND);
    // x is the position.
    let state = theta_pi(state, 1, &PI, &RHO_FIRST);
    // x grows by 2 from one register to the next, so by 1 from one to the third after it.
    align(chi(state, 3, constant), &ALIGN)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn second_round(state: State, constant: u64) -> State {
    const PI: [usize; 5] = rotations(after_pi(SECOND), SECOND_CHI);
    const ALIGN: [usize; 5] = rotations(SECOND_CHI, THIRD);
    // x is three times the position.
    let state = theta_pi(state, 2, &PI, &RHO_SECOND);
    align(chi(state, 4, constant), &ALIGN)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn third_round(state: State, constant: u64) -> State {
    let (before, after) = theta_sums(&state, 1);
    let lines = state.map(|line| xor3(line, before, after));
    let two = |of: &State, pair: (usize, usize), index: &Words| {
        _mm512_permutex2var_epi64(of[pair.0], load(index), of[pair.1])
    };
    let moved = |j: usize| rho(two(&lines, PI_PAIRS[j], &PI_THIRD[j]), &RHO_THIRD[j]);
    let lines = chi([moved(0), moved(1), moved(2), moved(3), moved(4)], 2, constant);
    let chosen = |j: usize| _mm512_mask_blend_epi64(POSITIONS_BY_TWO, lines[j], lines[(j + 3) % 5]);
    let lines = [chosen(0), chosen(1), chosen(2), chosen(3), chosen(4)];
    let aligned = |j: usize| two(&lines, ALIGN_PAIRS[j], &ALIGN_THIRD[j]);
    [aligned(0), aligned(1), aligned(2), aligned(3), aligned(4)]
}

/// Theta, pi by the rotations `pi`, and rho. From x to x + 1 it is `step` positions.
#[inline]
#[target_feature(enable = "avx512f")]
fn theta_pi(state: State, step: usize, pi: &[usize; 5], amounts: &[Words; 5]) -> State {
    let (before, after) = theta_sums(&state, step);
    let moved = |j: usize| rho(rotate(xor3(state[j], before, after), pi[j]), &amounts[j]);
    [moved(0), moved(1), moved(2), moved(3), moved(4)]
}

/// What theta adds to a lane at x, by position: the sum of the column x - 1, and that of x + 1 rotated by one.
#[inline]
#[target_feature(enable = "avx512f")]
fn theta_sums(state: &State, step: usize) -> (Register, Register) {
    let sums = xor3(xor3(state[0], state[1], state[2]), state[3], state[4]);
    let after = rotate(sums, step);
    let before = rotate(sums, 5 - step);
    (before, _mm512_rol_epi64::<1>(after))
}

/// Chi, where from x to x + 1 it is `step` registers, and iota.
#[inline]
#[target_feature(enable = "avx512f")]
fn chi(lines: State, step: usize, constant: u64) -> State {
    let combined = |j: usize, line: Register| {
        // a ^ (!b & c), as the table of what it is for each a, b, c.
        _mm512_ternarylogic_epi64::<0b1101_0010>(line, lines[(j + step) % 5], lines[(j + 2 * step) % 5])
    };
    // Iota comes first, for its lane is only added to: it is not waited for then.
    let constant = _mm512_zextsi128_si512(_mm_cvtsi64_si128(constant as i64));
    let first = _mm512_xor_si512(lines[0], constant);
    [combined(0, first), combined(1, lines[1]), combined(2, lines[2]), combined(3, lines[3]), combined(4, lines[4])]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn align(lines: State, by: &[usize; 5]) -> State {
    [lines[0], rotate(lines[1], by[1]), rotate(lines[2], by[2]), rotate(lines[3], by[3]), rotate(lines[4], by[4])]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rho(line: Register, amounts: &Words) -> Register {
    _mm512_rolv_epi64(line, load(amounts))
}

/// The lanes from `by` positions further on.
#[inline]
#[target_feature(enable = "avx512f")]
fn rotate(line: Register, by: usize) -> Register {
    if by == 0 { line } else { _mm512_permutexvar_epi64(load(&ROTATE[by]), line) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: Register, b: Register, c: Register) -> Register {
    _mm512_ternarylogic_epi64::<0b1001_0110>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &Words) -> Register {
    // SAFETY: 64 bytes may be read, and the type is aligned to as many.
    unsafe { _mm512_load_si512(words.0.as_ptr().cast()) }
}
