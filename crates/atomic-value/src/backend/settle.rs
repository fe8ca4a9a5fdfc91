//! What a replacement owes the guards of the value that it removed: a reference for each.

use std::mem;

use super::debt::{Debt, Owed};
use super::mode::{self, Sweep};
use super::record::{self, Record};
use crate::env::Arc;

/// How often a settlement looks again: a fraction of a second. Each look meets the debts of loads from *other* slots, which
/// hold the same object and owe us nothing, but cannot be told from those whose ticket was displaced. There is no end of
/// them where many threads load it all the time. With 32 looks, two values that shared objects lost two of a million.
const LOOKS: usize = 100_000;

/// Counts the references that guards of `value` owe, after waiting for the loads from `slot` that may be
/// making more of them. Afterwards `value` may be dropped.
pub(super) fn pay<T>(value: &Arc<T>, slot: Option<usize>) {
    let mut settlement = Settlement::new(value);
    let ticket = Ticket::new();
    let mut announced = false;
    for record in record::records() {
        if slot.is_some_and(|slot| !record.await_window(slot)) {
            // Whoever loads there may yet use the value (R6).
            leak(value);
        }
        for debt in record.debts() {
            let owed = debt.looks_like(settlement.address);
            if owed != Owed::Nothing {
                announced |= settlement.settle(debt, owed, ticket.number());
            }
        }
    }
    let mut looks = 0;
    while announced {
        looks += 1;
        // Guards that are being dropped have either given up their debts for us to see, or will find our tickets.
        if looks > LOOKS || mode::heavy() != Sweep::Ordered {
            settlement.withdraw(ticket.number());
            // Whoever still owes keeps the value by this (R6).
            leak(value);
            return;
        }
        announced = false;
        for record in record::records() {
            announced |= settlement.visit(record, ticket.number());
        }
    }
}

/// Leaks one reference to the value.
pub(super) fn leak<T>(value: &Arc<T>) {
    mem::forget(Arc::clone(value));
}

/// What tells one settlement from all others that are under way: an address that nothing else has meanwhile.
///
/// In the middle of something, so that it is not the end of a value without a size either.
struct Ticket([u8; 3]);

impl Ticket {
    fn new() -> Self {
        Self([0; 3])
    }

    fn number(&self) -> usize {
        (&raw const self.0[1]).addr()
    }
}

/// One value's.
struct Settlement<'a, T> {
    value: &'a Arc<T>,
    address: usize,
    /// Counted, and not given to anybody so far. Dropping it is never the last of the value.
    spare: Option<Arc<T>>,
}

impl<'a, T> Settlement<'a, T> {
    fn new(value: &'a Arc<T>) -> Self {
        Self {
            value,
            address: Arc::as_ptr(value).addr(),
            spare: None,
        }
    }

    /// Settles a debt of the fenced kind at once. Leaves a ticket at one of the light kind, and says whether it did.
    #[cold]
    fn settle(&mut self, debt: &Debt, owed: Owed, ticket: usize) -> bool {
        match owed {
            Owed::Nothing => false,
            Owed::Light => debt.announce(ticket),
            Owed::Fenced => {
                let address = self.address;
                self.count(|| debt.strike(address));
                false
            }
        }
    }

    /// Behind the heavy barrier: settles the debts of the light kind that have the ticket, and what has come since. Says
    /// whether it left tickets again.
    fn visit(&mut self, record: &Record, ticket: usize) -> bool {
        let address = self.address;
        let mut announced = false;
        for debt in record.debts() {
            let mut owed = debt.looks_like(address);
            if debt.has(ticket) {
                // The look for the debt comes after the barrier, which came after the ticket.
                if owed == Owed::Light {
                    if self.count(|| debt.pay(ticket)) {
                        continue;
                    }
                    // The ticket was displaced. Look again.
                    owed = debt.looks_like(address);
                } else {
                    debt.withdraw(ticket);
                }
            }
            announced |= self.settle(debt, owed, ticket);
        }
        announced
    }

    /// Counts a reference and gives it to a guard, if `give` succeeds.
    fn count(&mut self, give: impl FnOnce() -> bool) -> bool {
        let reference = self.spare.take();
        let reference = reference.unwrap_or_else(|| Arc::clone(self.value));
        let given = give();
        if given {
            // It is the guard's now.
            mem::forget(reference);
        } else {
            self.spare = Some(reference);
        }
        given
    }

    /// Takes all tickets away.
    #[cold]
    fn withdraw(&self, ticket: usize) {
        for record in record::records() {
            for debt in record.debts() {
                if debt.has(ticket) {
                    debt.withdraw(ticket);
                }
            }
        }
    }
}
