//! The other side: as many connections as asked for, each with one request after the other, for a while.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How long each request took, in microseconds, sorted.
    pub micros: Vec<u32>,
    /// How long the run took.
    pub took: Duration,
}

impl Outcome {
    /// Requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.took.as_secs_f64()
    }

    /// The time that this part of the requests took at most, in microseconds.
    #[must_use]
    pub fn quantile(&self, part: f64) -> u32 {
        let last = self.micros.len().saturating_sub(1);
        self.micros
            .get((last as f64 * part) as usize)
            .copied()
            .unwrap_or(0)
    }
}

/// What is asked for, and how.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What it is asked for.
    pub path: &'static str,
    /// Rows of each report.
    pub rows: usize,
    /// How many ask at once.
    pub connections: usize,
    /// For how long.
    pub lasting: Duration,
    /// How long an answer may take: a server that hangs must not hang its client.
    pub limit: Duration,
}

impl Load {
    /// Asks over and over.
    ///
    /// # Errors
    ///
    /// When a connection breaks, or an answer is none or does not come in time. All connections end first: the error
    /// says how many did not end well, and why the first of them did not.
    pub async fn run(self) -> io::Result<Outcome> {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..self.connections {
            tasks.spawn(self.one(begun, number as u64));
        }
        let mut outcome = Outcome::default();
        let mut errors = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            match ended.unwrap_or_else(|error| Err(error.into())) {
                Ok(micros) => outcome.micros.extend(micros),
                Err(error) => errors.push(error),
            }
        }
        if let Some(first) = errors.first() {
            let (failed, all) = (errors.len(), self.connections);
            return Err(io::Error::other(format!(
                "{failed} of {all} connections failed, the first: {first}"
            )));
        }
        outcome.took = begun.elapsed();
        outcome.micros.sort_unstable();
        Ok(outcome)
    }

    /// One connection: how long each of its requests took.
    async fn one(self, begun: Instant, number: u64) -> io::Result<Vec<u32>> {
        let mut client = self.in_time(Client::connect(self.address)).await?;
        let mut micros = Vec::new();
        let mut seed = number;
        while begun.elapsed() < self.lasting {
            let query = format!("{{\"rows\":{},\"seed\":{seed}}}", self.rows);
            let asked = Instant::now();
            let status = self.in_time(client.post(self.path, &query)).await?;
            if status != 200 {
                return Err(io::Error::other(format!("status {status}")));
            }
            micros.push(asked.elapsed().as_micros() as u32);
            seed += self.connections as u64;
        }
        Ok(micros)
    }

    async fn in_time<R>(&self, asked: impl Future<Output = io::Result<R>>) -> io::Result<R> {
        let late = |_| io::Error::other(format!("no answer within {:?}", self.limit));
        timeout(self.limit, asked).await.map_err(late)?
    }
}

/// One connection, kept alive.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The body of the last answer.
    pub body: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Posts a body and says the answer's status.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the answer is no HTTP.
    pub async fn post(&mut self, path: &str, body: &str) -> io::Result<u16> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes()).await?;
        self.answer().await
    }

    /// Reads an answer and says its status.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the answer is no HTTP.
    pub async fn answer(&mut self) -> io::Result<u16> {
        self.buffer.clear();
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let nonsense = || io::Error::other(format!("no answer: {text}"));
        let status = text.get(9..12).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(nonsense)?;
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = match length {
            Some(length) => length.trim().parse().map_err(|_| nonsense())?,
            None => 0,
        };
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        self.body.clear();
        self.body
            .extend_from_slice(&self.buffer[head..head + length]);
        Ok(status)
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
