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
use tokio::time::timeout;

use crate::parts::{Parts, answer};
use crate::report::{MOST_ROWS, Query};

/// The largest body that is read.
pub const MOST_BODY: usize = 16 * 1024;

/// How long a client may take over its headers, and again over its body.
pub const PATIENCE: Duration = Duration::from_millis(1000);

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// How many requests it has answered.
    pub answered: Arc<AtomicU64>,
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
        let answered = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = watch::channel(false);
        let done = tokio::spawn(accept(listener, parts, answered.clone(), stopped));
        Ok(Self {
            address,
            answered,
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
    answered: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors, say: others may close theirs.
                Err(_) => continue,
            },
            _ = stopped.changed() => break,
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let (parts, answered, mut stopped) = (parts.clone(), answered.clone(), stopped.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (parts, answered) = (parts.clone(), answered.clone());
                async move {
                    let response = respond(&*parts, request).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, Infallible>(response)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = pin!(connection);
            // A client that goes away, or talks nonsense, is an error here and of no interest.
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(PATIENCE, connection).await;
                }
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

fn refuse(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *response.status_mut() = status;
    response
}
