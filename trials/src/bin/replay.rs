//! Replays the fuzzer's corpus, without the fuzzer. `cargo xtask fuzz --replay` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match trials::replay::all(&trials::replay::corpus()) {
        Ok(replayed) => {
            for file in &replayed.failed {
                println!("failed: {}", file.display());
            }
            println!(
                "fuzz: {} inputs, {} failed",
                replayed.inputs,
                replayed.failed.len()
            );
            if replayed.failed.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("the corpus cannot be read: {error}");
            ExitCode::FAILURE
        }
    }
}
