//! The library's client of a server, and how its errors are shown.

pub(crate) use riverrun::client::{Client, ClientError, Content, NDJSON, Problem, encoded};

use crate::failure::{Failure, Report};

impl From<ClientError> for Report {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Url { .. } => Self::new("RR0402", message).hint("write it like http://127.0.0.1:8080").usage(),
            ClientError::Token => Self::new("RR0402", message).hint("check --token or RIVERRUN_TOKEN").usage(),
            ClientError::Unreachable { .. } => Self::new("RR0403", message)
                .hint("is it running? `riverrun run` starts it; --url or RIVERRUN_URL names another one"),
            ClientError::Answer { .. } => {
                Self::new("RR0404", message).hint("is that a Riverrun server, and of the same version as this command?")
            }
            ClientError::Problem(problem) => refused(*problem),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Report::from(error).into()
    }
}

fn refused(problem: Problem) -> Report {
    let report = match problem.code {
        Some(code) => Report::new(code, problem.detail),
        None => Report::without_code(problem.detail),
    };
    match problem.status {
        401 => report.hint("give an access token with --token or RIVERRUN_TOKEN"),
        _ => report,
    }
}
