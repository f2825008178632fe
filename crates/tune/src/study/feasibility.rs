//! Which configurations can be built and stay within the limits, judged with integers before a tensor exists.

use model::InputShape;
use model::cnn::Plan;
use model::hyperparameters::Config;
use tuner::{Infeasible, InfeasibleReason, Params};

use crate::config::{Limits, StudyFile, Work};
use crate::error::Error;
use crate::values;

/// Says of a configuration whether it can be trained.
pub type Judge = Box<dyn Fn(&Params) -> Result<(), Infeasible> + Send>;

/// What a configuration is judged by.
#[derive(Debug, Clone)]
pub struct Feasibility {
    pub shape: InputShape,
    pub classes: usize,
    limits: Limits,
}

impl Feasibility {
    /// Takes the shape of an image and the number of classes from the catalog, and from the data where they decide.
    pub fn of(file: &StudyFile) -> Result<Self, Error> {
        let source = &file.data()?.source;
        let (shape, classes) = if let Some(content) = model::data::info(&source.dataset)?.content {
            (content.shape(), content.classes)
        } else {
            let train = model::data::load(source)?.train;
            (train.shape.clone(), train.classes())
        };
        Ok(Feasibility { shape, classes, limits: file.settings.limits.clone() })
    }

    /// The network of a configuration.
    pub fn plan(&self, config: &Config) -> Plan {
        Plan::new(&config.cnn, &self.shape, self.classes)
    }

    /// What a study is judged by before a trial is begun: a program of the user's own takes everything.
    pub fn judge_of(file: &StudyFile) -> Result<Judge, Error> {
        if let Work::Program(_) = file.settings.work {
            return Ok(Box::new(|_| Ok(())));
        }
        let feasibility = Feasibility::of(file)?;
        Ok(Box::new(move |params| feasibility.judge(params)))
    }

    pub fn judge(&self, params: &Params) -> Result<(), Infeasible> {
        let infeasible = |reason, message| Err(Infeasible { reason, message });
        let config = match Config::from_values(&values::to_object(params)) {
            Ok(config) => config,
            Err(error) => return infeasible(InfeasibleReason::Shape, error.to_string()),
        };
        let plan = self.plan(&config);
        if let Some(reason) = plan.infeasible() {
            return infeasible(InfeasibleReason::Shape, reason.to_string());
        }
        let parameters = plan.parameters();
        if let Some(most) = self.limits.parameters.filter(|most| parameters > *most) {
            return infeasible(
                InfeasibleReason::ParameterLimit,
                format!("{parameters} parameters, more than the limit of {most}"),
            );
        }
        let memory = plan.memory_bytes(config.training.batch_size);
        if let Some(most) = self.limits.memory_bytes.filter(|most| memory > *most) {
            let message = format!("a training step needs about {memory} bytes, more than the limit of {most}");
            return infeasible(InfeasibleReason::MemoryLimit, message);
        }
        Ok(())
    }
}
