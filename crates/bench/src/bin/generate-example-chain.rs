//! Writes the example chain into a folder: `cargo run -p rialto-bench --bin generate-example-chain -- [FOLDER]`, by
//! default the repository's `examples/chain`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/chain");
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(default), PathBuf::from);
    match write(&folder) {
        Ok(count) => {
            println!("{}: {count} files", folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &std::path::Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let files = rialto_bench::example_chain::files();
    for (name, contents) in &files {
        std::fs::write(folder.join(name), contents)?;
    }
    Ok(files.len())
}
