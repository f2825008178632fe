//! The loop between the study and its workers.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

use tuner::{Ask, Assignment, Decision, Epoch, Failure, Infeasible, Outcome, StopReason, Study, TrialId, TrialState};

use super::process::{Message, WorkerProcess};
use super::view::{Happening, Place, TICK, View};
use crate::config::StudyFile;
use crate::error::Error;
use crate::protocol::{self, End, Order, Report, Run, Setup};
use crate::study::Checkpoints;
use crate::values;

/// What the supervisor waits for.
pub enum Event {
    /// A worker said something; `start` tells a worker from its predecessor in the same job.
    Worker { job: usize, start: u64, message: Message },
    /// Ctrl-C, or a polite request of the system to end.
    Interrupt,
}

/// One of the `jobs` places for a worker.
#[derive(Default)]
struct Job {
    worker: Option<WorkerProcess>,
    start: u64,
    state: JobState,
}

#[derive(Default)]
enum JobState {
    /// No worker, or one that is loading its data.
    #[default]
    Starting,
    Idle,
    Running(Assignment),
}

pub struct Supervisor<'a> {
    file: &'a StudyFile,
    checkpoints: Checkpoints,
    study: Study,
    view: Box<dyn View>,
    inbox: Sender<Event>,
    events: Receiver<Event>,
    jobs: Vec<Job>,
    starts: u64,
    /// Why no more work is handed out.
    ending: Option<StopReason>,
}

impl<'a> Supervisor<'a> {
    pub fn new(
        file: &'a StudyFile,
        folder: &Path,
        study: Study,
        view: Box<dyn View>,
        inbox: Sender<Event>,
        events: Receiver<Event>,
    ) -> Self {
        Supervisor {
            file,
            checkpoints: Checkpoints::of(folder, file.settings.search.keep_checkpoints),
            study,
            view,
            inbox,
            events,
            jobs: Vec::new(),
            starts: 0,
            ending: None,
        }
    }

    pub fn note(&mut self, text: &str) {
        self.view.show(&Happening::Note { text });
    }

    pub fn into_study(self) -> Study {
        self.study
    }

    /// Works until the study ends or the user stops it, and says why it ended.
    pub fn run(&mut self) -> Result<StopReason, Error> {
        let outcome = self.work();
        self.forget_paused();
        for job in &mut self.jobs {
            match (job.worker.take(), &job.state) {
                (Some(worker), JobState::Idle) => worker.quit(),
                (Some(worker), _) => worker.kill(),
                (None, _) => {}
            }
        }
        self.view.close();
        outcome
    }

