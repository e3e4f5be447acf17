//! The compiler tier as it is measured: it compiles whatever it is asked for before it runs.

use crate::report::JitUse;
use rialto_jit::{Jit, JitMode, JitOptions};

/// A tier that compiles everything, unless compiling is off.
pub(crate) fn compiling_everything(jit: JitUse) -> Option<Jit> {
    match jit {
        JitUse::Off => None,
        JitUse::Beside | JitUse::Everywhere => {
            Some(Jit::new(JitOptions { mode: JitMode::Always, ..JitOptions::default() }))
        }
    }
}
