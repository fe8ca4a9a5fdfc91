//! The demo (`examples/compress`) on trees that go wrong: what it says, and with which exit status.

#![cfg(all(not(miri), not(pool_loom)))]

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use common::caches_work;

/// The example, built with the profile of this test and up to date.
fn example() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // …/target/PROFILE/deps/demo-HASH
        let own = std::env::current_exe().unwrap();
        let profile = own.parent().and_then(Path::parent).unwrap();
        let target = profile.parent().unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args([
            "build",
            "--quiet",
            "-p",
            "pool-core",
            "--example",
            "compress",
        ]);
        cargo.arg("--target-dir").arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(
            cargo.status().unwrap().success(),
            "the example does not build"
        );
        profile
            .join("examples")
            .join(format!("compress{}", std::env::consts::EXE_SUFFIX))
    })
}

/// A folder that is gone when the test is.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pool-demo-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Text that compresses about as well as source code does.
fn text(length: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|n| format!("line {n} of {}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .take(length)
        .collect()
}

/// What a run printed, and its exit status.
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

impl Said {
    #[track_caller]
    fn succeeded(&self, files: usize) {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        assert!(
            self.out.contains(&format!("\n{files} files, ")),
            "{files} expected: {}",
            self.out
        );
        assert!(
            self.out.contains("The ways agree byte for byte"),
            "{}",
            self.out
        );
    }

    /// The cells of the table's row that begins with `head`.
    #[track_caller]
    fn row(&self, head: &str) -> Vec<&str> {
        let line = self.out.lines().find_map(|line| line.strip_prefix(head));
        line.unwrap_or_else(|| panic!("no row {head:?} in {}", self.out))
            .split_whitespace()
            .collect()
    }
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(example());
    command
        .args(["--passes", "1"])
        .arg(dir)
        .stdin(Stdio::null());
    command
}

fn run(dir: &Path) -> Said {
    command(dir).output().unwrap().into()
}

#[test]
fn every_file_is_compressed_in_every_way() {
    let tree = Tree::new("plain")
        .with("a.txt", text(50_000))
        .with("b/c/d.txt", text(10))
        .with("b/empty", "")
        .with("target/x", text(1000))
        .with(".hidden/y", text(1000));
    let said = run(&tree.0);
    said.succeeded(5);
    assert_eq!(said.row("objects created")[0], "5");
    let [fresh, locked, pooled] = said.row("allocations")[..] else {
        panic!("{}", said.out)
    };
    let count = |cell: &str| cell.parse::<u64>().unwrap();
    assert!(count(locked) < count(fresh), "{}", said.out);
    // Without caches all go through the chains, and what these allocate is more than five files save.
    assert!(
        count(pooled) < count(fresh) || !caches_work(),
        "{}",
        said.out
    );
    let created = count(said.row("objects created")[2]);
    let reused = count(said.row("objects reused")[2]);
    assert_eq!(created + reused, 5, "{}", said.out);
    assert_eq!(said.err, "");
}

#[test]
fn two_rotations_give_the_memory_back() {
    let tree = Tree::new("memory")
        .with("a", text(5000))
        .with("b", text(5000));
    let said = run(&tree.0);
    said.succeeded(2);
    // Cells are a number and a unit each.
    let unit = |row: &[&str], way: usize| row[2 * way + 1].to_owned();
    let (end, later) = (
        said.row("memory held at the end"),
        said.row("  and two rotations later"),
    );
    assert_eq!(
        unit(&end, 1),
        "kB",
        "a mutex keeps compressors: {}",
        said.out
    );
    assert_eq!(
        end[2..4],
        later[2..4],
        "a mutex keeps them for ever: {}",
        said.out
    );
    let bytes = |row: &[&str]| {
        let value: f64 = row[4].parse().unwrap();
        value * if unit(row, 2) == "kB" { 1000.0 } else { 1.0 }
    };
    assert!(
        bytes(&end) > 100_000.0,
        "the pool keeps compressors: {}",
        said.out
    );
    assert!(
        bytes(&later) < bytes(&end) / 2.0,
        "and lets them go: {}",
        said.out
    );
}

#[test]
fn a_missing_folder_is_named() {
    let tree = Tree::new("missing");
    let missing = tree.0.join("not-there");
    let said = run(&missing);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(&format!("{missing:?}")), "{}", said.err);
}

