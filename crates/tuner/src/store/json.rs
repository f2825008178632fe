//! JSON that a person can read.

use serde::Serialize;
use serde_json::Value;

use super::StoreError;

/// What is no longer than this stays on a line.
const WIDTH: usize = 100;

/// What is nested deeper than this stays on a line, however long: an epoch of a trial.
const DEPTH: usize = 4;

/// Strict JSON, indented, with short lists and whole epochs on a line.
pub(super) fn to_bytes<T: Serialize>(value: &T, what: &str) -> Result<Vec<u8>, StoreError> {
    let value = serde_json::to_value(value).map_err(|source| StoreError::Json { what: what.to_owned(), source })?;
    let mut text = String::new();
    write(&value, 0, &mut text);
    text.push('\n');
    Ok(text.into_bytes())
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let on_a_line = depth >= DEPTH || depth > 0 && value.to_string().len() <= WIDTH;
    match value {
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().map(|item| (None, item));
            write_items(items, ('[', ']'), on_a_line, depth, out);
        }
        Value::Object(entries) if !entries.is_empty() => {
            let items = entries.iter().map(|(name, item)| (Some(name.as_str()), item));
            write_items(items, ('{', '}'), on_a_line, depth, out);
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_items<'v>(
    items: impl Iterator<Item = (Option<&'v str>, &'v Value)>,
    (open, close): (char, char),
    on_a_line: bool,
    depth: usize,
    out: &mut String,
) {
    // What is inside of a line stays on it.
    let inner = if on_a_line { DEPTH } else { depth + 1 };
    let line_break = |depth: usize| if on_a_line { String::new() } else { format!("\n{}", "  ".repeat(depth)) };
    out.push(open);
    for (i, (name, item)) in items.enumerate() {
        if i > 0 {
            out.push_str(if on_a_line { ", " } else { "," });
        }
        out.push_str(&line_break(depth + 1));
        if let Some(name) = name {
            out.push_str(&Value::from(name).to_string());
            out.push_str(": ");
        }
        write(item, inner, out);
    }
    out.push_str(&line_break(depth));
    out.push(close);
}
