//! Which media type an answer is given in (GraphQL over HTTP, "Accept"), and which one a request must be sent in.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

use super::GraphqlError;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status tells whether the request was one.
    Response,
    /// `application/json`, the older form: status 200 for every answer that GraphQL itself gives.
    Json,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// What the client prefers among what there is; plain JSON where it does not say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, GraphqlError> {
        let mut stated = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        if stated.peek().is_none() {
            return Ok(Self::Json);
        }
        let mut best: Option<(f32, Self)> = None;
        for (media, weight) in stated.flat_map(|value| value.split(',')).filter_map(range) {
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, media));
            }
        }
        best.map(|(_, media)| media).ok_or(GraphqlError::NotAcceptable)
    }
}

/// A media range that one of the forms fits, with its weight.
fn range(text: &str) -> Option<(Media, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/graphql-response+json" => Media::Response,
        "application/json" | "application/*" | "*/*" => Media::Json,
        _ => return None,
    };
    let weight = parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
    Some((media, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0))))
}

/// Refuses a body that is not sent as JSON. A page of another origin can make a browser send only other types unasked.
pub(super) fn check_sent(headers: &HeaderMap) -> Result<(), GraphqlError> {
    let mut stated = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (stated.next(), stated.next());
    let text = first.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, is_utf8) = crate::http::media_type(text);
    if second.is_none() && essence == "application/json" && is_utf8 {
        return Ok(());
    }
    let shown = if text.is_empty() { "no Content-Type".to_owned() } else { format!("Content-Type {:?}", cut(text)) };
    Err(GraphqlError::MediaType(shown))
}

/// 200 characters: enough to recognise what a caller chose.
fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expected: Option<Media>) {
        let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
        assert_eq!(Media::of(&headers).ok(), expected, "{accept}");
    }

    #[test]
    fn the_client_chooses_the_form() {
        assert_eq!(Media::of(&HeaderMap::new()), Ok(Media::Json));
        check("application/graphql-response+json", Some(Media::Response));
        check(
            "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
            Some(Media::Response),
        );
        check("application/json, application/graphql-response+json;q=0.9", Some(Media::Json));
        check("application/json;q=0.5, application/graphql-response+json;q=0.9", Some(Media::Response));
        check("text/html, */*;q=0.1", Some(Media::Json));
        for none in ["text/html", "", "application/json;q=0", "image/*"] {
            check(none, None);
        }
    }
}
