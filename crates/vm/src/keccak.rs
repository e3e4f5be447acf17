//! Keccak-256, by the widest way that the machine has.
//!
//! Everything that execution hashes goes through [`keccak256`]. Where the processor has the vector instructions that
//! `avx512` asks for, a permutation takes two thirds of the time of scalar code; everywhere else, and on every other
//! architecture, the hash is that of `alloy_primitives`. Both are the same function, so nothing that is computed from a
//! hash depends on the machine. Targets of x86-64 that may not touch vector registers at all, such as kernels, are told by
//! their lack of SSE2.
//!
//! The processor is asked once; the answer is kept in a byte. Threads that ask at the same time write the same answer, and
//! nothing else is published with it, so the order of these accesses to memory is free.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod avx512;

use alloy_primitives::B256;

/// Keccak-256 of `input`, the hash of Ethereum (padding 0x01, not that of SHA-3).
#[inline]
pub fn keccak256(input: &[u8]) -> B256 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    if machine::has_avx512() {
        // SAFETY: the processor and the system have what the function is compiled for.
        return B256::new(unsafe { avx512::keccak256(input) });
    }
    alloy_primitives::keccak256(input)
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod machine {
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    use core::sync::atomic::{AtomicU8, Ordering};

    const UNKNOWN: u8 = 0;
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;

    /// Leaf 1, ECX: the system saves vector registers, and `xgetbv` says which.
    const OSXSAVE: u32 = 1 << 27;
    /// XCR0: the system saves the lower and upper halves of 256 bits, mask registers, and all of the 32 registers of 512 bits.
    const SAVED_STATE: u64 = 0b1110_0110;
    /// Leaf 7, EBX: AVX512F, AVX512BW and AVX512VL.
    const FOUNDATION: u32 = 1 << 16 | 1 << 30 | 1 << 31;
    /// Leaf 7, ECX: AVX512_VBMI2. Nothing here uses it; processors without it are of the generation that lowers its clock, and
    /// stands still while it does so, when it meets instructions of 512 bits.
    const NO_SLOWER_CLOCK: u32 = 1 << 6;

    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);

    /// Whether [`super::avx512::keccak256`] may be called.
    #[inline]
    pub fn has_avx512() -> bool {
        match ANSWER.load(Ordering::Relaxed) {
            UNKNOWN => ask(),
            answer => answer == PRESENT,
        }
    }

    #[cold]
    #[inline(never)]
    fn ask() -> bool {
        let is_present = detect();
        ANSWER.store(if is_present { PRESENT } else { ABSENT }, Ordering::Relaxed);
        is_present
    }

    fn detect() -> bool {
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 {
            return false;
        }
        // SAFETY: a system that sets OSXSAVE lets programs read XCR0.
        let saved = unsafe { saved_state() };
        let leaf = __cpuid_count(7, 0);
        saved & SAVED_STATE == SAVED_STATE
            && leaf.ebx & FOUNDATION == FOUNDATION
            && leaf.ecx & NO_SLOWER_CLOCK == NO_SLOWER_CLOCK
    }

    #[target_feature(enable = "xsave")]
    fn saved_state() -> u64 {
        // SAFETY: register 0 exists wherever the instruction does.
        unsafe { _xgetbv(0) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::{vec, vec::Vec};
    use alloy_primitives::hex;
    use proptest::prelude::*;

    /// Bytes without a pattern that a wrong order of lanes would not show in.
    fn bytes(len: usize) -> Vec<u8> {
        let mut state = len as u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn known_answers() {
        let rows: [(&str, &[u8], [u8; 32]); 4] = [
            ("nothing", b"", hex!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")),
            ("abc", b"abc", hex!("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")),
            (
                "an event's signature",
                b"Transfer(address,address,uint256)",
                hex!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
            ),
            (
                "the first place of a mapping",
                &[0; 64],
                hex!("ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5"),
            ),
        ];
        for (name, input, expected) in rows {
            assert_eq!(keccak256(input), B256::new(expected), "{name}");
        }
    }

    #[test]
    fn every_short_length_and_some_long_ones() {
        let long = [1023, 1024, 1088, 4095, 24_576, 49_152, 100_003];
        for len in (0..=600).chain(long) {
            let input = bytes(len);
            assert_eq!(keccak256(&input), alloy_primitives::keccak256(&input), "{len} bytes");
        }
    }

    #[test]
    fn an_input_may_begin_anywhere_and_what_follows_it_does_not_count() {
        let mut buffer = bytes(512);
        for start in 0..64 {
            for len in [0, 1, 20, 32, 63, 64, 65, 127, 128, 135, 136, 137, 272] {
                let expected = alloy_primitives::keccak256(&buffer[start..start + len]);
                assert_eq!(keccak256(&buffer[start..start + len]), expected, "{len} bytes from {start}");
                buffer[start + len] ^= 0xff;
                assert_eq!(
                    keccak256(&buffer[start..start + len]),
                    expected,
                    "{len} bytes from {start}, another follows"
                );
            }
        }
    }

    /// The path that the other tests of this file ran, by name, and that it is the one that the standard library would choose.
    #[test]
    fn the_machine_is_known() {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        {
            let expected = std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512bw")
                && std::is_x86_feature_detected!("avx512vl")
                && std::is_x86_feature_detected!("avx512vbmi2");
            std::println!("Keccak-256 runs on {}", if expected { "AVX-512" } else { "scalar code" });
            assert_eq!(machine::has_avx512(), expected);
            assert_eq!(machine::has_avx512(), expected, "the second answer is the first");
        }
        #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
        std::println!("Keccak-256 runs on scalar code");
    }

    proptest! {
        #[test]
        fn random_inputs(input in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(keccak256(&input), alloy_primitives::keccak256(&input));
        }

        /// Inputs that differ in one bit only, so that no byte is left out or read twice.
        #[test]
        fn one_bit_counts(len in 1usize..700, bit in any::<prop::sample::Index>()) {
            let mut input = vec![0; len];
            let bit = bit.index(8 * len);
            input[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(keccak256(&input), alloy_primitives::keccak256(&input));
        }
    }
}
