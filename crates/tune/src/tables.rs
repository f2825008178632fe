//! Numbers, times and tables as people read them. Everything here returns text; nothing prints.

use std::collections::BTreeMap;

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{CellAlignment, Table};
use tuner::analysis::{Counts, Effort};
use tuner::{Epoch, History, Objective, Params, Trial, TrialState, Value};

/// Four significant digits, no needless zeros: `0.9712`, `3.162e-4`, `1250`.
pub fn number(number: f64) -> String {
    let magnitude = number.abs();
    if number == number.trunc() && magnitude < 1e9 {
        return format!("{number}");
    }
    if !(1e-3..1e6).contains(&magnitude) {
        let text = format!("{number:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    let decimals = (3 - magnitude.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A hyperparameter's value.
pub fn value(value: &Value) -> String {
    match value {
        Value::Float(float) => number(*float),
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `850 ms`, `12.3 s`, `04:05`, `1:02:03`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if whole < 60 {
        format!("{seconds:.1} s")
    } else if whole < 3600 {
        format!("{:02}:{:02}", whole / 60, whole % 60)
    } else {
        format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
    }
}

/// `512 B`, `1.5 MB`.
pub fn bytes(bytes: u64) -> String {
    let scale = ["B", "kB", "MB", "GB", "TB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < scale.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{} {}", number((size * 10.0).round() / 10.0), scale[unit])
}

/// An integer with its thousands set apart, as in `2,950,506`.
pub fn count(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A trial's state in a word, with all that is known of an unhappy one.
pub fn state(state: &TrialState) -> String {
    match state {
        TrialState::Failed(failure) => format!("{state}: {}", failure.message),
        TrialState::Infeasible(infeasible) => format!("{state}: {}", infeasible.message),
        _ => state.to_string(),
    }
}

/// A table in the program's one style; the first column reads left, the others right.
pub fn table(header: impl IntoIterator<Item = impl Into<String>>) -> Table {
    let mut table = Table::new();
    let header: Vec<String> = header.into_iter().map(Into::into).collect();
    let columns = header.len();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// *Hyperparameter | Value | Best value so far* of a trial that begins.
pub fn running(params: &Params, best: Option<&Params>) -> String {
    let mut table = table(["Hyperparameter", "Value", "Best value so far"]);
    for (name, current) in params.iter() {
        let best = best.map_or_else(|| "?".to_owned(), |best| best.get(name).map_or_else(|| "-".to_owned(), value));
        table.add_row([name.to_owned(), value(current), best]);
    }
    table.to_string()
}

/// How many trials came to which end, and why those that failed did.
pub fn counts(history: &History) -> String {
    let counts = Counts::of(history);
    let total = |reasons: &BTreeMap<String, u64>| reasons.values().sum();
    let states: [(&str, u64); 7] = [
        ("completed", counts.completed),
        ("pruned", counts.pruned),
        ("paused", counts.paused),
        ("running", counts.running),
        ("waiting", counts.waiting),
        ("failed", total(&counts.failed)),
        ("infeasible", total(&counts.infeasible)),
    ];
    let named: Vec<String> =
        states.iter().filter(|(_, number)| *number > 0).map(|(state, number)| format!("{number} {state}")).collect();
    let mut text = format!("Trials: {}\n", if named.is_empty() { "none yet".to_owned() } else { named.join(", ") });
    let lists = [
        ("Failed", &counts.failed),
        ("Infeasible", &counts.infeasible),
        ("Infeasible configurations passed over", &counts.rejected),
    ];
    for (title, reasons) in lists.iter().filter(|(_, reasons)| !reasons.is_empty()) {
        let reasons: Vec<String> = reasons.iter().map(|(reason, number)| format!("{number} {reason}")).collect();
        text += &format!("{title}: {}\n", reasons.join(", "));
    }
    text
}

/// How many epochs were trained, and how many it would have taken to train every trial in full; nothing where
/// it is the same.
pub fn effort(history: &History, epochs: u32) -> String {
    let effort = Effort::of(history, epochs);
    if effort.saved == 0 {
        return String::new();
    }
    let full = effort.trained + effort.saved;
    format!(
        "Epochs: {} trained, {} saved ({:.0}% of a full training of every trial)\n",
        count(u128::from(effort.trained)),
        count(u128::from(effort.saved)),
        100.0 * effort.saved as f64 / full as f64
    )
}

/// The metrics of a trial: of each execution those of the epoch that decides its value, averaged over the executions.
pub fn metrics(trial: &Trial, objective: &Objective) -> BTreeMap<String, f64> {
    let epochs: Vec<&Epoch> = trial.executions.iter().filter_map(|execution| objective.best_epoch(execution)).collect();
    let Some(first) = epochs.first() else { return BTreeMap::new() };
    let mean = |name: &str| -> Option<f64> {
        let values: Option<Vec<f64>> = epochs.iter().map(|epoch| epoch.metrics.get(name).copied()).collect();
        values.map(|values| values.iter().sum::<f64>() / epochs.len() as f64)
    };
    first.metrics.keys().filter_map(|name| Some((name.clone(), mean(name)?))).collect()
}

/// The best trial: its score and metrics, then its hyperparameters.
pub fn best(trial: &Trial, objective: &Objective) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if let Some(score) = trial.score {
        table.add_row([objective.metric.clone(), number(score)]);
    }
    for (name, metric) in metrics(trial, objective) {
        if name != objective.metric && SHOWN_METRICS.contains(&name.as_str()) {
            table.add_row([name, number(metric)]);
        }
    }
    for (name, current) in trial.params.iter() {
        table.add_row([name.to_owned(), value(current)]);
    }
    table.to_string()
}

/// Metrics that a short report of a trial shows besides the objective.
pub const SHOWN_METRICS: &[&str] = &["val_accuracy", "val_loss", "accuracy", "loss", "parameters", "train_seconds"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_no_needless_zeros() {
        let shown = [0.971_234, 0.5, 1250.0, 3.162_277e-4, 12.345_67, 0.0, -2.5, 1e12, 123_456.7].map(number);
        assert_eq!(shown, ["0.9712", "0.5", "1250", "3.162e-4", "12.35", "0", "-2.5", "1e12", "123457"]);
    }

    #[test]
    fn durations_grow_units() {
        assert_eq!([0.0123, 1.5, 59.0, 61.0, 3661.0].map(duration), ["12 ms", "1.5 s", "59.0 s", "01:01", "1:01:01"]);
    }

    #[test]
    fn bytes_grow_units() {
        assert_eq!([0, 999, 1500, 178_882, 3_195_621].map(bytes), ["0 B", "999 B", "1.5 kB", "178.9 kB", "3.2 MB"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 2_950_506].map(count), ["0", "999", "1,000", "2,950,506"]);
    }
}
