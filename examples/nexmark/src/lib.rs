//! NEXMark on Riverrun: the events, and the queries as apps. What each query is, its file says.

pub mod events;
pub mod running;

use std::path::PathBuf;

use riverrun::App;

/// The queries there are; `q5` is in `q5.yaml`.
pub const QUERIES: [&str; 3] = ["q0", "q1", "q2"];

/// Loads a query, with the transformers it names.
///
/// # Errors
/// [`riverrun::Error`] when its file cannot be loaded.
pub fn load(query: &str) -> Result<App, riverrun::Error> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), &format!("{query}.yaml")].iter().collect();
    Ok(App::load(path)?)
}
