//! Unpacking a `.tar.gz` that could come from anyone.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::GzDecoder;
use tar::{Archive, EntryType};

use super::DataError;

const MAX_ENTRIES: usize = 1000;

/// Unpacks `archive`, all of which has to lie in one folder of the name of `folder`, and puts that folder in place whole.
///
/// Only files and folders are written, nothing outside of it, and no more than `room` bytes. Until the end everything goes to a folder beside it, so
/// that a `folder` that exists is complete.
pub(super) fn unpack(archive: &Path, folder: &Path, room: u64) -> Result<(), DataError> {
    let name = folder.file_name().unwrap_or_default();
    let mut partial = name.to_owned();
    partial.push(".part");
    let partial = folder.with_file_name(partial);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(DataError::io("remove", &partial))?;
    }
    let result = unpack_into(archive, &partial, Path::new(name), room).and_then(|()| {
        let inside = partial.join(name);
        if !inside.is_dir() {
            return Err(refused(archive, format!("there is no folder {} in it", name.display())));
        }
        fs::rename(&inside, folder).map_err(DataError::io("write", folder))
    });
    // What is left is of no use, and removing it no reason to fail.
    let _ = fs::remove_dir_all(&partial);
    result
}

fn unpack_into(archive: &Path, target: &Path, folder: &Path, room: u64) -> Result<(), DataError> {
    let damaged = |error: io::Error| refused(archive, format!("it is damaged ({error})"));
    let file = File::open(archive).map_err(DataError::io("read", archive))?;
    let mut tar = Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut left = room;
    for (count, entry) in tar.entries().map_err(damaged)?.enumerate() {
        if count == MAX_ENTRIES {
            return Err(refused(archive, format!("it has more than {MAX_ENTRIES} entries")));
        }
        let entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let path = entry.path().map_err(damaged)?.into_owned();
        let inside = inside(&path, folder).ok_or_else(|| {
            refused(archive, format!("it would write {}, outside of {}", path.display(), folder.display()))
        })?;
        let place = target.join(inside);
        match kind {
            EntryType::Directory => {
                fs::create_dir_all(&place).map_err(DataError::io("write", &place))?;
            }
            EntryType::Regular | EntryType::Continuous => {
                if let Some(parent) = place.parent() {
                    fs::create_dir_all(parent).map_err(DataError::io("write", parent))?;
                }
                let mut out = File::create(&place).map_err(DataError::io("write", &place))?;
                let written = io::copy(&mut entry.take(left + 1), &mut out).map_err(damaged)?;
                left = left
                    .checked_sub(written)
                    .ok_or_else(|| refused(archive, format!("it unpacks to more than {room} bytes")))?;
            }
            _ => {
                let reason = format!("{} is neither a file nor a folder ({kind:?})", path.display());
                return Err(refused(archive, reason));
            }
        }
    }
    Ok(())
}

/// `path` without its dots, if it lies in `folder`.
fn inside(path: &Path, folder: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    clean.starts_with(folder).then_some(clean)
}

fn refused(archive: &Path, reason: String) -> DataError {
    DataError::Archive { path: archive.to_owned(), reason }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    const ROOM: u64 = 1 << 20;

    pub(in super::super) fn tar_gz(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, bytes) in entries {
            let mut header = Header::new_gnu();
            // Written by hand: the crate refuses hostile names on this side too.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn try_unpack(bytes: &[u8]) -> (tempfile::TempDir, Result<(), DataError>) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("x.tar.gz"), bytes).unwrap();
        let result = unpack(&root.join("x.tar.gz"), &root.join("birds"), ROOM);
        (outer, result)
    }

    /// The reason, after making sure that nothing was left or written elsewhere.
    fn refusal(entries: &[(&str, EntryType, &[u8])]) -> String {
        let (outer, result) = try_unpack(&tar_gz(entries));
        let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((names(outer.path()), names(&outer.path().join("root"))), (1, 1));
        match result {
            Err(DataError::Archive { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_is_put_in_place_whole() {
        let (outer, result) = try_unpack(&tar_gz(&[
            ("birds/", EntryType::Directory, b""),
            ("birds/a.bin", EntryType::Regular, b"tweet"),
            ("./birds/deep/b.bin", EntryType::Regular, b""),
        ]));
        result.unwrap();
        let root = outer.path().join("root");
        assert_eq!(fs::read(root.join("birds/a.bin")).unwrap(), b"tweet");
        assert!(root.join("birds/deep/b.bin").is_file());
        assert!(!root.join("birds.part").exists());
    }

    #[test]
    fn hostile_archives_are_refused() {
        let good = ("birds/a.bin", EntryType::Regular, &b"tweet"[..]);
        insta::assert_snapshot!(refusal(&[good, ("birds/../../evil", EntryType::Regular, b"x")]), @"it would write birds/../../evil, outside of birds");
        insta::assert_snapshot!(refusal(&[good, ("/tmp/tune-evil", EntryType::Regular, b"x")]), @"it would write /tmp/tune-evil, outside of birds");
        insta::assert_snapshot!(refusal(&[good, ("elsewhere/evil", EntryType::Regular, b"x")]), @"it would write elsewhere/evil, outside of birds");
        insta::assert_snapshot!(refusal(&[good, ("birds/link", EntryType::Symlink, b"")]), @"birds/link is neither a file nor a folder (Symlink)");
        insta::assert_snapshot!(refusal(&[good, ("birds/link", EntryType::Link, b"")]), @"birds/link is neither a file nor a folder (Link)");
        insta::assert_snapshot!(refusal(&[good, ("birds/pipe", EntryType::Fifo, b"")]), @"birds/pipe is neither a file nor a folder (Fifo)");
        insta::assert_snapshot!(refusal(&[]), @"there is no folder birds in it");
        let many: Vec<_> = std::iter::repeat_n(good, MAX_ENTRIES + 1).collect();
        insta::assert_snapshot!(refusal(&many), @"it has more than 1000 entries");
    }

    #[test]
    fn a_bomb_is_stopped() {
        let half = vec![0; ROOM as usize / 2];
        let exactly = [("birds/a", EntryType::Regular, &half[..]), ("birds/b", EntryType::Regular, &half)];
        try_unpack(&tar_gz(&exactly)).1.unwrap();
        let more = [&exactly[..], &[("birds/c", EntryType::Regular, b"x")]].concat();
        insta::assert_snapshot!(refusal(&more), @"it unpacks to more than 1048576 bytes");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_leave_anything(place: usize, value: u8, random in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&random).unwrap();
            let mut changed = tar_gz(&[("birds/a.bin", EntryType::Regular, b"tweet")]);
            let place = place % changed.len();
            changed[place] = value;
            for bytes in [random, gzip.finish().unwrap(), changed] {
                let (outer, _) = try_unpack(&bytes);
                prop_assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
                prop_assert!(!outer.path().join("root/birds.part").exists());
            }
        }
    }

    #[test]
    fn fuzz_archive() {
        fuzz::target("archive", |bytes| {
            // As it is, and what it would be inside of a sound compression.
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(bytes).unwrap();
            for bytes in [bytes, &gzip.finish().unwrap()] {
                let (outer, _) = try_unpack(bytes);
                assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1, "something was written elsewhere");
            }
        });
    }
}
