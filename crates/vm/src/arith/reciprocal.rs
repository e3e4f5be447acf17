//! Reduction of numbers of many limbs modulo two to four limbs, by multiplication with a reciprocal.
//!
//! Knuth's long division finds one limb of the quotient at a time and each limb waits for the one before. Here the
//! reciprocal of the divisor is known to about 188 bits, so a step finds two limbs of the quotient at once, and almost
//! never errs, so that nothing waits for a correction either.
//!
//! *The reciprocal.* Read the divisor's top three limbs D, whose highest bit is set, as the fraction δ = D / 2^192 in
//! [1/2, 1). `Reciprocal::new` finds W with 1 + W / 2^192 a little below 1/δ. It starts with a 64-bit approximation of
//! the top limb's reciprocal (Möller and Granlund, "Improved division by invariant integers", algorithm 3, without its
//! last adjustment), which is at most 2 units of 2^-64 below 2^64 / d2. Less 4 units, y is below 1/δ whatever the lower
//! limbs are, and e = 1 - y·δ is in [0, 6 / 2^64). Then 1/δ = y / (1 - e), of which y·(1 + e + e²) leaves out only a
//! part e³ < 2^-184.
//!
//! *The step.* X < m · 2^128 is a window of n + 2 limbs, m a divisor of n limbs with its highest bit set, U the top
//! three limbs of X. Two limbs of quotient are q = ⌊U · (1 + W / 2^192) / 2^64⌋, for which six products of limbs do:
//! what they leave out is some units in a limb below the quotient's. So X - q·m is in [0, m) unless that third limb was
//! within those units of carrying, which for unstructured operands happens once in about 2^50 steps.
//!
//! *Why it is right.* The remainder is computed exactly from whatever q is, as a signed number of n + 1 limbs, and a
//! step ends by adding or subtracting m until the remainder is in [0, m). Accuracy of W and q is a matter of speed only:
//! they are at most 4 below the true quotient, and never above it.

/// ⌊(2^19 - 3 · 2^8) / d⌋ for d of nine bits with the highest set: the seed of a reciprocal.
static SEED: [u16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = (((1 << 19) - 3 * (1 << 8)) / (256 + i)) as u16;
        i += 1;
    }
    table
};

/// v with 2^64 + v at most 2 below 2^128 / d, and not above it. The highest bit of `d` is set.
#[inline(always)]
fn approximate_reciprocal(d: u64) -> u64 {
    debug_assert!(d >> 63 == 1);
    let v0 = u64::from(SEED[(d >> 55) as usize & 0xff]);
    let d40 = (d >> 24) + 1;
    let v1 = (v0 << 11) - ((v0 * v0 * d40) >> 40) - 1;
    let v2 = (v1 << 13) + ((v1 * ((1 << 60) - v1 * d40)) >> 47);
    let halved = (v2 >> 1) & (d & 1).wrapping_neg();
    let error = halved.wrapping_sub(v2.wrapping_mul((d >> 1) + (d & 1)));
    (v2 << 31).wrapping_add(high(v2, error) >> 1)
}

