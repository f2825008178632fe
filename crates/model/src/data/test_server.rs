//! A server on loopback that answers each request with the bytes a test wants.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub path: String,
    range: Option<String>,
}

impl Request {
    pub fn range_start(&self) -> Option<usize> {
        self.range.as_deref()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

pub(super) struct TestServer {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl TestServer {
    /// Runs until the test program ends.
    pub fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(&stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty());
                let first = lines.next().unwrap_or_default();
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let range = lines.fold(None, |range, line| match line.split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("range") => Some(value.to_owned()),
                    _ => range,
                });
                let request = Request { path, range };
                let bytes = answer(&request);
                log.lock().unwrap().push(request);
                // A client that has seen enough hangs up.
                let _ = stream.write_all(&bytes);
            }
        });
        Self { url, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn response(status: &str, headers: &str, claimed: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {claimed}\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    response("200 OK", "", body.len(), body)
}

pub(super) fn status(status: &str) -> Vec<u8> {
    response(status, "", 0, b"")
}

/// `body` from byte `from` on.
pub(super) fn partial(body: &[u8], from: usize) -> Vec<u8> {
    let range = format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
    response("206 Partial Content", &range, body.len() - from, &body[from..])
}

/// Promises all of `body` and sends its first `sent` bytes.
pub(super) fn truncated(body: &[u8], sent: usize) -> Vec<u8> {
    response("200 OK", "", body.len(), &body[..sent])
}
