//! Random sequences of calls, bounded: what the fuzzer `market_calls` does without end.

use proptest::prelude::*;

mod random;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn records_kept_and_records_read_anew_do_the_same(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        random::check(&bytes);
    }
}
