//! Which builds a piece of code is part of, going by its `#[cfg(…)]`.

use std::ops::{BitAnd, BitAndAssign};

use super::tokens::{Kind, Token};

/// A set of builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worlds(u8);

impl Worlds {
    /// Under the model checker.
    pub(crate) const LOOM: Self = Self(1);
    /// Under Miri.
    pub(crate) const MIRI: Self = Self(1 << 1);
    /// As it ships, on the machine that this runs on: 64-bit Linux.
    pub(crate) const NATIVE: Self = Self(1 << 2);
    /// As it ships, on systems that are not here.
    const WINDOWS: Self = Self(1 << 3);
    const APPLE: Self = Self(1 << 4);
    /// A small machine: 32 bits, no 64-bit atomics.
    const SMALL: Self = Self(1 << 5);

    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// Everything.
    pub(crate) const ALL: Self = Self(0b11_1111);
    /// What ships.
    const PRODUCT: Self = Self(0b11_1100);

    /// Whether the code ships at all. The rest is a tool's own and no business of `orderings`.
    pub(crate) fn ship(self) -> bool {
        self & Self::PRODUCT != Self::NONE
    }

    /// Whether these are part of it.
    pub(crate) fn has(self, other: Self) -> bool {
        self & other == other
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Worlds {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitAndAssign for Worlds {
    fn bitand_assign(&mut self, other: Self) {
        *self = *self & other;
    }
}

/// The builds for which a condition holds: what stands between the brackets of `cfg(…)`.
pub(crate) fn holding(condition: &[Token<'_>]) -> Result<Worlds, String> {
    let mut reader = Reader {
        tokens: condition,
        at: 0,
    };
    let worlds = reader.condition()?;
    if reader.at == condition.len() {
        Ok(worlds)
    } else {
        Err(reader.unknown())
    }
}

struct Reader<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
}

impl<'s> Reader<'_, 's> {
    fn condition(&mut self) -> Result<Worlds, String> {
        let name = self.word()?;
        if self.eat("(") {
            let mut parts = Vec::new();
            while !self.eat(")") {
                parts.push(self.condition()?);
                if !self.eat(",") && !self.peek(")") {
                    return Err(self.unknown());
                }
            }
            return match (name, parts.as_slice()) {
                ("all", parts) => Ok(parts.iter().fold(Worlds::ALL, |all, part| all & *part)),
                ("any", parts) => Ok(parts.iter().fold(Worlds::NONE, |any, part| any.or(*part))),
                ("not", [part]) => Ok(Worlds::ALL.without(*part)),
                _ => Err(self.unknown()),
            };
        }
        if self.eat("=") {
            let value = self.literal()?;
            return fact(name, Some(value)).ok_or_else(|| self.unknown());
        }
        fact(name, None).ok_or_else(|| self.unknown())
    }

    fn word(&mut self) -> Result<&'s str, String> {
        let found = self
            .tokens
            .get(self.at)
            .filter(|token| token.kind == Kind::Word);
        self.at += 1;
        found.map(|token| token.text).ok_or_else(|| self.unknown())
    }

    fn literal(&mut self) -> Result<&'s str, String> {
        let found = self
            .tokens
            .get(self.at)
            .filter(|token| token.kind == Kind::Literal);
        self.at += 1;
        found
            .map(|token| token.text.trim_matches('"'))
            .ok_or_else(|| self.unknown())
    }

    fn peek(&self, sign: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(sign))
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.peek(sign);
        self.at += usize::from(found);
        found
    }

    fn unknown(&self) -> String {
        let text: Vec<_> = self.tokens.iter().map(|token| token.text).collect();
        format!(
            "cfg({}) is not understood: xtask/src/orderings/worlds.rs has to learn it",
            text.concat()
        )
    }
}

/// The builds for which a single fact holds; `None` for one that is not known here.
fn fact(name: &str, value: Option<&str>) -> Option<Worlds> {
    let linux = Worlds::LOOM
        .or(Worlds::MIRI)
        .or(Worlds::NATIVE)
        .or(Worlds::SMALL);
    Some(match (name, value) {
        ("test" | "doctest", None) => Worlds::NONE,
        ("pool_loom", None) | ("feature", Some("loom")) => Worlds::LOOM,
        // What is Miri's in one run, and never shipped: a lock in the epochs' place.
        ("pool_epochless", None) => Worlds::NONE,
        // Indices are narrowed for models and tests; it moves no site.
        ("pool_index_bits", Some(_)) => Worlds::NONE,
        (
            "feature",
            Some("alloc" | "std" | "bytes" | "metrics" | "tracing" | "arc-swap" | "serde"),
        ) => Worlds::ALL,
        // Which of the systems' C libraries it is makes no difference here.
        ("target_env", Some("gnu")) => Worlds::ALL,
        ("miri", None) => Worlds::MIRI,
        ("windows", None) | ("target_os", Some("windows")) => Worlds::WINDOWS,
        ("unix", None) => Worlds::ALL.without(Worlds::WINDOWS),
        ("target_os", Some("linux")) => linux,
        // No build of these is made here; what they share with others is seen there.
        ("target_os", Some("freebsd" | "netbsd" | "android")) => Worlds::NONE,
        ("target_os", Some("macos" | "ios")) | ("target_vendor", Some("apple")) => Worlds::APPLE,
        ("target_has_atomic", Some("64")) | ("target_pointer_width", Some("64")) => {
            Worlds::ALL.without(Worlds::SMALL)
        }
        ("target_has_atomic", Some("8" | "16" | "32" | "ptr")) => Worlds::ALL,
        ("target_pointer_width", Some("32")) => Worlds::SMALL,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn read(condition: &str) -> Result<Worlds, String> {
        holding(&tokens(condition).unwrap())
    }

    #[test]
    fn conditions_are_understood() {
        assert_eq!(read("pool_loom").unwrap(), Worlds::LOOM);
        assert!(!read("pool_loom").unwrap().ship());
        assert!(!read("test").unwrap().ship());
        assert_eq!(
            read("any(pool_loom, pool_epochless)").unwrap(),
            Worlds::LOOM
        );
        assert!(!read("all(not(pool_loom), miri)").unwrap().ship());
        assert!(read("not(pool_loom)").unwrap().ship());

        let fences =
            read("any(miri, pool_loom, not(any(target_os = \"linux\", windows)))").unwrap();
        assert!(fences.ship(), "Apple's systems have them");
        assert!(
            fences.has(Worlds::LOOM) && fences.has(Worlds::MIRI) && !fences.has(Worlds::NATIVE)
        );

        let call = read("all(target_os = \"linux\", not(any(miri, pool_loom)),)").unwrap();
        assert!(call.ship() && call.has(Worlds::NATIVE));
        assert!(!call.has(Worlds::LOOM) && !call.has(Worlds::MIRI));

        let small = read("not(target_has_atomic = \"64\")").unwrap();
        assert!(small.ship(), "what no tool here runs is still a site");
        assert!(!small.has(Worlds::NATIVE));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for condition in [
            "frobnicate",
            "not(miri, test)",
            "all(miri",
            "miri test",
            "target_os",
        ] {
            let message = read(condition).unwrap_err();
            assert!(
                message.contains("is not understood"),
                "{condition}: {message}"
            );
        }
    }
}
