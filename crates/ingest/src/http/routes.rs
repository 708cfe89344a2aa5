//! The table of routes, and the guard before them.
//!
//! A route is added only together with what it needs, only guarded routes can be served, and the guard looks up each request in
//! that same table: there is no way to serve a path and forget who may use it. Hosts and tokens are checked here, the verb
//! too, and the topic where the path names it as `{topic}`; a handler that finds its topics elsewhere asks the
//! [`Caller`](super::caller::Caller) for each. If it never asks, its answer is thrown away.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::header::{AUTHORIZATION, UPGRADE};
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{RequestExt as _, Router};
use riverrun_event::Verb;

use super::access::Access;
use super::problem::{self, DoorError, ProblemCode};
use crate::metrics::Metrics;

/// What a route asks of whoever calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing, not even a host that is allowed: for probes.
    Nothing,
    /// A known caller, whatever it may do. The handler asks for each topic with the verb the request comes to.
    Known,
    /// As [`Self::Known`], but a WebSocket that shows no token may still show one in its first message; its handler sees to it.
    KnownInTime,
    /// A known caller with this verb.
    Caller(Verb),
    /// A known caller with this verb on the topics it touches: the guard asks for the path's `{topic}`, the handler for every
    /// other. A success for which nobody asked is not given out.
    Topic(Verb),
}

/// A route and what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`, `POST` or `DELETE`; whoever may GET may HEAD.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub needs: Needs,
}

/// Routes that are being put together; [`Routes::guarded`] makes them ready to be served.
pub struct Routes<S = ()> {
    router: Router<S>,
    table: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    /// Adds a route that reads.
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &'static str, needs: Needs, handler: H) -> Self {
        self.add(Route { method: "GET", path, needs }, get(handler))
    }

    /// Adds a route that changes something, or whose question has a body.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &'static str, needs: Needs, handler: H) -> Self {
        self.add(Route { method: "POST", path, needs }, post(handler))
    }

    /// Adds a route that removes something.
    #[must_use]
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &'static str, needs: Needs, handler: H) -> Self {
        self.add(Route { method: "DELETE", path, needs }, delete(handler))
    }

    fn add(mut self, route: Route, handler: MethodRouter<S>) -> Self {
        self.table.push(route);
        Self { router: self.router.route(route.path, handler), table: self.table }
    }

    /// Hands the handlers what they share.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), table: self.table }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// These routes and `others`.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.table.extend(others.table);
        Self { router: self.router.merge(others.router), table: self.table }
    }

    /// Puts the rules before every route, counts and times its requests, and answers what is no route.
    #[must_use]
    pub fn guarded(self, access: Arc<Access>, metrics: Metrics) -> Guarded {
        let table: Arc<[Route]> = self.table.into();
        let guard = Arc::new(Guard { access, metrics, table: Arc::clone(&table) });
        let router = self
            .router
            .method_not_allowed_fallback(problem::method_not_allowed)
            .route_layer(from_fn_with_state(guard, pass))
            .fallback(problem::not_found);
        Guarded { router, table }
    }
}

/// Routes behind their guard: the only ones that are served.
#[derive(Clone)]
pub struct Guarded {
    router: Router,
    table: Arc<[Route]>,
}

impl Guarded {
    /// Every route there is.
    #[must_use]
    pub fn table(&self) -> &[Route] {
        &self.table
    }

    /// The service, to be called without a connection.
    pub fn into_router(self) -> Router {
        self.router
    }
}

struct Guard {
    access: Arc<Access>,
    metrics: Metrics,
    table: Arc<[Route]>,
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let path = matched.as_ref().map_or("other", MatchedPath::as_str);
    let method = method_label(request.method());
    let needs = guard.needs(method, path);
    let answer = guard.answer(needs, request, next).await;
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    let code = response.extensions().get::<ProblemCode>().map(|code| code.0);
    let route = format!("{method} {path}");
    guard.metrics.answered(route, response.status().as_u16(), code, started.elapsed());
    response
}

impl Guard {
    /// The entry of a route; none for a method it does not have.
    fn needs(&self, method: &str, path: &str) -> Option<Needs> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.table.iter().find(|route| route.method == method && route.path == path).map(|route| route.needs)
    }

    /// Lets a request through to its route, or says why not.
    async fn answer(&self, needs: Option<Needs>, mut request: Request, next: Next) -> Result<Response, DoorError> {
        if needs == Some(Needs::Nothing) {
            return Ok(next.run(request).await);
        }
        if needs == Some(Needs::KnownInTime) && may_show_later(request.headers()) {
            self.access.check_host(request.uri(), request.headers())?;
            return Ok(next.run(request).await);
        }
        let caller = self.access.caller(request.uri(), request.headers())?;
        match needs {
            Some(Needs::Caller(verb)) => caller.permit_verb(verb)?,
            Some(Needs::Topic(verb)) => match named_topic(&mut request).await {
                Some(topic) => caller.permit_named(verb, &topic)?,
                None => caller.permit_verb(verb)?,
            },
            // What has no entry is a method the route does not have, and is answered as such.
            Some(Needs::Known | Needs::KnownInTime | Needs::Nothing) | None => {}
        }
        request.extensions_mut().insert(caller.clone());
        let path = request.uri().path().to_owned();
        let response = next.run(request).await;
        let has_forgotten = matches!(needs, Some(Needs::Topic(_))) && !caller.has_asked();
        if has_forgotten && response.status().is_success() { Err(DoorError::NotAsked(path)) } else { Ok(response) }
    }
}

/// A WebSocket's request without a token. A browser can send no other.
fn may_show_later(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) && !headers.contains_key(AUTHORIZATION)
}

/// What the path says for `{topic}`.
async fn named_topic(request: &mut Request) -> Option<String> {
    let parameters = request.extract_parts::<RawPathParams>().await.ok()?;
    parameters.iter().find(|(name, _)| *name == "topic").map(|(_, topic)| topic.to_owned())
}

/// Methods as labels: a caller could make up any number of others.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
