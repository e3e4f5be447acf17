//! The standard normal distribution, with a small relative error however far in the tail.
//!
//! The tail probability is Φ(−w) = φ(w)·Y(w), where φ is the density and Y is Mills' ratio. Y falls slowly, from √(π/2) at zero to about
//! 1/w, so an approximation of Y is one of the tail, and e^(−w²/2) carries the magnitude.
//!
//! **Method.** Y(w) = ∫₀^∞ e^(−wu − u²/2) du, so around c its Taylor series is Σ (−1)ⁿ bₙ (w−c)ⁿ with bₙ = ∫₀^∞ (uⁿ/n!)·e^(−cu − u²/2) du
//! (repeated integrals of the complementary error function, but for a factor). All bₙ are positive and, since the Gaussian factor is at
//! most one, bₙ ≤ c^−(n+1). Integration by parts gives (n+1)·bₙ₊₁ = bₙ₋₁ − c·bₙ, with 1 in the place of b₋₁.
//!
//! The range 0 to 64 is cut into 56 pieces: eight of 0..1, and eight of each octave 1..2, 2..4, …, 32..64. Where the octave begins at B,
//! a piece has the half-width r = B/16 and a centre c ≥ 17r. Twenty-two terms then leave at most Σ_{n≥22} (r/c)ⁿ/c < 2^-89/c, and much
//! less below 1, where bₙ falls faster than that bound. Terms are kept as bₙ·rⁿ for the variable (w−c)/r in −1..1.
//!
//! **The table is made by the compiler.** From 1 on, the ratios bₙ/bₙ₋₁ = 1/(c + (n+1)·bₙ₊₁/bₙ) are a continued fraction of positive
//! terms, evaluated from its far end, where each step makes the error smaller. Below 1 it would converge slowly; there b₀ is
//! √(π/2)·e^(c²/2) − Σ c^(2k+1)/(1·3·5···(2k+1)), and the recurrence is run forwards, which multiplies errors by at most e^(cr + r²/2) < 1.1.

use super::exponential::exp;
use super::fixed::{Fixed, Scaled};
use super::wide::{ONE_120, product, quotient, times};

/// Terms of a piece.
const TERMS: usize = 22;
/// Pieces.
const PIECES: usize = 56;

/// Beyond this many standard deviations a tail (below 1e-890) counts as zero.
pub const TAIL_LIMIT: Fixed = Fixed::from_bits(64 << Fixed::BITS);

/// √(π/2) with 120 fraction bits.
const ROOT_OF_HALF_PI: i128 = 0x0140_d931_ff62_7059_657c_a41f_ae72_2cee;
/// 1/√(2π) with 126 fraction bits.
const INVERSE_ROOT_OF_TWO_PI: i128 = 0x1988_4533_d436_508d_0fcb_3c50_0bab_8e30;

/// (−1)ⁿ·bₙ·rⁿ of each piece, with 120 fraction bits.
static MILLS: [[i128; TERMS]; PIECES] = {
    let mut table = [[0; TERMS]; PIECES];
    let mut piece = 0;
    while piece < PIECES {
        table[piece] = if piece < 8 { series_below_one(piece) } else { series_from_one(piece) };
        piece += 1;
    }
    table
};

const fn series_below_one(piece: usize) -> [i128; TERMS] {
    let centre = (2 * piece as i128 + 1) << 116;
    let square = times(centre, centre);
    // e^(c²/2), and the sum of odd powers.
    let (mut power, mut k, mut exponential) = (ONE_120, 1, 0);
    let (mut odd_power, mut sum) = (centre, 0);
    while k < 80 {
        exponential += power;
        sum += odd_power;
        power = times(power, square) / (2 * k);
        odd_power = times(odd_power, square) / (2 * k + 1);
        k += 1;
    }
    let mut b = [0; TERMS];
    b[0] = times(ROOT_OF_HALF_PI, exponential) - sum;
    b[1] = ONE_120 - times(centre, b[0]);
    let mut n = 1;
    while n + 1 < TERMS {
        b[n + 1] = (b[n - 1] - times(centre, b[n])) / (n as i128 + 1);
        n += 1;
    }
    let mut n = 0;
    while n < TERMS {
        b[n] >>= 4 * n;
        if n % 2 == 1 {
            b[n] = -b[n];
        }
        n += 1;
    }
    b
}

