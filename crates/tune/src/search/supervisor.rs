//! The loop between the study and its workers.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use tuner::{
    Ask, Assignment, Decision, Epoch, Failure, FailureReason, Outcome, StopReason, Study, StudyError, TrialId,
    TrialState,
};

use super::job::{Answer, Job, JobState};
use super::launch::Launch;
use super::patience::Patience;
use super::process::{Message, WorkerProcess};
use super::view::{Happening, Place, TICK, View};
use crate::config::StudyFile;
use crate::error::Error;
use crate::protocol::{self, Order, Report, Run, Setup};
use crate::study::{Checkpoints, Request, Requests};
use crate::tables::duration;
use crate::values;

/// Workers that may be lost one after the other before one of them is ready.
const FAILED_STARTS: u32 = 3;

/// Events that are heard before what they say is kept.
const EVENTS_TOGETHER: usize = 256;

/// What the supervisor waits for.
pub enum Event {
    /// A worker said something; `start` tells a worker from its predecessor in the same job.
    Worker { job: usize, start: u64, message: Message },
    /// Ctrl-C, or a polite request of the system to end.
    Interrupt,
}

pub struct Supervisor<'a> {
    file: &'a StudyFile,
    checkpoints: Checkpoints,
    requests: Requests,
    patience: Option<Patience>,
    study: Study,
    view: Box<dyn View>,
    inbox: SyncSender<Event>,
    events: Receiver<Event>,
    jobs: Vec<Job>,
    /// Orders for workers, which get them when what they rest on is kept.
    orders: Vec<(usize, u64, Order)>,
    starts: u64,
    failed_starts: u32,
    /// Whether no work is handed out until further notice.
    paused: bool,
    /// Why no more work is handed out.
    ending: Option<StopReason>,
}

