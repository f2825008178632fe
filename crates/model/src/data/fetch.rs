//! Downloading a data set from its public address or a mirror.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::{Response, StatusCode};

use super::unpack::unpack;
use super::{DataError, Download, Origin, RemoteFile, info};

const CONNECT: Duration = Duration::from_secs(30);
/// How long a server may be silent. What has arrived by then is kept, and the next attempt goes on from there.
const SILENCE: Duration = Duration::from_mins(1);
/// CIFAR unpacks to 184 MB.
const MAX_UNPACKED: u64 = 1 << 30;
const CHUNK: usize = 1 << 16;

/// Downloads the data set `name` into a folder of its own in `dir`, and returns that folder.
///
/// Each file is verified by its published SHA-256; an archive is unpacked. What is there already is not fetched again, and
/// a download that ended early goes on where it ended. `mirror` replaces the public address: the address of a folder or of
/// the one file, `http://`, `https://`, `file://` or a path. `progress` is told the bytes that are here and of all.
///
/// # Errors
///
/// If the data set has no public address, the server does not answer or hands out something else, the download ends early,
/// or the disk cannot be written.
pub fn fetch(
    name: &str,
    dir: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<PathBuf, DataError> {
    let info = info(name)?;
    let nothing = |reason: String| DataError::NothingToFetch { dataset: info.name, reason };
    match info.origin {
        Origin::Download(download) => get(&download, dir, mirror, progress),
        Origin::BuiltIn => Err(nothing("it is part of the program, use it as it is".to_owned())),
        Origin::OwnFiles { layout } => Err(nothing(format!("set `path` in [data] to {layout}"))),
    }
}

fn get(
    download: &Download,
    dir: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<PathBuf, DataError> {
    let folder = dir.join(download.folder);
    let total = download.files.iter().map(|file| file.bytes).sum();
    let mut done = 0;
    for file in download.files {
        let mut report = |received| progress(done + received, Some(total));
        if file.name.ends_with(".tar.gz") {
            // Put in place whole, so that there is nothing to do once it is there.
            if !folder.is_dir() {
                let archive = dir.join(file.name);
                get_file(file, &archive, mirror, &mut report)?;
                unpack(&archive, &folder, MAX_UNPACKED)?;
                fs::remove_file(&archive).map_err(DataError::io("remove", &archive))?;
            }
        } else {
            get_file(file, &folder.join(file.name), mirror, &mut report)?;
        }
        report(file.bytes);
        done += file.bytes;
    }
    Ok(folder)
}

fn get_file(
    file: &RemoteFile,
    path: &Path,
    mirror: Option<&str>,
    report: &mut dyn FnMut(u64),
) -> Result<(), DataError> {
    if path.is_file() && sha256(path)? == file.sha256 {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(DataError::io("write", folder))?;
    }
    let mut part = OsString::from(path);
    part.push(".part");
    let part = PathBuf::from(part);

    let address = address(file, mirror);
    if address.starts_with("http://") || address.starts_with("https://") {
        receive(&address, &part, file.bytes, report)?;
    } else {
        let source = Path::new(address.strip_prefix("file://").unwrap_or(&address));
        fs::copy(source, &part).map_err(DataError::io("read", source))?;
    }
    let found = sha256(&part)?;
    if found != file.sha256 {
        fs::remove_file(&part).map_err(DataError::io("remove", &part))?;
        return Err(DataError::Checksum { url: address, expected: file.sha256.to_owned(), found });
    }
    fs::rename(&part, path).map_err(DataError::io("write", path))
}

fn address(file: &RemoteFile, mirror: Option<&str>) -> String {
    let base = mirror.unwrap_or(file.base_url);
    if base.ends_with(file.name) { base.to_owned() } else { format!("{}/{}", base.trim_end_matches('/'), file.name) }
}

/// Receives the file at `url` into `part`, from where `part` ends.
fn receive(url: &str, part: &Path, bytes: u64, report: &mut dyn FnMut(u64)) -> Result<(), DataError> {
    let unavailable = |reason: String| DataError::Unavailable { url: url.to_owned(), reason };
    let mut here = fs::metadata(part).map_or(0, |metadata| metadata.len());
    if here == bytes {
        return Ok(());
    }
    if here > bytes {
        here = 0;
    }
    let mut response = request(url, here).map_err(|error| unavailable(error.to_string()))?;
    let goes_on = response.status() == StatusCode::PARTIAL_CONTENT && first_byte(&response) == Some(here);
    if here > 0 && !goes_on && response.status() != StatusCode::OK {
        // The server cannot go on from there: from the beginning, then.
        here = 0;
        response = request(url, here).map_err(|error| unavailable(error.to_string()))?;
    }
    let file = match response.status() {
        StatusCode::PARTIAL_CONTENT if here > 0 => OpenOptions::new().append(true).open(part),
        StatusCode::OK => {
            here = 0;
            File::create(part)
        }
        status => return Err(unavailable(format!("the server answered {status}"))),
    };
    let mut file = file.map_err(DataError::io("write", part))?;

    let mut body = response.into_body().into_reader();
    let mut chunk = vec![0; CHUNK];
    let ended = loop {
        report(here);
        match body.read(&mut chunk) {
            Ok(0) => break "the server closed the connection".to_owned(),
            Ok(count) => {
                file.write_all(&chunk[..count]).map_err(DataError::io("write", part))?;
                here += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error.to_string(),
        }
        if here > bytes {
            fs::remove_file(part).map_err(DataError::io("remove", part))?;
            return Err(DataError::Checksum {
                url: url.to_owned(),
                expected: format!("{bytes} bytes"),
                found: "more".to_owned(),
            });
        }
    };
    if here < bytes {
        return Err(DataError::Interrupted {
            url: url.to_owned(),
            received_bytes: here,
            expected_bytes: bytes,
            reason: ended,
        });
    }
    Ok(())
}

fn request(url: &str, from: u64) -> Result<Response<ureq::Body>, ureq::Error> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE));
    if is_loopback(url) {
        config = config.proxy(None);
    }
    let mut request = config.build().new_agent().get(url);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
    }
    request.call()
}

