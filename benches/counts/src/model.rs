//! The tables: what was counted, and what it comes to on machines with more cores than this one.

use std::fmt::Write as _;

use tally::Tally;

use crate::scenes::Scene;

/// What was counted of a scene with so many threads.
pub(crate) type Row<'a> = (&'a Scene, usize, Tally);

fn per(tally: &Tally, count: u64) -> f64 {
    count as f64 / tally.operations.max(1) as f64
}

/// The counts, as a table in Markdown.
pub(crate) fn counts(rows: &[Row<'_>]) -> String {
    let mut text = "\
| operation | threads | loads | stores | read-modify-writes | full fences | stores to lines that others read | lines from another core | of these the hottest line | shared lines in all |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"
    .to_owned();
    for (scene, threads, tally) in rows {
        let each = |count| per(tally, count);
        let _ = writeln!(
            text,
            "| {}, per {} | {threads} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            scene.name,
            scene.unit,
            each(tally.loads),
            each(tally.stores),
            each(tally.rmws),
            each(tally.fences),
            each(tally.shared_writes),
            each(tally.moves),
            each(tally.hottest),
            tally.shared_lines,
        );
    }
    text
}

/// A machine of the model.
struct Machine {
    cores: usize,
    /// What it takes to fetch a line from another core, in nanoseconds.
    fetch: f64,
}

/// Round figures for machines of today: cores of one small chip; of one socket of several chips; of two sockets.
const MACHINES: [Machine; 3] = [
    Machine {
        cores: 8,
        fetch: 50.0,
    },
    Machine {
        cores: 64,
        fetch: 100.0,
    },
    Machine {
        cores: 256,
        fetch: 200.0,
    },
];

/// A load or a store of a line that is there, with the few instructions round it, in nanoseconds.
const ACCESS: f64 = 0.5;

/// A read-modify-write or a full fence on a line that is there.
const LOCKED: f64 = 5.0;

/// What an operation costs when each of the machine's cores does nothing else, in nanoseconds.
///
/// A core pays for its own accesses and waits for each line that comes from elsewhere. One line can be at one core at a
/// time: if all cores' operations together need the hottest line for longer than that, they wait for it.
///
/// What only one of the threads does is not waited for in this way.
fn cost(machine: &Machine, tally: &Tally, by_one: bool) -> f64 {
    let own = ACCESS * per(tally, tally.loads + tally.stores)
        + LOCKED * per(tally, tally.rmws + tally.fences)
        + machine.fetch * per(tally, tally.moves);
    let queue = machine.cores as f64 * machine.fetch * per(tally, tally.hottest);
    if by_one { own } else { own.max(queue) }
}

/// The model's costs, as a table in Markdown.
pub(crate) fn costs(rows: &[Row<'_>]) -> String {
    let mut text = "| operation | one core (or two, where it takes two) |".to_owned();
    for machine in &MACHINES {
        let _ = write!(
            text,
            " {} cores, {:.0} ns a line |",
            machine.cores, machine.fetch
        );
    }
    text.push_str("\n|---|--:|--:|--:|--:|\n");
    for (scene, _, one) in rows
        .iter()
        .filter(|(scene, threads, _)| *threads == scene.threads[0])
    {
        let on = |machine: &Machine| {
            let same = |row: &&Row<'_>| row.0.name == scene.name && row.1 == machine.cores;
            rows.iter()
                .find(same)
                .map(|(_, _, tally)| cost(machine, tally, scene.by_one))
        };
        if MACHINES.iter().all(|machine| on(machine).is_none()) {
            continue;
        }
        let alone = Machine {
            cores: 1,
            fetch: 0.0,
        };
        let _ = write!(
            text,
            "| {}, per {} | {:.1} |",
            scene.name,
            scene.unit,
            cost(&alone, one, scene.by_one)
        );
        for machine in &MACHINES {
            match on(machine) {
                Some(cost) => drop(write!(text, " {cost:.1} |")),
                None => text.push_str(" |"),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobody_else_s_costs_the_same_everywhere() {
        let own = Tally {
            operations: 10,
            loads: 40,
            ..Tally::default()
        };
        assert!(
            MACHINES
                .iter()
                .all(|machine| cost(machine, &own, false) == 2.0)
        );
    }

    #[test]
    fn a_shared_line_is_waited_for_by_all() {
        let shared = Tally {
            operations: 10,
            moves: 10,
            hottest: 10,
            ..Tally::default()
        };
        assert_eq!(cost(&MACHINES[1], &shared, false), 64.0 * 100.0);
        assert_eq!(cost(&MACHINES[1], &shared, true), 100.0);
        let spread = Tally {
            operations: 1000,
            moves: 1000,
            hottest: 1,
            ..Tally::default()
        };
        assert_eq!(cost(&MACHINES[1], &spread, false), 100.0);
    }
}
