//! A server that has no descriptor left for a connection waits for one. Alone in its program: the limit is the process's.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use server::parts::Pooled;
use server::service::{PAUSE, Server};
use tokio::time::sleep;

/// Lets this process open no descriptor above the first `most`.
fn limit_descriptors(most: u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a local of the right type.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(done, 0);
    limit.rlim_cur = most;
    // SAFETY: as above.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(done, 0);
}

#[tokio::test]
async fn a_server_without_descriptors_waits_and_goes_on() {
    let server = Server::start(Arc::new(Pooled::default())).await.unwrap();
    limit_descriptors(64);
    let mut fill: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One for the client, which does not let the server run meanwhile.
    fill.pop().expect("the limit leaves some");
    let mut client = TcpStream::connect(server.address).unwrap();
    let begun = Instant::now();
    sleep(20 * PAUSE).await;
    let (failed, passed) = (server.counts.not_accepted(), begun.elapsed());
    let most = (passed.as_millis() / PAUSE.as_millis()) as u64 + 1;
    assert!((1..=most).contains(&failed), "{failed} in {passed:?}");
    drop(fill);
    let request = b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    client.write_all(request).unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        let limit = Some(Duration::from_secs(30));
        client.set_read_timeout(limit).unwrap();
        let mut start = [0; 12];
        client.read_exact(&mut start).map(|()| start)
    });
    assert_eq!(&answer.await.unwrap().unwrap(), b"HTTP/1.1 200");
    server.stop().await;
}
