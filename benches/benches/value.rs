//! The workloads of `benches::value` through criterion, which times the CPU time that each contender reports.

mod front;

fn main() {
    front::run(benches::workload::Layer::Value);
}