impl<'a> Supervisor<'a> {
    pub fn new(
        file: &'a StudyFile,
        folder: &Path,
        study: Study,
        view: Box<dyn View>,
        inbox: SyncSender<Event>,
        events: Receiver<Event>,
    ) -> Self {
        Supervisor {
            file,
            checkpoints: Checkpoints::of(folder, file.settings.search.keep_checkpoints),
            requests: Requests::of(folder),
            patience: Patience::of(file),
            study,
            view,
            inbox,
            events,
            jobs: Vec::new(),
            orders: Vec::new(),
            starts: 0,
            failed_starts: 0,
            paused: false,
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
        self.requests.begin();
        self.checkpoints.sweep(self.study.history(), self.study.objective());
        // Whatever many workers say at the same time is kept together.
        self.study.defer();
        let outcome = self.work();
        self.forget_paused();
        for job in &mut self.jobs {
            match (job.worker.take(), &job.state) {
                (Some(worker), JobState::Idle) => worker.quit(),
                (Some(worker), _) => drop(worker.kill()),
                (None, _) => {}
            }
        }
        self.requests.set_paused(false);
        self.view.close();
        let reason = outcome.and_then(|reason| self.study.flush().map(|()| reason).map_err(Error::from));
        match reason {
            Ok(reason) => self.study.end(reason)?,
            // What was heard is worth keeping; why it ends is worth saying.
            Err(_) => drop(self.study.flush()),
        }
        reason
    }

    fn work(&mut self) -> Result<StopReason, Error> {
        // A study that has nothing left to do starts no worker.
        self.jobs.resize_with(self.file.settings.search.jobs, Job::default);
        loop {
            self.heed();
            self.hand_out()?;
            self.commit()?;
            let busy = self.jobs.iter().any(|job| matches!(job.state, JobState::Running { .. }));
            if let Some(reason) = self.ending.take_if(|_| !busy) {
                return Ok(reason);
            }
            let mut next = self.events.recv_timeout(TICK);
            for _ in 0..EVENTS_TOGETHER {
                match next {
                    Ok(Event::Worker { job, start, message }) if self.jobs[job].start == start => {
                        self.hear(job, message)?;
                    }
                    Ok(Event::Worker { .. }) => {}
                    Ok(Event::Interrupt) if self.ending == Some(StopReason::Interrupted) => {
                        self.abandon()?;
                        return Ok(StopReason::Interrupted);
                    }
                    Ok(Event::Interrupt) => self.stop(),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
                next = self.events.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
            self.view.tick();
            self.watch()?;
        }
    }

    /// Keeps what was heard and handed out, then lets the workers know.
    fn commit(&mut self) -> Result<(), Error> {
        self.study.flush()?;
        for (index, start, order) in self.orders.drain(..) {
            let job = &mut self.jobs[index];
            // The worker may have been lost meanwhile.
            if job.start == start {
                job.order(&order);
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.ending = Some(StopReason::Interrupted);
        self.view.show(&Happening::Stopping);
    }

    /// Does what a second terminal asks for.
    fn heed(&mut self) {
        match self.requests.take() {
            Some(Request::Stop) if self.ending != Some(StopReason::Interrupted) => self.stop(),
            Some(Request::Pause) if !self.paused => {
                self.paused = true;
                self.requests.set_paused(true);
                self.note("pausing after this epoch; `tune resume` lets the search go on");
            }
            Some(Request::Resume) if self.paused => {
                self.paused = false;
                self.requests.set_paused(false);
                self.note("going on");
            }
            _ => {}
        }
        if self.paused {
            // Who has nothing to do gives its memory back.
            for job in self.jobs.iter_mut().filter(|job| matches!(job.state, JobState::Idle)) {
                if let Some(worker) = std::mem::take(job).worker {
                    worker.quit();
                }
            }
        }
    }

    /// Gives work to whoever has none, as long as there is some.
    fn hand_out(&mut self) -> Result<(), Error> {
        for index in 0..self.jobs.len() {
            if self.ending.is_some() || self.paused {
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
        let launch = Launch::of(self.file, index)?;
        let mut worker = WorkerProcess::start(&launch, self.inbox.clone(), move |message| Event::Worker {
            job: index,
            start,
            message,
        })?;
        // A worker that is gone already says so through its output.
        let _ = worker.order(&Order::Setup(setup(self.file)));
        self.jobs[index] = Job::starting(worker, start);
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
        let order = self.jobs[index].run(run, assignment);
        self.orders.push((index, self.jobs[index].start, order));
    }

    fn hear(&mut self, index: usize, message: Message) -> Result<(), Error> {
        let report = match message {
            Message::Report(report) => report,
            Message::Lost(error) => return self.lose(index, error.as_ref()),
        };
        self.jobs[index].heard = Instant::now();
        match (report, &self.jobs[index].state) {
            (Report::Note { message }, _) => self.view.show(&Happening::Note { text: &message }),
            (Report::Unable { message }, _) => return Err(Error::Worker(message)),
            (Report::Ready { protocol }, JobState::Starting) if protocol == protocol::VERSION => {
                self.failed_starts = 0;
                self.jobs[index].state = JobState::Idle;
            }
            (Report::Ready { protocol }, JobState::Starting) => {
                let known = protocol::VERSION;
                let message = format!("it speaks version {protocol} of the protocol; this program speaks {known}");
                return Err(Error::Worker(message));
            }
            (Report::Progress(progress), JobState::Running { assignment, .. }) => {
                let place = place(index, assignment);
                self.view.show(&Happening::Progress { place, progress: &progress });
            }
            (Report::Epoch { epoch }, JobState::Running { assignment, answer: Answer::Continue, .. }) => {
                let assignment = assignment.clone();
                self.record(index, &assignment, epoch)?;
            }
            (Report::Done { end, best_epoch }, JobState::Running { answer, .. }) => {
                match answer.outcome(end, best_epoch) {
                    Ok(outcome) => self.end(index, outcome)?,
                    Err(fault) => self.dismiss(index, FailureReason::Error, &fault)?,
                }
            }
            (Report::Failed(failure), JobState::Running { .. }) => {
                self.end(index, Some(Outcome::Failed(failure)))?;
            }
            (Report::Infeasible(infeasible), JobState::Running { .. }) => {
                self.end(index, Some(Outcome::Infeasible(infeasible)))?;
            }
            (report, _) => {
                let line = serde_json::to_vec(&report).unwrap_or_default();
                let fault = format!("the worker said something out of turn: `{}`", protocol::excerpt(&line));
                self.dismiss(index, FailureReason::Error, &fault)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, index: usize, assignment: &Assignment, epoch: Epoch) -> Result<(), Error> {
        let place = place(index, assignment);
        self.view.show(&Happening::Epoch { place, epoch: &epoch });
        let last = epoch.epoch >= assignment.to_epoch;
        let decision = match self.study.report(assignment.trial, assignment.execution, epoch) {
            Err(gap @ StudyError::EpochGap { .. }) => {
                return self.dismiss(index, FailureReason::Error, &gap.to_string());
            }
            decision => decision?,
        };
        if let Some(reason @ (StopReason::MaxTime | StopReason::EpochsTotal)) = self.study.limit() {
            self.ending.get_or_insert(reason);
        }
        let answer = match decision {
            Decision::Stop => Answer::Stop,
            Decision::Pause => Answer::Pause,
            Decision::Continue if !last && self.is_out_of_patience(assignment) => Answer::StopEarly,
            Decision::Continue if !last && self.is_suspending() => Answer::Release,
            Decision::Continue => Answer::Continue,
        };
        let order = self.jobs[index].answer(answer);
        self.orders.push((index, self.jobs[index].start, order));
        Ok(())
    }

    /// Whether running trials stop at their next epoch, to go on another time.
    fn is_suspending(&self) -> bool {
        let ending =
            matches!(self.ending, Some(StopReason::Interrupted | StopReason::MaxTime | StopReason::EpochsTotal));
        self.paused || ending
    }

    fn is_out_of_patience(&self, assignment: &Assignment) -> bool {
        let execution =
            self.study.history().get(assignment.trial).and_then(|trial| trial.executions.get(assignment.execution));
        let over = |patience: &Patience| execution.is_some_and(|execution| patience.is_over(&execution.epochs));
        self.patience.as_ref().is_some_and(over)
    }

    /// A run has ended, and its worker can take another. Without an outcome its trial is taken up again later.
    fn end(&mut self, index: usize, outcome: Option<Outcome>) -> Result<(), Error> {
        let state = std::mem::replace(&mut self.jobs[index].state, JobState::Idle);
        let JobState::Running { assignment, .. } = state else { return Ok(()) };
        match outcome {
            Some(outcome) => self.tell(&assignment, outcome),
            None => Ok(self.study.release(assignment.trial)?),
        }
    }

    fn tell(&mut self, assignment: &Assignment, outcome: Outcome) -> Result<(), Error> {
        let failure = match &outcome {
            Outcome::Failed(failure) => Some(failure.reason),
            _ => None,
        };
        self.study.tell(assignment.trial, assignment.execution, outcome)?;
        let Some(trial) = self.study.history().get(assignment.trial) else { return Ok(()) };
        match (&trial.state, failure) {
            (TrialState::Waiting, Some(reason)) => {
                let text = format!("trial {} is tried again ({reason})", trial.id);
                self.view.show(&Happening::Note { text: &text });
            }
            (TrialState::Paused, _) => {
                let paused = self.study.history().pending().filter(|trial| trial.state == TrialState::Paused).count();
                self.view.show(&Happening::Paused { trial, stage: self.study.stage(trial), paused });
            }
            (state, _) if state.is_final() => {
                let (best, finished) = (self.study.best(), finished(&self.study));
                self.view.show(&Happening::Ended { trial, best, finished });
                self.checkpoints.ended(trial, self.study.objective());
                self.forget_paused();
            }
            _ => {}
        }
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
        self.mourn(job.state, failure)
    }

    /// A worker has to go: its trial, if it has one, has failed, and its job gets another worker.
    fn dismiss(&mut self, index: usize, reason: FailureReason, fault: &str) -> Result<(), Error> {
        let job = std::mem::take(&mut self.jobs[index]);
        let said = job.worker.map(WorkerProcess::kill).unwrap_or_default();
        let message = format!("{fault}\n{said}").trim_end().to_owned();
        self.mourn(job.state, Failure { reason, message })
    }

    fn mourn(&mut self, state: JobState, failure: Failure) -> Result<(), Error> {
        match state {
            JobState::Running { assignment, .. } => self.tell(&assignment, Outcome::Failed(failure)),
            JobState::Starting => {
                self.failed_starts += 1;
                if self.failed_starts >= FAILED_STARTS { Err(Error::Worker(failure.message)) } else { Ok(()) }
            }
            JobState::Idle => Ok(()),
        }
    }

    /// Ends what takes too long, or says nothing for too long.
    fn watch(&mut self) -> Result<(), Error> {
        let search = &self.file.settings.search;
        let seconds = |limit: Option<f64>| limit.map(|limit| (limit, Duration::from_secs_f64(limit)));
        let (trial_timeout, silence) = (seconds(search.trial_timeout_seconds), seconds(search.silence_timeout_seconds));
        for index in 0..self.jobs.len() {
            let job = &self.jobs[index];
            let late = |since: Instant, limit: Option<(f64, Duration)>| {
                limit.filter(|(_, limit)| since.elapsed() > *limit).map(|(seconds, _)| duration(seconds))
            };
            let fault = match &job.state {
                JobState::Running { since, .. } if late(*since, trial_timeout).is_some() => {
                    late(*since, trial_timeout).map(|limit| format!("it took longer than trial_timeout, {limit}"))
                }
                JobState::Running { .. } | JobState::Starting if job.worker.is_some() => late(job.heard, silence)
                    .map(|limit| format!("the worker said nothing for {limit} (silence_timeout)")),
                _ => None,
            };
            if let Some(fault) = fault {
                self.dismiss(index, FailureReason::Timeout, &fault)?;
            }
        }
        Ok(())
    }

    /// Leaves running trials as they are; the next run takes them up again.
    fn abandon(&mut self) -> Result<(), Error> {
        let running: Vec<TrialId> = self
            .jobs
            .iter()
            .filter_map(|job| match &job.state {
                JobState::Running { assignment, .. } => Some(assignment.trial),
                _ => None,
            })
            .collect();
        for trial in running {
            self.study.release(trial)?;
        }
        Ok(())
    }
}

/// What all runs of a study have in common.
pub fn setup(file: &StudyFile) -> Setup {
    Setup {
        protocol: protocol::VERSION,
        seed: file.seed,
        backend: file.settings.search.backend.clone(),
        threads: file.settings.search.threads,
        work: file.settings.work.clone(),
        objective: file.objective.clone(),
        epochs: file.settings.search.epochs,
        early_stopping: file.settings.early_stopping.clone(),
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
