//! The planted bugs: what is changed in the sources, and which checks are shown the result.

/// A mistake that the tools have to notice.
pub(crate) struct Bug {
    /// As in the table.
    pub(crate) name: &'static str,
    /// The crate whose source is spoilt.
    pub(crate) krate: &'static str,
    /// The file, from the crate's folder.
    pub(crate) file: &'static str,
    /// What is replaced; stands there exactly once.
    pub(crate) good: &'static str,
    /// By what.
    pub(crate) bad: &'static str,
    /// Who is asked, and what each says of it.
    pub(crate) checks: &'static [Witness],
}

/// A check and what it has to say of a bug.
pub(crate) struct Witness {
    pub(crate) check: Check,
    /// How it fails; None if it is known to miss the bug.
    pub(crate) says: Option<&'static str>,
}

/// One test of the bug's crate under one tool.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Check {
    pub(crate) tool: Tool,
    /// The test program: a file in `tests`, or `lib`.
    pub(crate) program: &'static str,
    /// The test.
    pub(crate) test: &'static str,
}

/// How a test is run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Tool {
    /// As it is.
    Plain,
    /// In every interleaving, up to three preemptions.
    Loom,
    /// The same with counts of three bits.
    Narrow,
    /// Under Miri, some schedules.
    Miri,
}

impl Tool {
    /// As in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "test",
            Self::Loom => "loom",
            Self::Narrow => "loom, 3 bits,",
            Self::Miri => "miri",
        }
    }
}

impl Check {
    /// It fails in this way.
    const fn says(self, how: &'static str) -> Witness {
        Witness {
            check: self,
            says: Some(how),
        }
    }
}

const fn plain(program: &'static str, test: &'static str) -> Check {
    Check {
        tool: Tool::Plain,
        program,
        test,
    }
}

const fn loom(test: &'static str) -> Check {
    Check {
        tool: Tool::Loom,
        program: "loom",
        test,
    }
}

const fn narrow(test: &'static str) -> Check {
    Check {
        tool: Tool::Narrow,
        program: "loom",
        test,
    }
}

const fn miri(program: &'static str, test: &'static str) -> Check {
    Check {
        tool: Tool::Miri,
        program,
        test,
    }
}

/// All of them.
pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "slot read before the exchange",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "        let claimed = self.claim_tail(|_| 1)?;
        let (slot, odd) = self.slot(claimed.first);
        // SAFETY: `claim_tail` moved the tail over this slot, so it is ours (I2); we take it once.
        Some(unsafe { slot.take(odd) })
",
        bad: "        if self.is_empty() {
            return None;
        }
        let (slot, odd) = self.slot(self.counts().tail() as usize);
        let early = unsafe { slot.take(odd) };
        if self.claim_tail(|_| 1).is_some() {
            return Some(early);
        }
        mem::forget(early);
        None
",
        checks: &[
            loom("two_thieves").says("data race"),
            miri("pairs", "every_pair").says("undefined behaviour"),
        ],
    },
    Bug {
        name: "hand-over relaxed",
        krate: "pool-dequeue",
        file: "src/pushes.rs",
        good: "self.0.store(pushes, Ordering::Release);",
        bad: "self.0.store(pushes, Ordering::Relaxed);",
        checks: &[
            loom("a_push_happens_before_its_pop").says("data race"),
            miri("pairs", "every_pair").says("undefined behaviour"),
        ],
    },
    Bug {
        name: "slot's lap not looked at",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "        if !slot.is_free(odd) {
            return Err(Full(value));
        }
",
        bad: "        let _ = odd;
