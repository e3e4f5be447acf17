//! The operations that compiled code calls: those whose instructions are many or whose words are wide.
//!
//! A helper is a C function of one pointer, to sixteen limbs: its operands stand there one behind the other, four limbs
//! each in the order in which the opcode pops them, and the result replaces the first.

use alloy_primitives::U256;
use rialto_vm::arith;

/// The limbs that a helper is given.
pub(crate) type Operands = [u64; 16];

/// What compiled code calls.
pub(crate) type Helper = unsafe extern "C" fn(*mut Operands);

/// The operand at `index`.
fn operand(operands: &Operands, index: usize) -> U256 {
    let at = |limb: usize| operands[4 * index + limb];
    U256::from_limbs([at(0), at(1), at(2), at(3)])
}

fn answer(operands: &mut Operands, result: U256) {
    operands[..4].copy_from_slice(result.as_limbs());
}

macro_rules! helpers {
    ($($name:ident($($index:literal),+);)+) => {$(
        #[doc = concat!("`arith::", stringify!($name), "`.\n\n# Safety\n`operands` points to limbs that nobody else uses.")]
        pub(crate) unsafe extern "C" fn $name(operands: *mut Operands) {
            // SAFETY: compiled code gives the address of its frame's own slot, which has that many limbs.
            let operands = unsafe { &mut *operands };
            let result = arith::$name($(operand(operands, $index)),+);
            answer(operands, result);
        }
    )+};
}

helpers! {
    mul(0, 1);
    div(0, 1);
    sdiv(0, 1);
    rem(0, 1);
    smod(0, 1);
    addmod(0, 1, 2);
    mulmod(0, 1, 2);
    exp(0, 1);
    signextend(0, 1);
    shl(0, 1);
    shr(0, 1);
    sar(0, 1);
}
