//! What a second terminal asks of a running search: a file in the study's folder, which the search takes away when it obeys.

use std::path::{Path, PathBuf};

use tuner::StoreError;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Pause,
    Resume,
    Stop,
}

const WORDS: &[(Request, &str)] = &[(Request::Pause, "pause"), (Request::Resume, "resume"), (Request::Stop, "stop")];

/// The requests to the search of one study.
pub struct Requests {
    request: PathBuf,
    paused: PathBuf,
}

impl Requests {
    pub fn of(study: &Path) -> Self {
        Requests { request: study.join("request"), paused: study.join("paused") }
    }

    pub fn ask(&self, request: Request) -> Result<(), StoreError> {
        let word = WORDS.iter().find(|(known, _)| *known == request).map_or("", |(_, word)| word);
        tuner::store::write_atomically(&self.request, word.as_bytes())
    }

    /// The request that waits, if one does; it is taken away.
    pub fn take(&self) -> Option<Request> {
        let text = std::fs::read_to_string(&self.request).ok()?;
        let _ = std::fs::remove_file(&self.request);
        WORDS.iter().find(|(_, word)| *word == text.trim()).map(|(request, _)| *request)
    }

    /// Says to whoever looks whether the search is paused.
    pub fn set_paused(&self, paused: bool) {
        // Only `tune status` reads it: no reason to fail.
        let _ = if paused { std::fs::write(&self.paused, "") } else { std::fs::remove_file(&self.paused) };
    }

    /// Forgets what was asked of an earlier search.
    pub fn begin(&self) {
        let _ = self.take();
        self.set_paused(false);
    }

    /// Whether the search, if there is one, is paused.
    pub fn is_paused(&self) -> bool {
        self.paused.exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let requests = Requests::of(folder.path());
        assert_eq!(requests.take(), None);
        for (request, _) in WORDS {
            requests.ask(*request).unwrap();
            assert_eq!((requests.take(), requests.take()), (Some(*request), None));
        }
        requests.set_paused(true);
        assert!(requests.is_paused());
        requests.ask(Request::Stop).unwrap();
        requests.begin();
        assert_eq!((requests.take(), requests.is_paused()), (None, false));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
