//! Which tools this machine has. Nothing is installed here: `.ci/run` does that.

use std::process::{Command, Stdio};

use crate::step::Invocation;

/// What a program prints, if it can be run and succeeds.
fn answer(invocation: &Invocation) -> Option<String> {
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.args)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    for (name, value) in &invocation.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether cargo has this subcommand.
pub(crate) fn has_subcommand(name: &str) -> bool {
    answer(&Invocation::cargo(&format!("{name} --version"))).is_some()
}

/// Whether `core` for a target is installed.
pub(crate) fn has_target(target: &str) -> bool {
    answer(&Invocation::new(
        "rustc",
        &format!("--print target-libdir --target {target}"),
    ))
    .is_some_and(|path| std::path::Path::new(path.trim()).is_dir())
}

/// The name by which rustup knows a toolchain of this release (`1.85`), or none.
pub(crate) fn toolchain(release: &str) -> Option<String> {
    let list = answer(&Invocation::new("rustup", "toolchain list"))?;
    list.lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|name| {
            name.strip_prefix(release)
                .is_some_and(|rest| rest.starts_with(['.', '-']) || rest.is_empty())
        })
        .map(str::to_owned)
}

/// How to get Miri.
pub(crate) const MIRI: &str = "`.ci/get nightly` gets it";

/// The versions of what CI gets from elsewhere.
const VERSIONS: &str = include_str!("../../.ci/versions");

/// The date of the nightly that CI uses.
fn date() -> &'static str {
    let mut lines = VERSIONS.lines();
    lines
        .find_map(|line| line.strip_prefix("nightly "))
        .unwrap_or_default()
}

/// The name of CI's nightly toolchain, else of any, or none.
pub(crate) fn nightly() -> Option<String> {
    toolchain(&format!("nightly-{}", date())).or_else(|| toolchain("nightly"))
}

/// The name of a nightly toolchain with Miri, or none.
pub(crate) fn nightly_with_miri() -> Option<String> {
    let nightly = nightly()?;
    answer(&Invocation::cargo_of(&nightly, "miri --version"))?;
    Some(nightly)
}

/// Whether Go is there.
pub(crate) fn has_go() -> bool {
    answer(&Invocation::new("go", "version")).is_some()
}

/// Whether a program is there and works.
pub(crate) fn runs(program: &str) -> bool {
    answer(&Invocation::new(program, "--version")).is_some()
}

/// The release of rustdoc (`1.95`), if it runs.
pub(crate) fn rustdoc_release() -> Option<String> {
    let text = answer(&Invocation::new("rustdoc", "--version"))?;
    let version = text.split_whitespace().nth(1)?;
    let (release, _) = version.rsplit_once('.')?;
    Some(release.to_owned())
}

/// The name of a nightly toolchain with the standard library's sources, or none.
pub(crate) fn nightly_with_sources() -> Option<String> {
    let nightly = nightly()?;
    let sysroot = answer(&Invocation::new(
        "rustup",
        ["run", &nightly, "rustc", "--print", "sysroot"],
    ))?;
    let sources = std::path::Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    sources.is_dir().then_some(nightly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflows_use_one_nightly() {
        assert!(!date().is_empty());
        let workflows = [
            include_str!("../../.github/workflows/ci.yml"),
            include_str!("../../.github/workflows/deep.yml"),
        ];
        for text in workflows {
            for word in text.split_whitespace() {
                if let Some(at) = word.find("nightly-") {
                    assert_eq!(&word[at..], format!("nightly-{}", date()));
                }
            }
            assert!(!text.contains("install nightly"), "one without a date");
            assert!(
                !text.contains("cargo install"),
                "`.ci/get` knows the versions"
            );
        }
    }
}
