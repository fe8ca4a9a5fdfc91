//! What is asked for and what is answered.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// What a client asks for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// How many rows the report shall have.
    pub rows: usize,
    /// What they are made from.
    pub seed: u64,
}

/// The most rows of a report.
pub const MOST_ROWS: usize = 10_000;

/// A report of some shop's sales.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    rows: Vec<Row>,
    /// Rows that an earlier report had and this one has not: kept for their strings.
    #[serde(skip)]
    spare: Vec<Row>,
}

#[derive(Debug, Default, Serialize)]
struct Row {
    article: String,
    customer: String,
    pieces: u32,
    cents: u64,
}

impl Report {
    /// Fills the report. What an earlier one left is used again.
    pub fn fill(&mut self, query: Query) {
        let mut state = query.seed;
        let mut next = || {
            // SplitMix64, which needs no more than a counter.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        while self.rows.len() > query.rows {
            self.spare.extend(self.rows.pop());
        }
        while self.rows.len() < query.rows {
            self.rows.push(self.spare.pop().unwrap_or_default());
        }
        for row in &mut self.rows {
            row.article.clear();
            row.customer.clear();
            // Writing into a string cannot fail.
            let _ = write!(row.article, "article no. {:05}", next() % 20_000);
            let _ = write!(row.customer, "customer {:08x}", next() as u32);
            row.pieces = (next() % 100) as u32;
            row.cents = next() % 1_000_000;
        }
    }

    /// Whether the report has grown beyond what is worth keeping.
    #[must_use]
    pub fn is_huge(&self) -> bool {
        self.rows.len() + self.spare.len() > 2000
    }
}
