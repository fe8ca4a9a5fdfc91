//! Input that no server wants: each is answered or dropped, and everything that was lent comes back.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use server::load::Client;
use server::parts::{Account, Anew, Parts, Pooled};
use server::service::{MOST_BODY, PATIENCE, Server};

/// Runs a scene against both kinds of server, then stops it and looks whether anything is still out.
async fn scene<F: AsyncFn(&Server)>(run: F) {
    let parts = Arc::new(Pooled::default());
    let server = Server::start(parts.clone()).await.unwrap();
    run(&server).await;
    works(&server).await;
    server.stop().await;
    for account in parts.accounts() {
        assert_eq!(account.on_loan(), 0, "{account:?}");
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
        let body = "x".repeat(MOST_BODY + 1);
        // The server may close before it has read all of it.
        if let Ok(status) = client.post("/report", &body).await {
            assert_eq!(status, 413);
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
        let status = tokio::time::timeout(limit, other.answer()).await.unwrap();
        assert_eq!(status.unwrap(), 408);
        // Closed, with or without a word.
        let ended = tokio::time::timeout(limit, client.answer()).await.unwrap();
        assert!(ended.is_err() || ended.is_ok_and(|status| status == 408));
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
            tokio::time::sleep(Duration::from_millis(20)).await;
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
    assert_eq!(buffers(&parts).on_loan(), 1);
    drop(out);
    assert_eq!(buffers(&parts).on_loan(), 0);
}
