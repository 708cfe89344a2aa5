//! What the lookups by HTTP of an app under test are answered: what the test says, and null.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use riverrun_app::Test;

use crate::app::App;

/// The answer of an address that the test does not name.
const UNKNOWN: &[u8] = b"null";

/// The answers of a test as they are by now, by address.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<String, Bytes>>>);

impl Answers {
    /// Answers the lookups of the app. A service's own function goes on answering in tests that name no answers.
    pub(super) fn serve(&self, app: App, test: &Test) -> App {
        let has_answers = test.steps.iter().any(|step| !step.lookups.is_empty());
        if app.answers_http() && !has_answers {
            return app;
        }
        let answers = self.clone();
        app.http_lookup(move |address| std::future::ready(Ok(answers.to(&address))))
    }

    /// From now on these count, beside those of before.
    pub(super) fn set(&self, lookups: &[(String, String)]) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers
            .extend(lookups.iter().map(|(address, json)| (address.clone(), Bytes::copy_from_slice(json.as_bytes()))));
    }

    fn to(&self, address: &[u8]) -> Bytes {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = std::str::from_utf8(address).ok().and_then(|address| answers.get(address));
        answer.cloned().unwrap_or(Bytes::from_static(UNKNOWN))
    }
}
