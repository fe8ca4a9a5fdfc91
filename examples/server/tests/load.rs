//! The load generator does not hang, and its run fails, where a server does not answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use server::load::Load;
use tokio::net::TcpListener;

fn load(address: SocketAddr) -> Load {
    Load {
        address,
        path: "/report",
        rows: 1,
        connections: 3,
        lasting: Duration::from_millis(200),
        limit: Duration::from_millis(100),
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error() {
    // Connections are made, and nobody ever looks at them.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let begun = Instant::now();
    let ended = load(silent.local_addr().unwrap()).run();
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    let error = ended.expect("it ends").expect_err("nobody answered");
    assert_eq!(
        error.to_string(),
        "3 of 3 connections failed, the first: no answer within 100ms"
    );
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_error() {
    let gone = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let error = load(address).run().await.expect_err("nobody is there");
    assert!(error.to_string().starts_with("3 of 3"), "{error}");
}
