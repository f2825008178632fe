//! Who is better, and by how much.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::curves::{Method, TaskCurves};

/// Trials at which methods are compared.
const MARKS: [usize; 4] = [10, 25, 50, 100];
/// Regrets closer than this are ties: tables are rounded to single precision.
const TIE: f64 = 1e-9;

/// Regrets by task, ranks and ratios over all tasks, and the cost of a suggestion.
pub fn report(tasks: &[&str], own: &[Method], recorded: &[Method], trials: usize, floor: f64) -> String {
    let marks: Vec<usize> = MARKS.into_iter().filter(|&mark| mark <= trials).collect();
    let all: Vec<&Method> = own.iter().chain(recorded).collect();
    let mut out = String::new();
    let mut section = |title: &str, table: Table| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{title}\n{table}\n");
    };
    section("Normalised regret: median (mean) over seeds", regrets(tasks, &all, &marks));
    section("Mean rank over tasks (1 is best; ties share)", ranks(tasks, &all, &marks));
    if !recorded.is_empty() {
        section(
            "Chance to be ahead of each recorded method (a tie counts half)",
            chances(tasks, own, recorded, &marks),
        );
        let title = format!("Median regret over that of the best recorded method, geometric mean (floor {floor})");
        section(&title, ratios(tasks, own, recorded, &marks, floor));
    }
    section("Seconds per suggestion", costs(own, trials));
    out
}

/// Full trainings' worth of epochs, or times of a full training, at which methods that cut trainings short are compared.
const FIDELITY_MARKS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Mean regrets over all tasks and by task, and how soon the best recorded result is reached.
pub fn fidelity(tasks: &[&str], own: &[Method], recorded: &[Method], trials: usize) -> String {
    let marks: Vec<usize> = FIDELITY_MARKS.into_iter().filter(|&mark| mark <= trials).collect();
    let all: Vec<&Method> = own.iter().chain(recorded).collect();
    let everywhere = |method: &Method, mark: usize| -> Option<f64> {
        let of_task = |task: &&str| Some(at(method.curves.get(*task), mark)).filter(|values| !values.is_empty());
        let means: Option<Vec<f64>> = tasks.iter().map(|task| of_task(task).map(|values| mean(&values))).collect();
        means.map(|means| mean(&means))
    };
    let mut over_all = table(heads(&["method", "seeds"], &marks));
    for method in &all {
        let seeds = method.curves.values().map(|task| task.curves.len()).min().unwrap_or(0);
        let mut row = vec![Cell::new(&method.name), right(seeds.to_string())];
        let values = marks.iter().map(|&mark| everywhere(method, mark));
        row.extend(values.map(|value| right(value.map_or_else(String::new, |value| format!("{value:.4}")))));
        over_all.add_row(row);
    }
    let mut out = format!("Normalised regret: mean over tasks of the mean over seeds\n{over_all}\n\n");
    let _ = writeln!(out, "Normalised regret by task: median (mean) over seeds\n{}\n", regrets(tasks, &all, &marks));
    let best = recorded.iter().filter_map(|method| Some((everywhere(method, trials)?, &method.name)));
    if let Some((best, rival)) = best.min_by(|a, b| a.0.total_cmp(&b.0)) {
        for method in own {
            let reached = (1..=trials).find(|&mark| everywhere(method, mark).is_some_and(|regret| regret <= best));
            let reached = reached.map_or_else(|| "not reached".to_owned(), |mark| format!("reached at {mark}"));
            let _ = writeln!(out, "{}: {rival}'s {best:.4} at {trials} {reached}", method.name);
        }
    }
    for method in &all {
        let busy: Vec<f64> = method.curves.values().flat_map(|task| task.utilisation.values().copied()).collect();
        if !busy.is_empty() {
            let _ = writeln!(out, "{}: workers busy for {:.1}% of the time", method.name, 100.0 * mean(&busy));
        }
    }
    let _ = writeln!(out, "\nSeconds per run\n{}", costs(own, 1));
    out
}

fn table(heads: impl IntoIterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads);
    table
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn heads(first: &[&str], marks: &[usize]) -> Vec<String> {
    first.iter().map(ToString::to_string).chain(marks.iter().map(|mark| format!("@{mark}"))).collect()
}

fn at(curves: Option<&TaskCurves>, mark: usize) -> Vec<f64> {
    curves.iter().flat_map(|task| task.curves.values()).filter_map(|curve| curve.get(mark - 1).copied()).collect()
}

