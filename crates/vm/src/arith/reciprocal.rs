//! Reduction modulo two to four limbs, by multiplication with a reciprocal.
//!
//! Knuth's long division finds one limb of the quotient at a time, and each limb waits for the one before. Here the
//! reciprocal of the modulus is known to about 175 bits, so that a step finds two limbs of the quotient at once and
//! almost never errs, and nothing waits for a correction either.
//!
//! *The reciprocal.* Read the modulus's top three limbs D, whose highest bit is set, as the fraction δ = D / 2^192 in
//! [1/2, 1). `Reciprocal::new` finds W with 1 + W / 2^192 a little below 1/δ:
//!
//! 1. x0, one machine division of 2^64 - 1 by the top 32 bits plus one, is below 2^96 / (d2 + 1) by less than one part
//!    in 2^30, d2 being the top limb. Whatever the bits below, it never exceeds what it approximates.
//! 2. A Newton step doubles that: 2^64 + y is below 2^64 / δ by e, less than one part in 2^58 (e², what is cut off
//!    below 2^-28 · x0, and the limbs below d2).
//! 3. 1/δ is (1 + y / 2^64) / (1 - e), so multiplying by 1 + e + e² leaves out only e³ < 2^-174.
//!
//! Every rounding is downwards, so 1 + W / 2^192 never exceeds 1/δ, and W never overflows.
//!
//! *The step.* A window X < m · 2^128 is a remainder modulo m and the next two limbs; m has N limbs and its highest bit
//! is set. U is the top three limbs of X. The next two limbs of the quotient are q = ⌊U · (1 + W / 2^192) / 2^64⌋, for
//! which six products of limbs do: what they leave out is a few units in a limb below the quotient's. So X - q·m is in
//! [0, m) unless that limb was within those units of a carry, or W was too small, which together happens about once in
//! 2^45 steps unless somebody chose the operands for it.
//!
//! *Why it is right.* The remainder is computed exactly from whatever q is, as a signed number of N + 1 limbs, and a
//! step ends by adding or subtracting m until the remainder is in [0, m). How accurate W and q are is a matter of speed
//! only: q is never above the true quotient and less than 8 below it, so the correction is short.

// Loops over limbs index several arrays at once.
#![allow(clippy::needless_range_loop)]

/// W of the essay, least significant limb first.
#[derive(Clone, Copy)]
pub(super) struct Reciprocal([u64; 3]);

impl Reciprocal {
    /// Of a modulus whose top limbs are `d2`, `d1`, `d0`; the highest bit of `d2` is set.
    #[inline(always)]
    pub(super) fn new(d2: u64, d1: u64, d0: u64) -> Self {
        debug_assert!(d2 >> 63 == 1, "modulus not normalized");
        let x0 = u64::MAX / ((d2 >> 32) + 1);
        let error = (1 << 96) - (u128::from(x0) * u128::from(d2) + u128::from(x0));
        let newton = (u128::from(x0) << 32) + u128::from((x0 * (error >> 36) as u64) >> 28);
        let y = newton.saturating_sub(1 << 64) as u64;

        // 2^256 · e = 2^256 - (2^64 + y) · D without its lowest limb.
        let (_, carry) = y.carrying_mul(d0, 0);
        let (product1, carry) = y.carrying_mul_add(d1, d0, carry);
        let (product2, carry) = y.carrying_mul_add(d2, d1, carry);
        let product3 = d2.wrapping_add(carry);
        let (error_high, error_low) = (!product3, !join(product2, product1));

        // f, g, s: e, e + e² and (1 + y / 2^64) · (e + e²) in units of 2^-184. f < 2^126, so nothing overflows.
        let f = (error_low >> 8) | u128::from(error_high) << 120;
        let g = f + (((f >> 64) * (f >> 64)) >> 56);
        let s = g + u128::from(y) * (g >> 64) + u128::from(high(y, g as u64));
        Self([(s as u64) << 8, (s >> 56) as u64, y + (s >> 120) as u64])
    }

