//! Soaks one structure for as long as it is told: `soak dequeue SECONDS MOVED`. `cargo xtask faults` runs it.

use std::process::ExitCode;
use std::time::Duration;

use trials::soak::{Enough, SOAKS, run};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<u64>().ok());
    let (Some(what), Some(seconds), Some(moved)) = (args.first(), number(1), number(2)) else {
        eprintln!("usage: soak {} SECONDS MOVED", SOAKS.join("|"));
        return ExitCode::from(2);
    };
    let enough = Enough {
        moved,
        time: Duration::from_secs(seconds),
    };
    let show = |soaked: &trials::soak::Soaked| {
        println!(
            "soak {what}: {} values moved in {} rounds, {} of them across the wrap of the indices; {} items created \
             and dropped",
            soaked.moved, soaked.rounds, soaked.wrapped, soaked.items
        );
    };
    show(&run(what, enough, show));
    ExitCode::SUCCESS
}