fn regrets(tasks: &[&str], methods: &[&Method], marks: &[usize]) -> Table {
    let mut table = table(heads(&["task", "method", "seeds"], marks));
    for task in tasks {
        for method in methods {
            let Some(curves) = method.curves.get(*task) else { continue };
            let mut row = vec![Cell::new(task), Cell::new(&method.name), right(curves.curves.len().to_string())];
            row.extend(marks.iter().map(|&mark| {
                let values = at(Some(curves), mark);
                right(if values.is_empty() {
                    String::new()
                } else {
                    format!("{:.5} ({:.5})", median(&values), mean(&values))
                })
            }));
            table.add_row(row);
        }
    }
    table
}

/// Over independent pairs of seeds, the rank that a method is to expect among those with curves for the task.
fn ranks(tasks: &[&str], methods: &[&Method], marks: &[usize]) -> Table {
    let mut table = table(heads(&["method", "tasks"], marks));
    for method in methods {
        let known = tasks.iter().filter(|task| method.curves.contains_key(**task)).count();
        let mut row = vec![Cell::new(&method.name), right(known.to_string())];
        for &mark in marks {
            let rank = |task: &&str| {
                let own = at(method.curves.get(*task), mark);
                let others = methods.iter().filter(|other| other.name != method.name);
                let others = others.map(|other| at(other.curves.get(*task), mark)).filter(|o| !o.is_empty());
                (!own.is_empty()).then(|| 1.0 + others.map(|other| chance_ahead(&other, &own)).sum::<f64>())
            };
            let ranks: Vec<f64> = tasks.iter().filter_map(rank).collect();
            row.push(right(if ranks.is_empty() { String::new() } else { format!("{:.2}", mean(&ranks)) }));
        }
        table.add_row(row);
    }
    table
}

fn chances(tasks: &[&str], own: &[Method], recorded: &[Method], marks: &[usize]) -> Table {
    let mut table = table(heads(&["method", "against", "tasks"], marks));
    for method in own {
        for rival in recorded {
            let shared: Vec<&&str> = tasks
                .iter()
                .filter(|task| method.curves.contains_key(**task) && rival.curves.contains_key(**task))
                .collect();
            if shared.is_empty() {
                continue;
            }
            let mut row = vec![Cell::new(&method.name), Cell::new(&rival.name), right(shared.len().to_string())];
            for &mark in marks {
                let chance = |task: &&&str| {
                    let (a, b) = (at(method.curves.get(**task), mark), at(rival.curves.get(**task), mark));
                    (!a.is_empty() && !b.is_empty()).then(|| chance_ahead(&a, &b))
                };
                let chances: Vec<f64> = shared.iter().filter_map(chance).collect();
                row.push(right(if chances.is_empty() { String::new() } else { format!("{:.2}", mean(&chances)) }));
            }
            table.add_row(row);
        }
    }
    table
}

fn ratios(tasks: &[&str], own: &[Method], recorded: &[Method], marks: &[usize], floor: f64) -> Table {
    let mut table = table(heads(&["method"], marks));
    for method in own {
        let mut row = vec![Cell::new(&method.name)];
        for &mark in marks {
            let log_ratio = |task: &&str| {
                let floored = |method: &Method| {
                    let values = at(method.curves.get(*task), mark);
                    (!values.is_empty()).then(|| median(&values).max(floor))
                };
                let best = recorded.iter().filter_map(floored).min_by(f64::total_cmp)?;
                Some((floored(method)? / best).ln())
            };
            let logs: Vec<f64> = tasks.iter().filter_map(log_ratio).collect();
            row.push(right(if logs.is_empty() { String::new() } else { format!("{:.3}", mean(&logs).exp()) }));
        }
        table.add_row(row);
    }
    table
}

fn costs(own: &[Method], trials: usize) -> Table {
    let mut table = table(heads(&["method", "seconds"], &[]));
    for method in own {
        let seconds: Vec<f64> = method.curves.values().flat_map(|task| task.sec.values().copied()).collect();
        table.add_row([Cell::new(&method.name), right(format!("{:.6}", mean(&seconds) / trials as f64))]);
    }
    table
}

/// The chance that a draw of `a` is lower than one of `b`.
fn chance_ahead(a: &[f64], b: &[f64]) -> f64 {
    let one = |a: f64, b: f64| match a - b {
        d if d < -TIE => 1.0,
        d if d > TIE => 0.0,
        _ => 0.5,
    };
    let sum: f64 = a.iter().map(|&a| b.iter().map(|&b| one(a, b)).sum::<f64>()).sum();
    sum / (a.len() * b.len()) as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n % 2 == 1 { sorted[n / 2] } else { f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(chance_ahead(&[0.0, 1.0], &[1.0, 1.0]), 0.75);
        assert_eq!(chance_ahead(&[0.0], &[0.0]), 0.5);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
    }
}