#[test]
fn an_empty_folder_is_named() {
    let tree = Tree::new("empty");
    fs::create_dir(tree.0.join("inside")).unwrap();
    let said = run(&tree.0);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains(&format!("{:?}: no regular file", tree.0)),
        "{}",
        said.err
    );
}

#[test]
fn a_file_is_not_a_folder() {
    let tree = Tree::new("file").with("a", "b");
    let said = run(&tree.0.join("a"));
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("is not a folder"), "{}", said.err);
}

#[test]
fn wrong_arguments_are_explained() {
    for (args, what) in [
        (&["--bogus"][..], "--bogus"),
        (&["--passes"], "needs a number"),
        (&["--passes", "0"], "from 1"),
        (&["--memory", "x"], "\"x\""),
        (&["a", "b"], "one folder at a time"),
    ] {
        let said = Said::from(Command::new(example()).args(args).output().unwrap());
        assert_eq!(said.code, Some(2), "{args:?}");
        assert!(
            said.err.contains(what) && said.err.contains("Usage:"),
            "{args:?}: {}",
            said.err
        );
    }
    let said = Said::from(Command::new(example()).arg("--help").output().unwrap());
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("Usage:"));
}

#[test]
fn marked_caches_are_left_out_unless_wanted() {
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
    let tree = Tree::new("cache")
        .with("a", text(100))
        .with("cache/CACHEDIR.TAG", tag)
        .with("cache/b", text(100))
        .with(
            "other/CACHEDIR.TAG",
            "Signature: something else that is long enough",
        )
        .with("other/c", text(100));
    let said = run(&tree.0);
    said.succeeded(3);
    assert!(
        said.out.contains("left out, a cache") && said.out.contains("cache\""),
        "{}",
        said.out
    );
    Said::from(command(&tree.0).arg("--all").output().unwrap()).succeeded(5);
    run(&tree.0.join("cache")).succeeded(2);
}

#[test]
fn long_files_are_read_in_pieces_and_memory_is_bounded() {
    const LENGTH: u64 = 12 << 20;
    let tree = Tree::new("long").with("small", text(1000));
    // Sparse: it takes no room on the disk.
    fs::File::create(tree.0.join("long"))
        .unwrap()
        .set_len(LENGTH)
        .unwrap();
    let said = Said::from(command(&tree.0).args(["--memory", "1"]).output().unwrap());
    said.succeeded(2);
    assert!(said.out.contains(" in 13 pieces"), "{}", said.out);
    let peak = said.row("most memory in use at any time:");
    let value: f64 = peak[0].parse().unwrap();
    assert!(
        peak[1] == "kB" || (peak[1] == "MB" && value < 10.0),
        "of 12 MB read: {peak:?}"
    );
}

