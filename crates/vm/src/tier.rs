//! Where a compiler tier plugs in. The machine knows only that somebody may have a faster form of the code that it runs.

/// A faster way to run code than the interpreter, for the code that it has compiled.
pub trait Tier: Send + Sync {}
