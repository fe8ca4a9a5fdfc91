//! The service: one connection each, bad input answered and not suffered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::parts::{Parts, answer};
use crate::patient::Patient;
use crate::report::{MOST_ROWS, Query};

/// The largest body that is read.
pub const MOST_BODY: usize = 16 * 1024;

/// How much of a larger body is read all the same, and thrown away. A connection that is closed while its client still
/// sends is reset, and that may cost the client the answer that says why.
pub const MOST_DRAINED: usize = 1024 * 1024;

/// How long a client may take over its headers, again over its body, and again over the answer.
pub const PATIENCE: Duration = Duration::from_millis(1000);

/// How long no connection is accepted after one could not be. What is short then, descriptors most often, comes back
/// when other connections end, and trying at once would take the time that these need.
pub const PAUSE: Duration = Duration::from_millis(10);

/// What has become of connections and requests.
#[derive(Debug, Default)]
pub struct Counts {
    answered: AtomicU64,
    not_accepted: AtomicU64,
    broken: AtomicU64,
}

impl Counts {
    /// Requests that were answered, with whatever status.
    pub fn answered(&self) -> u64 {
        read_count(&self.answered)
    }

    /// Connections that could not be accepted, each attempt by itself.
    pub fn not_accepted(&self) -> u64 {
        read_count(&self.not_accepted)
    }

    /// Connections that were not closed in order: by a client that went away, talked nonsense or took too long.
    pub fn broken(&self) -> u64 {
        read_count(&self.broken)
    }
}

fn count(one: &AtomicU64) {
    // ORDERING: Relaxed: a number that grows, and that nothing else is read by.
    one.fetch_add(1, Ordering::Relaxed);
}

fn read_count(of: &AtomicU64) -> u64 {
    // ORDERING: Relaxed: as in `count`.
    of.load(Ordering::Relaxed)
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it has done so far.
    pub counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    done: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn start<P: Parts>(parts: Arc<P>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let (stop, stopped) = watch::channel(false);
        let done = tokio::spawn(accept(listener, parts, counts.clone(), stopped));
        Ok(Self {
            address,
            counts,
            stop,
            done,
        })
    }

    /// Takes no more connections, lets those that are open end their request, and returns when all are closed.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // A panic of the accepting task would have been its own connection's.
        let _ = self.done.await;
    }
}

async fn accept<P: Parts>(
    listener: TcpListener,
    parts: Arc<P>,
    counts: Arc<Counts>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    count(&counts.not_accepted);
                    sleep(PAUSE).await;
                    continue;
                }
            },
            _ = stopped.changed() => break,
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let (parts, counts, mut stopped) = (parts.clone(), counts.clone(), stopped.clone());
        connections.spawn(async move {
            let (parts, counts) = (&*parts, &*counts);
            let service = service_fn(|request| async move {
                let response = respond(parts, request).await;
                count(&counts.answered);
                Ok::<_, Infallible>(response)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service);
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended.is_ok(),
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    matches!(timeout(PATIENCE, connection).await, Ok(Ok(())))
                }
            };
            if !ended {
                count(&counts.broken);
            }
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn respond<P: Parts>(parts: &P, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/report") => {}
        // The floor: what a request costs that does nothing.
        (&Method::POST, "/nothing") => return Response::new(Full::default()),
        _ => return refuse(StatusCode::NOT_FOUND, "POST /report is all there is"),
    }
    let query = match timeout(PATIENCE, read(parts, request.into_body())).await {
        Ok(Ok(query)) => query,
        Ok(Err((status, why))) => return refuse(status, why),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    };
    match answer(parts, query) {
        Ok(body) => {
            let mut response = Response::new(Full::new(body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        Err(_) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the report could not be packed",
        ),
    }
}

/// Reads and understands a body, in a buffer that is given back whatever happens: also when the client goes away
/// and this future is dropped.
async fn read<P: Parts>(
    parts: &P,
    mut body: Incoming,
) -> Result<Query, (StatusCode, &'static str)> {
    let mut buffer = parts.buffer();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| (StatusCode::BAD_REQUEST, "the body broke off"))?;
        if let Some(data) = frame.data_ref() {
            if buffer.len() + data.len() > MOST_BODY {
                drop(buffer);
                drain(body).await;
                return Err((StatusCode::PAYLOAD_TOO_LARGE, "a body has at most 16 KiB"));
            }
            buffer.extend_from_slice(data);
        }
    }
    let query: Query = serde_json::from_slice(&buffer).map_err(|_| {
        (
            StatusCode::BAD_REQUEST,
            "a query looks like {\"rows\": 300, \"seed\": 7}",
        )
    })?;
    if query.rows > MOST_ROWS {
        return Err((StatusCode::BAD_REQUEST, "a report has at most 10000 rows"));
    }
    Ok(query)
}

/// Reads the rest of a body that is too large, up to [`MOST_DRAINED`] bytes.
async fn drain(mut body: Incoming) {
    let mut rest = MOST_DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = rest.checked_sub(length) else {
            break;
        };
        rest = less;
    }
}

fn refuse(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *response.status_mut() = status;
    response
}
