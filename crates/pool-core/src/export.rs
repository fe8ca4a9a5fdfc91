//! A pool's numbers for the program's own metrics: the `metrics` facade.

use metrics::{Label, counter, gauge};

use crate::discard::DiscardReason;
use crate::stats::Stats;

impl Stats {
    /// Hands the numbers to the recorder that the program has installed, under the pool's name. Call it whenever the
    /// program reports; the pool itself does nothing for it, so it costs the hot path nothing.
    ///
    /// Needs the feature `metrics`.
    ///
    /// | metric | kind | labels beside `pool` |
    /// |--|--|--|
    /// | `pool_hits_total` | counter | `level`: `cache`, `chain`, `steal`, `victim` |
    /// | `pool_misses_total` | counter | |
    /// | `pool_creates_total` | counter | |
    /// | `pool_discards_total` | counter | `reason`: `Aged`, … as [`DiscardReason`] has them |
    /// | `pool_turns_total` | counter | |
    /// | `pool_idle_items` | gauge | |
    /// | `pool_idle_weight` | gauge | |
    /// | `pool_parts` | gauge | |
    ///
    /// # Panics
    ///
    /// When the recorder does.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Pool;
    ///
    /// static POOL: Pool<Vec<u8>> = Pool::new(Vec::new);
    /// POOL.stats().export("buffers");
    /// ```
    pub fn export(&self, pool: &str) {
        let pool = Label::new("pool", pool.to_owned());
        let alone = vec![pool.clone()];
        let with = |name: &'static str, value: String| vec![pool.clone(), Label::new(name, value)];
        for (level, hits) in [
            ("cache", self.cache_hits),
            ("chain", self.chain_hits),
            ("steal", self.steals),
            ("victim", self.victim_hits),
        ] {
            counter!("pool_hits_total", with("level", level.to_owned())).absolute(hits);
        }
        for reason in DiscardReason::ALL {
            let labels = with("reason", format!("{reason:?}"));
            counter!("pool_discards_total", labels).absolute(self.discards.by(reason));
        }
        counter!("pool_misses_total", alone.clone()).absolute(self.misses);
        counter!("pool_creates_total", alone.clone()).absolute(self.creates);
        counter!("pool_turns_total", alone.clone()).absolute(self.generation);
        gauge!("pool_idle_items", alone.clone()).set(self.idle as f64);
        gauge!("pool_idle_weight", alone.clone()).set(self.weight as f64);
        gauge!("pool_parts", alone).set(self.parts as f64);
    }
}