",
        checks: &[
            loom("full_with_a_slow_consumer").says("data race"),
            miri("pairs", "every_pair").says("undefined behaviour"),
        ],
    },
    Bug {
        name: "light barrier missing",
        krate: "pool-gate",
        file: "src/gate.rs",
        good: "        barrier::light();
",
        bad: "        let _ = barrier::light;
",
        checks: &[
            loom("enter_against_visit").says("data race"),
            miri("gate", "many_owners_and_visitors").says("undefined behaviour"),
        ],
    },
    Bug {
        name: "heavy barrier missing",
        krate: "pool-gate",
        file: "src/sweep.rs",
        good: "        match self.pair.heavy() {",
        bad: "        match Ok(()) {",
        checks: &[loom("enter_against_visit").says("data race")],
    },
    Bug {
        name: "a refused barrier taken for a success",
        krate: "pool-gate",
        file: "src/linux.rs",
        good: "            Err(Refused { for_good: true })
",
        bad: "            Ok(())
",
        checks: &[
            plain("trust", "a_later_refusal_is_told_and_remembered").says("assertion"),
            plain("trust", "nobody_visits_after_a_refusal").says("assertion"),
        ],
    },
    Bug {
        name: "a gate opened that another sweep holds",
        krate: "pool-gate",
        file: "src/sweep.rs",
        good: "    pub fn restore<T>(&mut self, gate: &Gate<T>) {
        if self.holds(gate) {",
        bad: "    pub fn restore<T>(&mut self, gate: &Gate<T>) {
        {",
        checks: &[
            plain("gate", "sweeps_leave_each_others_gates_alone").says("assertion"),
            loom("giving_up_opens_no_gate_of_anothers").says("data race"),
        ],
    },
    Bug {
        name: "ring freed while a thief is in it",
        krate: "pool-chain",
        file: "src/raw.rs",
        good: "unsafe { guard.retire(node) };",
        bad: "unsafe { Node::release(node) };",
        checks: &[loom("producer_unlinks_against_thief").says("data race")],
    },
    Bug {
        name: "old head read after it was followed",
        krate: "pool-chain",
        file: "src/raw.rs",
        good: "            let _no_room = unsafe { self.append(fit) };
",
        bad: "            let _no_room = unsafe { self.append(fit) };
            // SAFETY: we are the producer.
            unsafe { self.with_owner(|owner| owner.judged(fit, head.ring().len())) };
",
        checks: &[loom("shrink_against_thief").says("use after free")],
    },
    Bug {
        name: "remainder leaked",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "            drop(self.batch(self.rest(), Order::OldestFirst));
",
        bad: "            let mut rest = self.batch(self.rest(), Order::OldestFirst);
            drop(rest.next());
            mem::forget(rest);
",
        // The ladder notices it, too, unless its thieves happen to leave one value or none.
        checks: &[loom("the_last_handle_drops_what_is_left").says("assertion")],
    },
    Bug {
        name: "dropped twice on a panic",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "        let rest = Rest(self);
        rest.0.by_ref().for_each(drop);
",
        bad: "        let rest = Rest(self);
        while rest.0.count != 0 {
            drop(unsafe { slot(rest.0.slots, rest.0.first).0.read() });
            rest.0.first = rest.0.first.wrapping_add(1);
            rest.0.count -= 1;
        }
",
        checks: &[plain("panics", "tail_batch_drop::boxed_2").says("assertion")],
    },
    Bug {
        name: "`next` read after the pop",
        krate: "pool-chain",
        file: "src/raw.rs",
        good: "            let next = node.next().load(Ordering::Acquire);
            if let Some(found) = attempt(node, at) {
                break Some(found);
            }
",
        // The look at the ring that comes after it would make up for it.
        bad: "            if let Some(found) = attempt(node, at) {
                break Some(found);
            }
            let next = node.next().load(Ordering::Acquire);
            if !next.is_null() {
                unlinked |= unsafe { self.unlink(at, next, &guard) };
                at = next;
                continue;
            }
",
        checks: &[loom("next_is_read_before_the_pop").says("outcomes")],
    },
    Bug {
        name: "steals carry into pops at the wrap",
        krate: "pool-dequeue",
        file: "src/index.rs",
        good: "        let steals = self.0.wrapping_add(count as Word) & COUNT_MASK;
        Self(self.0 & !COUNT_MASK | steals)
",
        bad: "        Self(self.0.wrapping_add(count as Word))
",
        checks: &[
            plain(
                "lib",
                "index::tests::a_count_that_wraps_leaves_the_other_alone",
            )
            .says("assertion"),
            plain("properties", "every_offset_of_the_wrap").says("assertion"),
        ],
    },
    Bug {
        name: "the facade's companion untouched",
        krate: "pool-dequeue",
        file: "src/sync.rs",
        good: "                    self.companion.store(false, Ordering::Relaxed);
",
        bad: "",
        checks: &[loom("facade_regression").says("outcomes")],
    },
    Bug {
        name: "the fences' companion untouched",
        krate: "pool-dequeue",
        file: "src/sync.rs",
        good: "            FENCES.store(false, Ordering::Relaxed);
",
        bad: "",
        checks: &[loom("facade_regression_of_fences").says("outcomes")],
    },
    Bug {
        name: "no second look after a claim",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "self.pushed.pushes.at_least().wrapping_sub(before) < UNSUSPICIOUS",
        bad: "before != u64::MAX || UNSUSPICIOUS == 0",
        checks: &[narrow("a_full_turn_and_nothing_there").says("data race")],
    },
    Bug {
        name: "the slot's lap in place of the second look",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "        if self.is_good(before) {
            Some(claim)
        } else {
",
        bad: "        let (slot, odd) = self.slot(claim.first);
        if slot.is_free(odd) || before == u64::MAX {
            Some(claim)
        } else {
",
        checks: &[narrow("a_full_turn_and_nothing_there").says("outcomes")],
    },
    Bug {
        name: "a claim that does not release",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "                Ordering::AcqRel,
                Ordering::Acquire,
",
        bad: "                Ordering::Acquire,
                Ordering::Acquire,
",
        checks: &[narrow("a_full_turn").says("data race")],
    },
    Bug {
        name: "an answer after a give-back",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "            let (again, before) = self.try_claim_tail(|len| len.min(most))?;
",
        bad: "            if most != 0 {
                return None;
            }
            let (again, before) = self.try_claim_tail(|len| len.min(most))?;
",
        checks: &[narrow("a_drained_ring_stays_empty").says("assertion")],
    },
    Bug {
        name: "a turn that takes what was just put back",
        krate: "pool-core",
        file: "src/rotation.rs",
        good: "            if self.generation() == generation {
",
        bad: "            if self.generation() >= generation {
",
        checks: &[plain(
            "lib",
            "rotation::tests::what_comes_while_turning_is_not_taken_for_old",
        )
        .says("assertion")],
    },
    Bug {
        name: "an owner that meets itself at its chain",
        krate: "pool-core",
        file: "src/part.rs",
        good: "        self.busy.set(true);
",
        bad: "",
        checks: &[plain(
            "lib",
            "slow::tests::who_is_at_its_chain_already_leases_another_part",
        )
        .says("assertion")],
    },
    Bug {
        name: "no look after growth's allocation",
        krate: "pool-core",
        file: "src/cache.rs",
        good: "            if stack.capacity < capacity {
",
        bad: "            {
",
        checks: &[plain("growth_reentry", "growth_keeps_what_the_allocator_did").says("assertion")],
    },
    Bug {
        name: "a wait for a moment without a window",
        krate: "atomic-value",
        file: "src/backend/record.rs",
        good: "env::wait_until(|| look() != seen)",
        bad: "env::wait_until(|| Turn::slot(look()) != slot)",
        checks: &[plain(
            "lib",
            "backend::tests::a_replacement_waits_for_one_window_only",
        )
        .says("assertion")],
    },
    Bug {
        name: "windows that are lost in a fork stay open",
        krate: "atomic-value",
        file: "src/backend/record.rs",
        good: "        record.loading.store(0, Ordering::Relaxed);
",
        bad: "",
        checks: &[plain(
            "lib",
            "backend::tests::a_fork_ends_the_windows_that_it_loses",
        )
        .says("assertion")],
    },
    Bug {
        name: "a record used without a lease",
        krate: "atomic-value",
        file: "src/backend/record.rs",
        good: "    let lease = Lease::none();
    load(lease.record(), lease.turn())
",
        bad: "    let lease = Lease::none();
    load(records().next().unwrap_or_else(Record::push), lease.turn())
",
        checks: &[
            plain("lib", "backend::tests::a_borrowed_record_is_nobody_elses").says("assertion"),
        ],
    },
];
