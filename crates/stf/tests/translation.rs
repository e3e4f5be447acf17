//! Bytecode translated with fused opcodes does what it does without them: the same gas, status, output, logs and state,
//! under every fork.

mod random;

use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, ..ProptestConfig::default() })]

    #[test]
    fn fused_and_plain_agree(bytes in vec(any::<u8>(), 1..2_000)) {
        random::check_translation(&bytes);
    }
}
