//! `--jobs auto`: how many trials at a time are fastest together, by measurement.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tuner::{Decision, TrialId};

use super::launch::Launch;
use super::process::{Message, WorkerProcess};
use super::supervisor::setup;
use crate::config::{StudyFile, Work};
use crate::error::Error;
use crate::protocol::{Order, Report, Run};
use crate::values;

/// Training before the measurement begins, and the measurement.
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(3);

/// How long workers may take to load their data and begin.
const PATIENCE: Duration = Duration::from_mins(5);

/// More jobs have to be this much faster than fewer: they cost memory.
const WORTHWHILE: f64 = 1.05;

/// Sets the number of jobs and their threads to what is measured to be fastest, and says what was found.
pub fn choose_jobs(file: &mut StudyFile) -> Result<String, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let devices = file.settings.search.devices.len();
    if devices > 0 {
        set(file, devices, cores);
        return Ok(format!("jobs auto chose {devices}: one a device"));
    }
    if let Work::Program(_) = file.settings.work {
        set(file, cores, cores);
        return Ok(format!("jobs auto chose {cores}: one a core; the speed of a program is not measured"));
    }
    let mut rates: Vec<(usize, f64)> = Vec::new();
    for jobs in candidates(cores) {
        let mut trial = file.clone();
        set(&mut trial, jobs, cores);
        match rate(&trial)? {
            Some(rate) => rates.push((jobs, rate)),
            // What does not fit does not fit with more of them either.
            None => break,
        }
    }
    let jobs = best(&rates);
    set(file, jobs, cores);
    let measured: Vec<String> = rates.iter().map(|(jobs, rate)| format!("{jobs}: {rate:.0}")).collect();
    let threads = file.settings.search.threads;
    Ok(format!("jobs auto chose {jobs}, of {threads} threads each; images/s by jobs: {}", measured.join(", ")))
}

fn set(file: &mut StudyFile, jobs: usize, cores: usize) {
    let search = &mut file.settings.search;
    search.jobs = jobs;
    search.threads = search.threads.min((cores / jobs).max(1));
}

/// One, two, four … and all cores.
fn candidates(cores: usize) -> Vec<usize> {
    let mut jobs: Vec<usize> =
        std::iter::successors(Some(1), |jobs| Some(jobs * 2)).take_while(|jobs| *jobs < cores).collect();
    jobs.push(cores);
    jobs
}

/// The fewest jobs that are not much slower than any others.
fn best(rates: &[(usize, f64)]) -> usize {
    let better = |best: (usize, f64), next: &(usize, f64)| if next.1 > best.1 * WORTHWHILE { *next } else { best };
    rates.iter().fold((1, 0.0), better).0
}

/// Images a second of all jobs together, with the configuration that is tried first; `None` when a worker failed.
fn rate(file: &StudyFile) -> Result<Option<f64>, Error> {
    let scratch = Scratch::new()?;
    let (inbox, reports) = sync_channel(1024);
    let mut workers = Vec::new();
    for job in 0..file.settings.search.jobs {
        workers.push(start(file, job, &inbox)?);
    }
    let rate = listen(file, &mut workers, &reports, &scratch.0)?;
    // Whoever waits to be heard is not heard any more.
    drop(reports);
    for worker in workers {
        worker.kill();
    }
    Ok(rate)
}

fn start(file: &StudyFile, job: usize, inbox: &SyncSender<(usize, Message)>) -> Result<WorkerProcess, Error> {
    let launch = Launch::of(file, job)?;
    let mut worker = WorkerProcess::start(&launch, inbox.clone(), move |message| (job, message))?;
    let _ = worker.order(&Order::Setup(setup(file)));
    Ok(worker)
}

fn listen(
    file: &StudyFile,
    workers: &mut [WorkerProcess],
    reports: &Receiver<(usize, Message)>,
    scratch: &Path,
) -> Result<Option<f64>, Error> {
    let params = file.settings.enqueue.first().cloned().unwrap_or_else(|| file.space.default_params());
    let mut ready = 0;
    let mut rates: BTreeMap<usize, f64> = BTreeMap::new();
    let mut deadline = Instant::now() + PATIENCE;
    let mut measuring = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match reports.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Ok((rates.len() == workers.len()).then(|| rates.values().sum()));
            }
            Ok((_, Message::Report(Report::Ready { .. }))) => {
                ready += 1;
                if ready == workers.len() {
                    for (job, worker) in workers.iter_mut().enumerate() {
                        let run = Run {
                            trial: TrialId(job as u64 + 1),
                            execution: 0,
                            params: values::to_object(&params),
                            seed: 0,
                            from_epoch: 0,
                            to_epoch: u32::MAX,
                            checkpoint: scratch.join(job.to_string()),
                        };
                        let _ = worker.order(&Order::Run(run));
                    }
                }
            }
            Ok((job, Message::Report(Report::Progress(progress)))) => {
                rates.insert(job, progress.images_per_second);
                if !measuring && rates.len() == workers.len() {
                    measuring = true;
                    deadline = Instant::now() + WARM_UP + MEASURED;
                }
            }
            Ok((job, Message::Report(Report::Epoch { .. }))) => {
                let _ = workers[job].order(&Order::Decision { decision: Decision::Continue });
            }
            Ok((_, Message::Report(Report::Unable { message }))) => return Err(Error::Worker(message)),
            Ok((_, Message::Report(Report::Note { .. }))) => {}
            Ok(_) => return Ok(None),
        }
    }
}

/// A folder for checkpoints that nobody keeps.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("tune-measure-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| Error::writing(&path, error))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_double_up_to_the_cores() {
        assert_eq!(candidates(1), [1]);
        assert_eq!(candidates(2), [1, 2]);
        assert_eq!(candidates(12), [1, 2, 4, 8, 12]);
    }

    #[test]
    fn more_jobs_have_to_be_worth_it() {
        assert_eq!(best(&[(1, 100.0), (2, 104.0)]), 1);
        assert_eq!(best(&[(1, 100.0), (2, 150.0), (4, 152.0)]), 2);
        assert_eq!(best(&[]), 1);
    }
}
