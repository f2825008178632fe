//! Tables of real training results: every configuration of a grid, trained once and for all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tuner::{Domain, Hyperparameter, Params, Space, Value};

use crate::problem::{Measured, Problem};

/// One task.
pub struct Table {
    name: String,
    space: Space,
    /// The values of each choice, in the order of the parameters; nothing for an ordinal one.
    choices: Vec<Vec<Value>>,
    /// The values of each ordinal parameter that are numbers, by its name.
    numbers: BTreeMap<String, Vec<f64>>,
    shape: Vec<usize>,
    epochs: usize,
    losses: Vec<f32>,
    best: f64,
    median: f64,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    direction: Direction,
    parameters: Vec<Parameter>,
    shape: Vec<usize>,
    median: f64,
    epochs: Option<usize>,
    scale: Option<f64>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Minimize,
    Maximize,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    kind: Kind,
    values: Vec<serde_json::Value>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Ordinal,
    Choice,
}

/// Every table of a folder, by name.
pub fn read_folder(folder: &Path) -> Result<Vec<Table>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut headers: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    headers.sort();
    headers.iter().map(|path| read(path).map_err(|error| format!("{}: {error}", path.display()))).collect()
}

fn read(path: &Path) -> Result<Table, String> {
    let header = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let header: Header = serde_json::from_str(&header).map_err(|error| error.to_string())?;
    let values = match (header.epochs, header.scale) {
        (Some(_), Some(scale)) => {
            let scaled = |bytes: [u8; 2]| (f64::from(u16::from_le_bytes(bytes)) * scale) as f32;
            read_numbers(&path.with_extension("u16"), scaled)?
        }
        _ => read_numbers(&path.with_extension("f32"), f32::from_le_bytes)?,
    };
    let epochs = header.epochs.unwrap_or(1);
    let expected = header.shape.iter().product::<usize>() * epochs;
    if values.len() != expected {
        return Err(format!("expected {expected} numbers for its shape, found {}", values.len()));
    }
    let sign = if header.direction == Direction::Maximize { -1.0 } else { 1.0 };
    let losses: Vec<f32> = values.into_iter().map(|value| sign as f32 * value).collect();
    // The header's best is not rounded to single precision as the table is: 0 must be 0.
    let best = f64::from(losses.iter().copied().fold(f32::INFINITY, f32::min));
    let numbers = header.parameters.iter().map(|parameter| {
        let values = parameter.values.iter().filter_map(serde_json::Value::as_f64).collect();
        (parameter.name.clone(), values)
    });
    let numbers = numbers.collect();
    let (hyperparameters, choices) =
        header.parameters.iter().map(hyperparameter).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok(Table {
        name: header.name,
        space: Space::new(hyperparameters).map_err(|error| error.to_string())?,
        choices,
        numbers,
        shape: header.shape,
        epochs,
        losses,
        best,
        median: sign * header.median,
    })
}

fn read_numbers<const N: usize>(path: &Path, number: impl Fn([u8; N]) -> f32) -> Result<Vec<f32>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect())
}

/// An ordinal parameter is searched by its index.
fn hyperparameter(parameter: &Parameter) -> Result<(Hyperparameter, Vec<Value>), String> {
    let (domain, values) = match parameter.kind {
        Kind::Ordinal => (Domain::int(0, parameter.values.len() as i64 - 1), Vec::new()),
        Kind::Choice => {
            let values: Vec<Value> = parameter.values.iter().map(value).collect::<Result<_, _>>()?;
            (Domain::choice(values.clone(), false), values)
        }
    };
    let domain = domain.map_err(|error| format!("{}: {error}", parameter.name))?;
    Ok((Hyperparameter::new(&parameter.name, domain), values))
}

fn value(json: &serde_json::Value) -> Result<Value, String> {
    serde_json::from_value(json.clone()).map_err(|error| error.to_string())
}

impl Table {
    fn row(&self, params: &Params) -> Option<usize> {
        let hyperparameters = self.space.hyperparameters().iter().zip(&self.choices).zip(&self.shape);
        hyperparameters.into_iter().try_fold(0, |row, ((hp, choices), &n)| {
            let index = if choices.is_empty() {
                params.get_int(&hp.name)? as usize
            } else {
                let value = params.get(&hp.name)?;
                choices.iter().position(|choice| choice == value)?
            };
            Some(row * n + index)
        })
    }

    /// The number that an index of an ordinal parameter stands for.
    fn number(&self, params: &Params, name: &str) -> Option<f64> {
        self.numbers.get(name)?.get(params.get_int(name)? as usize).copied()
    }
}

impl Problem for Table {
    fn name(&self) -> &str {
        &self.name
    }

    fn space(&self) -> &Space {
        &self.space
    }

    fn epochs(&self) -> u32 {
        self.epochs as u32
    }

    fn train(&self, params: &Params, _: u64) -> Option<Vec<Measured>> {
        let first = self.row(params)? * self.epochs;
        let losses = &self.losses[first..first + self.epochs];
        Some(losses.iter().map(|&loss| Measured::exact(f64::from(loss))).collect())
    }

    /// The tables do not have times. What is made up here has the shape of real ones: wide and deep networks are slow,
    /// large batches fast, and the slowest epoch takes about a hundred times as long as the fastest.
    fn epoch_seconds(&self, params: &Params) -> f64 {
        let number = |name, otherwise| self.number(params, name).unwrap_or(otherwise);
        let width = number("num_layers", 1.0) * number("max_units", 500.0) / 500.0;
        (0.5 + width) * (64.0 / number("batch_size", 64.0)).sqrt()
    }

    fn regret(&self, loss: f64) -> f64 {
        (loss - self.best) / (self.median - self.best)
    }
}
