//! The workloads of `benches::fork` through criterion, which times the CPU time that each contender reports.

mod front;

fn main() {
    front::run(benches::workload::Layer::Scheduler);
}