/// The first thing that is printed is what was listed; reading has not gone far then.
#[test]
fn a_file_that_vanishes_is_named_and_the_rest_goes_on() {
    // Long enough that the first files take much longer than the removal of the last.
    const LENGTH: usize = if cfg!(debug_assertions) {
        200_000
    } else {
        2_000_000
    };
    let mut tree = Tree::new("vanish");
    for n in 0..6 {
        // One batch each, so that the last is read when the first ones have been compressed.
        tree = tree.with(&format!("file-{n}"), text(LENGTH));
    }
    let last = tree.0.join("file-5");
    let mut child = command(&tree.0)
        .args(["--memory", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    fs::remove_file(&last).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    said.succeeded(5);
    assert!(
        said.err.contains(&format!("{last:?}: vanished")),
        "{}",
        said.err
    );
    assert!(
        said.out.contains("1 things could not be read"),
        "{}",
        said.out
    );
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io::ErrorKind;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::process::CommandExt;
    use std::thread;

    use super::*;

    /// Runs the demo as somebody whom permissions bind: not as root.
    fn run_bound(tree: &Tree) -> Said {
        let probe = tree.0.join("probe");
        fs::write(&probe, "x").unwrap();
        fs::set_permissions(&probe, fs::Permissions::from_mode(0o000)).unwrap();
        let root = fs::read(&probe).is_ok();
        fs::remove_file(&probe).unwrap();
        if !root {
            return run(&tree.0);
        }
        // The build folder may be closed to others; a copy beside the tree is not.
        let copy = tree.0.with_extension("program");
        fs::copy(example(), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(&copy);
        command
            .args(["--passes", "1"])
            .arg(&tree.0)
            .current_dir("/")
            .uid(65_534)
            .gid(65_534);
        // A process that another test has just forked may still hold the copy open for writing.
        let output = loop {
            match command.output() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => thread::yield_now(),
                output => break output,
            }
        };
        fs::remove_file(&copy).unwrap();
        output.unwrap().into()
    }

    fn close(path: &Path) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
        let tree = Tree::new("closed")
            .with("a", text(100))
            .with("b", text(100))
            .with("c/d", text(100));
        let (file, folder) = (tree.0.join("a"), tree.0.join("c"));
        close(&file);
        close(&folder);
        let said = run_bound(&tree);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        said.succeeded(1);
        for path in [file, folder] {
            assert!(
                said.err.contains(&format!("{path:?}: Permission denied")),
                "{}",
                said.err
            );
        }
    }

    #[test]
    fn nothing_readable_is_a_failure() {
        let tree = Tree::new("all-closed").with("a", text(100));
        close(&tree.0.join("a"));
        let said = run_bound(&tree);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains("Permission denied"), "{}", said.err);
        assert!(
            said.err.contains("none of its files could be read"),
            "{}",
            said.err
        );
    }

    #[test]
    fn links_are_not_followed() {
        let tree = Tree::new("links").with("a/b", text(100));
        symlink(&tree.0, tree.0.join("a").join("loop")).unwrap();
        symlink(tree.0.join("a").join("b"), tree.0.join("again")).unwrap();
        symlink("nowhere", tree.0.join("dangling")).unwrap();
        let said = run(&tree.0);
        said.succeeded(1);
        assert!(said.out.contains("3 symbolic links"), "{}", said.out);
        // But the folder itself may be one.
        let link = tree.0.with_extension("link");
        symlink(&tree.0, &link).unwrap();
        let said = run(&link);
        fs::remove_file(&link).unwrap();
        said.succeeded(1);
    }

    #[test]
    fn names_need_not_be_text() {
        let tree = Tree::new("names").with("line\nbreak \x1b[31m", text(100));
        let name = tree.0.join(OsStr::from_bytes(b"not \xff text"));
        match fs::write(&name, text(100)) {
            Ok(()) => run(&tree.0).succeeded(2),
            // Some file systems take no such names; then none has to be read.
            Err(_) => run(&tree.0).succeeded(1),
        }
        close(&tree.0.join("line\nbreak \x1b[31m"));
        let said = run_bound(&tree);
        assert!(said.err.contains(r"line\nbreak \u{1b}[31m"), "{}", said.err);
        assert!(!said.err.contains('\x1b'), "{}", said.err);
    }

    #[test]
    fn pipes_are_not_opened() {
        let tree = Tree::new("pipe").with("a", text(100));
        let made = Command::new("mkfifo")
            .arg(tree.0.join("pipe"))
            .status()
            .unwrap();
        assert!(made.success());
        let said = run(&tree.0);
        said.succeeded(1);
        assert!(
            said.out.contains("1 sockets, pipes and devices"),
            "{}",
            said.out
        );
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        let tree = Tree::new("closed-pipe").with("a", text(100));
        let mut child = command(&tree.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    }
}
