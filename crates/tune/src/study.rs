//! Studies on disk, as the program sees them.

mod checkpoints;
mod feasibility;
mod locate;
mod open;
mod request;

pub use checkpoints::Checkpoints;
pub use feasibility::{Feasibility, Judge};
pub use locate::{Finished, is_study, locate, read};
pub use open::open;
pub use request::{Request, Requests};
