//! Why a frame failed.

/// The reason for which a frame was undone. All but [`Halt::Revert`] consume the frame's gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// REVERT: the rest of the gas comes back, with a reason in the output.
    Revert,
    /// An opcode, memory or a deposit could not be paid.
    OutOfGas,
    /// An opcode needs more words than the stack has.
    StackUnderflow,
    /// The stack would hold more than 1,024 words.
    StackOverflow,
    /// A jump to something that is no JUMPDEST.
    InvalidJump,
    /// A byte that is no opcode under the fork, INVALID included.
    InvalidOpcode,
    /// An immediate that DUPN, SWAPN or EXCHANGE does not allow (EIP-8024).
    InvalidImmediate,
    /// A change of state inside STATICCALL (EIP-214).
    StaticViolation,
    /// RETURNDATACOPY beyond the return data (EIP-211).
    ReturnDataOutOfBounds,
    /// Initcode longer than allowed (EIP-3860).
    InitcodeTooLong,
    /// Code longer than allowed (EIP-170).
    CodeTooLong,
    /// New code that starts with 0xEF (EIP-3541).
    InvalidCode,
    /// The address of the new contract is taken (EIP-684, EIP-7610).
    CreateCollision,
    /// A precompiled contract refused its input or was short of gas.
    PrecompileFailed,
    /// A native module stopped.
    ModuleFailed,
}

impl core::fmt::Display for Halt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Revert => "execution reverted",
            Self::OutOfGas => "out of gas",
            Self::StackUnderflow => "stack underflow",
            Self::StackOverflow => "stack limit reached 1024",
            Self::InvalidJump => "invalid jump destination",
            Self::InvalidOpcode => "invalid opcode",
            Self::InvalidImmediate => "invalid immediate",
            Self::StaticViolation => "write protection",
            Self::ReturnDataOutOfBounds => "return data out of bounds",
            Self::InitcodeTooLong => "max initcode size exceeded",
            Self::CodeTooLong => "max code size exceeded",
            Self::InvalidCode => "invalid code: must not begin with 0xef",
            Self::CreateCollision => "contract address collision",
            Self::PrecompileFailed => "precompiled contract failed",
            Self::ModuleFailed => "native module failed",
        })
    }
}
