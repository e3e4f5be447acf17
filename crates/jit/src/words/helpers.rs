//! The operations that compiled code calls: those whose instructions are many or whose words are wide.
//!
//! A helper is a C function of one pointer, to three words: its operands stand there in the order in which the opcode pops
//! them, and the result replaces the first. Both sides read and write limb by limb, as `arith` says.

use alloy_primitives::U256;
use rialto_vm::arith::{self, by_limbs};

/// The words that a helper is given.
pub(crate) type Operands = [U256; 3];

/// What compiled code calls.
pub(crate) type Helper = unsafe extern "C" fn(*mut Operands);

macro_rules! helpers {
    ($($name:ident($function:expr, $($index:literal),+);)+) => {$(
        #[doc = concat!("`arith::", stringify!($name), "`.\n\n# Safety\n`operands` points to words that nobody else uses.")]
        pub(crate) unsafe extern "C" fn $name(operands: *mut Operands) {
            // SAFETY: compiled code gives the address of its frame's own slot, which has that many words.
            let operands = unsafe { &mut *operands };
            operands[0] = by_limbs(&$function($(&operands[$index]),+));
        }
    )+};
}

helpers! {
    div(arith::div, 0, 1);
    sdiv(arith::sdiv, 0, 1);
    rem(arith::rem, 0, 1);
    smod(arith::smod, 0, 1);
    addmod(arith::addmod, 0, 1, 2);
    mulmod(arith::mulmod, 0, 1, 2);
    exp(arith::exp, 0, 1);
    mul(|a, b| arith::mul(by_limbs(a), by_limbs(b)), 0, 1);
    signextend(|a, b| arith::signextend(by_limbs(a), by_limbs(b)), 0, 1);
    shl(|a, b| arith::shl(by_limbs(a), by_limbs(b)), 0, 1);
    shr(|a, b| arith::shr(by_limbs(a), by_limbs(b)), 0, 1);
    sar(|a, b| arith::sar(by_limbs(a), by_limbs(b)), 0, 1);
}
