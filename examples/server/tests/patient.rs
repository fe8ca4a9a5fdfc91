//! How long a stream waits for its reader: for all that is to be sent together, and not for each byte.

use std::io::ErrorKind;
use std::time::Duration;

use server::patient::Patient;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{sleep, timeout};

const LIMIT: Duration = Duration::from_millis(900);

#[tokio::test]
async fn reading_a_little_now_and_then_gains_nothing() {
    let (stream, mut reader) = duplex(16);
    let mut stream = Patient::new(stream, LIMIT);
    let slow = tokio::spawn(async move {
        let mut some = [0; 16];
        while reader.read(&mut some).await.is_ok_and(|read| read != 0) {
            sleep(LIMIT / 30).await;
        }
    });
    let sent = timeout(20 * LIMIT, async {
        stream.write_all(&[1; 1 << 20]).await?;
        stream.flush().await
    });
    let error = sent.await.expect("given up").expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(stream);
    slow.await.unwrap();
}

#[tokio::test]
async fn what_was_sent_in_time_starts_anew() {
    let (stream, mut reader) = duplex(16);
    let mut stream = Patient::new(stream, LIMIT);
    let fair = tokio::spawn(async move {
        let mut message = [0; 32];
        for _ in 0..5 {
            sleep(LIMIT / 3).await;
            reader.read_exact(&mut message).await.unwrap();
        }
    });
    for _ in 0..5 {
        stream.write_all(&[1; 32]).await.unwrap();
        stream.flush().await.unwrap();
    }
    fair.await.unwrap();
}
