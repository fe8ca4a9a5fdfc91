//! The workloads of `benches::ring` through criterion, which times the CPU time that each contender reports.

mod front;

fn main() {
    front::run(benches::workload::Layer::Ring);
}
