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
    /// The same with indices of three bits.
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
        // SAFETY: `claim_tail` moved the tail over this slot, so it is ours (I2); we take it once.
        Some(unsafe { self.slot(claimed.first).take() })
",
        bad: "        if self.is_empty() {
            return None;
        }
        let early = unsafe { self.slot(self.indices().tail()).take() };
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
        file: "src/raw.rs",
        good: ".fetch_add(Indices::head_step(count), Ordering::Release);",
        bad: ".fetch_add(Indices::head_step(count), Ordering::Relaxed);",
        checks: &[
            loom("a_push_happens_before_its_pop").says("data race"),
            miri("pairs", "every_pair").says("undefined behaviour"),
        ],
    },
    Bug {
        name: "full flag not looked at",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "        if slot.is_full() {
            return Err(Full(value));
        }
",
        bad: "",
        checks: &[
            loom("full_with_a_slow_consumer").says("data race"),
            miri("pairs", "every_pair").says("undefined behaviour"),
        ],
    },
    Bug {
        name: "light barrier missing",
        krate: "pool-core",
        file: "src/cache.rs",
        good: "        barrier::light();
",
        bad: "        let _ = barrier::light;
",
        checks: &[
            loom("take_against_rotate").says("data race"),
            loom("put_against_rotate").says("data race"),
        ],
    },
    Bug {
        name: "heavy barrier missing",
        krate: "pool-core",
        file: "src/rotation.rs",
        good: "let ordered = barrier::heavy();",
        bad: "let ordered = true;",
        checks: &[
            loom("take_against_rotate").says("data race"),
            loom("put_against_rotate").says("data race"),
        ],
    },
    Bug {
        name: "ring freed while a thief is in it",
        krate: "pool-chain",
        file: "src/raw.rs",
        good: "unsafe { guard.retire(node) };",
        bad: "unsafe { Node::release(node) };",
        checks: &[
            loom("two_thieves_unlink").says("data race"),
            loom("producer_unlinks_against_thief").says("data race"),
        ],
    },
    Bug {
        name: "remainder leaked",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "            drop(self.batch(self.claim_tail(|len| len), Order::OldestFirst));
",
        bad:
            "            let mut rest = self.batch(self.claim_tail(|len| len), Order::OldestFirst);
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
            drop(unsafe { slot(rest.0.slots, rest.0.first).take() });
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
        good: "            let next = node.next.load(Ordering::Acquire);
            if let Some(found) = attempt(node, at) {
                break Some(found);
            }
",
        bad: "            if let Some(found) = attempt(node, at) {
                break Some(found);
            }
            let next = node.next.load(Ordering::Acquire);
",
        checks: &[loom("next_is_read_before_the_pop").says("outcomes")],
    },
    Bug {
        name: "index carry at the wrap",
        krate: "pool-dequeue",
        file: "src/index.rs",
        good: "            tail: self.tail.wrapping_add(count as Word) & INDEX_MASK,
",
        bad: "            tail: self.tail.wrapping_add(count as Word),
",
        checks: &[
            plain("lib", "index::tests::tail_overflow_leaves_the_head_alone").says("assertion"),
            plain("properties", "every_offset_of_the_wrap").says("assertion"),
            loom("a_full_turn").says("data race"),
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
        name: "the tail alone compared",
        krate: "pool-dequeue",
        file: "src/raw.rs",
        good: "            match self.indices.0.compare_exchange_weak(
                now.pack(),
                now.tail_forward(count).pack(),
                Ordering::Acquire,
",
        bad: "            let seen = self.indices();
            if seen.tail() != now.tail() {
                now = seen;
                continue;
            }
            match self.indices.0.compare_exchange_weak(
                seen.pack(),
                seen.tail_forward(count).pack(),
                Ordering::Acquire,
",
        checks: &[narrow("a_full_turn_of_the_tail").says("data race")],
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
        .says("given up")],
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
        .says("the child waited")],
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
