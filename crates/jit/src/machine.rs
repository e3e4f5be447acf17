//! From bytecode to machine code in memory that may be executed and not written.
//!
//! Each code gets pages of its own: written, then made executable and read-only, freed with the [`NativeCode`] that they
//! belong to. Compiled code refers to nothing but its own pages, its jump table, which is freed with them, and the
//! machine's helpers by their addresses; there is nothing to link.

use crate::analysis::Analysis;
use crate::translate::quiet::{self, Quiet};
use crate::translate::{self, Limits, Tables, TooLarge};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, ir::Function};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider, SystemMemoryProvider};
use rialto_vm::native::NativeFunction;
use rialto_vm::{Fork, NativeCode};
use std::sync::Arc;

/// Bytes of bytecode that are compiled at most: twice what a contract may have had for most of the chain's life.
pub(crate) const MAX_CODE_BYTES: usize = 49_152;
/// Bytes of the host's stack that compiled code may take.
const MAX_FRAME_BYTES: u32 = 32 << 10;
/// What compiling one code may cost. Compile time and memory are about proportional to instructions.
const LIMITS: Limits = Limits { instructions: 90_000, blocks: 20_000, leaf_bytes: 0 };
/// Bytes of leaves that are compiled where they are called: as many as the code has, or these. The more, the longer compiling
/// takes.
const LEAF_BYTES: usize = 3_072;

/// Why code is not compiled. The interpreter runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// The bytecode has more bytes than are compiled.
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// The most that are compiled.
        limit: usize,
    },
    /// It would become more machine code than is worth it.
    TooLarge,
    /// Its machine code would need so many bytes of the host's stack.
    FrameTooLarge {
        /// The bytes.
        bytes: u32,
        /// The most that it may have.
        limit: u32,
    },
    /// The host has no backend, or it failed.
    Backend(String),
}

impl core::fmt::Display for CompileError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong { bytes, limit } => write!(f, "bytecode of {bytes} bytes, at most {limit} are compiled"),
            Self::TooLarge => f.write_str("bytecode that exceeds the compiler's limits of instructions"),
            Self::FrameTooLarge { bytes, limit } => {
                write!(f, "stack frame of {bytes} bytes, at most {limit} are allowed")
            }
            Self::Backend(message) => write!(f, "the compiler's backend failed: {message}"),
        }
    }
}

impl core::error::Error for CompileError {}

fn backend(error: impl core::fmt::Display) -> CompileError {
    CompileError::Backend(error.to_string())
}

/// The host as a target.
pub(crate) struct Machine {
    isa: OwnedTargetIsa,
    quiet: Quiet,
    /// Pages of the quiet helpers.
    quiet_pages: [Arc<Pages>; 2],
}

/// Pages with machine code, and what it refers to.
struct Pages {
    provider: SystemMemoryProvider,
    _jumps: Box<[u16]>,
    _quiet: Vec<Arc<Pages>>,
}

// SAFETY: nothing is done with the pages' provider but to drop it, once, by whoever is the last to hold it.
unsafe impl Send for Pages {}
// SAFETY: as above; there is no shared access.
unsafe impl Sync for Pages {}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the pages are dropped with the `NativeCode` that names a function in them, which nobody runs or can run
        // without holding it.
        unsafe { self.provider.free_memory() }
    }
}

impl Machine {
    pub fn new() -> Result<Self, CompileError> {
        if !cfg!(all(unix, any(target_arch = "x86_64", target_arch = "aarch64"))) {
            return Err(backend("there is none for this host"));
        }
        let mut flags = settings::builder();
        let chosen = [
            ("opt_level", "none"),
            ("regalloc_algorithm", "backtracking"),
            ("enable_verifier", if cfg!(test) { "true" } else { "false" }),
            ("enable_probestack", "true"),
            ("probestack_strategy", "inline"),
            ("is_pic", "false"),
            ("unwind_info", "false"),
            ("enable_pinned_reg", "true"),
        ];
        for (name, value) in chosen {
            flags.set(name, value).map_err(backend)?;
        }
        let builder = cranelift_native::builder().map_err(backend)?;
        let isa = builder.finish(settings::Flags::new(flags)).map_err(backend)?;
        let (quiet, quiet_pages) = quiet_functions(&*isa)?;
        Ok(Self { isa, quiet, quiet_pages })
    }