/// No proxy can reach this machine's own servers.
fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
}

/// Where the part that the server sends begins: `Content-Range: bytes 100-199/200`.
fn first_byte<T>(response: &Response<T>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn sha256(path: &Path) -> Result<String, DataError> {
    let mut file = File::open(path).map_err(DataError::io("read", path))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(count) => hash.update(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DataError::io("read", path)(error)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use tar::EntryType;

    use super::super::test_server::{TestServer, ok, partial, status, truncated};
    use super::super::unpack::tests::tar_gz;
    use super::*;

    fn body() -> Vec<u8> {
        (0..200_000u32).map(|i| ((i * i) >> 7) as u8).collect()
    }

    fn remote(name: &'static str, bytes: &[u8]) -> RemoteFile {
        let sha256 = hex(&Sha256::digest(bytes)).leak();
        RemoteFile { name, base_url: "http://127.0.0.1:9/nobody-listens/", bytes: bytes.len() as u64, sha256 }
    }

    fn download(files: Vec<RemoteFile>) -> Download {
        Download { folder: "birds", files: files.leak(), system: None }
    }

    fn quiet(_: u64, _: Option<u64>) {}

    /// The message without the server's port.
    fn message(error: &DataError, server: &TestServer) -> String {
        error.to_string().replace(&server.url, "SERVER")
    }

    #[test]
    fn whole_files_arrive_with_progress_and_only_once() {
        let (first, second) = (body(), b"tweet".to_vec());
        let birds = download(vec![remote("a.gz", &first), remote("b.gz", &second)]);
        let server = TestServer::start(move |request| match request.path.as_str() {
            "/data/a.gz" => ok(&first),
            "/data/b.gz" => ok(&second),
            _ => status("404 Not Found"),
        });
        let dir = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        let mirror = format!("{}/data/", server.url);
        let folder = get(&birds, dir.path(), Some(&mirror), &mut |done, total| {
            seen.push((done, total));
        })
        .unwrap();
        assert_eq!(folder, dir.path().join("birds"));
        assert_eq!(fs::read(folder.join("a.gz")).unwrap(), body());
        assert_eq!(fs::read(folder.join("b.gz")).unwrap(), b"tweet");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert!(seen.is_sorted() && seen.len() > 4);
        assert_eq!(seen.last(), Some(&(200_005, Some(200_005))));

        get(&birds, dir.path(), Some(&mirror), &mut quiet).unwrap();
        assert_eq!(server.requests().len(), 2);
    }

    #[test]
    fn a_download_goes_on_where_it_ended() {
        let birds = download(vec![remote("a.gz", &body())]);
        let server = TestServer::start(|request| match request.range_start() {
            None => truncated(&body(), 120_000),
            Some(from) => partial(&body(), from),
        });
        let dir = tempfile::tempdir().unwrap();
        let error = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap_err();
        assert!(
            matches!(error, DataError::Interrupted { received_bytes: 120_000, expected_bytes: 200_000, .. }),
            "{error}"
        );
        let mut seen = Vec::new();
        let folder = get(&birds, dir.path(), Some(&server.url), &mut |done, _| {
            seen.push(done);
        })
        .unwrap();
        assert_eq!(fs::read(folder.join("a.gz")).unwrap(), body());
        assert_eq!(seen[0], 120_000);
        assert_eq!(server.requests()[1].range_start(), Some(120_000));
    }

    #[test]
    fn a_server_that_cannot_go_on_is_asked_for_the_whole() {
        let answers: [fn(usize) -> Vec<u8>; 3] = [
            |_| ok(&body()),
            |_| status("416 Range Not Satisfiable"),
            // Not the part that was asked for.
            |_| partial(&body(), 7),
        ];
        for answer in answers {
            let birds = download(vec![remote("a.gz", &body())]);
            let server = TestServer::start(move |request| request.range_start().map_or_else(|| ok(&body()), answer));
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("birds")).unwrap();
            fs::write(dir.path().join("birds/a.gz.part"), &body()[..1000]).unwrap();
            let folder = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap();
            assert_eq!(fs::read(folder.join("a.gz")).unwrap(), body());
        }
    }

    #[test]
    fn other_bytes_than_the_published_are_not_kept() {
        let birds = download(vec![remote("a.gz", b"tweet")]);
        for (sent, found) in [(&b"tweee"[..], "found 6dac6a1e8ad1"), (b"tweet tweet", "found more")] {
            let server = TestServer::start(move |_| ok(sent));
            let dir = tempfile::tempdir().unwrap();
            let error = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap_err();
            assert!(matches!(error, DataError::Checksum { .. }));
            assert!(error.to_string().contains(found), "{error}");
            assert_eq!(fs::read_dir(dir.path().join("birds")).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_damaged_file_is_fetched_again() {
        let birds = download(vec![remote("a.gz", b"tweet")]);
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("birds")).unwrap();
        fs::write(dir.path().join("birds/a.gz"), b"twe").unwrap();
        // A part that is longer than the file can be is of no use either.
        fs::write(dir.path().join("birds/a.gz.part"), b"something longer").unwrap();
        let server = TestServer::start(|_| ok(b"tweet"));
        let folder = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap();
        assert_eq!(fs::read(folder.join("a.gz")).unwrap(), b"tweet");
    }

    #[test]
    fn a_server_without_the_file_is_named() {
        let birds = download(vec![remote("a.gz", b"tweet")]);
        let server = TestServer::start(|_| status("404 Not Found"));
        let dir = tempfile::tempdir().unwrap();
        let error = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap_err();
        insta::assert_snapshot!(message(&error, &server), @"SERVER/a.gz: the server answered 404 Not Found. Try again later, or give another address with --url");
        // No server at all.
        let error = get(&birds, dir.path(), None, &mut quiet).unwrap_err();
        assert!(matches!(error, DataError::Unavailable { .. }), "{error}");
    }

    #[test]
    fn a_mirror_is_a_folder_or_the_file_itself() {
        let birds = download(vec![remote("a.gz", b"tweet")]);
        let mirror = tempfile::tempdir().unwrap();
        let file = mirror.path().join("a.gz");
        fs::write(&file, b"tweet").unwrap();
        let file = file.display().to_string();
        let folder = mirror.path().display().to_string();
        for url in [&folder, &file, &format!("file://{folder}/"), &format!("file://{file}")] {
            let dir = tempfile::tempdir().unwrap();
            let folder = get(&birds, dir.path(), Some(url), &mut quiet).unwrap();
            assert_eq!(fs::read(folder.join("a.gz")).unwrap(), b"tweet");
        }
        assert!(Path::new(&file).exists());
    }

    #[test]
    fn an_archive_is_unpacked_and_removed() {
        let archive = tar_gz(&[("birds/a.bin", EntryType::Regular, b"tweet")]);
        let birds = download(vec![remote("birds.tar.gz", &archive)]);
        let server = TestServer::start(move |_| ok(&archive));
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let folder = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap();
            assert_eq!(fs::read(folder.join("a.bin")).unwrap(), b"tweet");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn a_hostile_archive_writes_nothing() {
        let archive = tar_gz(&[("birds/../evil", EntryType::Regular, b"x")]);
        let birds = download(vec![remote("birds.tar.gz", &archive)]);
        let server = TestServer::start(move |_| ok(&archive));
        let dir = tempfile::tempdir().unwrap();
        let error = get(&birds, dir.path(), Some(&server.url), &mut quiet).unwrap_err();
        assert!(matches!(error, DataError::Archive { .. }));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["birds.tar.gz"]);
    }

    #[test]
    fn what_has_no_address_is_not_fetched() {
        let refusal = |name| fetch(name, Path::new("nowhere"), None, &mut quiet).unwrap_err();
        insta::assert_snapshot!(refusal("digits"), @"there is nothing to fetch for the data set `digits`: it is part of the program, use it as it is");
        insta::assert_snapshot!(refusal("folder"), @"there is nothing to fetch for the data set `folder`: set `path` in [data] to a folder with train/<class>/*.png (or jpg, jpeg) and test/<class>/*.png");
        assert!(matches!(refusal("brids"), DataError::Unknown { .. }));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        assert!(is_loopback("http://127.0.0.1:80/x") && is_loopback("https://localhost/x"));
        assert!(!is_loopback("http://127.0.0.1.example.org/") && !is_loopback("http://example.org/localhost"));
    }
}