    fn work(&mut self) -> Result<StopReason, Error> {
        // A study that has nothing left to do starts no worker.
        self.jobs.resize_with(self.file.settings.search.jobs, Job::default);
        loop {
            self.hand_out()?;
            let busy = self.jobs.iter().any(|job| matches!(job.state, JobState::Running(_)));
            if let Some(reason) = self.ending.take_if(|_| !busy) {
                return Ok(reason);
            }
            match self.events.recv_timeout(TICK) {
                Ok(Event::Worker { job, start, message }) if self.jobs[job].start == start => {
                    self.hear(job, message)?;
                }
                Ok(Event::Worker { .. }) => {}
                Ok(Event::Interrupt) if self.ending == Some(StopReason::Interrupted) => {
                    self.abandon()?;
                    return Ok(StopReason::Interrupted);
                }
                Ok(Event::Interrupt) => {
                    self.ending = Some(StopReason::Interrupted);
                    self.view.show(&Happening::Stopping);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.view.tick(),
            }
        }
    }

    /// Gives work to whoever has none, as long as there is some.
    fn hand_out(&mut self) -> Result<(), Error> {
        for index in 0..self.jobs.len() {
            if self.ending.is_some() {
                return Ok(());
            }
            match (&self.jobs[index].worker, &self.jobs[index].state) {
                (None, _) => self.start(index)?,
                (Some(_), JobState::Idle) => match self.study.ask()? {
                    Ask::Run(assignment) => self.assign(index, assignment),
                    Ask::Wait => return Ok(()),
                    Ask::Finished(reason) => self.ending = Some(reason),
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, index: usize) -> Result<(), Error> {
        self.starts += 1;
        let start = self.starts;
        let mut worker =
            WorkerProcess::start(&self.file.settings.search.backend, self.inbox.clone(), move |message| {
                Event::Worker { job: index, start, message }
            })?;
        let setup = Setup {
            protocol: protocol::VERSION,
            seed: self.file.seed,
            backend: self.file.settings.search.backend.clone(),
            threads: self.file.settings.search.threads,
            data: self.file.settings.data.clone(),
            objective: self.file.objective.clone(),
            epochs: self.file.settings.search.epochs,
            early_stopping: self.file.settings.early_stopping.clone(),
        };
        // A worker that is gone already says so through its output.
        let _ = worker.order(&Order::Setup(setup));
        self.jobs[index] = Job { worker: Some(worker), start, state: JobState::Starting };
        Ok(())
    }

    fn assign(&mut self, index: usize, assignment: Assignment) {
        let best = self.study.best();
        let place = place(index, &assignment);
        let from_epoch = assignment.from_epoch;
        let stage = self.study.history().get(assignment.trial).and_then(|trial| self.study.stage(trial));
        self.view.show(&Happening::Started { place, params: &assignment.params, from_epoch, stage, best });
        let run = Run {
            trial: assignment.trial,
            execution: assignment.execution,
            params: values::to_object(&assignment.params),
            seed: assignment.seed,
            from_epoch,
            to_epoch: assignment.to_epoch,
            checkpoint: self.checkpoints.execution(assignment.trial, assignment.execution),
        };
        if let Some(worker) = &mut self.jobs[index].worker {
            let _ = worker.order(&Order::Run(run));
        }
        self.jobs[index].state = JobState::Running(assignment);
    }

    fn hear(&mut self, index: usize, message: Message) -> Result<(), Error> {
        let report = match message {
            Message::Report(report) => report,
            Message::Lost(error) => return self.lose(index, error.as_ref()),
        };
        if let Report::Note { message } = &report {
            self.view.show(&Happening::Note { text: message });
            return Ok(());
        }
        let assignment = match &self.jobs[index].state {
            JobState::Running(assignment) => assignment.clone(),
            JobState::Starting => {
                return match report {
                    Report::Ready { .. } => {
                        self.jobs[index].state = JobState::Idle;
                        Ok(())
                    }
                    Report::Unable { message } => Err(Error::Worker(message)),
                    other => Err(Error::Worker(format!("it said {other:?} before it was ready"))),
                };
            }
            JobState::Idle => return Err(Error::Worker(format!("it said {report:?} without a run"))),
        };
        let outcome = match report {
            Report::Progress(progress) => {
                let place = place(index, &assignment);
                self.view.show(&Happening::Progress { place, progress: &progress });
                return Ok(());
            }
            Report::Epoch { epoch } => return self.record(index, &assignment, epoch),
            Report::Done { end, best_epoch } => match end {
                End::Budget => Some(Outcome::Finished { stopped_early: false, best_epoch }),
                End::EarlyStopping => Some(Outcome::Finished { stopped_early: true, best_epoch }),
                End::Stopped => Some(Outcome::Pruned),
                End::Paused if self.ending == Some(StopReason::Interrupted) => None,
                End::Paused => Some(Outcome::Paused),
            },
            Report::Failed { reason, message } => Some(Outcome::Failed(Failure { reason, message })),
            Report::Infeasible { reason, message } => Some(Outcome::Infeasible(Infeasible { reason, message })),
            Report::Unable { message } => return Err(Error::Worker(message)),
            Report::Ready { .. } | Report::Note { .. } => return Ok(()),
        };
        self.jobs[index].state = JobState::Idle;
        match outcome {
            Some(outcome) => self.tell(&assignment, outcome),
            None => Ok(self.study.release(assignment.trial)?),
        }
    }

    fn record(&mut self, index: usize, assignment: &Assignment, epoch: Epoch) -> Result<(), Error> {
        let place = place(index, assignment);
        self.view.show(&Happening::Epoch { place, epoch: &epoch });
        let mut decision = self.study.report(assignment.trial, assignment.execution, epoch)?;
        if decision == Decision::Continue && self.ending == Some(StopReason::Interrupted) {
            decision = Decision::Pause;
        }
        if let Some(worker) = &mut self.jobs[index].worker {
            let _ = worker.order(&Order::Decision { decision });
        }
        Ok(())
    }

    fn tell(&mut self, assignment: &Assignment, outcome: Outcome) -> Result<(), Error> {
        self.study.tell(assignment.trial, assignment.execution, outcome)?;
        let Some(trial) = self.study.history().get(assignment.trial) else { return Ok(()) };
        if trial.state == TrialState::Paused {
            let paused = self.study.history().pending().filter(|trial| trial.state == TrialState::Paused).count();
            self.view.show(&Happening::Paused { trial, stage: self.study.stage(trial), paused });
        }
        if !trial.state.is_final() {
            return Ok(());
        }
        let (best, finished) = (self.study.best(), finished(&self.study));
        self.view.show(&Happening::Ended { trial, best, finished });
        self.checkpoints.sweep(self.study.history(), self.study.objective());
        self.forget_paused();
        Ok(())
    }

    /// Removes the checkpoints of paused trials that will never be resumed.
    fn forget_paused(&self) {
        let paused = self.study.history().pending().filter(|trial| trial.state == TrialState::Paused);
        paused.filter(|trial| !self.study.may_train(trial)).for_each(|trial| self.checkpoints.forget(trial.id));
    }

    /// A worker has ended by itself: its trial, if it had one, has failed, and its job gets another worker.
    fn lose(&mut self, index: usize, error: Option<&protocol::ProtocolError>) -> Result<(), Error> {
        let job = std::mem::take(&mut self.jobs[index]);
        let Some(worker) = job.worker else { return Ok(()) };
        let failure = worker.autopsy(error);
        match job.state {
            JobState::Running(assignment) => self.tell(&assignment, Outcome::Failed(failure)),
            JobState::Starting => Err(Error::Worker(failure.message)),
            JobState::Idle => Ok(()),
        }
    }

    /// Leaves running trials as they are; the next run takes them up again.
    fn abandon(&mut self) -> Result<(), Error> {
        let running: Vec<TrialId> = self
            .jobs
            .iter()
            .filter_map(|job| match &job.state {
                JobState::Running(assignment) => Some(assignment.trial),
                _ => None,
            })
            .collect();
        for trial in running {
            self.study.release(trial)?;
        }
        Ok(())
    }
}

/// How many trials that count against the limit have ended.
pub fn finished(study: &Study) -> u64 {
    let under_way = study.history().pending().filter(|trial| trial.was_started()).count();
    study.history().started() - under_way as u64
}

fn place(job: usize, assignment: &Assignment) -> Place {
    Place { job, trial: assignment.trial, execution: assignment.execution, to_epoch: assignment.to_epoch }
}
