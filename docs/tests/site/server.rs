//! A web server for one browser: files of a directory, one page of ours, and one report.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;

use anyhow::Result;

/// Serves `directory`, and `page` as `/check`; what is posted goes to `reports`. Returns the port.
pub fn start(directory: PathBuf, page: String, reports: Sender<String>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (directory, page, reports) = (directory.clone(), page.clone(), reports.clone());
            thread::spawn(move || answer(connection, &directory, &page, &reports));
        }
    });
    Ok(port)
}

fn answer(
    mut connection: TcpStream,
    directory: &Path,
    page: &str,
    reports: &Sender<String>,
) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request).ok()?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().to_lowercase().strip_prefix("content-length:") {
            Some(value) => length = value.trim().parse().ok()?,
            None if header.trim().is_empty() => break,
            None => {}
        }
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next()?, words.next()?.split('?').next()?);
    let body = if method == "POST" {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        reports.send(String::from_utf8_lossy(&body).into_owned()).ok()?;
        Some(Vec::new())
    } else if path == "/check" {
        Some(page.as_bytes().to_vec())
    } else {
        fs::read(directory.join(path.trim_start_matches('/'))).ok()
    };
    let kind = match path.rsplit('.').next() {
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "text/html; charset=utf-8",
    };
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).ok()?;
    connection.write_all(&body).ok()
}
