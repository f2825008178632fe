//! Lines of metrics as a program of the simple kind prints them: `{"epoch": 3, "val_accuracy": 0.91}`.

use serde_json::{Map, Value};

use crate::protocol::excerpt;

/// What one line says.
#[derive(Debug, PartialEq)]
pub struct Metrics {
    /// The epoch's number, if the program numbers its epochs.
    pub epoch: Option<u32>,
    /// Names and values; NaN and the infinities among them.
    pub values: Vec<(String, f64)>,
}

/// Reads a line. What does not begin like an object is a program's own talk, and `None`.
///
/// # Errors
///
/// What begins like an object and is no line of metrics: a message that quotes it.
pub fn read(line: &[u8]) -> Option<Result<Metrics, String>> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    Some(
        parse(line)
            .map_err(|reason| format!("a line that is no JSON object of metrics: {reason}: `{}`", excerpt(line))),
    )
}

fn parse(line: &[u8]) -> Result<Metrics, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let object: Map<String, Value> =
        serde_json::from_str(&without_non_finite(text)).map_err(|error| error.to_string())?;
    let mut metrics = Metrics { epoch: None, values: Vec::new() };
    for (name, value) in object {
        let number = if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
        match number {
            Some(number) if name == "epoch" => {
                let epoch = value.as_u64().and_then(|epoch| u32::try_from(epoch).ok()).filter(|epoch| *epoch > 0);
                metrics.epoch = Some(epoch.ok_or(format!("`epoch` is a whole number from 1, not {number}"))?);
            }
            Some(number) => metrics.values.push((name, number)),
            None => return Err(format!("`{name}` is not a number")),
        }
    }
    if metrics.values.is_empty() { Err("it has no metric".to_owned()) } else { Ok(metrics) }
}

/// JSON has no NaN and no infinities, but many libraries write them: outside of texts they become `null`.
fn without_non_finite(text: &str) -> String {
    const NAMES: &[&str] = &["-Infinity", "Infinity", "-NaN", "NaN"];
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(character) = rest.chars().next() {
        let name = NAMES.iter().find(|name| !quoted && rest.starts_with(*name));
        let taken = match (name, character) {
            (Some(name), _) => {
                out.push_str("null");
                name.len()
            }
            // What follows a backslash is not the end of a text.
            (None, '\\') => {
                let escaped = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..escaped]);
                escaped
            }
            (None, character) => {
                quoted ^= character == '"';
                out.push(character);
                character.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(line: &str) -> Metrics {
        read(line.as_bytes()).unwrap().unwrap()
    }

    fn refusal(line: &str) -> String {
        read(line.as_bytes()).unwrap().unwrap_err()
    }

    #[test]
    fn a_line_is_an_epoch() {
        let line = metrics(" {\"epoch\": 3, \"val_accuracy\": 0.91, \"loss\": 2}\n");
        assert_eq!(line.epoch, Some(3));
        assert_eq!(line.values, [("val_accuracy".to_owned(), 0.91), ("loss".to_owned(), 2.0)]);
        assert_eq!(metrics("{\"val_loss\": 1e-3}").epoch, None);
    }

    #[test]
    fn what_is_no_object_is_talk() {
        for line in ["loading data", "", "[1, 2]", "0.91", "epoch {\"loss\": 1}"] {
            assert!(read(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_understood() {
        let line = metrics(r#"{"NaN": 1, "a\"Infinity": 2, "loss": NaN, "b": -Infinity, "c":Infinity, "d": null}"#);
        assert_eq!(line.values[0], ("NaN".to_owned(), 1.0));
        assert_eq!(line.values[1], ("a\"Infinity".to_owned(), 2.0));
        assert!(line.values[2..].iter().all(|(_, value)| value.is_nan()), "{line:?}");
    }

    #[test]
    fn a_malformed_line_is_quoted() {
        insta::assert_snapshot!(refusal("{'epoch': 1, 'loss': 0.5}"), @"a line that is no JSON object of metrics: key must be a string at line 1 column 2: `{'epoch': 1, 'loss': 0.5}`");
        insta::assert_snapshot!(refusal(r#"{"epoch": 0, "loss": 0.5}"#), @r#"a line that is no JSON object of metrics: `epoch` is a whole number from 1, not 0: `{"epoch": 0, "loss": 0.5}`"#);
        insta::assert_snapshot!(refusal(r#"{"epoch": 1}"#), @r#"a line that is no JSON object of metrics: it has no metric: `{"epoch": 1}`"#);
        insta::assert_snapshot!(refusal(r#"{"epoch": 1, "loss": "0.5"}"#), @r#"a line that is no JSON object of metrics: `loss` is not a number: `{"epoch": 1, "loss": "0.5"}`"#);
        assert!(read(b"{\"a\xff\": 1}").unwrap().is_err());
        assert!(refusal("{\\").contains("line 1"));
    }

    #[test]
    fn fuzz_metrics() {
        fuzz::target("metrics", |bytes| match read(bytes) {
            Some(Ok(metrics)) => assert!(!metrics.values.is_empty() && metrics.epoch != Some(0)),
            Some(Err(message)) => assert!(message.len() < 1000),
            None => {}
        });
    }
}
