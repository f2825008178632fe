//! How the worker of a job is started.

use std::path::PathBuf;
use std::process::Command;

use crate::config::{Protocol, StudyFile, Work};
use crate::error::Error;

/// What tells numeric libraries how many threads to use.
const THREADS: &[&str] = &["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"];

/// A command that can be given again and again.
pub struct Launch {
    program: PathBuf,
    arguments: Vec<String>,
    directory: Option<PathBuf>,
    environment: Vec<(String, String)>,
    pub memory_limit_bytes: Option<u64>,
}

impl Launch {
    /// The worker of one of a study's jobs, counted from 0: this program, or the user's own where it speaks the protocol.
    pub fn of(file: &StudyFile, job: usize) -> Result<Self, Error> {
        let search = &file.settings.search;
        let mut environment = device(&search.devices, job);
        let (program, arguments, directory) = match &file.settings.work {
            Work::Program(program) if program.protocol == Protocol::Full => {
                let (name, arguments) = (&program.command[0], program.command[1..].to_vec());
                (program.file(name), arguments, Some(program.directory.clone()))
            }
            _ => {
                let this = std::env::current_exe().map_err(|error| Error::Worker(error.to_string()))?;
                (this, vec!["worker".to_owned()], None)
            }
        };
        match &file.settings.work {
            // Optimizer states are restored on Burn's default device, which has to be the one that trains.
            Work::Network(_) => environment.push(("BURN_DEVICE".to_owned(), search.backend.clone())),
            Work::Program(_) => {
                let unset = THREADS.iter().filter(|name| std::env::var_os(name).is_none());
                environment.extend(unset.map(|name| ((*name).to_owned(), search.threads.to_string())));
            }
        }
        Ok(Launch { program, arguments, directory, environment, memory_limit_bytes: search.memory_limit_bytes })
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// The program, as an error names it.
    pub fn name(&self) -> String {
        self.program.display().to_string()
    }
}

/// The device of a job; each worker sees that one alone, or as its first.
fn device(devices: &[usize], job: usize) -> Vec<(String, String)> {
    let Some(device) = devices.get(job % devices.len().max(1)) else { return Vec::new() };
    vec![
        ("TUNE_DEVICE".to_owned(), device.to_string()),
        ("CUDA_VISIBLE_DEVICES".to_owned(), device.to_string()),
        ("CUBECL_WGPU_DEFAULT_DEVICE".to_owned(), format!("DiscreteGpu({device})")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_spread_over_the_devices() {
        let seen = |job| device(&[0, 3], job).first().map(|(_, value)| value.clone());
        assert_eq!([0, 1, 2].map(seen), [Some("0".to_owned()), Some("3".to_owned()), Some("0".to_owned())]);
        assert!(device(&[], 1).is_empty());
    }
}
