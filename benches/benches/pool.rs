//! The workloads of `benches::pool` through criterion, which times the CPU time that each contender reports.

mod front;

fn main() {
    front::run(benches::workload::Layer::Pool);
}