    /// The next two limbs of the quotient, higher first, from the top three limbs of the window.
    #[inline(always)]
    fn quotient(&self, u2: u64, u1: u64, u0: u64) -> (u64, u64) {
        let [w0, w1, w2] = self.0;
        // The limbs 3, 4 and 5 of U · 2^192 + U · W. One carry chain after another keeps each in the carry flag.
        let (low, high1) = u2.carrying_mul(w1, 0);
        let (q0, carry) = u0.carrying_add(low, false);
        let (q1, carry) = u1.carrying_add(high1, carry);
        let q2 = u2 + u64::from(carry);
        let (low, high1) = u1.carrying_mul(w2, 0);
        let (q0, carry) = q0.carrying_add(low, false);
        let (q1, carry) = q1.carrying_add(high1, carry);
        let (q2, _) = q2.carrying_add(0, carry);
        let (low, high2) = u2.carrying_mul(w2, 0);
        let (q0, carry) = q0.carrying_add(high(u2, w0), false);
        let (q1, carry) = q1.carrying_add(low, carry);
        let (q2, _) = q2.carrying_add(high2, carry);
        let (q0, carry) = q0.carrying_add(high(u1, w1), false);
        let (q1, carry) = q1.carrying_add(0, carry);
        let (q2, _) = q2.carrying_add(0, carry);
        let (_, carry) = q0.carrying_add(high(u0, w2), false);
        let (q1, carry) = q1.carrying_add(0, carry);
        let (q2, _) = q2.carrying_add(0, carry);
        (q2, q1)
    }

    /// (`remainder` · 2^128 + `next1` · 2^64 + `next0`) mod `m`, of whose top limbs this is the reciprocal (a modulus
    /// of two limbs has a third of zero). `remainder` is less than `m`.
    #[inline(always)]
    pub(super) fn step<const N: usize>(&self, remainder: &[u64; N], next1: u64, next0: u64, m: &[u64; N]) -> [u64; N] {
        self.divide(remainder, next1, next0, m).1
    }

    /// The quotient and the remainder of what `step` reduces.
    #[inline(always)]
    pub(super) fn divide<const N: usize>(
        &self,
        remainder: &[u64; N],
        next1: u64,
        next0: u64,
        m: &[u64; N],
    ) -> (u128, [u64; N]) {
        let u0 = if N > 2 { remainder[N - 3] } else { next1 };
        let (q1, q0) = self.quotient(remainder[N - 1], remainder[N - 2], u0);
        let (product0, top0) = multiply(m, q0);
        let (product1, _) = multiply(m, q1);
        // X - q · m: the limbs 0 to N - 1, and N as `top`.
        let mut result = [next0; N];
        result[1] = next1;
        result[2..].copy_from_slice(&remainder[..N - 2]);
        let mut borrow = false;
        for i in 0..N {
            (result[i], borrow) = result[i].borrowing_sub(product0[i], borrow);
        }
        let (top, _) = remainder[N - 2].borrowing_sub(top0, borrow);
        borrow = false;
        for i in 1..N {
            (result[i], borrow) = result[i].borrowing_sub(product1[i - 1], borrow);
        }
        let (top, _) = top.borrowing_sub(product1[N - 1], borrow);
        let mut quotient = join(q1, q0);
        if top != 0 || result[N - 1] >= m[N - 1] {
            let (corrected, more) = correct(result, top, m);
            // Copied out of a place of its own, so that the result of the usual case need not be in memory.
            result = corrected;
            quotient = quotient.wrapping_add_signed(more);
        }
        (quotient, result)
    }
}

/// The signed number `top` · 2^(64 · N) + `remainder`, a few times `m` away at most, brought into [0, m), and how many
/// times `m` it was.
#[cold]
#[inline(never)]
fn correct<const N: usize>(mut remainder: [u64; N], mut top: u64, m: &[u64; N]) -> ([u64; N], i128) {
    let mut quotient = 0;
    while top >> 63 == 1 {
        let (sum, carry) = add(&remainder, m);
        remainder = sum;
        top = top.wrapping_add(u64::from(carry));
        quotient -= 1;
    }
    loop {
        let (difference, borrow) = subtract(&remainder, m);
        if top == 0 && borrow {
            return (remainder, quotient);
        }
        top -= u64::from(borrow);
        remainder = difference;
        quotient += 1;
    }
}

