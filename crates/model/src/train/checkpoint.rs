//! Files that hold a training: written whole or not at all, verified when read.
//!
//! Layout, integers little-endian: `TUNECKPT`, version (u32), number of parts (u32), the length of
//! each part (u64 each), the parts, and the SHA-256 of all that precedes. The first part is JSON,
//! the others are burnpack.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"TUNECKPT";
const VERSION: u32 = 1;
const DIGEST: usize = 32;

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("cannot {action} the checkpoint `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The disk is too full for it. Nothing was written.
    #[error(
        "the checkpoint `{path}` needs {needed} bytes, and the disk has {free} left; make room, or point --results to another disk, and run the same command again",
        path = path.display()
    )]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Its size.
        needed: u64,
        /// What the disk has left.
        free: u64,
    },
    /// The file is not what was written.
    #[error("the checkpoint `{path}` is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        what: String,
    },
    /// The file is of a later program.
    #[error("the checkpoint `{path}` has format {found}, this program knows up to {VERSION}; use a newer program", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The file holds another training.
    #[error("the checkpoint `{path}` belongs to another training: {what}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The training could not be turned into bytes.
    #[error("cannot save the {what}: {message}")]
    Encode {
        /// Model or optimizer.
        what: &'static str,
        /// What went wrong.
        message: String,
    },
}

/// Replaces the file at `path` by one with this header and these parts.
pub(super) fn write(path: &Path, header: &impl Serialize, parts: &[&[u8]]) -> Result<(), CheckpointError> {
    let header = serde_json::to_vec(header)
        .map_err(|error| CheckpointError::Encode { what: "header", message: error.to_string() })?;
    let parts: Vec<&[u8]> = std::iter::once(header.as_slice()).chain(parts.iter().copied()).collect();
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum::<usize>() + 64);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    for part in &parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    }
    for part in &parts {
        bytes.extend_from_slice(part);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    if let Some(free) = room(path).filter(|free| *free < bytes.len() as u64) {
        return Err(CheckpointError::NoRoom { path: path.to_owned(), needed: bytes.len() as u64, free });
    }
    replace(path, &bytes).map_err(|source| CheckpointError::Io { action: "write", path: path.to_owned(), source })
}

/// What the disk has left, in bytes; `None` where the system does not tell.
fn room(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        // The folder may not be there yet: the nearest that is lies on the same disk.
        let statistics = path.ancestors().skip(1).find_map(|folder| {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            rustix::fs::statvfs(folder).ok()
        })?;
        Some(statistics.f_bavail.saturating_mul(statistics.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Writes beside, syncs, renames, and syncs the folder: a crash leaves the old file or the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // Windows cannot open a folder as a file; there the rename alone has to do.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The header of a checkpoint and its other parts.
pub(super) type Contents<H> = (H, Vec<Vec<u8>>);

/// Reads the file at `path`: its header and its other parts. `None` when there is no file.
pub(super) fn read<H: DeserializeOwned>(path: &Path) -> Result<Option<Contents<H>>, CheckpointError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CheckpointError::Io { action: "read", path: path.to_owned(), source }),
    };
    let damaged = |what: &str| CheckpointError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let content = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin like a checkpoint"))?;
    let mut content = Reader(content);
    let version = content.u32().ok_or_else(|| damaged("it ends early"))?;
    if version > VERSION {
        return Err(CheckpointError::Newer { path: path.to_owned(), found: version });
    }
    let (signed, digest) = bytes
        .len()
        .checked_sub(DIGEST)
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or_else(|| damaged("it ends early"))?;
    if Sha256::digest(signed).as_slice() != digest {
        return Err(damaged("its contents do not match their checksum"));
    }
    let mut parts = content.parts().ok_or_else(|| damaged("its parts do not add up"))?;
    let header = (!parts.is_empty()).then(|| parts.remove(0)).ok_or_else(|| damaged("it has no header"))?;
    let header = serde_json::from_slice(&header).map_err(|error| damaged(&format!("its header: {error}")))?;
    Ok(Some((header, parts)))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn parts(&mut self) -> Option<Vec<Vec<u8>>> {
        let count = self.u32()?;
        let lengths: Option<Vec<u64>> = (0..count).map(|_| self.u64()).collect();
        lengths?.into_iter().map(|length| self.take(usize::try_from(length).ok()?).map(<[u8]>::to_vec)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/last.ckpt");
        assert!(read::<String>(&path).unwrap().is_none());
        write(&path, &"header", &[b"one", b"", b"three"]).unwrap();
        let (header, parts) = read::<String>(&path).unwrap().unwrap();
        assert_eq!(header, "header");
        assert_eq!(parts, [b"one".to_vec(), b"".to_vec(), b"three".to_vec()]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside");
    }

    #[test]
    #[cfg(unix)]
    fn the_room_is_that_of_the_disk_whether_the_folder_is_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(room(&folder.path().join("x.ckpt")).is_some_and(|free| free > 0));
        assert!(room(&folder.path().join("no/such/x.ckpt")).is_some_and(|free| free > 0));
        assert!(room(Path::new("x.ckpt")).is_some());
    }

    #[test]
    fn any_changed_or_missing_byte_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.ckpt");
        write(&path, &"header", &[b"part"]).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(read::<String>(&path), Err(CheckpointError::Damaged { .. })), "{length}");
        }
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(read::<String>(&path).is_err(), "{index}");
        }
    }

    #[test]
    fn fuzz_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.ckpt");
        fuzz::target("checkpoint", |bytes| {
            // With its checksum right: what is behind it has to bear anything too.
            fs::write(&path, [bytes, Sha256::digest(bytes).as_slice()].concat()).unwrap();
            let _ = read::<String>(&path);
        });
    }
}
