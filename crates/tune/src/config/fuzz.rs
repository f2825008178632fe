//! Any text is read to a study or to mistakes with places; none makes the reader panic or hang.

use std::path::Path;

use miette::{Diagnostic as _, GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::load::{Overrides, parse};
use crate::error::Error;

const STUDIES: [&str; 5] = [
    include_str!("../../../../configs/digits.toml"),
    include_str!("../../../../configs/cnn_tuning.toml"),
    include_str!("../../../../configs/volumes.toml"),
    include_str!("../../../../configs/counting.toml"),
    include_str!("../commands/init/study.toml"),
];

/// What breaks a reader when it stands in the wrong place.
const FRAGMENTS: [&str; 24] = [
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "=",
    ",",
    "\n",
    "{i}",
    "0",
    "-1",
    "9223372036854775807",
    "1e308",
    "nan",
    "1e-400",
    "true",
    "é",
    "\u{0}",
    "when = { optimizer = 3 }",
    "repeat = \"conv_layers\"",
    "[space]\n",
    "2026-01-01",
];

#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, &'static str),
    Remove(usize, usize),
    /// One line put in place of another.
    Swap(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<usize>(), proptest::sample::select(&FRAGMENTS[..])).prop_map(|(at, text)| Edit::Insert(at, text)),
        (any::<usize>(), 1_usize..40).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn apply(text: &str, edit: &Edit) -> String {
    let boundary = |at: usize| {
        let at = at % (text.len() + 1);
        (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
    };
    match *edit {
        Edit::Insert(at, fragment) => {
            let (before, after) = text.split_at(boundary(at));
            format!("{before}{fragment}{after}")
        }
        Edit::Remove(at, length) => {
            let start = boundary(at);
            let end = boundary(start + length.min(text.len() - start));
            format!("{}{}", &text[..start], &text[end.max(start)..])
        }
        Edit::Swap(a, b) => {
            let mut lines: Vec<&str> = text.lines().collect();
            if !lines.is_empty() {
                let (a, b) = (a % lines.len(), b % lines.len());
                lines[a] = lines[b];
            }
            lines.join("\n")
        }
    }
}

/// Reads `text`; every mistake must have a place in it and be fit to be shown.
fn read(text: &str) -> Result<(), TestCaseError> {
    match parse(Path::new("study.toml"), text, &Overrides::default()) {
        Ok(study) => prop_assert!(!study.space.hyperparameters().is_empty()),
        Err(Error::StudyFile(problems)) => {
            prop_assert!(!problems.is_empty());
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
            for problem in problems {
                let labels: Vec<_> = problem.labels().into_iter().flatten().collect();
                prop_assert!(labels.iter().all(|label| label.offset() + label.len() <= text.len()), "{problem:?}");
                let mut shown = String::new();
                prop_assert!(handler.render_report(&mut shown, &problem).is_ok());
                prop_assert!(shown.contains("study.toml:"), "{shown}");
            }
        }
        Err(other) => return Err(TestCaseError::fail(format!("{other}"))),
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        read(&text)?;
    }

    #[test]
    fn any_damaged_study_is_read_or_refused(
        study in proptest::sample::select(&STUDIES[..]),
        edits in proptest::collection::vec(edit(), 1..6),
    ) {
        let damaged = edits.iter().fold(study.to_owned(), |text, edit| apply(&text, edit));
        read(&damaged)?;
    }
}

#[test]
fn the_studies_that_are_damaged_are_sound_themselves() {
    for study in STUDIES {
        assert!(parse(Path::new("study.toml"), study, &Overrides::default()).is_ok());
    }
}

#[test]
fn fuzz_study_file() {
    fuzz::target("study_file", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = parse(Path::new("fuzz.toml"), text, &Overrides::default());
        }
    });
}
