//! Measures the service with pools and without, in processes of their own, in turn.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use server::count::{self, Counting};
use server::load::Load;
use server::parts::{Account, Anew, PERIOD, Parts, Pooled};
use server::service::Server;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HELP: &str = "\
cargo xtask server [--quick]

Runs the service of examples/server with pools and without, each in a process of its own, lets a third process ask
them in turn, and compares. Fails if a promise is missed. --quick takes some 20 seconds, without it a minute.
";

/// Rows of each report asked for.
const ROWS: usize = 300;
/// Connections that ask at once.
const CONNECTIONS: usize = 16;
/// How long an answer may take. Some milliseconds are usual.
const LIMIT: Duration = Duration::from_secs(5);
/// How often a server's memory is looked at in a round.
const LOOKS: u32 = 4;
/// How long a server is left idle: two periods of its pools, and a little for their reaper to get its turn.
const IDLE: Duration = PERIOD
    .saturating_mul(2)
    .saturating_add(Duration::from_millis(50));

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["serve", "pools"] => serve(Pooled::default()),
        ["serve", "anew"] => serve(Anew),
        ["load", address, path, millis] => ask(address, path, millis),
        [] => measure(9, Duration::from_secs(3)),
        ["--quick"] => measure(7, Duration::from_millis(1000)),
        ["--help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks a server how many requests it has answered and how often it has asked for memory.
const COUNTS: &str = "counts";
/// Asks it for its resident memory as it is.
const RESIDENT: &str = "resident";
/// Asks it for its resident memory after the allocator has given back what is free, and for the items in its pools and
/// out. For a server that does nothing.
const AT_REST: &str = "at rest";

/// One thread for everything: the client has the other core.
fn block_on<R>(future: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Serves until standard input ends; each line there is a [`Remote`]'s question.
fn serve<P: Parts>(parts: P) -> io::Result<bool> {
    block_on(async {
        let parts = Arc::new(parts);
        let server = Server::start(parts.clone()).await?;
        println!("{}", server.address);
        let counts = server.counts.clone();
        let lines = tokio::task::spawn_blocking(move || {
            for line in io::stdin().lock().lines() {
                match line.as_deref() {
                    Ok(RESIDENT) => println!("{}", count::resident()),
                    Ok(COUNTS) => {
                        println!("{} {}", counts.answered(), count::allocations());
                    }
                    Ok(AT_REST) => {
                        count::trim();
                        let accounts = parts.accounts();
                        let idle: u64 = accounts.iter().map(|account| account.idle).sum();
                        let loan: Option<u64> = accounts.iter().map(Account::on_loan).sum();
                        // What does not add up is no number, and keeps no promise.
                        let loan = loan.map_or(f64::NAN, |loan| loan as f64);
                        println!("{} {idle} {loan}", count::resident());
                    }
                    _ => break,
                }
            }
        });
        lines.await.map_err(io::Error::other)?;
        server.stop().await;
        Ok(true)
    })
}

/// Asks for a while and says what came of it.
fn ask(address: &str, path: &str, millis: &str) -> io::Result<bool> {
    let wrong = |what: &str| io::Error::other(format!("{what} is none"));
    let address: SocketAddr = address.parse().map_err(|_| wrong("address"))?;
    let millis = millis.parse().map_err(|_| wrong("time"))?;
    let path = match path {
        "/report" => "/report",
        "/nothing" => "/nothing",
        _ => return Err(wrong("path")),
    };
    let load = Load {
        address,
        path,
        rows: ROWS,
        connections: CONNECTIONS,
        lasting: Duration::from_millis(millis),
        limit: LIMIT,
    };
    let outcome = block_on(load.run())?;
    println!(
        "{} {} {}",
        outcome.rate(),
        outcome.quantile(0.5),
        outcome.quantile(0.99)
    );
    Ok(true)
}

/// A server in a process of its own.
struct Remote {
    child: Child,
    lines: BufReader<ChildStdout>,
    asks: ChildStdin,
    address: String,
}

/// What a server at rest says of itself.
#[derive(Clone, Copy, Default)]
struct Rest {
    resident: f64,
    idle: f64,
    loan: f64,
}

/// What a run came to.
#[derive(Clone, Copy, Default)]
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
    allocations: f64,
    /// The most resident memory that was seen while the server was asked.
    peak: f64,
}

/// This program again, whatever has become of its file since it was started.
fn myself() -> Command {
    Command::new("/proc/self/exe")
}

impl Remote {
    fn start(kind: &str) -> io::Result<Self> {
        let mut child = myself()
            .args(["serve", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || io::Error::other("the server is gone");
        let asks = child.stdin.take().ok_or_else(gone)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        let mut address = String::new();
        lines.read_line(&mut address)?;
        Ok(Self {
            child,
            lines,
            asks,
            address: address.trim().to_owned(),
        })
    }

    /// Asks one of the questions.
    fn ask<const N: usize>(&mut self, question: &str) -> io::Result<[f64; N]> {
        writeln!(self.asks, "{question}")?;
        self.asks.flush()?;
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        numbers(&line)
    }

    fn rest(&mut self) -> io::Result<Rest> {
        let [resident, idle, loan] = self.ask(AT_REST)?;
        Ok(Rest {
            resident,
            idle,
            loan,
        })
    }

    fn run(&mut self, path: &str, lasting: Duration) -> io::Result<Figures> {
        let before: [f64; 2] = self.ask(COUNTS)?;
        let client = myself()
            .args(["load", &self.address, path])
            .arg(lasting.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut peak: f64 = 0.0;
        for _ in 0..LOOKS {
            std::thread::sleep(lasting / (LOOKS + 1));
            let [resident] = self.ask(RESIDENT)?;
            peak = peak.max(resident);
        }
        let output = client.wait_with_output()?;
        if !output.status.success() {
            return Err(io::Error::other("the load generator failed"));
        }
        let after: [f64; 2] = self.ask(COUNTS)?;
        let [rate, p50, p99] = numbers(&String::from_utf8_lossy(&output.stdout))?;
        Ok(Figures {
            rate,
            p50,
            p99,
            allocations: (after[1] - before[1]) / (after[0] - before[0]),
            peak,
        })
    }

    fn end(mut self) -> io::Result<()> {
        drop(self.asks);
        if self.child.wait()?.success() {
            Ok(())
        } else {
            Err(io::Error::other("a server failed"))
        }
    }
}

fn numbers<const N: usize>(line: &str) -> io::Result<[f64; N]> {
    let numbers: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    numbers
        .try_into()
        .map_err(|_| io::Error::other(format!("{N} numbers expected: {line}")))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Both servers in turn, round after round. Whether all promises hold.
fn measure(rounds: usize, lasting: Duration) -> io::Result<bool> {
    let mut servers = [
        ("pools", Remote::start("pools")?),
        ("anew", Remote::start("anew")?),
    ];
    let warm = Duration::from_millis(300);
    let mut floor = Figures::default();
    let mut starts = [Rest::default(); 2];
    for (index, (_, server)) in servers.iter_mut().enumerate() {
        // Everything but the work: connections, the runtime, hyper.
        floor = server.run("/nothing", warm)?;
        starts[index] = server.rest()?;
        server.run("/report", warm)?;
    }
    let mut all = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        eprint!("\rround {} of {rounds} ", round + 1);
        for turn in 0..2 {
            let index = (round + turn) % 2;
            all[index].push(servers[index].1.run("/report", lasting)?);
        }
    }
    eprint!("\r                    \r");
    std::thread::sleep(IDLE);
    let mut idle = [Rest::default(); 2];
    for (index, (_, server)) in servers.iter_mut().enumerate() {
        idle[index] = server.rest()?;
    }

    println!(
        "POST /report, {ROWS} rows as gzip, {CONNECTIONS} connections, medians of {rounds} rounds of {lasting:?} in turn\n\
        {} cores, {} {}\n",
        std::thread::available_parallelism()?,
        std::env::consts::ARCH,
        std::env::consts::OS,
    );
    println!(
        "| | requests/s | p50 | p99 | allocations/request | resident at start | under load | idle |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let middle =
        |index: usize, of: fn(&Figures) -> f64| median(all[index].iter().map(of).collect());
    for (index, (name, _)) in servers.iter().enumerate() {
        println!(
            "| {name} | {:.0} | {:.0} us | {:.0} us | {:.1} | {:.0} KiB | {:.0} KiB | {:.0} KiB |",
            middle(index, |figures| figures.rate),
            middle(index, |figures| figures.p50),
            middle(index, |figures| figures.p99),
            middle(index, |figures| figures.allocations),
            starts[index].resident,
            middle(index, |figures| figures.peak),
            idle[index].resident,
        );
    }
    println!(
        "\nA request that does nothing costs {:.1} allocations: hyper's own.",
        floor.allocations
    );

    let paired = all[0]
        .iter()
        .zip(&all[1])
        .map(|(pools, anew)| pools.rate / anew.rate);
    let rate = median(paired.collect());
    let allocations =
        middle(0, |figures| figures.allocations) / middle(1, |figures| figures.allocations);
    let memory = idle[0].resident / starts[0].resident;
    let mut held = true;
    let mut hold = |promise: bool, text: String| {
        held &= promise;
        println!(
            "{} {text}",
            if promise {
                "holds       "
            } else {
                "FALLS SHORT "
            }
        );
    };
    hold(
        rate >= 1.0,
        format!("requests a second: {rate:.2} of those without pools, at least 1"),
    );
    hold(
        allocations <= 0.1,
        format!("allocations a request: {allocations:.3} of those without pools, at most 0.1"),
    );
    hold(
        memory <= 1.1,
        format!("memory after idle: {memory:.2} of that at the start, at most 1.1"),
    );
    hold(
        idle[0].idle == 0.0 && idle[0].loan == 0.0,
        format!(
            "items after idle: {} in the pools, {} out, none expected",
            idle[0].idle, idle[0].loan
        ),
    );
    for (_, server) in servers {
        server.end()?;
    }
    Ok(held)
}
