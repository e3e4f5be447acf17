//! Says whether the interpreter's handlers may call one another: only where the optimiser turns those calls into jumps.
//! See `src/interpreter.rs`.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(rialto_threaded)");
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, values: &[&str]| std::env::var(name).is_ok_and(|value| values.contains(&value.as_str()));
    // Debug assertions keep locals alive that stand in the way, as do sanitizers and Miri.
    let is_optimised = is("OPT_LEVEL", &["2", "3"]) && std::env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none();
    let has_register_arguments = is("CARGO_CFG_TARGET_ARCH", &["x86_64", "aarch64"]);
    let is_instrumented =
        std::env::var_os("CARGO_CFG_SANITIZE").is_some() || std::env::var_os("CARGO_CFG_MIRI").is_some();
    if is_optimised && has_register_arguments && !is_instrumented {
        println!("cargo::rustc-cfg=rialto_threaded");
    }
}
