//! Input that no server wants: each is answered or dropped, and everything that was lent comes back.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use server::load::Client;
use server::parts::{Account, Anew, Parts, Pooled};
use server::report::MOST_ROWS;
use server::service::{MOST_BODY, MOST_DRAINED, PATIENCE, Server};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

/// Runs a scene against both kinds of server, then stops it and looks whether anything is still out.
async fn scene<F: AsyncFn(&Server)>(run: F) {
    let parts = Arc::new(Pooled::default());
    let server = Server::start(parts.clone()).await.unwrap();
    run(&server).await;
    works(&server).await;
    server.stop().await;
    for account in parts.accounts() {
        assert_eq!(account.on_loan(), Some(0), "{account:?}");
    }
    let server = Server::start(Arc::new(Anew)).await.unwrap();
    run(&server).await;
    works(&server).await;
    server.stop().await;
}

/// An ordinary request is answered.
async fn works(server: &Server) {
    let mut client = Client::connect(server.address).await.unwrap();
    let status = client
        .post("/report", "{\"rows\":5,\"seed\":1}")
        .await
        .unwrap();
    assert_eq!(status, 200);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&client.body[..])
        .read_to_string(&mut text)
        .unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["rows"].as_array().unwrap().len(), 5, "{text}");
}

#[tokio::test]
async fn ordinary_requests() {
    scene(async |server| {
        let mut client = Client::connect(server.address).await.unwrap();
        let mut answers = Vec::new();
        for rows in [0, 1, 300, 10_000, 300, 0] {
            let query = format!("{{\"rows\":{rows},\"seed\":7}}");
            assert_eq!(client.post("/report", &query).await.unwrap(), 200);
            answers.push(client.body.clone());
        }
        // What an earlier report left in the parts does not show.
        assert_eq!((&answers[2], &answers[0]), (&answers[4], &answers[5]));
        assert_eq!(client.post("/elsewhere", "").await.unwrap(), 404);
    })
    .await;
}

#[tokio::test]
async fn oversized_body() {
    scene(async |server| {
        let mut client = Client::connect(server.address).await.unwrap();
        for length in [MOST_BODY + 1, MOST_DRAINED] {
            let status = client.post("/report", &"x".repeat(length)).await;
            assert_eq!(status.unwrap(), 413, "{length}");
        }
        // All of it was read, so that the connection can go on.
        let status = client.post("/report", "{\"rows\":5,\"seed\":1}").await;
        assert_eq!(status.unwrap(), 200);
        // A client that sends on and on is closed on. Its own system then drops what it has not read yet: it may see the
        // status or a broken connection, but nothing else.
        let mut client = Client::connect(server.address).await.unwrap();
        let endless = "x".repeat(16 * MOST_DRAINED);
        match client.post("/report", &endless).await {
            Ok(status) => assert_eq!(status, 413),
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ),
                "{error:?}"
            ),
        }
    })
    .await;
}

#[tokio::test]
async fn malformed_json() {
    scene(async |server| {
        let mut client = Client::connect(server.address).await.unwrap();
        for body in [
            "",
            "{",
            "null",
            "{\"rows\":-1,\"seed\":1}",
            "{\"rows\":1}",
            "{\"rows\":1,\"seed\":1,\"more\":2}",
            "{\"rows\":10001,\"seed\":1}",
        ] {
            assert_eq!(client.post("/report", body).await.unwrap(), 400, "{body}");
        }
    })
    .await;
}

#[tokio::test]
async fn slow_client() {
    scene(async |server| {
        // Half a head: the connection is closed.
        let mut client = Client::connect(server.address).await.unwrap();
        client
            .send(b"POST /report HTTP/1.1\r\nhost:")
            .await
            .unwrap();
        // Half a body: the request is answered.
        let mut other = Client::connect(server.address).await.unwrap();
        let head = b"POST /report HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{\"rows";
        other.send(head).await.unwrap();
        let limit = 3 * PATIENCE;
        let status = timeout(limit, other.answer()).await.unwrap();
        assert_eq!(status.unwrap(), 408);
        // Closed, with or without a word.
        let ended = timeout(limit, client.answer()).await.unwrap();
        assert!(ended.is_err() || ended.is_ok_and(|status| status == 408));
    })
    .await;
}

#[tokio::test]
async fn client_that_never_reads() {
    scene(async |server| {
        // As little room as the system gives, and more answers than go into all the room on the way.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        let body = format!("{{\"rows\":{MOST_ROWS},\"seed\":1}}");
        let head = "POST /report HTTP/1.1\r\nhost: x\r\ncontent-length:";
        let request = format!("{head} {}\r\n\r\n{body}", body.len());
        let asked = 100;
        let requests = request.repeat(asked);
        stream.write_all(requests.as_bytes()).await.unwrap();
        let begun = Instant::now();
        while server.counts.broken() == 0 {
            assert!(begun.elapsed() < 20 * PATIENCE, "held for ever");
            sleep(PATIENCE / 100).await;
        }
        let answered = server.counts.answered();
        assert!((1..asked as u64).contains(&answered), "{answered} answers");
        // Open, and nothing read, until here.
        drop(stream);
    })
    .await;
}

#[tokio::test]
async fn aborted_connections() {
    scene(async |server| {
        for bytes in [
            &b"POST /rep"[..],
            b"POST /report HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{\"rows",
            b"POST /report HTTP/1.1\r\nhost: x\r\ncontent-length: 22\r\n\r\n{\"rows\":9000,\"seed\":1}",
            b"\x16\x03\x01 this is no http",
        ] {
            let mut client = Client::connect(server.address).await.unwrap();
            client.send(bytes).await.unwrap();
            sleep(Duration::from_millis(20)).await;
            drop(client);
        }
    })
    .await;
}

#[test]
fn accounts_add_up() {
    let parts = Pooled::default();
    let out = parts.buffer();
    let buffers = |parts: &Pooled| -> Account { parts.accounts()[0] };
    assert_eq!(buffers(&parts).on_loan(), Some(1));
    drop(out);
    assert_eq!(buffers(&parts).on_loan(), Some(0));
    let torn = Account {
        dropped: 2,
        ..buffers(&parts)
    };
    assert_eq!(torn.on_loan(), None, "{torn:?}");
}
