//! Where a test can make the store fail, or end the process in effect: before each of its steps on disk.

use std::io;

/// A step of the store that changes something on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Write,
    Sync,
    Rename,
    SyncFolder,
    Remove,
}

/// Whether the step may be taken. Outside of tests it always may.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "a test may refuse")]
pub(super) fn permit(_: Step) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use injected::permit;

#[cfg(test)]
pub(super) mod injected {
    use std::cell::{Cell, RefCell};

    use super::{Step, io};

    thread_local! {
        static PLAN: Cell<Plan> = const { Cell::new(Plan::None) };
        static TAKEN: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
    }

    /// What befalls the steps of this thread.
    #[derive(Debug, Clone, Copy)]
    pub enum Plan {
        None,
        /// After so many steps the process is dead: it takes no further step at all.
        DeadAfter(usize),
        /// After so many steps the disk is full: nothing can be created or written, all else can be done.
        FullAfter(usize),
    }

    /// Begins to count steps anew, with another plan.
    pub fn plan(plan: Plan) {
        PLAN.set(plan);
        TAKEN.take();
    }

    /// The steps since the last plan, refused ones included.
    pub fn taken() -> Vec<Step> {
        TAKEN.with_borrow(Clone::clone)
    }

    pub fn permit(step: Step) -> io::Result<()> {
        let before = TAKEN.with_borrow_mut(|taken| {
            taken.push(step);
            taken.len() - 1
        });
        match PLAN.get() {
            Plan::DeadAfter(steps) if before >= steps => Err(io::Error::other("the process is dead")),
            Plan::FullAfter(steps) if before >= steps && matches!(step, Step::Create | Step::Write) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}