    /// Compiles `code` for the opcodes of `fork`.
    pub fn compile(&self, code: &[u8], fork: Fork) -> Result<NativeCode, CompileError> {
        if code.len() > MAX_CODE_BYTES {
            return Err(CompileError::TooLong { bytes: code.len(), limit: MAX_CODE_BYTES });
        }
        let analysis = Analysis::new(code, fork);
        let leaf_bytes = LEAF_BYTES.max(code.len());
        let (function, tables) = self
            .translate(&analysis, Limits { leaf_bytes, ..LIMITS })
            .or_else(|TooLarge| self.translate(&analysis, LIMITS))
            .map_err(|TooLarge| CompileError::TooLarge)?;
        let quiet = self.quiet_pages.to_vec();
        let (pages, start, machine_bytes) = emit(&*self.isa, function, tables.jumps, quiet)?;
        let bytes = machine_bytes + 2 * code.len() + size_of::<NativeCode>();
        // SAFETY: the pages hold a function of the signature that was compiled.
        let function = unsafe { core::mem::transmute::<*const u8, NativeFunction>(start) };
        // SAFETY: `translate` says why it does what the interpreter does; the pages hold it.
        Ok(unsafe { NativeCode::new(function, tables.entries.into(), bytes, Box::new(pages)) })
    }
}

impl Machine {
    fn translate(&self, analysis: &Analysis, limits: Limits) -> Result<(Function, Tables), TooLarge> {
        let mut function = Function::new();
        let mut context = FunctionBuilderContext::new();
        let config = self.isa.frontend_config();
        let tables = translate::translate(analysis, &mut function, &mut context, config, limits, self.quiet)?;
        Ok((function, tables))
    }
}

/// The quiet functions, and the pages that they are in.
fn quiet_functions(isa: &dyn TargetIsa) -> Result<(Quiet, [Arc<Pages>; 2]), CompileError> {
    let mut context = FunctionBuilderContext::new();
    let config = isa.frontend_config();
    let mut function = Function::new();
    quiet::translate_any_growth(&mut function, &mut context, config);
    let (pages, any_growth, _) = emit(isa, function, Box::default(), Vec::new())?;
    let mut function = Function::new();
    quiet::translate_growth(&mut function, &mut context, config, any_growth as usize);
    let (growth_pages, growth, _) = emit(isa, function, Box::default(), vec![Arc::new(pages)])?;
    let mut function = Function::new();
    quiet::translate_call_data(&mut function, &mut context, config);
    let (call_data_pages, call_data, _) = emit(isa, function, Box::default(), Vec::new())?;
    let quiet = Quiet { grow_memory: growth as usize, call_data: call_data as usize };
    Ok((quiet, [Arc::new(growth_pages), Arc::new(call_data_pages)]))
}

/// Machine code of `function` in pages of its own: these, the place of its first byte, and its bytes.
fn emit(
    isa: &dyn TargetIsa,
    function: Function,
    jumps: Box<[u16]>,
    quiet: Vec<Arc<Pages>>,
) -> Result<(Pages, *const u8, usize), CompileError> {
    let mut context = Context::for_function(function);
    let compiled =
        context.compile(isa, &mut ControlPlane::default()).map_err(|error| backend(format!("{:?}", error.inner)))?;
    let frame = compiled.buffer.frame_layout().map_or(0, |layout| layout.frame_to_fp_offset);
    if frame > MAX_FRAME_BYTES {
        return Err(CompileError::FrameTooLarge { bytes: frame, limit: MAX_FRAME_BYTES });
    }
    if !compiled.buffer.relocs().is_empty() {
        return Err(backend("the code is to be linked, and there is nothing to link with"));
    }
    let code = compiled.buffer.data();
    let mut pages = Pages { provider: SystemMemoryProvider::new(), _jumps: jumps, _quiet: quiet };
    let alignment = u64::from(compiled.buffer.alignment.max(64));
    let start = pages.provider.allocate(code.len(), alignment, JITMemoryKind::Executable).map_err(backend)?;
    // SAFETY: as many bytes were just allocated, and are nobody else's.
    unsafe { core::ptr::copy_nonoverlapping(code.as_ptr(), start, code.len()) };
    pages.provider.finalize(BranchProtection::None).map_err(backend)?;
    Ok((pages, start, code.len()))
}
