//! Makes the runs that a table needs: what `rsic train` and `rsic eval` do.

use super::train::train_in;
use crate::data::Split;
use crate::experiments::encoders::located;
use crate::experiments::runner::{Request, RunOutcome, Runner};
use crate::runs::RunFolder;
use crate::runs::result::RunResult;
use crate::runtime::Interrupt;
use crate::session::record;
use crate::train::{self, ProcessGroup};
use anyhow::Result;
use tch::Device;

/// Trains and decodes on one device.
pub(super) struct Trainer {
    pub(super) device: Device,
    pub(super) interrupt: Interrupt,
}

impl Runner for Trainer {
    fn run(&mut self, request: &Request) -> Result<RunOutcome> {
        let experiment = located(request.experiment.clone())?;
        let folder = RunFolder::open(request.folder, &experiment, true, false)?;
        let _log = crate::util::logging::attach_run(request.folder)?;
        let (session, state, outcome) =
            train_in(experiment, &folder, self.device, &self.interrupt, &ProcessGroup::solo())?;
        if outcome == train::Outcome::Interrupted {
            return Ok(RunOutcome::Interrupted);
        }
        let mut decodings = Vec::with_capacity(request.decodings.len());
        for decode in request.decodings {
            let evaluated = session.evaluate(Split::Test, decode, &self.interrupt)?;
            decodings.push(record::decoding(&session, decode, &evaluated)?);
        }
        let result = record::result(&session, &state, request.folder, decodings)?;
        Ok(RunOutcome::Finished(Box::new(RunResult { experiment: request.id.to_owned(), ..result })))
    }
}