/// a + b and the carry.
#[inline(always)]
pub(super) fn add<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let mut sum = [0; N];
    let mut carry = false;
    for i in 0..N {
        (sum[i], carry) = a[i].carrying_add(b[i], carry);
    }
    (sum, carry)
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

/// a · b: its low N limbs and the one above.
#[inline(always)]
pub(super) fn multiply<const N: usize>(a: &[u64; N], b: u64) -> ([u64; N], u64) {
    let mut product = [0; N];
    let mut carry = 0;
    for i in 0..N {
        (product[i], carry) = b.carrying_mul(a[i], carry);
    }
    (product, carry)
}

#[inline(always)]
fn high(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

#[inline(always)]
pub(super) fn join(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U512;
    use proptest::prelude::*;

    fn limb() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            Just(u64::MAX),
            (0..64u32).prop_map(|k| 1 << k),
            (0..64u32).prop_map(|k| u64::MAX << k),
            any::<u64>(),
            any::<u64>(),
        ]
    }

    fn wide(limbs: &[u64]) -> U512 {
        U512::from_limbs_slice(limbs)
    }

    /// Divides q · m + r by m and compares.
    fn check<const N: usize>(mut m: [u64; N], q: u128, r: [u64; N]) {
        m[N - 1] |= 1 << 63;
        let expected = wide(&r) % wide(&m);
        let window = wide(&m) * U512::from(q) + expected;
        let limbs = window.as_limbs();
        let mut remainder = [0; N];
        remainder.copy_from_slice(&limbs[2..N + 2]);
        let third = if N > 2 { m[N - 3] } else { 0 };
        let w = Reciprocal::new(m[N - 1], m[N - 2], third);
        let (quotient, remainder) = w.divide(&remainder, limbs[1], limbs[0], &m);
        assert_eq!((quotient, wide(&remainder)), (q, expected), "{q} · {m:x?} + {expected:x}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50_000))]

        #[test]
        fn a_step_is_a_division(
            m in [limb(), limb(), limb(), limb()],
            q in [limb(), limb()],
            r in [limb(), limb(), limb(), limb()],
            at_edge in 0..4u8,
        ) {
            let [m0, m1, m2, m3] = m;
            let [r0, r1, r2, r3] = match at_edge {
                0 => [0; 4],
                1 => [m0.wrapping_sub(1), m1, m2, m3 | 1 << 63],
                _ => r,
            };
            let q = join(q[1], q[0]);
            check([m0, m1, m2, m3], q, [r0, r1, r2, r3]);
            check([m0, m1, m2], q, [r0, r1, r2]);
            check([m0, m1], q, [r0, r1]);
        }

        #[test]
        fn the_reciprocal_is_below_and_close(m in [limb(), limb(), limb()]) {
            let m = [m[0], m[1], m[2] | 1 << 63];
            let [w0, w1, w2] = Reciprocal::new(m[2], m[1], m[0]).0;
            // ⌊2^384 / D⌋ - 2^192, at most 2^192 (for D = 2^191).
            let exact = (U512::ONE << 384usize) / wide(&m) - (U512::ONE << 192usize);
            let w = wide(&[w0, w1, w2]);
            prop_assert!(w <= exact, "{w:x} above {exact:x}");
            prop_assert!(exact - w < U512::ONE << 24usize, "{w:x} far below {exact:x}");
        }
    }

    #[test]
    fn corrections_go_both_ways() {
        let m = [5, 7, 1 << 63];
        let rows = [
            ("in place", [4, 7, 1 << 63], 0, ([4, 7, 1 << 63], 0)),
            ("equal", m, 0, ([0, 0, 0], 1)),
            ("twice and one", [11, 14, 0], 1, ([1, 0, 0], 2)),
            ("minus one", [u64::MAX; 3], u64::MAX, ([4, 7, 1 << 63], -1)),
            ("minus m and one", [u64::MAX - 5, u64::MAX - 7, (1 << 63) - 1], u64::MAX, ([4, 7, 1 << 63], -2)),
        ];
        for (name, remainder, top, expected) in rows {
            assert_eq!(correct(remainder, top, &m), expected, "{name}");
        }
    }
}