const fn series_from_one(piece: usize) -> [i128; TERMS] {
    let (octave, part) = ((piece - 8) / 8, (piece - 8) % 8);
    // r = 2^octave/16, c = (17 + 2·part)·r.
    let half_width = 1 << (octave + 116);
    let centre = (17 + 2 * part as i128) * half_width;
    // The tail that is left out of the fraction counts less than e^(−2c·√(2n)) < 2^-100.
    let whole = (centre >> 119) as usize;
    let mut n = 60 + 2600 / (whole * whole / 2 + 1);
    // About what it tends to, so that the first steps stay small.
    let mut ratio = ONE_120 / (n as u128).isqrt() as i128;
    let mut b = [0; TERMS];
    while n > 0 {
        // bₙ₋₁/bₙ₋₂ from bₙ/bₙ₋₁.
        ratio = quotient::<120>(ONE_120, (centre + n as i128 * ratio) as u128);
        n -= 1;
        if n < TERMS {
            b[n] = ratio;
        }
    }
    let mut n = 1;
    while n < TERMS {
        b[n] = -times(times(b[n], half_width), b[n - 1]);
        n += 1;
    }
    b
}

/// The piece that w is in, and (w − c)/r from −1 to 1 with 120 fraction bits; for w in 0..64 in units of 2^-96.
#[inline(always)]
fn locate(w: i128) -> (&'static [i128; TERMS], i128) {
    // From 1 on: the octave is the position of the leading bit, the part the three bits after it, the offset what follows.
    let octave = 32 - ((w >> 96) as u32).leading_zeros();
    let below = octave.saturating_sub(1);
    let piece = ((w >> (93 + below)) & 7) as usize + 8 * octave as usize;
    let offset = ((w & ((1 << (93 + below)) - 1)) << (28 - below)) - ONE_120;
    (&MILLS[piece], offset)
}

/// Y(w) with 120 fraction bits, for w in 0..64 in units of 2^-96. Relative error below 2^-88.
pub(super) fn mills_ratio(w: i128) -> i128 {
    let (terms, offset) = locate(w);
    terms[..TERMS - 1].iter().rev().fold(terms[TERMS - 1], |series, term| times(series, offset) + term)
}

/// Y of two arguments. Side by side, as each step of a series waits for the one before.
pub(super) fn mills_ratios(w: [i128; 2]) -> [i128; 2] {
    let [(one, one_offset), (other, other_offset)] = w.map(locate);
    let (mut one_series, mut other_series) = (one[TERMS - 1], other[TERMS - 1]);
    for place in (0..TERMS - 1).rev() {
        one_series = times(one_series, one_offset) + one[place];
        other_series = times(other_series, other_offset) + other[place];
    }
    [one_series, other_series]
}

/// φ(w) = e^(−w²/2)/√(2π), for |w| ≤ 64 in units of 2^-96. Relative error below 2^-88.
pub(super) fn density(w: i128) -> Scaled {
    let exponential = exp(Fixed::from_bits(-product::<97>(w, w)));
    exponential * Scaled::new(INVERSE_ROOT_OF_TWO_PI, -126)
}

/// Density of the standard normal distribution. Zero beyond [`TAIL_LIMIT`]; relative error below 1e-25 within.
pub fn normal_pdf(z: Fixed) -> Scaled {
    if z.to_bits().unsigned_abs() >= TAIL_LIMIT.to_bits().unsigned_abs() {
        return Scaled::ZERO;
    }
    density(z.to_bits())
}

/// Probability that a standard normal variable is below `z`. Zero or one beyond [`TAIL_LIMIT`]; relative error below 1e-25 within, in both
/// tails' small probabilities: that of being above z is the one of being below −z.
pub fn normal_cdf(z: Fixed) -> Scaled {
    let magnitude = z.to_bits().unsigned_abs();
    let tail = if magnitude >= TAIL_LIMIT.to_bits().unsigned_abs() {
        Scaled::ZERO
    } else {
        density(z.to_bits()) * Scaled::new(mills_ratio(magnitude as i128), -120)
    };
    if z > Fixed::ZERO { Scaled::ONE - tail } else { tail }
}
