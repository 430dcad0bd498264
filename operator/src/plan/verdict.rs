//! What the plan says of one part of a ChatApp; it becomes a condition.

use chatapp_crds::ConditionType;

/// A part serves, is on its way, or needs a human.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As wanted.
    Done(Reason),
    /// Time or another part will bring it about.
    Waiting(Reason),
    /// Somebody has to change something.
    Failed(Reason),
}

/// `reason` in CamelCase for machines, `message` for people: names the object that is waited for and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Verdict {
    pub(crate) fn done(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Done(Reason {
            reason,
            message: message.into(),
        })
    }

    pub(crate) fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Waiting(Reason {
            reason,
            message: message.into(),
        })
    }

    pub(crate) fn failed(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Failed(Reason {
            reason,
            message: message.into(),
        })
    }

    /// `what` waits for an earlier step. Why that isn't done, its own condition says, and `Ready`: once is enough.
    pub(crate) fn behind(
        reason: &'static str,
        what: &str,
        step: ConditionType,
        verdict: &Self,
    ) -> Self {
        let (step, why) = (step.as_str(), verdict.reason().reason);
        Self::waiting(reason, format!("{what} waits for {step} ({why})"))
    }

    /// The same, with something to know besides.
    pub(crate) fn with(mut self, remark: &str) -> Self {
        let (Self::Done(told) | Self::Waiting(told) | Self::Failed(told)) = &mut self;
        told.message = format!("{}; {remark}", told.message);
        self
    }

    /// The same, with something to know besides if it is done.
    pub(crate) fn with_remark(self, remark: Option<String>) -> Self {
        match remark {
            Some(remark) if self.is_done() => self.with(&remark),
            _ => self,
        }
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    pub(crate) const fn reason(&self) -> &Reason {
        match self {
            Self::Done(reason) | Self::Waiting(reason) | Self::Failed(reason) => reason,
        }
    }
}
