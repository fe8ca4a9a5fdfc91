//! Configuration reload: a watcher reads a file again when it changes, while workers go on serving.
//!
//! ```text
//! cargo run -p atomic-value --example config_reload
//! ```
//!
//! The example plays all parts. It writes a configuration, starts a watcher and workers, edits the file while
//! they run (once so that it makes no sense), and prints how many requests were served under which version.
//! Every request is served under one whole version; no request waits; a bad file changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use atomic_value::AtomicValue;

/// What the program is run with. Never changed, only replaced.
struct Config {
    version: u32,
    greeting: String,
    /// Longest answer, in bytes.
    limit: usize,
}

/// What everybody reads. Empty until the first configuration has been loaded.
#[cfg(not(pool_loom))]
static CONFIG: AtomicValue<Config> = AtomicValue::empty();

/// The model checker's atomics are not `const`.
#[cfg(pool_loom)]
static CONFIG: std::sync::LazyLock<AtomicValue<Config>> =
    std::sync::LazyLock::new(AtomicValue::empty);

/// Tells the threads to finish.
static DONE: AtomicBool = AtomicBool::new(false);

impl FromStr for Config {
    type Err = String;

    /// Lines of `key = value`. A configuration that cannot be right is refused here, as a whole.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| format!("line {}: no `=`", at + 1))?;
            entries.insert(key.trim(), value.trim());
        }
        let mut take = |key| entries.remove(key).ok_or(format!("no `{key}`"));
        let config = Self {
            version: number("version", take("version")?)?,
            greeting: take("greeting")?.to_owned(),
            limit: number("limit", take("limit")?)?,
        };
        match entries.keys().next() {
            Some(key) => Err(format!("`{key}` is not known")),
            None if config.greeting.len() > config.limit => {
                Err("the greeting is over the limit".to_owned())
            }
            None => Ok(config),
        }
    }
}

fn number<T: FromStr>(key: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{key}` is `{text}`, which is no number in range"))
}

/// Loads the file again whenever its text has changed. Real programs ask the system to be told; the rest is
/// the same.
fn watch(path: &Path, mut last: String) {
    while !DONE.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(5));
        let text = match fs::read_to_string(path) {
            Ok(text) if text == last => continue,
            Ok(text) => text,
            // Perhaps it is just being replaced.
            Err(_) => continue,
        };
        match text.parse::<Config>() {
            Ok(config) => {
                println!("watcher: version {} from now on", config.version);
                // The old version is dropped when the last request that uses it is done.
                CONFIG.store(config);
            }
            Err(error) => println!("watcher: {}: {error}; nothing changes", path.display()),
        }
        last = text;
    }
}

/// Serves requests; says how many under which version.
fn work() -> BTreeMap<u32, usize> {
    let mut served = BTreeMap::new();
    // Costs a pointer load for each request, until there is something new.
    let mut config = CONFIG.reader();
    while !DONE.load(Ordering::Relaxed) {
        // One look for the whole request, so that its parts fit together.
        let Some(config) = config.load() else {
            continue;
        };
        let answer = serve(config);
        assert!(
            answer.len() <= config.limit,
            "served with the text of one version and the limit of another"
        );
        *served.entry(config.version).or_default() += 1;
    }
    served
}

fn serve(config: &Config) -> String {
    config.greeting.clone()
}

/// Waits until the workers have had time with a version.
fn wait_for(version: u32) -> io::Result<()> {
    let patience = Instant::now() + Duration::from_secs(10);
    while CONFIG.load().is_none_or(|config| config.version != version) {
        if Instant::now() > patience {
            return Err(io::Error::other("the watcher saw no change"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    Ok(())
}

/// Replaces the file as a careful editor does: whole, by a rename.
fn edit(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// Removes the file, however the example ends.
struct Cleanup(PathBuf);

impl Drop for Cleanup {
    fn drop(&mut self) {
        // Nothing is lost if it cannot be removed.
        let _ = fs::remove_file(&self.0);
    }
}

fn main() -> io::Result<()> {
    let path = env::temp_dir().join(format!("config_reload.{}.conf", process::id()));
    let _cleanup = Cleanup(path.clone());

    let first = "version = 1\ngreeting = hello\nlimit = 5\n";
    edit(&path, first)?;
    CONFIG.store(first.parse().expect("a configuration of our own"));

    thread::scope(|scope| {
        scope.spawn(|| watch(&path, first.to_owned()));
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();

        let edited = (|| {
            wait_for(1)?;
            edit(&path, "version = 2\ngreeting = good morning\nlimit = 12\n")?;
            wait_for(2)?;
            edit(&path, "version = 3\ngreeting = far too long\nlimit = 4\n")?;
            thread::sleep(Duration::from_millis(50));
            edit(&path, "version = 4\ngreeting = hi\nlimit = 2\n")?;
            wait_for(4)
        })();
        DONE.store(true, Ordering::Relaxed);

        let mut total = BTreeMap::new();
        for (number, worker) in workers.into_iter().enumerate() {
            let served = worker.join().expect("a worker panicked");
            println!("worker {number}: {served:?} requests by version");
            for (version, requests) in served {
                *total.entry(version).or_insert(0) += requests;
            }
        }
        println!("together: {total:?}");
        assert!(!total.contains_key(&3), "the bad version was never used");
        edited
    })
}
