//! A GraphQL request as it comes in, by POST, by GET or in a WebSocket's message, and what of it may run.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Request, ServerError, Variables};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::answer::refusal;
use super::{GraphqlError, limits, scan};

/// What a client asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    /// Must be an object; nothing in it is known.
    #[serde(default, rename = "extensions")]
    _extensions: Option<std::collections::HashMap<String, IgnoredAny>>,
}

impl Asked {
    /// The body of a POST.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, GraphqlError> {
        let refused = |what: &str| Err(GraphqlError::Request(what.to_owned()));
        match body.trim_ascii_start().first() {
            Some(b'{') => {
                serde_json::from_slice(body).map_err(|error| GraphqlError::Request(format!("the body: {error}")))
            }
            Some(b'[') => refused("the body is a list, and only one request is answered at a time"),
            Some(_) => refused("the body is no JSON object"),
            None => refused("there is no body"),
        }
    }

    /// The parameters of a GET.
    pub(super) fn from_parameters(parameters: Vec<(String, String)>) -> Result<Self, GraphqlError> {
        let mut members = Map::new();
        for (name, value) in parameters {
            let value = match name.as_str() {
                "query" | "operationName" => Value::String(value),
                "variables" | "extensions" if !value.is_empty() => serde_json::from_str(&value)
                    .map_err(|error| GraphqlError::Request(format!("parameter {name:?}: {error}")))?,
                _ => continue,
            };
            if members.insert(name.clone(), value).is_some() {
                return Err(GraphqlError::Request(format!("parameter {name:?} is stated twice")));
            }
        }
        serde_json::from_value(Value::Object(members))
            .map_err(|error| GraphqlError::Request(format!("the parameters: {error}")))
    }

    /// The request, parsed and within the limits; `may_run` says which kinds of operations the transport takes.
    pub(super) fn prepare(self, may_run: fn(OperationType) -> bool) -> Result<Request, ServerError> {
        scan::check(&self.query).map_err(refusal)?;
        let document = parse_query(&self.query)?;
        limits::check(&document).map_err(refusal)?;
        if selected(&document, self.operation_name.as_deref()).is_some_and(|kind| !may_run(kind)) {
            return Err(refusal(GraphqlError::Method));
        }
        let mut request = Request::new(self.query);
        request.operation_name = self.operation_name;
        request.variables = Variables::from_json(Value::Object(self.variables.unwrap_or_default()));
        request.set_parsed_query(document);
        Ok(request)
    }
}

/// The kind of the operation that is asked for; none where validation will say that there is no such one.
fn selected(document: &ExecutableDocument, name: Option<&str>) -> Option<OperationType> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation.node.ty),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name).map(|found| found.node.ty),
        (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
            Some(operation) if operations.len() == 1 => Some(operation.node.ty),
            _ => None,
        },
    }
}