#[inline(always)]
fn high(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

#[inline(always)]
fn join(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// The fraction W of the essay, least significant limb first.
#[derive(Clone, Copy)]
pub(super) struct Reciprocal([u64; 3]);

impl Reciprocal {
    /// Of the divisor whose top limbs are `d2`, `d1`, `d0`; the highest bit of `d2` is set.
    #[inline(always)]
    pub(super) fn new(d2: u64, d1: u64, d0: u64) -> Self {
        let y = approximate_reciprocal(d2).saturating_sub(4);
        // 2^256 · e = 2^256 - (2^64 + y) · D, of which the lowest limb is not needed.
        let (_, carry) = y.carrying_mul(d0, 0);
        let (product1, carry) = y.carrying_mul_add(d1, d0, carry);
        let (product2, carry) = y.carrying_mul_add(d2, d1, carry);
        let product3 = d2.wrapping_add(carry);
        let error_low = !join(product2, product1);
        let error_high = !product3;
        // e = f / 2^188, e + e² = g / 2^188.
        let f = (error_low >> 4) | u128::from(error_high) << 124;
        let f_high = f >> 64;
        let g = f + ((f_high * f_high) >> 60);
        // y · (e + e²) in units of 2^-188.
        let s = g + u128::from(y) * (g >> 64) + u128::from(high(y, g as u64));
        Self([(s as u64) << 4, (s >> 60) as u64, y + (s >> 124) as u64])
    }

    /// The next two limbs of the quotient, for the top three limbs of the window.
    #[inline(always)]
    fn quotient(&self, u2: u64, u1: u64, u0: u64) -> (u64, u64) {
        let [w0, w1, w2] = self.0;
        let left = u128::from(u2) * u128::from(w1);
        let right = u128::from(u1) * u128::from(w2);
        let below = u128::from(left as u64)
            + u128::from(right as u64)
            + u128::from(high(u2, w0))
            + u128::from(high(u1, w1))
            + u128::from(high(u0, w2))
            + u128::from(u0);
        let quotient = (u128::from(u2) * u128::from(w2))
            .wrapping_add(left >> 64)
            .wrapping_add(right >> 64)
            .wrapping_add(below >> 64)
            .wrapping_add(join(u2, u1));
        ((quotient >> 64) as u64, quotient as u64)
    }

    /// The remainder of `remainder` · 2^128 + `next1` · 2^64 + `next0` by `m`, of which this is the reciprocal.
    /// `remainder` is less than `m`.
    #[inline(always)]
    pub(super) fn step<const N: usize>(
        &self,
        remainder: [u64; N],
        next1: u64,
        next0: u64,
        m: &[u64; N],
    ) -> [u64; N] {
        let u0 = if N > 2 { remainder[N - 3] } else { next1 };
        let (q1, q0) = self.quotient(remainder[N - 1], remainder[N - 2], u0);
        // q · m modulo 2^(64 · (N + 1)): the limbs 0 to N - 1 and the top one.
        let mut product = [0; N];
        let mut top = 0;
        for i in 0..N {
            (product[i], top) = q0.carrying_mul(m[i], top);
        }
        let mut carry = 0;
        for i in 0..N - 1 {
            (product[i + 1], carry) = q1.carrying_mul_add(m[i], product[i + 1], carry);
        }
        top = top.wrapping_add(carry).wrapping_add(q1.wrapping_mul(m[N - 1]));
        let mut result = [0; N];
        let mut borrow = false;
        for i in 0..N {
            let x = match i {
                0 => next0,
                1 => next1,
                _ => remainder[i - 2],
            };
            (result[i], borrow) = x.borrowing_sub(product[i], borrow);
        }
        let (top, _) = remainder[N - 2].borrowing_sub(top, borrow);
        if top != 0 || result[N - 1] >= m[N - 1] {
            return correct(result, top, m);
        }
        result
    }
}

/// The signed number `top` · 2^(64 · N) + `remainder`, a few times `m` away at most, brought into [0, m).
#[cold]
#[inline(never)]
fn correct<const N: usize>(mut remainder: [u64; N], mut top: u64, m: &[u64; N]) -> [u64; N] {
    while top >> 63 == 1 {
        let mut carry = false;
        for (r, m) in remainder.iter_mut().zip(m) {
            (*r, carry) = r.carrying_add(*m, carry);
        }
        top = top.wrapping_add(u64::from(carry));
    }
    loop {
        let (difference, borrow) = subtract(&remainder, m);
        if top == 0 && borrow {
            return remainder;
        }
        top -= u64::from(borrow);
        remainder = difference;
    }
}

/// a - b and whether it is negative.
#[inline(always)]
pub(super) fn subtract<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let mut difference = [0; N];
    let mut borrow = false;
    for i in 0..N {
        (difference[i], borrow) = a[i].borrowing_sub(b[i], borrow);
    }
    (difference, borrow)
}
